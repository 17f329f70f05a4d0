"""A new configuration while the server runs: it is taken whole, calls in flight end by theirs."""

from typing import Any

from twisted.internet.defer import Deferred

from sipproxy.app import settings_of
from sipproxy.config import ConfigError
from sipproxy.directives import SERVER_ROOT
from sipproxy.simulation import answers, rings
from test.scenario.stage import PROXY, PROXY_ADDRESS, ScenarioTestCase


class ReloadTests(ScenarioTestCase):
    """A server whose bob moves from one telephone to another."""

    def setUp(self) -> None:
        """Start it with bob at his first telephone."""
        super().setUp()
        self.server = self.serve_bob("sip:bob@10.0.0.2")
        self.alices = self.alice()

    def settings(self, **values: Any) -> Any:
        """Read the configuration of the server with something changed."""
        usual = {
            "ServerRoot": str(self.server.composition.settings[SERVER_ROOT]),
            "Listen": f"{PROXY}:5060",
            "ServerName": PROXY,
            "RegistryDatabase": "memory",
            "RoutingDatabase": "memory",
            "NumbersDatabase": "memory",
            "ProxyDomain": "example.com",
        }
        return settings_of({**usual, **values})

    def test_new_calls(self) -> None:
        """The next call goes where the new configuration says; what cannot change is named."""
        first, second = self.callee(0), self.callee(1)
        settings = self.settings(StaticRegistration="bob@example.com sip:bob@10.0.0.3", DSCP="0")
        self.assertEqual(self.server.changes(settings), (["StaticRegistration"], ["DSCP"]))
        self.server.reload(settings)
        self.assertEqual(self.server.changes(settings), ([], ["DSCP"]))
        self.assertEqual(self.call_bob(self.alices).final, 200)
        self.assertEqual((len(first.calls), len(second.calls), self.server.generation), (0, 1, 2))

    def test_calls_in_flight(self) -> None:
        """A call that rings ends by the configuration that it began with, which is closed only then."""
        first = self.callee(0, answers(after=5.0))
        old = self.server.composition.service
        call = self.alices.invite(b"sip:bob@example.com")
        self.simulation.run(1)
        self.server.reload(self.settings(SIPServerMode="Redirect"))
        self.simulation.run(2)
        self.assertIs(old.parent, self.server)
        self.simulation.run(5)
        self.assertEqual((call.final, first.calls[0].final), (200, 200))
        self.assertIsNone(old.parent)

    def test_cancel_in_flight(self) -> None:
        """So does one that is given up."""
        first = self.callee(0, rings)
        call = self.alices.invite(b"sip:bob@example.com")
        self.simulation.run(1)
        self.server.reload(self.settings(StaticRegistration="bob@example.com sip:bob@10.0.0.3"))
        call.cancel()
        self.simulation.run(1)
        self.assertEqual((call.final, first.calls[0].final), (487, 487))

    def test_sources(self) -> None:
        """Who may send requests changes too."""
        self.server.reload(self.settings(DenyFrom="10.0.0.1"))
        self.assertEqual(self.call_bob(self.alices).final, 403)

    def test_wrong(self) -> None:
        """A configuration with errors is none: nothing changes."""
        self.assertRaises(ConfigError, self.settings, ForkingMode="Sometimes")
        self.assertEqual(self.server.generation, 1)

    def test_registrations_stay(self) -> None:
        """What is registered stays registered."""
        phone = self.simulation.endpoint("phone", "10.0.0.7")
        carol = b"<sip:carol@example.com>"
        phone.send(
            phone.make_request(b"REGISTER", b"sip:example.com", b"Contact: <sip:carol@10.0.0.7>", to=carol),
            PROXY_ADDRESS,
        )
        self.simulation.run(1)
        self.server.reload(self.settings())
        self.assertEqual(len(self.server.registry), 1)

    def test_many(self) -> None:
        """A hundred configurations one after the other leave one behind."""
        count = len(list(self.server))
        for _ in range(100):
            self.server.reload(self.settings())
        self.simulation.run(2)
        self.assertEqual((self.server.generation, len(list(self.server))), (101, count))

    def test_preview(self) -> None:
        """Which of the last calls would go elsewhere is told before."""
        self.callee(0)
        self.call_bob(self.alices)
        self.call_bob(self.alices)
        settings = self.settings(StaticRegistration="bob@example.com sip:bob@10.0.0.3")
        sent = len(self.simulation.network.transcript)
        seen = self.successResultOf(Deferred.fromCoroutine(self.server.preview(settings)))
        self.assertEqual((seen.calls, seen.differences, self.server.generation), (2, 2, 1))
        self.assertEqual(seen.told[0][2:], ("sip:bob@10.0.0.2 at 10.0.0.2:5060", "sip:bob@10.0.0.3 at 10.0.0.3:5060"))
        self.assertEqual(len(self.simulation.network.transcript), sent)

    def test_other_port(self) -> None:
        """Another Listen waits for the next start; until then we are who we were."""
        first = self.callee(0)
        settings = self.settings(Listen=f"{PROXY}:15060", StaticRegistration="bob@example.com sip:bob@10.0.0.2")
        self.assertEqual(self.server.changes(settings)[1], ["Listen"])
        self.server.reload(settings)
        call = self.alices.invite(b"sip:bob@192.0.2.1:5060")
        self.simulation.run_until(lambda: call.is_over)
        self.assertEqual((call.final, len(first.calls)), (200, 1))
