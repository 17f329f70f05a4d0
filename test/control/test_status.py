"""The status of a server, and the numbers of its transactions."""

from pathlib import Path

from sipproxy import __version__
from sipproxy.control import Api
from sipproxy.control.calls import calls_resource
from sipproxy.control.rates import Rates
from sipproxy.control.status import Dependency, Served, Status
from sipproxy.control.transactions import transactions_resource
from sipproxy.control.version import version_resource
from sipproxy.simulation import Simulation, rings
from test.control.fixtures import ApiTestCase


class StatusTests(ApiTestCase):
    """A server on a network in memory."""

    def setUp(self) -> None:
        self.simulation = Simulation(Path(self.mktemp()))
        self.server = self.simulation.server("192.0.2.1", {"ProxyDomain": "example.com"})
        self.addCleanup(self.simulation.stop)
        self.dependency = Dependency("RADIUS", None, "")
        self.rates = Rates(self.server.sip.core, self.simulation.clock)
        self.rates.startService()
        self.addCleanup(self.rates.stopService)
        status = Status(
            self.server.sip,
            self.server.registry,
            self.server.logs,
            1000.5,
            self.rates,
            lambda: Served(self.server.generation, self.server.generation_since),
            lambda: [self.dependency],
        ).resource()
        table = self.server.sip.core.table
        self.api = Api([status, calls_resource(table), transactions_resource(table), version_resource()])

    def test_quiet(self) -> None:
        """A server that nobody uses is healthy, and has all that the document promises."""
        status, found = self.ask("GET", "/status")
        self.assertEqual((status, found["healthy"], found["state"]), (200, True, "serving"))
        self.assertEqual((found["version"], found["since"]), (__version__, 1000.5))
        self.assertEqual((found["pending"], found["registrations"]), (0, 0))
        up = {"name": "RADIUS", "state": "up", "since": None, "reason": "", "without": ""}
        self.assertEqual(found["dependencies"], [up])
        _, document = self.ask("GET", "/openapi.json")
        promised = document["paths"]["/v1/status"]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
        self.assertEqual(sorted(found), sorted(promised["required"]))
        self.assertEqual(
            sorted(found["listeners"][0]), sorted(promised["properties"]["listeners"]["items"]["required"])
        )

    def test_traffic(self) -> None:
        """Requests and calls are counted; how many a second had is told of the last minute."""
        alice = self.simulation.agent(b"sip:alice@example.com", "10.0.0.1", proxy="192.0.2.1")
        for _ in range(3):
            for call in [alice.invite(b"sip:nobody@example.com") for _ in range(4)]:
                self.simulation.run_until(lambda call=call: call.is_over)  # type: ignore[misc]
            self.simulation.run(10)
        found = self.ask("GET", "/status")[1]["traffic"]
        self.assertEqual((found["requests"], found["calls"]), (12, 12))
        self.assertTrue(0.35 <= found["calls_per_second"] <= 0.45, found)
        self.simulation.run(70)
        found = self.ask("GET", "/status")[1]["traffic"]
        self.assertEqual((found["calls"], found["calls_per_second"], found["requests_per_second"]), (12, 0, 0))

    def test_configuration(self) -> None:
        """It is told by which configuration the server serves, and since when."""
        began = self.simulation.clock.seconds()
        found = self.ask("GET", "/status")[1]["configuration"]
        self.assertEqual(found["generation"], 1)
        self.simulation.run(5)
        self.server.reload(self.server.composition.settings)
        found = self.ask("GET", "/status")[1]["configuration"]
        self.assertEqual(found, {"generation": 2, "since": began + 5})

    def test_call(self) -> None:
        """A call that rings is a pending request, with its transactions."""
        alice = self.simulation.agent(b"sip:alice@example.com", "10.0.0.1", proxy="192.0.2.1")
        bob = self.simulation.agent(b"sip:bob@example.com", "10.0.0.2", proxy="192.0.2.1")
        registration = bob.register()
        self.simulation.run_until(lambda: registration.is_over)
        bob.behaviour = rings
        began = self.simulation.clock.seconds()
        alice.invite(b"sip:bob@example.com")
        self.simulation.run(1)
        _, found = self.ask("GET", "/status")
        self.assertEqual((found["pending"], found["registrations"]), (1, 1))
        # That of the REGISTER still absorbs retransmissions.
        counts = {"server": 2, "client": 1, "limit": 200_000, "retransmissions": 0}
        self.assertEqual(found["transactions"], counts)
        self.assertEqual(self.ask("GET", "/transactions"), (200, counts))
        _, pending = self.ask("GET", "/calls")
        (call,) = pending["calls"]
        self.assertEqual(
            (call["method"], call["uri"], call["source"], pending["pending"]),
            ("INVITE", "sip:bob@example.com", "10.0.0.1:5060", 1),
        )
        self.assertEqual(call["next_hops"], ["10.0.0.2:5060"])
        self.assertEqual((call["from"].startswith("<sip:alice@"), call["to"]), (True, "<sip:bob@example.com>"))
        self.assertTrue(0 <= call["since"] - began < 1)
        for wanted, count in ((call["call_id"], 1), (call["call_id"][:2] + "*", 1), ("other", 0)):
            self.assertEqual(len(self.ask("GET", "/calls", call_id=wanted)[1]["calls"]), count)
        alice.invite(b"sip:bob@example.com")
        self.simulation.run(1)
        _, pending = self.ask("GET", "/calls", limit=1)
        self.assertEqual((pending["calls"], pending["pending"]), ([call], 2))

    def test_listeners(self) -> None:
        """Each place that is listened on is told with what came in there and was no good."""
        stranger = self.simulation.endpoint("stranger", "10.0.0.9")
        stranger.send(b"INVITE nonsense\r\n\r\n", ("192.0.2.1", 5060))
        self.simulation.run(1)
        _, found = self.ask("GET", "/status")
        (listener,) = found["listeners"]
        self.assertEqual((listener["address"], listener["malformed"], listener["denied"]), ("192.0.2.1:5060/udp", 1, 0))

    def test_away(self) -> None:
        """What is away is told, since when, why and what goes on without it, and the server is not healthy."""
        self.dependency = Dependency("RADIUS", 3000.0, "no answer", "calls go on")
        _, found = self.ask("GET", "/status")
        away = {"name": "RADIUS", "state": "away", "since": 3000.0, "reason": "no answer", "without": "calls go on"}
        self.assertEqual((found["healthy"], found["dependencies"]), (False, [away]))

    def test_unasked(self) -> None:
        """What nobody has asked yet is not told to be there, and is no reason not to be healthy."""
        self.dependency = Dependency("RADIUS", None, "", is_asked=False)
        _, found = self.ask("GET", "/status")
        self.assertEqual((found["healthy"], found["dependencies"][0]["state"]), (True, "unasked"))

    def test_stopping(self) -> None:
        """A server that takes no new calls says so."""
        self.server.sip.core.draining = True
        self.assertEqual(self.ask("GET", "/status")[1]["state"], "draining")
        self.server.sip.stopService()
        self.assertEqual(self.ask("GET", "/status")[1]["state"], "stopping")

    def test_version(self) -> None:
        """The release is told."""
        self.assertEqual(self.ask("GET", "/version"), (200, {"version": __version__}))
