"""The router for hosts that are not ours."""

from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from sipproxy.errors import RequestError
from sipproxy.net.dns import Questions
from sipproxy.net.hosts import HostsFile
from sipproxy.net.resolver import Resolver
from sipproxy.routing import IRouter, NextHop
from sipproxy.routing.dns import MAX_REMEMBERED, DnsRouter
from sipproxy.routing.locate import Locator
from test.net.fixtures import ScriptedServers
from test.routing.fixtures import Network, at_hand, naptr, places, srv, subject, trace, uri, waited


class DnsRouterTests(SynchronousTestCase):
    """URIs to next hops."""

    def setUp(self) -> None:
        """Make a domain with NAPTR, SRV and address records."""
        self.network = Network()
        self.network.addresses(a="192.0.2.1", b="192.0.2.2")
        self.network.names.known["example.org"] = ["192.0.2.9"]
        self.network.services("example.org", srv("a.example.org", 5071))
        self.network.rules("example.org", naptr("_sip._udp.example.net"))
        self.network.services("example.net", srv("b.example.org", 5072))
        self.router = DnsRouter(self.network.locator)
        self.subject = subject()

    def route(self, text: str) -> list[str]:
        """Route a URI whose answers are at hand."""
        return places(at_hand(self.router.route(uri(text), self.subject)))

    def test_interface(self) -> None:
        """It is a router."""
        self.assertTrue(verifyObject(IRouter, self.router))

    def test_name(self) -> None:
        """A name alone is asked for by NAPTR, then SRV."""
        self.assertEqual(["192.0.2.2:5072"], self.route("sip:bob@Example.ORG"))

    def test_transport(self) -> None:
        """A transport in the URI makes NAPTR superfluous; one that we have not is said, and udp used."""
        self.assertEqual(["192.0.2.1:5071"], self.route("sip:bob@example.org;transport=UDP"))
        self.assertNotIn("udp here", " ".join(trace(self.subject)))
        self.assertEqual(["192.0.2.1:5071"], self.route("sip:bob@example.org;transport=tcp"))
        self.assertIn("transport=tcp: there is only udp here", trace(self.subject))
        self.assertEqual(["192.0.2.7:5060"], self.route("sip:bob@192.0.2.7;transport=tls"))

    def test_port(self) -> None:
        """A port leaves only addresses; 0 is 5060."""
        self.assertEqual(["192.0.2.9:5080"], self.route("sip:bob@example.org:5080"))
        self.assertEqual(["192.0.2.9:5060"], self.route("sip:bob@example.org:0"))

    def test_maddr(self) -> None:
        """maddr stands for the host, and is not mistaken for it afterwards."""
        self.assertEqual(["192.0.2.77:5060"], self.route("sip:bob@192.0.2.1;maddr=192.0.2.77"))
        self.assertEqual(["192.0.2.1:5060"], self.route("sip:bob@192.0.2.1"))
        self.assertEqual(["192.0.2.2:5072"], self.route("sip:bob@192.0.2.1;maddr=example.org"))
        self.assertEqual(["192.0.2.1:5060"], self.route("sip:bob@192.0.2.1;maddr"))

    def test_literal(self) -> None:
        """A literal address is its own next hop, remembered, and leaves no note."""
        for _ in range(2):
            hops = at_hand(self.router.route(uri("sip:bob@192.0.2.1:5070;ob"), self.subject))
            self.assertEqual([NextHop("192.0.2.1", 5070, "udp", "192.0.2.1:5070")], hops)
        self.assertEqual(["2001:db8::1:5060"], self.route("sip:bob@[2001:DB8::1]"))
        self.assertEqual([], trace(self.subject))

    def test_memory(self) -> None:
        """However many addresses there are, a bounded number is remembered."""
        for n in range(MAX_REMEMBERED + 10):
            self.route(f"sip:bob@10.1.{n // 250}.{n % 250}")
        self.assertLess(len(self.router._literal), MAX_REMEMBERED)

    def test_without_services(self) -> None:
        """SRVRouting Off leaves only addresses."""
        self.router = DnsRouter(self.network.locator, uses_services=False)
        self.assertEqual(["192.0.2.9:5060"], self.route("sip:bob@example.org"))
        self.assertEqual(["192.0.2.9:5060"], self.route("sip:bob@example.org;transport=udp"))
        self.assertIn("SRV and NAPTR not asked for: SRVRouting Off", trace(self.subject))

    def test_other_schemes(self) -> None:
        """480 for what we cannot carry."""
        for text in ("sips:bob@example.org", "tel:+15551212", "http://example.org/"):
            error = self.assertRaises(RequestError, self.router.route, uri(text), self.subject)
            self.assertEqual(480, error.status, text)

    def test_silence(self) -> None:
        """No name server answers: 503, with Retry-After."""
        self.network.names.delay = 1.0
        self.network.names.known["silent.test"] = []
        error = waited(self.network.clock, self.router.route(uri("sip:bob@silent.test:5060"), self.subject))
        self.assertEqual((503, (b"Retry-After: 30",)), (error.status, error.headers))

    def test_not_names(self) -> None:
        """What can be no name is 404 with the real resolver too, and nobody is asked for it."""
        servers = ScriptedServers()
        clock = self.network.clock
        questions = Questions(clock, servers, timeout=2.0, cache_size=9, negative_ttl=9.0)
        resolver = Resolver(HostsFile(str(Path(self.mktemp())), clock.seconds), questions)
        router = DnsRouter(Locator(resolver, clock.seconds, self.network.chance))
        for host in ("a..b", "a-.test", "x" * 64 + ".test", ".".join(["abcdefgh"] * 28) + ".xyz", "192.0.2.256", "1.2"):
            error = self.assertRaises(RequestError, router.route, uri(f"sip:bob@{host}"), self.subject)
            self.assertEqual((404, b"Unresolvable Destination"), (error.status, error.reason), host)
        self.assertEqual([], clock.getDelayedCalls())
