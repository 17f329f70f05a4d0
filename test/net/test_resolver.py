"""Host names to addresses, on a clock."""

from pathlib import Path

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock
from twisted.names import dns
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from sipproxy.errors import NameNotFoundError, ResolverTimeoutError
from sipproxy.interfaces import IResolver
from sipproxy.net.dns import Questions
from sipproxy.net.hosts import HostsFile
from sipproxy.net.resolver import Resolver, literal_address
from test.net.fixtures import ScriptedServers, a, aaaa, cname


class LiteralTests(SynchronousTestCase):
    """What is an address already."""

    def test_literal(self) -> None:
        """An address stays as it is, an IPv6 reference loses its brackets."""
        self.assertEqual("192.0.2.1", literal_address("192.0.2.1"))
        self.assertEqual("2001:DB8::1", literal_address("2001:DB8::1"))
        self.assertEqual("2001:db8::1", literal_address("[2001:db8::1]"))
        self.assertEqual("fe80::1%eth0", literal_address("fe80::1%eth0"))

    def test_not_literal(self) -> None:
        """Anything else is not one."""
        for text in ("", "gw1", "gw.test", "192.0.2.256", "1.2.3", "[192.0.2.1]", "[::1", "::1]", "x:y"):
            self.assertIsNone(literal_address(text), text)


class ResolverTestCase(SynchronousTestCase):
    """What the cases below share."""

    def setUp(self) -> None:
        """Make a resolver with a hosts file and scripted servers."""
        self.clock = Clock()
        path = Path(self.mktemp())
        path.write_text("192.0.2.50 pbx.test\n2001:db8::50 pbx.test\n")
        self.hosts = HostsFile(str(path), self.clock.seconds)
        self.servers = ScriptedServers()
        self.resolver = Resolver(self.hosts, self.make_questions(self.servers))

    def make_questions(self, servers: ScriptedServers) -> Questions:
        """Make questions to scripted servers."""
        return Questions(self.clock, servers, timeout=2.0, cache_size=100, negative_ttl=30.0)

    def ask(self, host: str = "gw.test") -> "Deferred[list[str]]":
        """Ask what must go to the servers."""
        asked = self.resolver.addresses(host)
        assert isinstance(asked, Deferred)
        return asked


class ResolverTests(ResolverTestCase):
    """Hosts file and DNS."""

    def test_interface(self) -> None:
        """It is an IResolver."""
        self.assertTrue(verifyObject(IResolver, self.resolver))

    def test_at_once(self) -> None:
        """Literal addresses and names of the hosts file need no question."""
        self.assertEqual(["::1"], self.resolver.addresses("[::1]"))
        self.assertEqual(["192.0.2.50", "2001:db8::50"], self.resolver.addresses("PBX.test."))
        self.assertEqual([], self.servers.asked)

    def test_both_families(self) -> None:
        """A and AAAA are asked at once; IPv4 comes first, each as served; then they are known."""
        asked = self.ask()
        self.servers.answer("gw.test", dns.AAAA, [aaaa("gw.test", "2001:db8::1")])
        self.assertNoResult(asked)
        answers = [a("gw.test", "192.0.2.2"), a("gw.test", "192.0.2.1"), a("gw.test", "192.0.2.2")]
        self.servers.answer("gw.test", dns.A, answers)
        addresses = ["192.0.2.2", "192.0.2.1", "2001:db8::1"]
        self.assertEqual(addresses, self.successResultOf(asked))
        self.assertEqual(addresses, self.resolver.addresses("GW.test"))
        self.assertEqual(2, len(self.servers.asked))

    def test_one_family_known(self) -> None:
        """Where one family has expired only that one is asked."""
        asked = self.ask()
        self.servers.answer("gw.test", dns.A, [a("gw.test", "192.0.2.1", 10)])
        self.servers.answer("gw.test", dns.AAAA, [aaaa("gw.test", "2001:db8::1", 60)])
        self.successResultOf(asked)
        self.clock.advance(10)
        asked = self.ask()
        self.servers.answer("gw.test", dns.A, [a("gw.test", "192.0.2.7", 10)])
        self.assertEqual(["192.0.2.7", "2001:db8::1"], self.successResultOf(asked))
        self.assertEqual(3, len(self.servers.asked))

    def test_one_family_fails(self) -> None:
        """What one family has is used where the other is absent or fails."""
        asked = self.ask()
        self.servers.answer("gw.test", dns.A, [a("gw.test", "192.0.2.1")])
        self.servers.fail("gw.test", dns.AAAA)
        self.assertEqual(["192.0.2.1"], self.successResultOf(asked))
        asked = self.ask("six.test")
        self.servers.answer("six.test", dns.A, [])
        self.servers.answer("six.test", dns.AAAA, [cname("six.test", "b.test"), aaaa("b.test", "2001:db8::6")])
        self.assertEqual(["2001:db8::6"], self.successResultOf(asked))

    def test_absent(self) -> None:
        """A name without addresses is not found; the next time it is known so."""
        asked = self.ask()
        self.servers.deny("gw.test", dns.A)
        self.servers.deny("gw.test", dns.AAAA)
        self.failureResultOf(asked, NameNotFoundError)
        self.assertRaises(NameNotFoundError, self.resolver.addresses, "gw.test")

    def test_silence(self) -> None:
        """Silence is told at the deadline, and again at once but in a Deferred; it outweighs an absence."""
        asked = self.ask()
        self.servers.answer("gw.test", dns.A, [])
        self.clock.advance(2)
        self.failureResultOf(asked, ResolverTimeoutError)
        self.failureResultOf(self.ask(), ResolverTimeoutError)
        self.assertEqual(2, len(self.servers.asked))
        self.assertEqual([], self.clock.getDelayedCalls())

    def test_bug(self) -> None:
        """An error of ours is told, whatever the other family says."""
        asked = self.ask()
        self.servers.answer("gw.test", dns.A, [a("gw.test", "192.0.2.1")])
        self.servers.fail("gw.test", dns.AAAA, KeyError("bug"))
        self.failureResultOf(asked, KeyError)

    def test_cancel(self) -> None:
        """One who gives up does not hurt the other."""
        first, second = self.ask(), self.ask()
        first.cancel()
        self.failureResultOf(first, CancelledError)
        self.servers.answer("gw.test", dns.A, [a("gw.test", "192.0.2.1")])
        self.servers.deny("gw.test", dns.AAAA)
        self.assertEqual(["192.0.2.1"], self.successResultOf(second))

    def test_no_names(self) -> None:
        """What cannot be a host's name is not asked, numbers that look like an address among it."""
        for host in ("", "a b", "192.0.2.256", "1.2.3", "4711", "[gw.test]", "x" * 64 + ".test"):
            self.assertRaises(NameNotFoundError, self.resolver.addresses, host)
        self.assertEqual([], self.servers.asked)


class FurtherTests(ResolverTestCase):
    """A further source for what the DNS does not know."""

    def setUp(self) -> None:
        """Add a source."""
        super().setUp()
        self.system = ScriptedServers()
        self.resolver = Resolver(self.hosts, self.make_questions(self.servers), [self.make_questions(self.system)])

    def fail_dns(self, host: str) -> None:
        """Let the DNS not know a name."""
        self.servers.deny(host, dns.A)
        self.servers.deny(host, dns.AAAA)

    def test_not_asked(self) -> None:
        """It is not asked for what the DNS knows."""
        asked = self.ask()
        self.servers.answer("gw.test", dns.A, [a("gw.test", "192.0.2.1")])
        self.servers.deny("gw.test", dns.AAAA)
        self.assertEqual(["192.0.2.1"], self.successResultOf(asked))
        self.assertEqual(["192.0.2.1"], self.resolver.addresses("gw.test"))
        self.assertEqual([], self.system.asked)

    def test_asked(self) -> None:
        """It is asked for what the DNS does not know, and both answers are remembered."""
        asked = self.ask("nis")
        self.fail_dns("nis")
        self.system.answer("nis", dns.A, [a("nis", "192.0.2.8")])
        self.system.answer("nis", dns.AAAA, [])
        self.assertEqual(["192.0.2.8"], self.successResultOf(asked))
        self.assertEqual(["192.0.2.8"], self.resolver.addresses("nis"))

    def test_dns_away(self) -> None:
        """It is asked while no name server answers."""
        asked = self.ask("nis")
        self.clock.advance(2)
        self.system.answer("nis", dns.A, [a("nis", "192.0.2.8")])
        self.system.answer("nis", dns.AAAA, [])
        self.assertEqual(["192.0.2.8"], self.successResultOf(asked))

    def test_nobody_knows(self) -> None:
        """Its error counts, at once where it is known."""
        asked = self.ask("nis")
        self.fail_dns("nis")
        self.system.deny("nis", dns.A)
        self.system.deny("nis", dns.AAAA)
        self.failureResultOf(asked, NameNotFoundError)
        self.assertRaises(NameNotFoundError, self.resolver.addresses, "nis")

    def test_system_hangs(self) -> None:
        """It has a deadline of its own."""
        asked = self.ask("nis")
        self.fail_dns("nis")
        self.clock.advance(2)
        self.failureResultOf(asked, ResolverTimeoutError)
