"""Routing through the whole server: static routes, services in the DNS, the health of gateways (RFC 3263)."""

from typing import Any

from twisted.names import dns

from sipproxy.databases.routes import StaticRoute
from sipproxy.simulation import Behaviour, UserAgent, answers, rejects, says_trying
from test.scenario.stage import PROXY, ScenarioTestCase


class RoutingTestCase(ScenarioTestCase):
    """Gateways at 10.0.1.1, 10.0.1.2, ..."""

    def gateway(self, number: int, behaviour: Behaviour | None = None, port: int = 5060) -> UserAgent:
        """Switch a gateway on."""
        agent = self.simulation.agent(b"sip:gw%d@gw.example" % number, f"10.0.1.{number}", port=port)
        agent.behaviour = behaviour or answers()
        return agent

    def dial(self, uri: bytes) -> int | None:
        """Call, and give the final status."""
        call = self.caller.invite(uri)
        self.simulation.run_until(lambda: call.is_over)
        return call.final

    def start(self, *routes: StaticRoute, **directives: Any) -> None:
        """Start the server with routes in its routing database."""
        self.server = self.serve(**directives)
        self.simulation.run(0.1)
        for each in routes:
            self.successResultOf(self.server.parts.routes.add(each))
        self.caller = self.alice()

    def e164(self, pattern: str, hop: str, **fields: object) -> StaticRoute:
        """Make a route for numbers."""
        usual = {"port": 5060, "priority": 1, "weight": 1, "transport": "udp", "rewrite": "", "origin": "database"}
        return StaticRoute(kind="E164", pattern=pattern, next_hop=hop, **{**usual, **fields})  # type: ignore[arg-type]


class StaticTests(RoutingTestCase):
    """Numbers at our own host."""

    def test_most_specific(self) -> None:
        """The most specific pattern, after expansion; the Request-URI keeps our domain."""
        self.start(
            self.e164("1408.......", "10.0.1.1"), self.e164("14085551...", "10.0.1.2"), NumExpand="5.... 1408555...."
        )
        first, second = self.gateway(1), self.gateway(2)
        self.assertEqual(self.dial(b"sip:51234@example.com"), 200)
        self.assertEqual((len(first.calls), second.calls[0].request.uri), (0, b"sip:14085551234@example.com"))
        self.assertEqual(self.dial(b"tel:+1-408-555-9999"), 200)
        self.assertEqual(first.calls[0].request.uri, b"sip:+14085559999@example.com;user=phone")
        self.assertEqual(self.dial(b"sip:2125551234@example.com"), 404)

    def test_rewrite(self) -> None:
        """A rewrite changes the user part for that next hop only; the alternate has the number as it was."""
        self.start(
            self.e164("1408.......", "10.0.1.1", rewrite="9......."),
            self.e164("1408.......", "10.0.1.2", priority=2),
        )
        first, second = self.gateway(1, rejects(503)), self.gateway(2)
        self.assertEqual(self.dial(b"sip:14085551234@example.com"), 200)
        self.assertEqual(first.calls[0].request.uri, b"sip:95551234@example.com")
        self.assertEqual(second.calls[0].request.uri, b"sip:14085551234@example.com")

    def test_redirect(self) -> None:
        """A redirect server names the next hop, with the rewritten number."""
        self.start(self.e164("1408.......", "10.0.1.1", rewrite="9......."), SIPServerMode="Redirect")
        call = self.caller.invite(b"sip:14085551234@example.com")
        self.simulation.run(1)
        self.assertEqual((call.final, call.responses[-1].values("contact")), (302, [b"<sip:95551234@10.0.1.1:5060>"]))

    def test_redirect_to_alternates(self) -> None:
        """A redirect server tells by q in which order the next hops are to be tried."""
        number = "14085551234"
        self.start(self.e164(number, "10.0.1.1", priority=2), self.e164(number, "10.0.1.2"), SIPServerMode="Redirect")
        call = self.caller.invite(b"sip:14085551234@example.com")
        self.simulation.run(1)
        self.assertEqual(
            (call.final, call.responses[-1].values("contact")),
            (300, [b"<sip:14085551234@10.0.1.2:5060>;q=1", b"<sip:14085551234@10.0.1.1:5060>;q=0.999"]),
        )

    def test_weights(self) -> None:
        """Routes of one priority share the calls by weight; one of weight 0 is for when the others fail."""
        self.start(
            self.e164("1.......", "10.0.1.1", weight=3),
            self.e164("1.......", "10.0.1.2", weight=1),
            self.e164("1.......", "10.0.1.3", weight=0),
        )
        gateways = [self.gateway(number) for number in (1, 2, 3)]
        for _ in range(100):
            self.dial(b"sip:15551234@example.com")
        counts = [len(gateway.calls) for gateway in gateways]
        self.assertTrue(60 <= counts[0] <= 90 and counts[0] + counts[1] == 100, counts)

    def test_changes_at_once(self) -> None:
        """A route that is deleted is gone for the next call."""
        self.start(self.e164("1.......", "10.0.1.1"))
        self.gateway(1)
        self.assertEqual(self.dial(b"sip:15551234@example.com"), 200)
        self.successResultOf(self.server.parts.routes.delete(lambda index: list(index)))
        self.assertEqual(self.dial(b"sip:15551234@example.com"), 404)

    def test_service_of_next_hop(self) -> None:
        """A route without a port: SRV of the next hop by priority, and then its address."""
        self.start(self.e164("1.......", "gw.example", port=0))
        self.simulation.names.records["_sip._udp.gw.example", dns.SRV] = [
            dns.Record_SRV(20, 0, 5060, b"two.example"),
            dns.Record_SRV(10, 0, 5070, b"one.example"),
        ]
        self.simulation.names.known |= {"one.example": ["10.0.1.1"], "two.example": ["10.0.1.2"]}
        first, second = self.gateway(1, rejects(503), port=5070), self.gateway(2)
        self.assertEqual(self.dial(b"sip:15551234@example.com"), 200)
        self.assertEqual((len(first.calls), len(second.calls)), (1, 1))


class DomainTests(RoutingTestCase):
    """Other domains."""

    def test_static(self) -> None:
        """Exact, then the longest suffix, then *; a literal address is itself."""
        self.start(
            *(
                StaticRoute("Domain", pattern, f"10.0.1.{number}", 5060, 1, 1, "udp", "", "database")
                for number, pattern in ((1, "there.example"), (2, "*.example"), (3, "*"))
            )
        )
        gateways = [self.gateway(number) for number in (1, 2, 3, 4)]
        for uri in (b"sip:a@there.example", b"sip:a@x.there.example", b"sip:a@else.test", b"sip:a@10.0.1.4"):
            self.assertEqual(self.dial(uri), 200)
        self.assertEqual([len(gateway.calls) for gateway in gateways], [1, 1, 1, 1])

    def test_dns(self) -> None:
        """NAPTR, SRV, address (RFC 3263 4)."""
        self.start()
        names = self.simulation.names
        names.records["there.example", dns.NAPTR] = [
            dns.Record_NAPTR(10, 10, b"s", b"SIP+D2T", b"", b"_sip._tcp.there.example"),
            dns.Record_NAPTR(20, 10, b"s", b"SIP+D2U", b"", b"_sip._udp.farm.example"),
        ]
        names.records["_sip._udp.farm.example", dns.SRV] = [dns.Record_SRV(1, 1, 5071, b"one.farm.example")]
        names.known["one.farm.example"] = ["10.0.1.1"]
        gateway = self.gateway(1, port=5071)
        self.assertEqual(self.dial(b"sip:a@there.example"), 200)
        self.assertEqual(gateway.calls[0].request.uri, b"sip:a@there.example")


class HealthTests(RoutingTestCase):
    """Gateways that fail."""

    def setUp(self) -> None:
        """Two gateways, one better than the other."""
        super().setUp()
        self.start(
            self.e164("1.......", "10.0.1.1"),
            self.e164("1.......", "10.0.1.2", priority=2),
            NextHopHoldDownInS="30",
            NextHopTimeoutInMs="2000",
        )

    def test_silent(self) -> None:
        """One that says nothing gives way after NextHopTimeoutInMs, and is passed over while it is held down."""
        second = self.gateway(2)
        self.assertEqual(self.dial(b"sip:15551234@example.com"), 200)
        first = self.gateway(1)
        began = self.simulation.clock.seconds()
        self.assertEqual(self.dial(b"sip:15551234@example.com"), 200)
        self.assertTrue(self.simulation.clock.seconds() - began < 1)
        self.assertEqual((len(first.calls), len(second.calls)), (0, 2))
        self.simulation.run(31)
        self.assertEqual(self.dial(b"sip:15551234@example.com"), 200)
        self.assertEqual(len(first.calls), 1)
        [health] = self.server.parts.gateways.why("10.0.1.1")
        self.assertEqual(health.state, "up")

    def test_retry_after(self) -> None:
        """The Retry-After of a 503 holds it down as long."""
        first, second = self.gateway(1, rejects(503, b"Retry-After: 100 (busy)")), self.gateway(2)
        self.dial(b"sip:15551234@example.com")
        first.behaviour = answers()
        self.simulation.run(60)
        self.dial(b"sip:15551234@example.com")
        self.assertEqual((len(first.calls), len(second.calls)), (1, 2))
        self.simulation.run(60)
        self.dial(b"sip:15551234@example.com")
        self.assertEqual((len(first.calls), len(second.calls)), (2, 2))

    def test_all_down(self) -> None:
        """Where all are held down they are tried all the same, in order."""
        first, second = self.gateway(1, rejects(503)), self.gateway(2, rejects(503))
        self.assertEqual(self.dial(b"sip:15551234@example.com"), 500)
        first.behaviour = answers()
        self.assertEqual(self.dial(b"sip:15551234@example.com"), 200)
        self.assertEqual((len(first.calls), len(second.calls)), (2, 1))

    def test_registered_contacts(self) -> None:
        """Registered contacts are never held down."""
        self.begin()
        self.serve_bob("sip:bob@10.0.0.2")
        alice = self.alice()
        bob = self.callee(0, rejects(503))
        self.call_bob(alice)
        self.assertEqual(self.simulation.servers[PROXY].parts.gateways.states(), [])
        bob.behaviour = says_trying
        self.assertEqual(len(bob.calls), 1)

    def test_probes(self) -> None:
        """OPTIONS finds out that a gateway is gone before a call does, and that it is back."""
        self.begin()
        self.start(
            self.e164("1.......", "10.0.1.1"),
            self.e164("1.......", "10.0.1.2", priority=2),
            NextHopHoldDownInS="300",
            NextHopProbeInS="10",
            NextHopTimeoutInMs="2000",
        )
        first, second = self.gateway(1), self.gateway(2)
        self.dial(b"sip:15551234@example.com")
        self.simulation.run(25)
        options = [sent for sent in self.simulation.network.transcript if sent.data.startswith(b"OPTIONS")]
        self.assertEqual({sent.destination for sent in options}, {("10.0.1.1", 5060)})
        first.port.stop()
        self.simulation.run(60)
        began = self.simulation.clock.seconds()
        self.dial(b"sip:15551234@example.com")
        self.assertTrue(self.simulation.clock.seconds() - began < 1)
        self.assertEqual(len(second.calls), 1)
        again = self.simulation.agent(b"sip:gw1@gw.example", "10.0.1.1")
        again.behaviour = answers()
        self.simulation.run(60)
        self.dial(b"sip:15551234@example.com")
        self.assertEqual(len(again.calls), 1)
        self.server.stopService()  # or it would probe for ever
        self.simulation.run(1)
