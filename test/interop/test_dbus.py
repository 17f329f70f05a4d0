"""The server on a real bus, asked and heard by busctl, gdbus and dbus-send."""

import json
import re
from typing import Any

from twisted.internet.defer import Deferred
from twisted.trial.unittest import TestCase

from sipproxy import __version__
from sipproxy.control import Api
from sipproxy.control.dbus import DBusService, dbus_service
from sipproxy.control.dbus_events import BusEvents
from sipproxy.control.dbus_interface import METHODS, NAME, PATH, SIGNALS
from sipproxy.control.drain import drain_resource
from sipproxy.control.explain import explain_resource
from sipproxy.control.rates import Rates
from sipproxy.control.reload import reload_resource
from sipproxy.control.status import Dependency, Served, Status
from sipproxy.oversight import registrations_resource
from test.interop.dbus import Bus
from test.interop.embedded import Embedded, aside, the_reactor, until
from test.interop.harness import Process, program
from test.interop.proxy import Proxy
from test.interop.sipp import Sipp, register_service
from test.interop.telephone import Telephone, host_port

_CALL = ("call", NAME, PATH, NAME)


class DBusTests(TestCase):
    """One server on one bus."""

    timeout = 40

    async def setUp(self) -> None:  # type: ignore[override]  # trial takes a coroutine too
        program("busctl", "systemd")
        self.events = BusEvents()
        self.embedded = Embedded(self, [self.events])
        self.bus = Bus(self, self.embedded.folder)
        self.away = Dependency("RADIUS 192.0.2.1", None, "")
        self.service = self.open()
        self.embedded.start()
        await self.joined()

    def open(self) -> DBusService:
        """Put the server on the bus, with the operations that it has there."""
        server, reactor = self.embedded.server, the_reactor()
        core, settings = server.sip.core, server.composition.settings
        status = Status(
            server.sip,
            server.registry,
            server.logs,
            reactor.seconds(),
            Rates(server.sip.core, reactor),
            lambda: Served(1, 0.0),
            lambda: [self.away],
        )
        resources = (
            status.resource(),
            explain_resource(core),
            reload_resource(server, lambda: settings),
            drain_resource(server.sip),
            registrations_resource(settings, server.registry, core.generation.identity, reactor.seconds),
        )
        service = dbus_service(self.bus.address, Api(resources), self.events, reactor, {})
        server.registry.subscribe(self.events.changed)
        core.call_observers = (self.events,)
        self.embedded.add(service)
        return service

    async def joined(self) -> None:
        """Wait until the server is on the bus."""
        while (await self.bus.busctl("status", NAME))[2]:
            pass

    async def ask(self, *words: str) -> Any:
        """Call a method by busctl, and give the JSON of the answer."""
        printed, complaints, status = await self.bus.busctl("--json=short", *_CALL, *words)
        self.assertEqual((complaints, status), ("", 0))
        return json.loads(json.loads(printed)["data"][0])

    def telephone(self, name: str) -> Telephone:
        """Give one that is registered."""
        telephone = Telephone(self, self.embedded.address, name)
        assert telephone.register().status == 200
        return telephone

    # Asking.

    async def test_status(self) -> None:
        """All three clients get the status."""
        found = await self.ask("Status")
        self.assertEqual((found["version"], found["state"], found["healthy"]), (__version__, "serving", True))
        printed, complaints, status = await self.bus.gdbus(
            "call", f"--dest={NAME}", f"--object-path={PATH}", f"--method={NAME}.Status"
        )
        self.assertEqual((complaints, status, printed[:3]), ("", 0, "('{"))
        printed, complaints, status = await self.bus.dbus_send(f"--dest={NAME}", PATH, f"{NAME}.Status")
        self.assertEqual((complaints, status), ("", 0))
        self.assertEqual(json.loads(printed)["version"], __version__)

    async def test_registrations(self) -> None:
        """Fields by name choose what is listed."""
        await aside(self.telephone, "alice")
        await aside(self.telephone, "bob")
        found = await self.ask("Registrations", "a{sv}", "2", "aor", "s", "ali*", "limit", "i", "10")
        self.assertEqual([each["aor"] for each in found["registrations"]], ["alice@example.test"])
        found = await self.ask("Registrations", "a{sv}", "0")
        self.assertEqual(len(found["registrations"]), 2)

    async def test_explain(self) -> None:
        """A request is taken through the server, and a call that was is told of."""
        alice = await aside(self.telephone, "alice")
        found = await self.ask(
            "Explain", "a{sv}", "2", "method", "s", "INVITE", "uri", "s", f"sip:alice@{alice.domain}"
        )
        self.assertEqual(found["targets"][0]["origin"], "mod_sip_registry")
        refusal = await aside(alice.ask, "INVITE", f"sip:nobody@{alice.domain}")
        found = await self.ask("ExplainCall", "s", refusal["call-id"])
        self.assertEqual([call["status"] for call in found["calls"]], [404])

    async def test_changes(self) -> None:
        """Reload and drain do what they do elsewhere, and are in the log."""
        found = await self.ask("Reload", "b", "true")
        self.assertEqual((found["generation"], found["changed"]), (1, []))
        before = self.embedded.server.composition
        self.assertEqual((await self.ask("Reload", "b", "false"))["generation"], 2)
        await until(lambda: before.service.parent is None)
        self.assertEqual(await self.ask("Drain", "b", "true"), {"draining": True, "pending": 0})
        alice = await aside(self.telephone, "alice")
        refusal = await aside(alice.ask, "INVITE", f"sip:alice@{alice.domain}")
        self.assertEqual(refusal.status, 503)
        self.assertEqual((await self.ask("Drain", "b", "false"))["draining"], False)
        self.assertRegex(self.embedded.error_log(), r"D-Bus Drain of :1\.\d+: 200")

    async def test_refusals(self) -> None:
        """What is wrong is an error with a name and a message; what is no method at all is the bus's own error."""
        cases = {
            ("Explain", "a{sv}", "0"): "method is missing",
            ("Explain", "a{sv}", "1", "methud", "s", "x"): "'methud' is not known here",
            ("Registrations", "a{sv}", "1", "limit", "i", "0"): "limit: expected a whole number from 1",
            ("Registrations", "a{sv}", "1", "limit", "d", "nan"): "limit: expected a whole number from 1",
            ("Explain", "a{sv}", "1", "method", "as", "1", "x"): "method: expected text",
            ("Reload", "s", "yes"): "Call to Reload has wrong args (s, expected b)",
            ("Nonsense",): 'Method "Nonsense" with signature ""',
        }
        for words, message in cases.items():
            printed, complaints, status = await self.bus.busctl(*_CALL, *words)
            self.assertEqual((printed, status), ("", 1), words)
            self.assertIn(message, complaints)
        _, complaints, _ = await self.bus.gdbus(
            "call", f"--dest={NAME}", f"--object-path={PATH}", f"--method={NAME}.Explain", "{}"
        )
        self.assertIn("GDBus.Error:org.sipproxy.Error.BadRequest: method is missing", complaints)
        await self.ask("Status")

    async def test_introspection(self) -> None:
        """Who looks is told methods and signals with names, types and sentences."""
        printed, complaints, status = await self.bus.gdbus("introspect", f"--dest={NAME}", f"--object-path={PATH}")
        self.assertEqual((complaints, status), ("", 0))
        text = " ".join(printed.split())
        for method in METHODS:
            arguments = ", ".join([*(f"in {each.signature} {each.name}" for each in method.arguments), "out s answer"])
            self.assertIn(f"{method.name}({arguments});", text)
        for signal in SIGNALS:
            self.assertIn(
                f"{signal.name}({', '.join(f'{each.signature} {each.name}' for each in signal.arguments)});", text
            )
        printed, _, _ = await self.bus.busctl("call", NAME, PATH, "org.freedesktop.DBus.Introspectable", "Introspect")
        self.assertIn("Take no new calls, or take them again.", printed)

    async def test_hostile(self) -> None:
        """Messages that are odd, long or many do no harm, and nobody waits for others."""
        long = "x" * 100_000
        _, complaints, _ = await self.bus.busctl(*_CALL, "Explain", "a{sv}", "1", "uri", "s", long)
        self.assertIn("uri: expected text", complaints)
        deep = "v" * 60
        _, complaints, _ = await self.bus.busctl(*_CALL, "Explain", "a{sv}", "1", "uri", f"{deep}i", "1")
        self.assertNotIn("x" * 1000, self.embedded.error_log())
        asked = [self.ask("Status") for _ in range(20)]
        for each in [Deferred.fromCoroutine(one) for one in asked]:
            self.assertEqual((await each)["state"], "serving")
        self.assertNotIn("Traceback", self.embedded.error_log())

    # Telling.

    def listen(self) -> Process:
        """Hear all signals, by gdbus."""
        # Its output is held back where it is no terminal.
        command = ["stdbuf", "-oL", program("gdbus", "libglib2.0-bin"), "monitor", f"--address={self.bus.address}"]
        return Process(self, [*command, f"--dest={NAME}"], self.embedded.folder, "monitor")

    async def test_signals(self) -> None:
        """Registrations and calls are heard as they happen."""
        monitor = self.listen()
        await until(lambda: "is owned by" in monitor.text())
        alice = await aside(self.telephone, "alice")
        await until(lambda: ".Registered ('alice@example.test', ['sip:alice@" in monitor.text())
        refusal = await aside(alice.ask, "INVITE", f"sip:nobody@{alice.domain}")
        self.assertEqual(refusal.status, 404)
        await until(lambda: f".CallEnded ('{refusal['call-id']}', " in monitor.text())
        self.assertIn("uint16 404)", monitor.text())
        self.away = Dependency("RADIUS 192.0.2.1", 5.0, "no answer")
        await until(lambda: ".BackendChanged ('RADIUS 192.0.2.1', 'away', 'no answer')" in monitor.text())

    async def test_call(self) -> None:
        """A call that is answered and hung up is told from its start to its end."""
        monitor = self.listen()
        await until(lambda: "is owned by" in monitor.text())
        await aside(self.talk)
        await until(lambda: ".CallEnded (" in monitor.text())
        lines = [line for line in monitor.text().splitlines() if ".Call" in line]
        self.assertEqual([line.split(" (")[0].rpartition(".")[2] for line in lines], ["CallStarted", "CallEnded"])
        self.assertIn("uint16 200)", lines[1])

    def talk(self) -> None:
        """Make a call with SIPp, and let it be hung up."""
        called = Sipp(self, "builtin:uas", 1)
        register_service(self, self.embedded.address, host_port(called.address))
        caller = Sipp(self, "builtin:uac", 1, self.embedded.address)
        caller.see_success()
        called.see_success()

    # The bus goes.

    async def test_bus_gone(self) -> None:
        """Without the bus calls go on, the service says why; once it is there again so is the server."""
        self.bus.stop()
        await until(lambda: self.service.away_since is not None)
        await aside(self.telephone, "alice")
        self.assertEqual(self.service.away_reason, "the connection has ended")
        await until(lambda: self.service.away_reason != "the connection has ended")
        self.bus.start()
        await until(lambda: self.service.away_since is None)
        await self.joined()
        self.assertEqual((await self.ask("Status"))["registrations"], 1)
        log = self.embedded.error_log()
        self.assertEqual(log.count("the bus of D-Bus is away"), 1)
        self.assertEqual(log.count("the bus of D-Bus is there again"), 1)

    async def test_bus_frozen(self) -> None:
        """A bus that reads nothing holds nobody up, and what waits for it has a bound."""
        self.bus.freeze()
        for _ in range(100):
            self.service._second = 0.0  # as if each round were a second of its own
            for number in range(200):
                self.service.emit("Unregistered", f"{number}@example.test" * 10)
        await aside(self.telephone, "alice")
        self.assertGreater(self.service.lost, 10_000)
        self.bus.thaw()
        await until(lambda: self.service.lost == 0)
        self.assertEqual((await self.ask("Status"))["state"], "serving")

    async def test_name_taken(self) -> None:
        """Where another has the name the server is not on the bus, and says so."""
        other = dbus_service(self.bus.address, Api([]), BusEvents(), the_reactor(), {})
        other.startService()
        self.addCleanup(other.stopService)
        await until(lambda: other.away_since is not None)
        self.assertEqual(other.away_reason, f"the name {NAME} is another's")

    async def test_stop(self) -> None:
        """With the server its name goes, and nothing is left."""
        await self.service.disownServiceParent()
        while not (await self.bus.busctl("status", NAME))[2]:
            pass


class RefusedTests(TestCase):
    """A bus that does not let us be what we want."""

    timeout = 20

    async def test_policy(self) -> None:
        """Where its policy forbids the name that is the reason that is told."""
        embedded = Embedded(self)
        bus = Bus(self, embedded.folder, f'<policy context="mandatory"><deny own="{NAME}"/></policy>')
        service = dbus_service(bus.address, Api([]), BusEvents(), the_reactor(), {})
        embedded.add(service)
        embedded.start()
        await until(lambda: service.away_since is not None)
        self.assertIn("org.freedesktop.DBus.Error.AccessDenied", service.away_reason)


class WholeTests(TestCase):
    """The server as its operator runs it."""

    timeout = 60

    async def test_directive(self) -> None:
        """DBus names the bus: the server is on it, tells of calls there, and of the bus in its status."""
        proxy = Proxy(self, "AddRecordRoute On")
        bus = Bus(self, proxy.folder)
        proxy.configure(f"AddRecordRoute On\nDBus {bus.address}")
        await aside(proxy.start)
        while (await bus.busctl("status", NAME))[2]:
            pass
        command = ["stdbuf", "-oL", program("gdbus", "libglib2.0-bin"), "monitor", f"--address={bus.address}"]
        monitor = Process(self, [*command, f"--dest={NAME}"], proxy.folder, "monitor")
        await until(lambda: "is owned by" in monitor.text())

        def talk() -> None:
            called = Sipp(self, "uas", 1)
            register_service(self, proxy.address, host_port(called.address))
            caller = Sipp(self, "uac", 1, proxy.address)
            caller.see_success()
            called.see_success()

        await aside(talk)
        await until(lambda: ".CallEnded (" in monitor.text())
        told = re.findall(r"Server1\.(\w+) \(", monitor.text())
        self.assertEqual(told, ["Registered", "CallStarted", "CallEnded"])
        printed, _, status = await bus.busctl("--json=short", *_CALL, "Status")
        self.assertEqual(status, 0)
        found = json.loads(json.loads(printed)["data"][0])
        states = {each["name"]: each["state"] for each in found["dependencies"]}
        self.assertEqual((states["D-Bus"], states["DNS"]), ("up", "unasked"))
        await aside(proxy.stop)
        proxy.see_no_complaint()
