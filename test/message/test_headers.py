"""Values of header fields: lists, parameters, addresses, Via, CSeq (RFC 3261 7.3.1, 20, 25.1)."""

from twisted.trial.unittest import SynchronousTestCase

from sipproxy.errors import SipParseError
from sipproxy.message import parse_name_addr, parse_via, split_values
from sipproxy.message.headers import option_tags, parse_cseq, parse_params, parse_q, parse_seconds


class ListTests(SynchronousTestCase):
    """Comma-separated lists and parameters."""

    def test_row_03_list(self) -> None:
        """Values come in order, without the white space around them; empty ones are seen as such."""
        self.assertEqual(split_values(b"a"), [b"a"])
        self.assertEqual(split_values(b"a,b \t, c"), [b"a", b"b", b"c"])
        self.assertEqual(split_values(b",a,"), [b"", b"a", b""])

    def test_row_04_quotes_and_brackets_hide_commas(self) -> None:
        """A comma in a quoted string or in <> separates nothing."""
        values = [b'"a, \\", <b" <sip:c,d@e>;x="f,g"', b"<sip:h>", b'"\\\\"']
        self.assertEqual(split_values(b", ".join(values)), values)

    def test_row_04_unbalanced(self) -> None:
        """A list with a quote or a bracket that is not closed cannot be split."""
        for value in (b'"a, b', b"<a, b", b'a, "b', b'a, <b "c>"', b'"a\\", b', b"a, b<"):
            self.assertRaises(SipParseError, split_values, value)

    def test_params(self) -> None:
        """Names in lower case, values as written; spaces around ; and = are allowed, the first of two counts."""
        self.assertEqual(parse_params(b""), {})
        self.assertEqual(parse_params(b' ; A = b ;c; d="e;\\"=" ;a=2 '), {b"a": b"b", b"c": None, b"d": b'"e;\\"="'})
        self.assertEqual(parse_params(b"<sip:a>;b", 7), {b"b": None})

    def test_bad_params(self) -> None:
        """What is no parameter is refused."""
        for text in (b";", b";;a", b";a;", b";a=", b";a=b=c", b"a", b";a b", b';a="b', b';a="b"c', b";a=b,c"):
            self.assertRaises(SipParseError, parse_params, text)

    def test_option_tags(self) -> None:
        """Option tags are compared in lower case; an empty one is none."""
        self.assertEqual(option_tags([b"100rel", b"", b"Path"]), [b"100rel", b"path"])


class NameAddrTests(SynchronousTestCase):
    """name-addr and addr-spec (RFC 3261 20.10)."""

    def test_row_04_brackets_decide(self) -> None:
        """Within <> parameters are the URI's, without them all are the header's."""
        inside = parse_name_addr(b"<sip:bob@biloxi.com;user=phone>;tag=a")
        self.assertEqual((inside.uri.params, inside.params), ({b"user": b"phone"}, {b"tag": b"a"}))
        outside = parse_name_addr(b"sip:bob@biloxi.com;user=phone;tag=a")
        self.assertEqual((outside.uri.params, outside.params), ({}, {b"user": b"phone", b"tag": b"a"}))

    def test_row_04_bare_address_without_question_mark(self) -> None:
        """A URI with a comma, a semicolon or a question mark of its own stands in <>."""
        self.assertEqual(parse_name_addr(b"<sip:a@b?c=d>").uri.headers, b"c=d")
        for value in (b"sip:a@b?c=d", b"sip:a,b@c"):
            self.assertRaises(SipParseError, parse_name_addr, value)

    def test_display_names(self) -> None:
        """A display name is a quoted string or words, given as written."""
        for display in (b"", b'""', b'"Bob"', b'"a\\"<sip:x@y>,;b"', b"Bob", b"Mr. B  Watson-2", b'"\xc3\xbc"'):
            address = parse_name_addr(display + b" <sip:bob@biloxi.com>;x")
            self.assertEqual((address.display, address.uri.user, address.params), (display, b"bob", {b"x": None}))

    def test_no_space_before_bracket(self) -> None:
        """The space between display name and < may be missing (RFC 4475 3.1.1.6)."""
        self.assertEqual([parse_name_addr(v).display for v in (b"Bob<sip:a>", b'"B"<sip:a>')], [b"Bob", b'"B"'])

    def test_refused(self) -> None:
        """Two addresses, brackets or quotes that do not match, words that are none, and no address at all."""
        for value in (
            b"", b" ", b"<>", b"< sip:a>", b"<sip:a >", b"<sip:a", b"sip:a>", b"<<sip:a>>", b"<sip:a>, <sip:b>",
            b"<sip:a> b", b'"a <sip:a>', b'a" <sip:a>', b'"a"b <sip:a>', b'b "a" <sip:a>', b"a, b <sip:a>",
            b"a (b) <sip:a>", b"a@b <sip:a>", b"sip:a <sip:b>", b"*", b"<sip:a>;", b"sip:a b", b"<tel:>", b"bob",
        ):  # fmt: skip
            self.assertRaises(SipParseError, parse_name_addr, value)

    def test_tag(self) -> None:
        """A tag is given as written; none is empty."""
        self.assertEqual(parse_name_addr(b"<sip:a>;TAG=aB").tag, b"aB")
        self.assertEqual([parse_name_addr(v).tag for v in (b"<sip:a>", b"<sip:a>;tag")], [b"", b""])

    def test_q(self) -> None:
        """q is 0 to 1 with up to three decimals, and 1 where it is missing (RFC 3261 25.1)."""
        for text, value in ((b"0", 0), (b"0.", 0), (b"0.5", 0.5), (b"0.123", 0.123), (b"1", 1), (b"1.000", 1)):
            self.assertEqual(parse_q(text), value)
            self.assertEqual(parse_name_addr(b"<sip:a>;q=" + text).q, value)
        self.assertEqual(parse_name_addr(b"<sip:a>").q, 1)

    def test_bad_q(self) -> None:
        """Anything else is no q."""
        for text in (None, b"", b"1.1", b"1.001", b"0.1234", b".5", b"-0", b"2", b"0,5", b"0.5\n", b'"1"', b"1e0"):
            self.assertRaises(SipParseError, parse_q, text)

    def test_params_are_its_own(self) -> None:
        """Values without parameters do not share them: what is written into one is in no other."""
        parse_name_addr(b"<sip:a>").params[b"x"] = parse_via(b"SIP/2.0/UDP a").params[b"x"] = b"y"
        self.assertEqual((parse_name_addr(b"<sip:a>").params, parse_via(b"SIP/2.0/UDP a").params), ({}, {}))


class ViaTests(SynchronousTestCase):
    """Via (RFC 3261 20.42, 25.1)."""

    def test_usual(self) -> None:
        """Transport, sent-by, parameters."""
        via = parse_via(b"SIP/2.0/UDP erlang.bell-telephone.com:5060;branch=z9hG4bK87asdks7")
        self.assertEqual((via.transport, via.host, via.port), (b"UDP", b"erlang.bell-telephone.com", 5060))
        self.assertEqual(via.branch, b"z9hG4bK87asdks7")

    def test_spaces(self) -> None:
        """The example of 20.42 with spaces everywhere that the grammar has them."""
        via = parse_via(b"SIP / 2.0 / UDP first.example.com: 4000;ttl=16 ;maddr=224.2.0.1 ;branch=z9hG4bKa7c6a8dlze.1")
        self.assertEqual((via.transport, via.host, via.port), (b"UDP", b"first.example.com", 4000))
        self.assertEqual([via.params[name] for name in (b"ttl", b"maddr")], [b"16", b"224.2.0.1"])
        via = parse_via(b"sip/\t2.0/tcp\tA.example.com  :\t5061 ; branch\t= x")
        self.assertEqual((via.transport, via.host, via.port, via.branch), (b"TCP", b"a.example.com", 5061, b"x"))

    def test_ipv6(self) -> None:
        """A sent-by may be an IPv6 reference with a port."""
        via = parse_via(b"SIP/2.0/UDP [2001:DB8::9:1]:6050;received=2001:db8::9:255;rport=1")
        self.assertEqual((via.host, via.port), (b"[2001:db8::9:1]", 6050))
        self.assertEqual(via.params, {b"received": b"2001:db8::9:255", b"rport": b"1"})

    def test_rport_without_value(self) -> None:
        """rport may stand without a value (RFC 3581 3), wherever it stands."""
        for text in (b"SIP/2.0/UDP a;rport;branch=b", b"SIP/2.0/UDP a;branch=b;rport"):
            self.assertEqual(parse_via(text).params, {b"rport": None, b"branch": b"b"})

    def test_row_04_quoted_parameter(self) -> None:
        """A quoted parameter may hold what looks like the next value."""
        first, second = split_values(b'SIP/2.0/UDP a;x=", SIP/2.0/UDP b;\\"";branch=1, SIP/2.0/TCP c')
        self.assertEqual(parse_via(first).branch, b"1")
        self.assertEqual(parse_via(second).host, b"c")

    def test_no_branch(self) -> None:
        """RFC 2543 peers send none."""
        self.assertEqual([parse_via(v).branch for v in (b"SIP/2.0/UDP a", b"SIP/2.0/UDP a;branch")], [b"", b""])

    def test_other_version(self) -> None:
        """A Via of another version is read all the same, so that the 505 finds its way."""
        for text in (b"SIP/7.0/UDP a", b"SIP/2.1/UDP a", b"sip / 3 / UDP a"):
            self.assertEqual(parse_via(text).host, b"a")

    def test_refused(self) -> None:
        """What is no Via is 400."""
        for text in (
            b"", b"SIP/2.0/UDP", b"SIP/2.0/UDP ", b"SIP/2.0 a", b"SIP/2.0/UDPa", b"2.0/UDP a", b"SIP/2.0/UDP a b",
            b"SIP/2.0/UDP a:", b"SIP/2.0/UDP a:65536", b"SIP/2.0/UDP a:x", b"SIP/2.0/UDP a;", b"SIP/2.0/UDP a;;b",
            b"SIP/2.0/UDP a;branch=", b"SIP/2.0/U DP a", b"SIP/2.0/UDP ::1", b"SIP/2.0/UDP a, SIP/2.0/UDP b",
            b"SIP/2.0/UDP u@a", b"SIP/2.0/UDP <a>", b"SIP/2.0/UDP a\r\n b", b"SIP/2.0/UDP -",
        ):  # fmt: skip
            self.assertEqual(self.assertRaises(SipParseError, parse_via, text).status, 400, text)


class NumberTests(SynchronousTestCase):
    """CSeq and seconds."""

    def test_cseq(self) -> None:
        """A number below 2**31 and a method, whose case is kept (RFC 3261 8.1.1.5)."""
        self.assertEqual(parse_cseq(b"0009 \t INVITE"), (9, b"INVITE"))
        self.assertEqual(parse_cseq(b"2147483647 x%"), (2**31 - 1, b"x%"))
        for text in (b"2147483648 A", b"-1 A", b"1", b"1A", b"A", b"", b"1 A B", b"1 A,", b"9" * 99 + b" A", b"1.0 A"):
            self.assertRaises(SipParseError, parse_cseq, text)

    def test_seconds(self) -> None:
        """Seconds are below 2**32 (RFC 3261 20.19)."""
        self.assertEqual(parse_seconds(b"4294967295"), 2**32 - 1)
        for text in (b"4294967296", b"-1", b"1.5", b"", b"Thu"):
            self.assertRaises(SipParseError, parse_seconds, text)
