"""A server that takes no new calls, and takes them again."""

from pathlib import Path

from sipproxy.control import Api
from sipproxy.control.drain import drain_resource
from sipproxy.simulation import Simulation, rings
from test.control.fixtures import ApiTestCase


class DrainTests(ApiTestCase):
    """A server on a network in memory."""

    def setUp(self) -> None:
        self.simulation = Simulation(Path(self.mktemp()))
        self.server = self.simulation.server("192.0.2.1", {"ProxyDomain": "example.com"})
        self.addCleanup(self.simulation.stop)
        self.api = Api([drain_resource(self.server.sip)])
        self.alice = self.simulation.agent(b"sip:alice@example.com", "10.0.0.1", proxy="192.0.2.1")
        self.bob = self.simulation.agent(b"sip:bob@example.com", "10.0.0.2", proxy="192.0.2.1")
        self.register()

    def register(self) -> None:
        """Let bob register."""
        registration = self.bob.register()
        self.simulation.run_until(lambda: registration.is_over)
        self.assertEqual(registration.final, 200)

    def call(self) -> int | None:
        """Call bob, and give the final status."""
        call = self.alice.invite(b"sip:bob@example.com")
        self.simulation.run_until(lambda: call.is_over)
        return call.final

    def test_drain(self) -> None:
        """New calls are refused, registrations are not; until it is taken back."""
        self.assertEqual(self.ask("GET", "/drain"), (200, {"draining": False, "pending": 0}))
        self.assertEqual(self.call(), 200)
        self.assertEqual(self.ask("POST", "/drain", {}), (200, {"draining": True, "pending": 0}))
        self.assertEqual(self.call(), 503)
        self.register()
        self.assertEqual(self.ask("POST", "/drain", {"on": True})[1]["draining"], True)
        self.assertEqual(self.ask("POST", "/drain", {"on": False})[1]["draining"], False)
        self.assertEqual(self.call(), 200)

    def test_options(self) -> None:
        """OPTIONS to the server, by which others look whether it lives, are refused too; those to users pass."""
        for on, expected in ((True, (503, 200)), (False, (200, 200))):
            self.assertEqual(self.ask("POST", "/drain", {"on": on})[0], 200)
            asked = [self.alice.request(b"OPTIONS", uri) for uri in (b"sip:example.com", b"sip:bob@example.com")]
            self.simulation.run_until(lambda asked=asked: all(each.is_over for each in asked))  # type: ignore[misc]
            self.assertEqual(tuple(each.final for each in asked), expected)

    def test_calls_go_on(self) -> None:
        """A call that rings as it begins is counted, and rings on."""
        self.bob.behaviour = rings
        call = self.alice.invite(b"sip:bob@example.com")
        self.simulation.run(1)
        self.assertEqual(self.ask("POST", "/drain", {}), (200, {"draining": True, "pending": 1}))
        self.simulation.run(5)
        self.assertFalse(call.is_over)

    def test_ending(self) -> None:
        """A server that ends does not take calls again."""
        self.server.sip.stopService()
        self.assertEqual(self.refused("POST", "/drain", {"on": False}), (409, "the server is ending"))
        self.assertEqual(self.ask("GET", "/drain")[1]["draining"], True)
