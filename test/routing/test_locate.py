"""Where hosts are found: RFC 3263 over a resolver in memory."""

from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.names import dns
from twisted.trial.unittest import SynchronousTestCase

from sipproxy.errors import RequestError
from sipproxy.routing.locate import MAX_HOPS, Locator, is_name
from test.routing.fixtures import Network, answer_of, at_hand, naptr, pending, places, srv, subject, trace, waited


class LocatorTestCase(SynchronousTestCase):
    """What the cases below share."""

    def setUp(self) -> None:
        """Make a network with four hosts."""
        self.network = Network()
        self.network.addresses(a="192.0.2.1", b="192.0.2.2 2001:db8::2", c="192.0.2.3", d="192.0.2.4")
        self.network.names.known["example.org"] = ["192.0.2.9"]
        self.locator = self.network.locator
        self.subject = subject()

    def domain(self, host: str = "example.org") -> list[str]:
        """Locate a domain whose answers are at hand."""
        return places(at_hand(self.locator.by_domain(host, self.subject)))

    def refused(self, host: str = "example.org") -> int:
        """Give the status that a domain is refused with."""
        return answer_of(self.assertRaises(RequestError, self.locator.by_domain, host, self.subject))[0]


class ServiceTests(LocatorTestCase):
    """SRV records."""

    def test_order(self) -> None:
        """Targets by priority, each with its port, all its addresses and its name."""
        self.network.services("example.org", srv("b.example.org", 5072, 20), srv("a.example.org", 5071, 10))
        hops = at_hand(self.locator.by_domain("example.org", self.subject))
        self.assertEqual(["192.0.2.1:5071", "192.0.2.2:5072", "2001:db8::2:5072"], places(hops))
        self.assertEqual("a.example.org:5071", hops[0].name)

    def test_none(self) -> None:
        """Without SRV records the host's own addresses are used, at 5060."""
        self.assertEqual(["192.0.2.9:5060"], self.domain())

    def test_decidedly_not_available(self) -> None:
        """A single target of "." means no; the host's addresses are not used."""
        self.network.services("example.org", srv(".", 5060))
        self.assertEqual([], self.domain())
        self.network.services("example.org", srv("", 5060))
        self.assertEqual([], self.domain())

    def test_port_0(self) -> None:
        """A record with port 0 is refused, its alternates are not."""
        self.network.services("example.org", srv("a.example.org", 0), srv("c.example.org", 5065, 5))
        self.assertEqual(["192.0.2.3:5065"], self.domain())
        self.assertIn("_sip._udp.example.org: 1 refused: target . or port 0", trace(self.subject))
        self.network.services("example.org", srv("a.example.org", 0))
        self.assertEqual([], self.domain())

    def test_unresolvable_target(self) -> None:
        """A target without address is left out."""
        self.network.services("example.org", srv("nobody.example.org"), srv("a.example.org", 5060, 5))
        self.assertEqual(["192.0.2.1:5060"], self.domain())
        self.assertIn("nobody.example.org is left out: nobody knows nobody.example.org", trace(self.subject))

    def test_no_target_resolves(self) -> None:
        """Where no target has an address it is 404; the host's own addresses are not what the domain wants used."""
        self.network.services("example.org", srv("nobody.example.org"))
        self.assertEqual(404, self.refused())

    def test_bad_targets(self) -> None:
        """Targets that are no names, or addresses, do no harm."""
        targets = (srv("bad label.example.org"), srv("x" * 300), srv("\udcff".encode("utf-8", "replace").decode()))
        self.network.services("example.org", *targets, srv("192.0.2.77", 5061, 9))
        self.assertEqual(["192.0.2.77:5061"], self.domain())

    def test_two_hundred(self) -> None:
        """Of 200 records the most preferred are used, as many as there may be next hops."""
        records = [srv(f"h{n}.example.org", 5060, n) for n in reversed(range(200))]
        self.network.services("example.org", *records)
        for n in range(200):
            self.network.names.known[f"h{n}.example.org"] = [f"198.51.100.{n}"]
        self.assertEqual([f"198.51.100.{n}:5060" for n in range(MAX_HOPS)], self.domain())
        self.assertIn("180 more (0 s old)", trace(self.subject)[1])

    def test_two_hundred_of_one_priority(self) -> None:
        """200 equal records give different next hops each."""
        self.network.services("example.org", *[srv(f"h{n}.example.org", 5060, 0, n) for n in range(200)])
        for n in range(200):
            self.network.names.known[f"h{n}.example.org"] = [f"198.51.100.{n}"]
        self.assertEqual(MAX_HOPS, len(set(self.domain())))

    def test_many_addresses(self) -> None:
        """A host with hundreds of addresses gives no more next hops than any."""
        self.network.names.known["example.org"] = [f"198.51.{n // 256}.{n % 256}" for n in range(400)]
        self.assertEqual(MAX_HOPS, len(self.domain()))

    def test_same_place_twice(self) -> None:
        """Two names of one place are one next hop."""
        self.network.addresses(alias="192.0.2.1")
        self.network.services("example.org", srv("a.example.org"), srv("alias.example.org", 5060, 5))
        self.assertEqual(["192.0.2.1:5060"], self.domain())

    def test_one_order_for_one_transaction(self) -> None:
        """A name server that rotates its answers does not change the order that a seed gives (RFC 3263 4.4)."""
        records = [srv(f"{name}.example.org", 5060, 0, 5) for name in "abcd"]
        locator = Locator(self.network.names, self.network.clock.seconds, lambda request: Random(request.call_id))
        orders = set()
        for n in range(4):
            self.network.services("example.org", *records[n:], *records[:n])
            orders.add(tuple(places(at_hand(locator.by_domain("example.org", self.subject)))))
        self.assertEqual(1, len(orders))
        others = {tuple(at_hand(locator.by_domain("example.org", subject(f"{n}@x")))) for n in range(20)}
        self.assertGreater(len(others), 3)

    def test_trace(self) -> None:
        """The answers stand in the trace with weights and age."""
        self.network.services("example.org", srv("a.example.org", 5061, 10, 60))
        self.domain()
        self.assertEqual(
            [
                "NAPTR: example.org has no such record",
                "SRV _sip._udp.example.org: 10 60 5061 a.example.org. (0 s old)",
            ],
            trace(self.subject),
        )


class RulesTests(LocatorTestCase):
    """NAPTR records."""

    def test_udp_only(self) -> None:
        """Of the services only SIP+D2U counts, whatever the others' order."""
        self.network.rules(
            "example.org",
            naptr("_sips._tcp.example.org", "SIPS+D2T", 1),
            naptr("_sip._tcp.example.org", "SIP+D2T", 2),
            naptr("_sip._udp.example.net", "sip+d2u", 3),
        )
        self.network.services("example.net", srv("a.example.org", 5070))
        self.assertEqual(["192.0.2.1:5070"], self.domain())
        self.assertIn('1 1 "s" "SIPS+D2T" "" _sips._tcp.example.org.', trace(self.subject)[0])

    def test_others_only(self) -> None:
        """A domain that names other transports only is asked for its SRV records of UDP, and says so."""
        self.network.rules("example.org", naptr("_sip._tcp.example.org", "SIP+D2T"))
        self.network.services("example.org", srv("a.example.org", 5071))
        self.assertEqual(["192.0.2.1:5071"], self.domain())
        self.assertIn("example.org: none of its NAPTR is for SIP by UDP", trace(self.subject))

    def test_preference(self) -> None:
        """Among records of one order the preferred one that has SRV records is used; a higher order never is."""
        self.network.rules(
            "example.org",
            naptr("_sip._udp.three.test", order=1, preference=3),
            naptr("_sip._udp.two.test", order=1, preference=2),
            naptr("_sip._udp.late.test", order=2, preference=1),
        )
        self.network.services("three.test", srv("c.example.org"))
        self.network.services("late.test", srv("d.example.org"))
        self.assertEqual(["192.0.2.3:5060"], self.domain())
        del self.network.names.records["_sip._udp.three.test", dns.SRV]
        self.assertEqual(["192.0.2.9:5060"], self.domain())

    def test_no_service(self) -> None:
        """A replacement of "." means no."""
        self.network.rules("example.org", naptr("."))
        self.assertEqual([], self.domain())
        self.assertIn("example.org has no SIP by UDP, says its NAPTR", trace(self.subject))

    def test_expression(self) -> None:
        """A record with a regular expression is not for us."""
        self.network.rules("example.org", naptr("_sip._udp.example.net", regexp="!^.*$!sip:x@evil.test!"))
        self.network.services("example.net", srv("a.example.org", 5070))
        self.assertEqual(["192.0.2.9:5060"], self.domain())

    def test_onward(self) -> None:
        """A record without flags leads to the NAPTR records of another name."""
        self.network.rules("example.org", naptr("next.test", "", flags=""))
        self.network.rules("next.test", naptr("_sip._udp.example.net"))
        self.network.services("example.net", srv("a.example.org", 5070))
        self.assertEqual(["192.0.2.1:5070"], self.domain())

    def test_cycle(self) -> None:
        """NAPTR records that lead in a circle, or ever on, are given up."""
        self.network.rules("example.org", naptr("next.test", "", flags=""))
        self.network.rules("next.test", naptr("EXAMPLE.org", "", flags=""))
        self.assertEqual(["192.0.2.9:5060"], self.domain())
        for n in range(100):
            self.network.rules(f"n{n}.test", naptr(f"n{n + 1}.test", "", flags=""))
        self.network.names.known["n0.test"] = ["192.0.2.10"]
        self.assertEqual(["192.0.2.10:5060"], self.domain("n0.test"))
        self.assertEqual(2, sum("have no end" in line for line in trace(self.subject)))
        self.assertLess(len(self.subject.trace), 20)

    @given(
        st.lists(
            st.builds(
                naptr,
                st.sampled_from(["", ".", "_sip._udp.example.org", "example.org", "n.test", "a b", "x" * 70]),
                st.sampled_from(["SIP+D2U", "SIP+D2T", "", "\xff", "E2U+sip"]),
                st.integers(0, 3),
                st.integers(0, 3),
                st.sampled_from(["s", "S", "", "a", "u", "su"]),
                st.sampled_from(["", "!a!b!"]),
            ),
            max_size=6,
        ),
        st.lists(
            st.builds(
                srv,
                st.sampled_from(["", ".", "a.example.org", "nobody.test", "x" * 70, "[::1]", "192.0.2.1"]),
                st.integers(0, 65535),
                st.integers(0, 3),
                st.integers(0, 3),
            ),
            min_size=1,
            max_size=6,
        ),
    )
    @settings(max_examples=200, deadline=None)
    def test_anything(self, rules: list[dns.Record_NAPTR], services: list[dns.Record_SRV]) -> None:
        """Whatever the DNS says: next hops, or 404; never a fault, and the trace can be written."""
        network, asked = Network(), subject()
        network.addresses(a="192.0.2.1")
        network.names.known["example.org"] = ["192.0.2.9"]
        network.services("example.org", *services)
        if rules:
            network.rules("example.org", *rules)
            network.rules("n.test", *rules)
        try:
            hops = at_hand(network.locator.by_domain("example.org", asked))
            self.assertTrue(all(0 < hop.port < 65536 for hop in hops))
        except RequestError as error:
            self.assertEqual(404, error.status)
        self.assertTrue(all(trace(asked)))


class AddressTests(LocatorTestCase):
    """Literal addresses, and names that are none."""

    def test_literal(self) -> None:
        """A literal address has no records: nobody is asked."""
        for host, found in (("192.0.2.77", "192.0.2.77:5060"), ("[2001:db8::1]", "2001:db8::1:5060")):
            self.assertEqual([found], self.domain(host))
        self.assertEqual([], trace(self.subject))

    def test_is_name(self) -> None:
        """The last label of a name begins with a letter (RFC 3261 25.1)."""
        for host in ("example.org", "example.org.", "gw", "a-1.x9"):
            self.assertTrue(is_name(host), host)
        for host in ("192.0.2.1", "192.0.2.256", "1.2.3", "[::1]", "dead::beef", "", ".", "x.9"):
            self.assertFalse(is_name(host), host)

    def test_not_names(self) -> None:
        """What can be no name is 404."""
        for host in ("nobody.test", "192.0.2.256", "a..b", "x" * 64 + ".test", ".".join(["abcdefgh"] * 30)):
            self.assertEqual(404, self.refused(host), host)

    def test_port(self) -> None:
        """A port leaves only addresses to ask for; it is in the name."""
        self.network.services("example.org", srv("a.example.org", 5071))
        hops = at_hand(self.locator.by_address("2001:db8::1", 5099, self.subject))
        self.assertEqual("[2001:db8::1]:5099", hops[0].name)
        hops = at_hand(self.locator.by_address("example.org", 5099, self.subject))
        self.assertEqual(["192.0.2.9:5099"], places(hops))
        self.assertEqual("example.org:5099", hops[0].name)


class SilenceTests(LocatorTestCase):
    """Name servers that say nothing, or say it late."""

    def later(self, host: str = "example.org") -> object:
        """Locate a domain whose answers have to be waited for."""
        found = waited(self.network.clock, self.locator.by_domain(host, self.subject))
        return found.status if isinstance(found, RequestError) else places(found)

    def test_late(self) -> None:
        """Late answers are answers; what can be asked at once is."""
        self.network.names.delay = 1.0
        self.network.services("example.org", srv("a.example.org", 5071), srv("c.example.org", 5073, 9))
        self.assertEqual(["192.0.2.1:5071", "192.0.2.3:5073"], self.later())
        self.assertEqual([], self.network.clock.getDelayedCalls())

    def test_two_rounds(self) -> None:
        """NAPTR, SRV and addresses are one wait, the targets one more, however many there are."""
        self.network.names.delay = 1.0
        self.network.services("example.org", *[srv(f"{name}.example.org") for name in "abcd"])
        found = pending(self.locator.by_domain("example.org", self.subject))
        self.network.clock.pump([1.0, 0.9])
        self.assertNoResult(found)
        self.network.clock.advance(0.2)
        self.assertEqual(5, len(self.successResultOf(found)))

    def test_all_silent(self) -> None:
        """Where nobody answers it is 503."""
        self.network.names.records["silent.test", dns.NAPTR] = []
        self.network.names.records["_sip._udp.silent.test", dns.SRV] = []
        self.network.names.known["silent.test"] = []
        self.assertEqual(503, self.later("silent.test"))

    def test_service_silent_and_no_address(self) -> None:
        """A silence leaves open what an absence closes: 503."""
        self.network.names.records["_sip._udp.silent.test", dns.SRV] = []
        self.assertEqual(503, self.later("silent.test"))

    def test_service_silent(self) -> None:
        """A host of the hosts file is found though no name server answers."""
        self.network.names.records["example.org", dns.NAPTR] = []
        self.network.names.records["_sip._udp.example.org", dns.SRV] = []
        self.assertEqual(["192.0.2.9:5060"], self.later())

    def test_rules_silent(self) -> None:
        """NAPTR that nobody answers are taken for none."""
        self.network.names.records["example.org", dns.NAPTR] = []
        self.network.services("example.org", srv("a.example.org", 5071))
        self.assertEqual(["192.0.2.1:5071"], self.later())

    def test_one_target_silent(self) -> None:
        """A part of an answer is used."""
        self.network.names.known["silent.test"] = []
        self.network.services("example.org", srv("silent.test"), srv("a.example.org", 5071, 9))
        self.assertEqual(["192.0.2.1:5071"], self.later())

    def test_targets_silent(self) -> None:
        """Where one target is silent and the other absent it is 503."""
        self.network.names.known["silent.test"] = []
        self.network.services("example.org", srv("nobody.test"), srv("silent.test"))
        self.assertEqual(503, self.later())

    def test_address_silent(self) -> None:
        """Nobody answers for a host with a port: 503."""
        self.network.names.known["silent.test"] = []
        error = waited(self.network.clock, self.locator.by_address("silent.test", 5060, self.subject))
        self.assertEqual((503, b"Name Service Unavailable"), (error.status, error.reason))

    def test_fault(self) -> None:
        """What is not the resolver's to say is a fault, and stays one."""

        def broken(host: str) -> list[str]:
            raise ZeroDivisionError

        self.network.names.addresses = broken  # type: ignore[method-assign]
        self.assertRaises(ZeroDivisionError, self.locator.by_domain, "example.org", self.subject)
