"""Terminals of the grammar (RFC 3261 25.1): names, folds, escapes, quotes, numbers."""

from twisted.trial.unittest import SynchronousTestCase

from sipproxy.errors import SipParseError
from sipproxy.message.grammar import (
    COMPACT,
    NAMES,
    canonical_name,
    escapes_are_whole,
    ipv6_reference,
    is_host,
    is_token,
    number,
    unescape,
    unfold,
    unquote,
)


class NameTests(SynchronousTestCase):
    """Names of header fields."""

    def test_row_01_names_are_case_insensitive(self) -> None:
        """Any case of a name is that name (RFC 3261 7.3.1)."""
        for spelling in (b"call-id", b"CALL-ID", b"cAlL-iD", b"Call-ID", b"Call-ID \t"):
            self.assertEqual(canonical_name(spelling), "call-id")

    def test_row_01_compact_forms(self) -> None:
        """A compact form in either case is its long name (RFC 3261 7.3.3 and the IANA registry)."""
        self.assertEqual("".join(sorted(COMPACT)), "abcdefijklmnorstuvxy")
        for short, name in COMPACT.items():
            self.assertEqual(canonical_name(short.encode()), name)
            self.assertEqual(canonical_name(short.upper().encode() + b" "), name)

    def test_table_agrees(self) -> None:
        """The table of usual spellings says what reading them says."""
        self.assertEqual({spelling: canonical_name(spelling) for spelling in NAMES}, NAMES)

    def test_unknown_name(self) -> None:
        """A name nobody knows is kept in lower case, letters that are no compact form too."""
        self.assertEqual(canonical_name(b"X-Thing%.1"), "x-thing%.1")
        self.assertEqual(canonical_name(b"Z"), "z")

    def test_no_name(self) -> None:
        """What is no token is no name."""
        for field in (b"", b" ", b"a b", b" a", b"a:", b"a\x00", b"\xc3\xbc", b"a\n"):
            self.assertRaises(SipParseError, canonical_name, field)


class OctetTests(SynchronousTestCase):
    """Tokens, hosts, folds, escapes, quotes."""

    def test_tokens(self) -> None:
        """All octets of token, and none besides."""
        self.assertTrue(is_token(b"aZ09-.!%*_+`'~"))
        for octet in b'()<>@,;:\\"/[]?={} \t\x00\x7f\x80':
            self.assertFalse(is_token(b"a%c" % octet), octet)
        self.assertFalse(is_token(b""))

    def test_hosts(self) -> None:
        """Names, addresses and IPv6 references; a trailing dot and an underscore are met."""
        for host in (b"a", b"192.0.2.1", b"atlanta.com", b"a-b.example.com.", b"my_host.example.com", b"[2001:db8::1]"):
            self.assertTrue(is_host(host), host)
        self.assertTrue(is_host(b"a" * 255))
        self.assertFalse(is_host(b"a" * 256))
        for host in (b"", b"-a", b"a-", b"a b", b"2001:db8::1", b"[::1", b"a\n"):
            self.assertFalse(is_host(host), host)

    def test_row_02_folding_is_one_space(self) -> None:
        """A fold and the white space around it are one space (RFC 3261 7.3.1)."""
        for folded in (b"a\r\n b", b"a \t\r\n\t  b", b"a\r\n\tb"):
            self.assertEqual(unfold(folded), b"a b")
        self.assertEqual(unfold(b"a  b"), b"a  b")

    def test_row_08_escapes(self) -> None:
        """%HH in either case of the digits is its octet, once; other % stay."""
        self.assertEqual(unescape(b"%41%5a%5Ab%2541%zz%"), b"AZZb%41%zz%")
        self.assertTrue(escapes_are_whole(b"a%00%fF"))
        for text in (b"%", b"a%4", b"%g0", b"%%41"):
            self.assertFalse(escapes_are_whole(text), text)

    def test_unquote(self) -> None:
        """Quotes and backslashes go; text without quotes stays."""
        self.assertEqual(unquote(rb'"a \"b\" \\ \\\" \c"'), rb'a "b" \ \" c')
        self.assertEqual([unquote(text) for text in (b'""', b'"', b"", b"a", b'"a')], [b"", b'"', b"", b"a", b'"a'])


class NumberTests(SynchronousTestCase):
    """1*DIGIT with an upper bound."""

    def test_bounds(self) -> None:
        """The bound itself is inside, one more is not."""
        self.assertEqual(number(b"255", 255, b"x"), 255)
        self.assertRaises(SipParseError, number, b"256", 255, b"x")

    def test_leading_zeros(self) -> None:
        """Leading zeros change nothing, however many."""
        for text, value in ((b"0", 0), (b"0000", 0), (b"0068", 68), (b"0" * 60000 + b"7", 7), (b"0" * 60000, 0)):
            self.assertEqual(number(text, 255, b"x"), value)

    def test_no_number(self) -> None:
        """Signs, spaces, other digits and very long texts are none; the reason names what was read."""
        for text in (b"", b"-1", b"+1", b" 1", b"1 ", b"1.0", b"0x1", b"1_0", b"\xd9\xa1", b"9" * 60000):
            error = self.assertRaises(SipParseError, number, text, 2**32, b"Thing")
            self.assertEqual((error.status, error.reason), (400, b"Bad Thing"))

    def test_ipv6_reference(self) -> None:
        """An address passes as it is, but for the third colon of RFC 5118 4.10."""
        self.assertEqual(ipv6_reference(b"[2001:db8::1]"), b"[2001:db8::1]")
        self.assertEqual(ipv6_reference(b"[2001:db8:::192.0.2.1]"), b"[2001:db8::c000:201]")
        for host in (b"[]", b"[::::1]", b"[1::2::3]", b"[1.2.3.4]"):
            self.assertRaises(SipParseError, ipv6_reference, host)
