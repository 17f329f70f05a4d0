"""Static routes as next hops, and the two routers over them."""

from collections import Counter

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from sipproxy.databases.routes import LAYOUT, Routes, StaticRoute, route_table
from sipproxy.databases.table import MemoryRows
from sipproxy.errors import RequestError
from sipproxy.routing import IRouter, NextHop
from sipproxy.routing.domain import DomainRouter
from sipproxy.routing.e164 import E164Router
from sipproxy.routing.health import Gateway
from sipproxy.routing.locate import MAX_HOPS
from sipproxy.routing.static import Alternates
from sipproxy.translation.expansion import number_of
from test.routing.fixtures import (
    Network,
    answer_of,
    at_hand,
    pending,
    places,
    route,
    routes_of,
    srv,
    subject,
    trace,
    uri,
    waited,
)


class RouterTestCase(SynchronousTestCase):
    """What the cases below share."""

    def setUp(self) -> None:
        """Make a network with four gateways."""
        self.network = Network()
        self.network.addresses(a="192.0.2.1", b="192.0.2.2", c="192.0.2.3", d="192.0.2.4")
        self.alternates = Alternates(self.network.locator, self.network.chance)
        self.subject = subject()

    def e164(self, *routes: StaticRoute) -> E164Router:
        """Make a router for numbers."""
        return E164Router(routes_of(*routes), self.alternates, number_of)

    def domains(self, *routes: StaticRoute) -> DomainRouter:
        """Make a router for domains."""
        return DomainRouter(routes_of(*routes), self.alternates, number_of)

    def hops(self, router: E164Router | DomainRouter, text: str = "sip:14085551212@us.test") -> list[NextHop]:
        """Route a URI whose answers are at hand."""
        return list(at_hand(router.route(uri(text), self.subject)))

    def places(self, *routes: StaticRoute) -> list[str]:
        """Route a number by routes for it."""
        return places(self.hops(self.e164(*routes)))

    def refused(self, *routes: StaticRoute) -> int:
        """Give the status that a number is refused with."""
        router = self.e164(*routes)
        return answer_of(self.assertRaises(RequestError, router.route, uri("sip:1408@us.test"), self.subject))[0]


class AlternatesTests(RouterTestCase):
    """Several routes of one pattern."""

    def test_priority(self) -> None:
        """The lower priority comes first, all of them follow."""
        found = self.places(
            route("1T", "a.example.org", 5060, 3), route("1T", "b.example.org", 5060, 1), route("1T", "192.0.2.9", 5, 2)
        )
        self.assertEqual(["192.0.2.2:5060", "192.0.2.9:5", "192.0.2.1:5060"], found)

    def test_weights(self) -> None:
        """Equals share as their weights say; weight 0 never comes before one that has some."""
        router = self.e164(
            route("1T", "a.example.org", 5060, weight=1),
            route("1T", "b.example.org", 5060, weight=3),
            route("1T", "c.example.org", 5060, weight=0),
        )
        counts: Counter[str] = Counter()
        for _ in range(2000):
            hops = self.hops(router)
            counts[hops[0].name] += 1
            self.assertEqual("c.example.org:5060", hops[2].name)
        self.assertApproximates(0.25, counts["a.example.org:5060"] / 2000, 0.04)

    def test_only_weight_0(self) -> None:
        """Weight 0 is used where there is nothing else of its priority, before a higher priority."""
        found = self.places(route("1T", "a.example.org", 5060, 1, 0), route("1T", "b.example.org", 5060, 2, 9))
        self.assertEqual(["192.0.2.1:5060", "192.0.2.2:5060"], found)

    def test_unresolvable(self) -> None:
        """A route that cannot be located is left out while there are others."""
        found = self.places(route("1T", "nobody.test", 5060), route("1T", "a.example.org", 5060, 2))
        self.assertEqual(["192.0.2.1:5060"], found)
        self.assertIn("next hop nobody.test is left out: 404 Unresolvable Destination", trace(self.subject))
        self.assertEqual(404, self.refused(route("1T", "nobody.test", 5060), route("1T", "nobody.test")))

    def test_silent(self) -> None:
        """One whose name server is silent is left out too; where there is no other it is 503."""
        self.network.names.known["silent.test"] = []
        silent, absent = route("1T", "silent.test", 5060), route("1T", "nobody.test", 5060)
        found = waited(
            self.network.clock, self.e164(silent, route("1T", "192.0.2.9")).route(uri("sip:12@us.test"), self.subject)
        )
        self.assertEqual(["192.0.2.9:5060"], places(found))
        found = waited(self.network.clock, self.e164(silent, absent).route(uri("sip:12@us.test"), self.subject))
        self.assertEqual(503, found.status)

    def test_at_once(self) -> None:
        """Routes are located at once, not one after the other."""
        self.network.names.delay = 1.0
        routes = [route("1T", f"{name}.example.org", 5060) for name in "abcd"]
        found = self.e164(*routes).route(uri("sip:12@us.test"), self.subject)
        self.network.clock.advance(1.0)
        self.assertEqual(4, len(at_hand(self.successResultOf(pending(found)))))

    def test_many(self) -> None:
        """However many alternates there are, the next hops are bounded."""
        self.assertEqual(MAX_HOPS, len(self.places(*[route("1T", f"10.0.0.{n}", 5060) for n in range(100)])))

    def test_gateways(self) -> None:
        """What comes of a static route is a gateway, named as the operator does."""
        hops = self.hops(self.e164(route("1T", "a.example.org", 5099)))
        self.assertEqual([Gateway("192.0.2.1", 5099, "udp", "a.example.org:5099")], hops)
        self.assertIsInstance(hops[0], Gateway)

    def test_transport(self) -> None:
        """A transport that we have not is said in the trace."""
        self.places(route("1T", "a.example.org", 5060, transport="tcp"))
        self.assertIn("transport tcp of a.example.org: there is only udp here", trace(self.subject))


class ServiceTests(RouterTestCase):
    """Routes without a port."""

    def test_service(self) -> None:
        """SRV records in their order; NAPTR records are not asked for."""
        self.network.services("gw.test", srv("a.example.org", 5071, 2), srv("b.example.org", 5072, 1))
        self.assertEqual(["192.0.2.2:5072", "192.0.2.1:5071"], self.places(route("1T", "gw.test")))
        self.assertNotIn("NAPTR", " ".join(trace(self.subject)))

    def test_no_service(self) -> None:
        """Without SRV records its addresses at 5060."""
        self.assertEqual(["192.0.2.1:5060"], self.places(route("1T", "a.example.org")))

    def test_service_fails(self) -> None:
        """Where no target is found the addresses of the next hop itself are used."""
        self.network.services("a.example.org", srv("nobody.test"))
        self.assertEqual(["192.0.2.1:5060"], self.places(route("1T", "a.example.org")))

    def test_service_fails_late(self) -> None:
        """Likewise where that has to be waited for."""
        self.network.names.delay = 0.5
        self.network.services("a.example.org", srv("nobody.test"))
        router = self.e164(route("1T", "a.example.org"))
        self.assertEqual(
            ["192.0.2.1:5060"], places(waited(self.network.clock, router.route(uri("sip:12@us.test"), self.subject)))
        )
        self.network.services("gone.test", srv("nobody.test"))
        router = self.e164(route("1T", "gone.test"))
        found = waited(self.network.clock, router.route(uri("sip:12@us.test"), self.subject))
        self.assertEqual(404, found.status)

    def test_not_available(self) -> None:
        """A target of "." is no failure: the route is left out, its addresses are not used."""
        self.network.services("a.example.org", srv("."))
        found = self.places(route("1T", "a.example.org"), route("1T", "b.example.org", 5060, 9))
        self.assertEqual(["192.0.2.2:5060"], found)
        self.assertEqual(404, self.refused(route("1T", "a.example.org")))

    def test_literal(self) -> None:
        """A literal address without a port has 5060, and nobody is asked."""
        self.assertEqual(["192.0.2.9:5060"], self.places(route("1T", "192.0.2.9")))
        self.assertEqual(["2001:db8::9:5060"], self.places(route("1T", "2001:db8::9")))
        self.assertEqual(2, len(trace(self.subject)))


class E164Tests(RouterTestCase):
    """Numbers."""

    def test_interface(self) -> None:
        """Both are routers."""
        self.assertTrue(verifyObject(IRouter, self.e164()))
        self.assertTrue(verifyObject(IRouter, self.domains()))

    def test_most_specific(self) -> None:
        """The most specific pattern wins; the trace shows which lost."""
        router = self.e164(route("1..........", "a.example.org", 5060), route("1408.......", "b.example.org", 5060))
        self.assertEqual(["192.0.2.2:5060"], places(self.hops(router)))
        self.assertEqual(
            [
                "1408....... matches: b.example.org:5060 priority 1 weight 1",
                "1.......... less specific: a.example.org:5060 priority 1 weight 1",
            ],
            trace(self.subject),
        )

    def test_none(self) -> None:
        """A number without a pattern, and a user part that is no number, are for the next router."""
        router = self.e164(route("1T", "a.example.org", 5060))
        self.assertEqual([], self.hops(router, "sip:4989123@us.test"))
        self.assertEqual([], trace(self.subject))
        for text in ("sip:bob@us.test", "sip:us.test", "sip:1bob@us.test;user=phone", "sip:123@us.test;user=ip"):
            self.assertEqual([], self.hops(router, text), text)
        self.assertIn("E.164 routes not asked: the user part is no number", trace(self.subject))

    def test_plus(self) -> None:
        """A number with a plus and separators matches a pattern without."""
        router = self.e164(route("1408.......", "a.example.org", 5060))
        self.assertEqual(["192.0.2.1:5060"], places(self.hops(router, "sip:+1-408-555-1212@us.test;user=phone")))

    def test_rewrite(self) -> None:
        """The next hop says what the user part becomes there; each alternate its own."""
        router = self.e164(
            route("1408.......", "a.example.org", 5060, 1, rewrite="9......."),
            route("1408.......", "a.example.org", 5061, 2, rewrite="#2*......."),
            route("1408.......", "a.example.org", 5062, 3),
        )
        users = [hop.user for hop in self.hops(router)]
        self.assertEqual([b"95551212", b"%232*5551212", b""], users)

    def test_rewrite_with_hash(self) -> None:
        """Who writes "#" unescaped gets it so; what is in no user part is escaped."""
        router = self.e164(route("12#", "a.example.org", 5060, rewrite="7#.@\N{EURO SIGN}"))
        self.assertEqual(b"7##%40%E2%82%AC", self.hops(router, "sip:12#@us.test;user=phone")[0].user)
        self.assertEqual(b"7%23%23%40%E2%82%AC", self.hops(router, "sip:12%23@us.test;user=phone")[0].user)

    def test_rewrite_too_long(self) -> None:
        """A number too short for a rewrite is for the other routes, or for the next pattern."""
        short = route("12T", "a.example.org", 5060, rewrite=".......")
        router = self.e164(short, route("12T", "b.example.org", 5060), route("1T", "c.example.org", 5060))
        self.assertEqual(["192.0.2.2:5060"], places(self.hops(router, "sip:1234@us.test")))
        router = self.e164(short, route("1T", "c.example.org", 5060))
        self.assertEqual(["192.0.2.3:5060"], places(self.hops(router, "sip:1234@us.test")))
        self.assertIn("next hop a.example.org is left out: 1234 has too few digits for .......", trace(self.subject))
        self.assertEqual([], self.hops(self.e164(short), "sip:1234@us.test"))


class DomainTests(RouterTestCase):
    """Foreign hosts."""

    def test_host(self) -> None:
        """The routes of a host; none for others."""
        router = self.domains(
            route("partner.test", "a.example.org", 5060), route("partner.test", "b.example.org", 5, 2)
        )
        self.assertEqual(["192.0.2.1:5060", "192.0.2.2:5"], places(self.hops(router, "sip:bob@Partner.test:5070")))
        self.assertEqual([], self.hops(router, "sip:bob@elsewhere.test"))
        self.assertEqual(1, len(trace(self.subject)))

    def test_most_specific(self) -> None:
        """The most specific pattern wins; the trace shows which lost."""
        router = self.domains(
            route("*", "c.example.org"),
            route("*.partner.test", "b.example.org", 5, 2, 7),
            route("x.partner.test", "a.example.org", 5060),
        )
        self.assertEqual(["192.0.2.1:5060"], places(self.hops(router, "sip:bob@x.partner.test")))
        self.assertEqual(
            [
                "x.partner.test matches: a.example.org:5060 priority 1 weight 1",
                "*.partner.test less specific: b.example.org:5 priority 2 weight 7",
                "* less specific: c.example.org priority 1 weight 1",
            ],
            trace(self.subject),
        )
        self.assertEqual([], self.hops(router, "sip:bob@198.51.100.7"))

    def test_unread(self) -> None:
        """Until the routing database has been read it is 503 for names and numbers, not for literal addresses."""
        table = route_table(MemoryRows(LAYOUT), Clock())
        table.is_unread = True
        routes = Routes((), table)
        router = DomainRouter(routes, self.alternates, number_of)
        self.assertEqual([], self.hops(router, "sip:bob@198.51.100.7"))
        for asked in (router, E164Router(routes, self.alternates, number_of)):
            error = self.assertRaises(RequestError, asked.route, uri("sip:12@partner.test"), self.subject)
            self.assertEqual((503, b"Routing Database Unavailable"), answer_of(error))

    def test_maddr(self) -> None:
        """maddr stands for the host."""
        router = self.domains(route("partner.test", "a.example.org", 5060))
        self.assertEqual(["192.0.2.1:5060"], places(self.hops(router, "sip:bob@x.test;maddr=partner.test")))

    def test_rewrite(self) -> None:
        """A number is rewritten, a name or a number that is too short stays."""
        router = self.domains(route("partner.test", "a.example.org", 5060, rewrite="9......."))
        self.assertEqual(b"95551212", self.hops(router, "sip:14085551212@partner.test")[0].user)
        self.assertEqual(b"", self.hops(router, "sip:bob@partner.test")[0].user)
        self.assertEqual(b"", self.hops(router, "sip:123@partner.test")[0].user)
        self.assertIn("not rewritten for a.example.org: 123 has too few digits for 9.......", trace(self.subject))

    def test_schemes(self) -> None:
        """Other schemes are not this router's."""
        router = self.domains(route("partner.test", "a.example.org", 5060))
        self.assertEqual([], self.hops(router, "sips:bob@partner.test"))
