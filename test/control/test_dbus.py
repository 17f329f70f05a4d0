"""The server on a bus in memory: asked, heard, and without it."""

import json
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any, ClassVar
from xml.etree import ElementTree

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from sipproxy.control import Api
from sipproxy.control.dbus import LONGEST_PAUSE, LOOK_AGAIN, MOST_SIGNALS, PAUSE, DBusService
from sipproxy.control.dbus_connection import LONGEST, PATIENCE
from sipproxy.control.dbus_events import BusEvents, text
from sipproxy.control.dbus_interface import METHODS, MOST_CALLS, NAME, SIGNALS, ServerObject
from sipproxy.control.dbus_settings import (
    DBUS,
    SYSTEM_ADDRESS,
    BusAddressError,
    Place,
    TcpPlace,
    UnixPlace,
    parse_address,
    places,
)
from sipproxy.control.declarations import Arguments, ControlError, Field, Json, Operation, Resource
from sipproxy.databases.feed import Change
from sipproxy.message import Request, parse_message
from sipproxy.registrar.bindings import Binding
from test.control.fake_bus import FakeBus


class Asked:
    """A server that can be asked for little.

    @ivar backends: their states, by name
    @ivar waiting: questions that are not answered
    """

    def __init__(self) -> None:
        self.backends: dict[str, str] = {"registry": "up"}
        self.waiting: list[Deferred[Json]] = []
        anything = {"type": "object"}
        method = Field("method", {"type": "string"}, "It.", True)
        some = Field("limit", {"type": "integer", "maximum": 10}, "How many.")
        self.api = Api(
            (
                Resource("/status", (Operation("GET", "Tell.", self._status, anything),)),
                Resource("/registrations", (Operation("GET", "List.", dict, anything, query=(some,)),)),
                Resource("/drain", (Operation("POST", "Drain.", self._drain, anything, body=(_ON,)),)),
                Resource("/explain", (Operation("POST", "Explain.", self._explain, anything, body=(method,)),)),
            )
        )

    def _status(self, _: Arguments) -> Json:
        states = [{"name": name, "state": state, "reason": ""} for name, state in self.backends.items()]
        return {"dependencies": states, "since": None}

    def _drain(self, arguments: Arguments) -> Json:
        if not arguments["on"]:
            raise ControlError(409, "the server is ending")
        return {"draining": True}

    def _explain(self, _: Arguments) -> "Deferred[Json]":
        self.waiting.append(Deferred())
        return self.waiting[-1]


_ON = Field("on", {"type": "boolean"}, "Whether.")


class BusTestCase(SynchronousTestCase):
    """A service, its bus and its clock."""

    def setUp(self) -> None:
        self.bus, self.asked, self.clock, self.events = FakeBus(), Asked(), Clock(), BusEvents()
        self.places: list[Place] = [UnixPlace("/bus")]
        self.service = DBusService(lambda: self.places, lambda _: self.bus, self.asked.api, self.events, self.clock)

    def start(self) -> None:
        """Start it; it ends with the test, and leaves nothing."""
        self.service.startService()
        self.addCleanup(self.see_nothing_left)

    def see_nothing_left(self) -> None:
        """Stop it; no timer may be left."""
        if self.service.running:
            self.service.stopService()
        self.assertEqual([str(call) for call in self.clock.getDelayedCalls()], [])

    def heard(self) -> list[tuple[str, list[Any]]]:
        """Give the signals that were heard since the last time."""
        found, self.bus.heard = self.bus.heard, []
        return found


class AskingTests(BusTestCase):
    """Method calls."""

    def setUp(self) -> None:
        super().setUp()
        self.start()

    def test_answer(self) -> None:
        """The answer is the operation's JSON."""
        (answer,) = self.bus.ask("Status")
        self.assertEqual(json.loads(answer), self.asked._status({}))

    def test_fields(self) -> None:
        """Fields by name and arguments become those of the operation, in a query or a body."""
        self.assertEqual(self.bus.ask("Registrations", "a{sv}", [{"limit": 3}]), ['{"limit":3}'])
        self.assertEqual(self.bus.ask("Drain", "b", [True]), ['{"draining":true}'])

    def test_refusals(self) -> None:
        """A refusal is an error by the name of its code."""
        for member, signature, values, name, message in (
            ("Drain", "b", [False], "Conflict", "the server is ending"),
            ("Reload", "b", [True], "NotFound", "there is no /v1/reload"),
            ("ExplainCall", "s", ["x"], "MethodNotAllowed", "/v1/explain knows POST"),
            ("Registrations", "a{sv}", [{"limit": 11}], "BadRequest", "limit: expected a whole number to 10"),
        ):
            self.assertEqual(self.bus.ask(member, signature, values), (f"org.sipproxy.Error.{name}", message))

    def test_log(self) -> None:
        """What changes something is logged; what only asks is not. A fault of ours is in the log, not in the answer."""
        for member, signature, values in (("Status", "", ()), ("Drain", "b", (True,))):
            self.bus.ask(member, signature, values)
        self.asked.backends = None  # type: ignore[assignment]  # breaks the status
        answer = self.bus.ask("Status")
        self.assertEqual(answer, ("org.sipproxy.Error.InternalError", "a fault of the server, see its error log"))
        self.assertEqual(len(self.flushLoggedErrors(AttributeError)), 1)

    def test_others_do_not_wait(self) -> None:
        """A call that waits holds up no other; too many that wait are refused."""
        calls = [self.bus.call("Explain", "a{sv}", [{"method": "INVITE"}]) for _ in range(MOST_CALLS)]
        self.bus.give(*calls)
        self.assertEqual((len(self.asked.waiting), self.bus.answers), (MOST_CALLS, {}))
        refused = ("org.sipproxy.Error.Unavailable", f"{MOST_CALLS} calls wait for their answer already")
        self.assertEqual(self.bus.ask("Status"), refused)
        for number, waiting in enumerate(self.asked.waiting):
            waiting.callback({"number": number})
        self.assertEqual(
            [self.bus.answers[call.serial] for call in calls], [[f'{{"number":{at}}}'] for at in range(MOST_CALLS)]
        )
        self.assertEqual(len(self.bus.ask("Status")), 1)

    def test_pieces(self) -> None:
        """Calls are the same whole, octet by octet, and a thousand at once."""
        calls = [self.bus.call("Status") for _ in range(1001)]
        self.bus.give(*calls[1:])
        for octet in calls[0].rawMessage:
            self.bus.give(bytes((octet,)))
        self.assertEqual({call.serial for call in calls}, set(self.bus.answers))

    def test_unreadable(self) -> None:
        """A message that cannot be read is passed over."""
        call = self.bus.call("Drain", "b", [True])
        broken = call.rawMessage[:-4] + b"\x07\0\0\0"
        unknown = call.rawMessage[:1] + b"\x09" + call.rawMessage[2:]
        self.bus.give(broken, unknown)
        self.assertEqual(self.bus.attempts, 1)
        self.assertEqual(len(self.bus.ask("Status")), 1)

    def test_too_long(self) -> None:
        """A message that is too long is not waited for: the connection is another soon."""
        head = bytearray(self.bus.call("Status").rawMessage[:16])
        head[4:8] = LONGEST.to_bytes(4, "little")
        self.bus.give(bytes(head))
        self.assertEqual(self.service.away_reason, "the connection has ended")
        self.clock.advance(PAUSE)
        self.assertEqual((self.bus.attempts, len(self.bus.ask("Status"))), (2, 1))

    def test_description(self) -> None:
        """The description is XML with all that there is, and every signature is one of D-Bus."""
        (interface,) = ServerObject(self.asked.api).getInterfaces()
        root = ElementTree.fromstring(interface.introspectionXml)
        self.assertEqual([each.get("name") for each in root.findall("method")], [method.name for method in METHODS])
        self.assertEqual([each.get("name") for each in root.findall("signal")], [signal.name for signal in SIGNALS])
        for method in root.findall("method"):
            out = [each.get("type") for each in method.findall("arg") if each.get("direction") == "out"]
            self.assertEqual(out, ["s"])
        sentences = [each.get("value") for each in root.iter("annotation")]
        self.assertEqual(sentences, [each.sentence for each in (*METHODS, *SIGNALS)])


class TellingTests(BusTestCase):
    """Signals."""

    CALL: ClassVar = ["c1", "sip:alice@example.com", "sip:bob@example.com"]

    def setUp(self) -> None:
        super().setUp()
        self.start()

    def outcome(self, method: str, status: int | None, to_tag: str = "", **notes: str) -> Any:
        """Give a request that is done."""
        lines = [
            f"{method} sip:bob@192.0.2.9 SIP/2.0",
            "Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1",
            "From: <sip:alice@example.com>;tag=a",
            f"To: <sip:bob@example.com>{to_tag and ';tag=' + to_tag}",
            "Call-ID: c1",
            f"CSeq: 1 {method}",
            "Content-Length: 0",
            "",
            "",
        ]
        request = parse_message("\r\n".join(lines).encode())
        assert isinstance(request, Request)
        return SimpleNamespace(request=request, status=status, notes=notes)

    def test_registrations(self) -> None:
        """What an address of record has now is told, or that it has nothing."""
        bindings = (Binding(b"sip:alice@192.0.2.1"), Binding(b"sip:\xff@192.0.2.2"))
        self.events.changed(Change(1, b"alice@example.com", bindings))
        self.events.changed(Change(2, b"alice@example.com", ()))
        contacts = ["sip:alice@192.0.2.1", "sip:\\xff@192.0.2.2"]
        expected = [("Registered", ["alice@example.com", contacts]), ("Unregistered", ["alice@example.com"])]
        self.assertEqual(self.heard(), expected)

    def test_call(self) -> None:
        """A call is told when it is answered and when it is hung up, not while it rings."""
        hop = SimpleNamespace(host="192.0.2.9", port=5062)
        invite = self.outcome("INVITE", None)
        self.events.forwarded(invite, hop, b"sip:bob@192.0.2.9")
        self.assertEqual(self.heard(), [])
        self.events.answered(invite, hop, None)
        self.events.answered(invite, SimpleNamespace(host="2001:db8::1", port=5060), None)
        started = [("CallStarted", [*self.CALL, "sip:bob@192.0.2.9", place]) for place in
                   ("192.0.2.9:5062", "[2001:db8::1]:5060")]  # fmt: skip
        self.assertEqual(self.heard(), started)
        self.events.finished(self.outcome("INVITE", 200))
        self.events.finished(self.outcome("BYE", 200, "b", **{"next-hop": "192.0.2.9:5062"}))
        self.assertEqual(self.heard(), [("CallEnded", [*self.CALL, 200])])

    def test_ends(self) -> None:
        """What is refused has ended; challenges, redirections, requests within a call and others are no ends."""
        passed = {"next-hop": "192.0.2.9:5060"}
        for method, status, tag, notes, told in (
            ("INVITE", 486, "", {}, [486]),
            ("INVITE", 407, "", {}, []),
            ("INVITE", 302, "", {}, []),
            ("INVITE", None, "", {}, []),
            ("INVITE", 488, "b", {}, []),
            ("BYE", 407, "b", passed, []),
            ("BYE", 481, "b", passed, [200]),
            ("BYE", 404, "b", {}, []),
            ("OPTIONS", 404, "", {}, []),
        ):
            self.events.finished(self.outcome(method, status, tag, **notes))
            self.assertEqual([values[3] for _, values in self.heard()], told, (method, status))

    def test_backends(self) -> None:
        """A backend whose state changes is told at the next look; what was so before is not."""
        self.asked.backends["RADIUS"] = "away"
        self.clock.advance(LOOK_AGAIN)
        self.assertEqual(self.heard(), [("BackendChanged", ["RADIUS", "away", ""])])
        self.clock.pump([LOOK_AGAIN] * 3)
        self.assertEqual(self.heard(), [])
        self.asked.backends["RADIUS"] = "up"
        self.clock.advance(LOOK_AGAIN)
        self.assertEqual(self.heard(), [("BackendChanged", ["RADIUS", "up", ""])])

    def test_too_many(self) -> None:
        """What is too much for one second is not sent, and how much that was is told."""
        for number in range(MOST_SIGNALS + 5):
            self.events.emit("Unregistered", str(number))
        self.assertEqual(len(self.heard()), MOST_SIGNALS)
        self.clock.advance(LOOK_AGAIN)
        self.assertEqual(self.heard(), [("Lost", [5])])
        self.events.emit("Unregistered", "next")
        self.assertEqual(len(self.heard()), 1)

    def test_bus_that_does_not_read(self) -> None:
        """What the bus does not read is not piled up."""
        wire = self.bus.wire
        assert wire is not None
        producer: Any = wire.producer
        producer.pauseProducing()
        self.events.emit("Unregistered", "a")
        self.clock.advance(LOOK_AGAIN)
        self.assertEqual(self.heard(), [])
        producer.resumeProducing()
        self.clock.advance(LOOK_AGAIN)
        self.assertEqual(self.heard(), [("Lost", [1])])

    def test_signatures(self) -> None:
        """Every signal can be sent with what it says that it has."""
        examples: dict[str, object] = {"s": "x", "as": ["x", "y"], "q": 65535, "u": 2**32 - 1}
        for signal in SIGNALS:
            values = [examples[argument.signature] for argument in signal.arguments]
            self.events.emit(signal.name, *values)
            self.assertEqual(self.heard(), [(signal.name, values)])

    @given(st.one_of(st.binary(), st.text(), st.text(st.characters(min_codepoint=0xDC80, max_codepoint=0xDCFF))))
    def test_any_text(self, value: bytes | str) -> None:
        """Whatever a stranger sends as a name can be told."""
        self.events.emit("Unregistered", text(value))
        self.clock.advance(1.5)
        ((_, (told,)),) = self.heard()
        self.assertNotIn("\0", told)


class AwayTests(BusTestCase):
    """Without a bus, or with a bad one."""

    def test_nowhere(self) -> None:
        """Before there is a bus nothing is told, and nobody minds."""
        self.events.changed(Change(1, b"alice@example.com", ()))
        self.assertIsNone(self.service.away_since)

    def test_pauses(self) -> None:
        """A bus that is away is tried again after pauses that grow up to a bound; then they are short again."""
        self.bus.is_there = False
        self.start()
        self.assertIn("nobody there", self.service.away_reason)
        since, last = self.service.away_since, 0.0
        pauses: list[float] = []
        while len(pauses) < 9:
            seen = self.bus.attempts
            self.clock.advance(0.5)
            if self.bus.attempts > seen:
                pauses.append(self.clock.seconds() - last)
                last = self.clock.seconds()
        self.assertEqual(pauses, [1, 2, 4, 8, 16, 32, LONGEST_PAUSE, LONGEST_PAUSE, LONGEST_PAUSE])
        self.assertEqual(self.service.away_since, since)
        self.bus.is_there = True
        self.clock.advance(LONGEST_PAUSE)
        self.assertEqual((self.service.away_since, self.service.away_reason), (None, ""))
        self.bus.lose()
        self.clock.advance(PAUSE)
        self.assertEqual(len(self.bus.ask("Status")), 1)

    def test_changed_meanwhile(self) -> None:
        """What changed while there was no bus is no news on the new one."""
        self.start()
        self.bus.lose()
        self.asked.backends["RADIUS"] = "away"
        self.clock.advance(PAUSE)
        self.clock.advance(LOOK_AGAIN)
        self.assertEqual(self.heard(), [])

    def test_silent(self) -> None:
        """A bus that says nothing, to begin with or when it is asked for a name, is given up."""
        self.bus.speaks = False
        self.start()
        self.clock.advance(PATIENCE)
        self.assertEqual((self.service.away_reason, self.bus.wire), (f"no answer to AUTH within {PATIENCE:g} s", None))

    def test_name(self) -> None:
        """A name that is another's, or forbidden, is the reason that is told; it is tried again."""
        self.bus.name_reply = 3
        self.start()
        self.assertEqual((self.service.away_reason, self.bus.wire), (f"the name {NAME} is another's", None))
        self.bus.name_reply = "org.freedesktop.DBus.Error.AccessDenied"
        self.clock.advance(PAUSE)
        self.assertEqual(self.service.away_reason, "org.freedesktop.DBus.Error.AccessDenied: not you")

    def test_places(self) -> None:
        """All places are tried in order; where there is none to try, that is the reason."""
        tried: list[Place] = []

        def endpoint(place: Place) -> FakeBus:
            tried.append(place)
            return self.bus

        self.places = [UnixPlace("/a"), TcpPlace("127.0.0.1", 1)]
        self.bus.is_there = False
        service = DBusService(lambda: self.places, endpoint, self.asked.api, self.events, self.clock)
        service.startService()
        self.assertEqual(tried, self.places)
        service.stopService()
        self.assertEqual(self.clock.getDelayedCalls(), [])

        def nowhere() -> Sequence[Place]:
            raise BusAddressError("nobody says where")

        service = DBusService(nowhere, endpoint, self.asked.api, self.events, self.clock)
        service.startService()
        self.assertEqual(service.away_reason, "nobody says where")
        service.stopService()

    def test_stop(self) -> None:
        """It ends while it is on the bus, while it knocks, and while it waits, and leaves nothing."""
        self.start()
        ended = self.service.stopService()
        assert ended is not None
        self.successResultOf(ended)
        self.assertEqual((self.clock.getDelayedCalls(), self.bus.wire), ([], None))
        self.bus.speaks = False
        self.service.startService()
        self.service.stopService()
        self.assertEqual((self.clock.getDelayedCalls(), self.bus.wire), ([], None))
        self.bus.is_there = False
        self.service.startService()


class SettingsTests(SynchronousTestCase):
    """The directive DBus."""

    def value(self, word: str) -> str | None:
        """Read it."""
        return DBUS.kind.parse((word,))

    def test_values(self) -> None:
        """Two words and addresses are right; what leads to no bus is not."""
        self.assertEqual((DBUS.default, self.value("System"), self.value("session")), (None, "system", "session"))
        for word in (
            "unix:path=/a/b",
            "unix:abstract=x",
            "tcp:host=127.0.0.1,port=99,family=ipv4",
            "unix:path=/a;unix:path=/b",
        ):
            self.assertEqual(self.value(word), word)
        wrong = [" ", "bus", "unix:", "unix:path=", "unix:path=/a b", "unix:path=%00", "unix:path=%ff", "autolaunch:"]
        for word in (*wrong, ";", "unix:path=/a;nonsense", "tcp:host=x", "tcp:host=x,port=0", "tcp:host=x,port=70000"):
            with self.assertRaises(ValueError, msg=word):
                self.value(word)

    def test_addresses(self) -> None:
        """An address is a list of places, in which %XX stands for an octet."""
        found = parse_address("unix:path=/a%20%c3%bc,guid=00;unix:abstract=x;tcp:host=%3a%3a1,port=9")
        self.assertEqual(found, (UnixPlace("/a ü"), UnixPlace("\0x"), TcpPlace("::1", 9)))

    def test_places(self) -> None:
        """The environment says where the system's and the session's bus are, else the usual places."""
        system, session = "DBUS_SYSTEM_BUS_ADDRESS", "DBUS_SESSION_BUS_ADDRESS"
        for bus, environ, expected in (
            ("system", {}, SYSTEM_ADDRESS),
            ("system", {system: "unix:path=/x"}, "unix:path=/x"),
            ("session", {session: "unix:path=/y", "XDG_RUNTIME_DIR": "/z"}, "unix:path=/y"),
            ("session", {"XDG_RUNTIME_DIR": "/run/user/1"}, "unix:path=/run/user/1/bus"),
            ("unix:path=/w", {system: "unix:path=/x"}, "unix:path=/w"),
        ):
            self.assertEqual(places(bus, environ), parse_address(expected))
        self.assertRaises(BusAddressError, places, "session", {})
        self.assertRaises(BusAddressError, places, "session", {session: "launchd:env=X"})
