"""Routing in odd company: probes over two IP families, gateways in two forks, explain of what is no call."""

from typing import Any

from sipproxy.message import Request, parse_message
from sipproxy.proxy.explain import Explained, explain
from sipproxy.simulation import Endpoint, rejects, rings
from test.scenario.stage import PROXY, PROXY_ADDRESS, WireTestCase
from test.scenario.test_routing import RoutingTestCase

SIX = "2001:db8::1"


class ProbeTests(RoutingTestCase):
    """OPTIONS to gateways (NextHopProbeInS)."""

    def open_gateway(self, *listen: str) -> Endpoint:
        """Start a server that has a gateway with an IPv6 address, which has failed once."""
        self.simulation.host(PROXY, SIX)
        self.start(
            self.e164("1408.......", "[2001:db8::9]"),
            self.e164("1408.......", "10.0.1.2", priority=2),
            NextHopProbeInS="10",
            Listen=list(listen),
        )
        six = self.simulation.endpoint("six", "2001:db8::9")
        self.addCleanup(self.simulation.stop)
        self.gateway(2, rings)
        self.caller.invite(b"sip:14085551234@example.com")
        self.simulation.run(15)
        return six

    def test_ipv6(self) -> None:
        """A probe leaves from an IPv6 port, and says so."""
        six = self.open_gateway(f"{PROXY}:5060", f"[{SIX}]:5060")
        (probe, *_) = six.requests(b"OPTIONS")
        request = probe.message
        assert isinstance(request, Request)
        self.assertEqual((request.uri, request.via.host), (b"sip:[2001:db8::9]:5060", b"[2001:db8::1]"))
        self.assertEqual(request.values("contact"), [b"<sip:[2001:db8::1]:5060>"])
        six.respond(probe, 200)
        self.simulation.run(1)
        self.assertEqual([health.state for health in self.server.parts.gateways.why("2001:db8::9")], ["up"])

    def test_no_ipv6(self) -> None:
        """Without such a port the gateway cannot be reached: calls take the other one, and it counts as down."""
        six = self.open_gateway(f"{PROXY}:5060")
        self.assertEqual(six.received, [])
        states = {health.hop.host: health.state for health in self.server.parts.gateways.states()}
        self.assertIn(states["2001:db8::9"], ("down", "probing"))
        self.assertEqual(self.server.sip.core.pending, 1)


class ForkTests(RoutingTestCase):
    """Two branches of a call meet the same gateway."""

    def test_same_gateway(self) -> None:
        """It fails in both: it is down once, each branch goes on to the alternate."""
        self.start(
            self.e164("555.", "10.0.1.1"),
            self.e164("555.", "10.0.1.2", priority=2),
            StaticRegistration=["bob@example.com sip:5551@example.com", "bob@example.com sip:5552@example.com"],
        )
        first, second = self.gateway(1, rejects(503)), self.gateway(2)
        self.assertEqual(self.dial(b"sip:bob@example.com"), 200)
        self.assertEqual((len(first.calls), len(second.calls)), (2, 2))
        (health,) = self.server.parts.gateways.why("10.0.1.1")
        self.assertEqual((health.state, [event.times for event in health.events]), ("down", [2]))


class LateTests(WireTestCase):
    """A next hop that was given up answers after all."""

    def test_late_2xx(self) -> None:
        """Its 2xx goes upstream, the other one is cancelled, and nothing is left but what 2xx need."""
        self.begin()
        self.server = self.serve(StaticRegistration="bob@example.com sip:bob@two.example")
        self.simulation.names.known["two.example"] = ["10.0.0.2", "10.0.0.3"]
        alice, first, second = self.wire("alice", "first", "second")
        alice.send(alice.make_request(b"INVITE", b"sip:bob@example.com"), PROXY_ADDRESS)
        self.simulation.run(5)
        second.respond(second.requests(b"INVITE")[0], 180)
        first.respond(first.requests(b"INVITE")[0], 200, b"Contact: <sip:bob@10.0.0.2>")
        self.simulation.run(1)
        self.assertEqual(alice.statuses(), [100, 180, 200])
        second.respond(second.requests(b"INVITE")[0], 487)
        second.respond(second.requests(b"CANCEL")[0], 200)
        self.simulation.run(40)
        history = self.server.sip.core.history
        assert history is not None
        self.assertEqual(str(next(history.last()).trace[-1][2]), "10.0.0.2:5060: 200")
        self.assertEqual((len(self.server.sip.core.table), len(self.server.sip.core.wheel)), (0, 0))


class ExplainTests(WireTestCase):
    """Explain of what is no call."""

    def explain(self, method: bytes, uri: bytes, *headers: bytes, **parts: Any) -> Explained:
        """Ask about a request of the caller's."""
        message = parse_message(self.caller.make_request(method, uri, *headers, **parts))
        assert isinstance(message, Request)
        answer = explain(self.server.sip.core, message, ("10.0.0.1", 5060))
        self.simulation.run(1)
        return self.successResultOf(answer)

    def test_to_us(self) -> None:
        """REGISTER is the registrar's, OPTIONS to us is answered; neither is looked up as if it were a call."""
        self.open()
        told = self.explain(b"REGISTER", b"sip:example.com", b"Contact: <sip:alice@10.0.0.1>")
        self.assertEqual(
            (told.status, told.trace[-1]), (None, ("registrar", "mod_sip_registry", "the registrar answers"))
        )
        self.assertEqual(self.explain(b"OPTIONS", b"sip:192.0.2.1").status, 200)
        self.assertEqual(self.explain(b"OPTIONS", b"sip:bob@example.com", max_forwards=0).status, 200)
        self.assertEqual(self.explain(b"INVITE", b"sip:bob@example.com", max_forwards=0).status, 483)
        self.open(Registry="Off")
        self.assertEqual(self.explain(b"REGISTER", b"sip:example.com").status, 405)

    def test_challenge(self) -> None:
        """A REGISTER for somebody else's domain is asked for credentials as by a proxy."""
        self.open(Authentication="On")
        for uri, status in ((b"sip:example.com", 401), (b"sip:other.example", 407)):
            told = self.explain(b"REGISTER", uri)
            self.assertEqual(told.trace[0][2], f"credentials are asked for: {status}")

    def test_odd(self) -> None:
        """Many Routes, much text, what cannot be routed: an answer, and nothing is sent."""
        self.open()
        sent = len(self.simulation.network.transcript)
        for headers in ([b"Route: <sip:10.0.3.%d;lr>" % at for at in range(150)], [b"X: " + b"y" * 60_000]):
            self.assertEqual(len(self.explain(b"INVITE", b"sip:bob@example.com", *headers).ways), 1)
        for uri, status in ((b"http://x", 416), (b"sip:nobody@example.com", 404)):
            self.assertEqual(self.explain(b"SUBSCRIBE", uri).status, status)
        self.assertEqual(self.explain(b"INVITE", b"sip:bob@example.com", b"Route: <<").status, 400)
        self.assertEqual(len(self.simulation.network.transcript), sent)

    def test_history_is_bounded(self) -> None:
        """A call with much text of its own is not remembered, one with little is."""
        self.open()
        history = self.server.sip.core.history
        assert history is not None
        self.ask(b"INVITE", call_id=b"c" * 20_000, uri=b"sip:nobody@example.com")
        self.assertEqual((self.response.status, len(history)), (404, 0))
        self.ask(b"INVITE", uri=b"sip:nobody@example.com")
        self.assertEqual((self.response.status, len(history)), (404, 1))
