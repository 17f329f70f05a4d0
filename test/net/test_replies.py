"""Names, alias chains and times to live of DNS replies."""

from hypothesis import given
from hypothesis import strategies as st
from twisted.names import dns
from twisted.trial.unittest import SynchronousTestCase

from sipproxy.errors import NameNotFoundError
from sipproxy.net.replies import MAX_ALIASES, absence_ttl, canonical_name, follow
from test.net.fixtures import a, aaaa, cname, soa


class CanonicalNameTests(SynchronousTestCase):
    """Names as they are asked."""

    def test_canonical(self) -> None:
        """Case and trailing dot make no difference; services have underscores."""
        self.assertEqual("gw.example.test", canonical_name("GW.Example.test."))
        self.assertEqual("_sip._udp.example.test", canonical_name("_sip._udp.example.test"))

    def test_lengths(self) -> None:
        """The longest label and the longest name are allowed, one octet more is not."""
        label = "x" * 63
        longest = ".".join([label, label, label, "x" * 61])
        self.assertEqual(longest, canonical_name(longest))
        self.assertRaises(NameNotFoundError, canonical_name, longest + "x")
        self.assertRaises(NameNotFoundError, canonical_name, "x" * 64 + ".test")

    def test_no_names(self) -> None:
        """What no host can be called is not asked."""
        for name in (
            "",
            ".",
            "a..b",
            ".a",
            "a b",
            "a\0b",
            "a@b",
            "[::1]",
            "-a.test",
            "a-.test",
            "b\xfccher.test",
            "\u212a",
        ):
            self.assertRaises(NameNotFoundError, canonical_name, name)

    @given(st.text())
    def test_any_text(self, text: str) -> None:
        """Any text is a canonical name's origin, or no name; a canonical name stays as it is."""
        try:
            name = canonical_name(text)
        except NameNotFoundError:
            return
        self.assertEqual(name, canonical_name(name))


class FollowTests(SynchronousTestCase):
    """Aliases of an answer section."""

    def test_direct(self) -> None:
        """The records of the name, as served, are believed for the shortest of their times."""
        records, ttl = follow(["gw.test"], dns.A, [a("gw.test", "192.0.2.2", 60), a("GW.test", "192.0.2.1", 50)])
        self.assertEqual(["192.0.2.2", "192.0.2.1"], [record.dottedQuad() for record in records])
        self.assertEqual(50, ttl)

    def test_other_names_and_types(self) -> None:
        """Records of other names and types are not ours."""
        records, _ = follow(["gw.test"], dns.A, [a("evil.test", "192.0.2.2"), aaaa("gw.test", "::1")])
        self.assertEqual([], records)

    def test_alias(self) -> None:
        """Through aliases in any order; the shortest time to live counts."""
        chain = ["www.test"]
        answers = [a("c.test", "192.0.2.1", 60), cname("b.test", "c.test", 7), cname("www.test", "b.test", 60)]
        records, ttl = follow(chain, dns.A, answers)
        self.assertEqual((1, 7), (len(records), ttl))
        self.assertEqual(["www.test", "b.test", "c.test"], chain)

    def test_alias_asked_for(self) -> None:
        """A question for the alias itself is answered by it."""
        records, _ = follow(["www.test"], dns.CNAME, [cname("www.test", "b.test")])
        self.assertEqual(b"b.test", records[0].name.name)

    def test_loop(self) -> None:
        """A loop has no address."""
        answers = [cname("a.test", "b.test"), cname("b.test", "a.test")]
        self.assertRaises(NameNotFoundError, follow, ["a.test"], dns.A, answers)

    def test_long_chain(self) -> None:
        """The longest chain is followed, one alias more is not."""
        answers = [cname(f"n{number}.test", f"n{number + 1}.test") for number in range(MAX_ALIASES)]
        answers.append(a(f"n{MAX_ALIASES}.test", "192.0.2.1"))
        self.assertEqual(1, len(follow(["n0.test"], dns.A, answers)[0]))
        answers.append(cname("x.test", "n0.test"))
        self.assertRaises(NameNotFoundError, follow, ["x.test"], dns.A, answers)

    def test_huge_ttl(self) -> None:
        """A TTL with its highest bit set is none (RFC 2181 8), other long ones are cut to a week."""
        self.assertEqual(0, follow(["gw.test"], dns.A, [a("gw.test", "192.0.2.2", 2**31)])[1])
        self.assertEqual(604_800, follow(["gw.test"], dns.A, [a("gw.test", "192.0.2.2", 2**31 - 1)])[1])


class AbsenceTtlTests(SynchronousTestCase):
    """RFC 2308 5."""

    def test_soa(self) -> None:
        """The smaller of the record's TTL and its minimum field; without an SOA record, nothing."""
        self.assertEqual(20, absence_ttl([soa("test", 20, 3600)]))
        self.assertEqual(10, absence_ttl([soa("test", 20, 10)]))
        self.assertIsNone(absence_ttl([a("ns.test", "192.0.2.1")]))
