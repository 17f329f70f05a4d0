"""Patterns of domains."""

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from sipproxy.databases.domains import DomainMap, is_literal, read_domain, read_host

LABELS = st.sampled_from(["a", "b", "org"])
NAMES = st.lists(LABELS, min_size=1, max_size=4).map(".".join)
PATTERNS = NAMES | NAMES.map("*.{}".format) | st.just("*")


def made(*patterns: str) -> DomainMap[str]:
    """Make a map whose values are the patterns."""
    domains: DomainMap[str] = DomainMap()
    for pattern in patterns:
        domains.set(pattern, pattern)
    return domains


def found(domains: DomainMap[str], host: str) -> list[str]:
    """Give the patterns that match, most specific first."""
    return [text for _, text, _ in domains.matches(host)]


class ReadTests(SynchronousTestCase):
    """What an operator writes."""

    def test_right(self) -> None:
        """A name, all below a name, all names, a literal address; in one spelling."""
        for text, pattern in (
            ("Example.ORG", "example.org"),
            ("example.org.", "example.org"),
            ("*.Example.org", "*.example.org"),
            ("*", "*"),
            ("192.0.2.1", "192.0.2.1"),
            ("[2001:DB8::1]", "2001:db8::1"),
            ("B\u00fccher.example", "xn--bcher-kva.example"),
            ("*.stra\u00dfe.example", "*.xn--strae-oqa.example"),
        ):
            self.assertEqual(read_domain(text), pattern)

    def test_wrong(self) -> None:
        """All else is refused."""
        for text in (
            "", "*.", "*.*", "*org", "a.*", "*.*.org", "*.192.0.2.1", "*.[::1]", "a b", "a..b", "-a", "*.-", "1.2.3",
            "\ud800.org", "\u00fc" * 64, "a" * 300, "ex\x00ample",
        ):  # fmt: skip
            self.assertRaises(ValueError, read_domain, text)

    def test_hosts(self) -> None:
        """A host is no pattern."""
        self.assertEqual(read_host("GW.example.com"), "gw.example.com")
        self.assertRaises(ValueError, read_host, "*.example.com")

    def test_literals(self) -> None:
        """Literal addresses are told from names by their last label."""
        hosts = ("192.0.2.1", "::1", "[::1]", "a.1", "1.a", "example.org")
        self.assertEqual([is_literal(host) for host in hosts], [True, True, True, False, False, False])


class MatchTests(SynchronousTestCase):
    """What matches."""

    def test_order(self) -> None:
        """The exact name, then the longest of those above it, then all."""
        domains = made("*", "*.org", "*.example.org", "sip.example.org", "example.org")
        for host, patterns in (
            ("sip.example.org", ["sip.example.org", "*.example.org", "*.org", "*"]),
            ("a.b.example.org", ["*.example.org", "*.org", "*"]),
            ("example.org", ["example.org", "*.org", "*"]),
            ("org", ["*"]),
            ("EXAMPLE.ORG.", ["example.org", "*.org", "*"]),
        ):
            self.assertEqual(found(domains, host), patterns)
            self.assertEqual(domains.first(host), (domains.matches(host).__next__()))

    def test_literal(self) -> None:
        """A literal address has no names above it, and is no name."""
        domains = made("*", "*.1", "192.0.2.1", "2001:db8::1")
        self.assertEqual([found(domains, host) for host in ("192.0.2.1", "192.0.2.2")], [["192.0.2.1"], []])
        self.assertEqual(found(domains, "[2001:DB8:0::1]"), ["2001:db8::1"])
        self.assertEqual([found(domains, host) for host in ("[::2]", "[", "[]", "[a]", "")], [[]] * 5)

    def test_international(self) -> None:
        """Names in other scripts are found however they are written."""
        domains = made(read_domain("b\u00fccher.example"))
        for host in ("xn--bcher-kva.example", "B\u00dcCHER.example", "XN--BCHER-KVA.EXAMPLE"):
            self.assertEqual(found(domains, host), ["xn--bcher-kva.example"])

    def test_changes(self) -> None:
        """What is removed is gone; a copy is changed by itself."""
        domains = made("a", "*")
        other = domains.copy()
        domains.remove("a")
        self.assertEqual((found(domains, "a"), found(other, "a"), len(other)), (["*"], ["a", "*"], 2))
        self.assertRaises(KeyError, domains.remove, "a")
        self.assertEqual(found(made(), "a"), [])

    @given(st.lists(PATTERNS, unique=True, max_size=6), NAMES)
    def test_definition(self, patterns: list[str], host: str) -> None:
        """All that match are found, longest first."""
        expected = [
            pattern
            for pattern in patterns
            if pattern in (host, "*") or (pattern[0] == "*" and host.endswith(pattern[1:]))
        ]
        expected.sort(key=lambda pattern: (pattern != host, -len(pattern)))
        self.assertEqual(found(made(*patterns), host), expected)

    @given(st.text())
    def test_any_text(self, host: str) -> None:
        """Any text finds something or nothing."""
        self.assertIn(found(made("*"), host), ([], ["*"]))
