"""URIs: reading, comparing, writing (RFC 3261 19.1, RFC 3966)."""

from twisted.trial.unittest import SynchronousTestCase

from sipproxy.errors import SipParseError
from sipproxy.message import Uri, parse_uri
from sipproxy.message.uri import MAX_URI, digits


class ReadTests(SynchronousTestCase):
    """Octets to a Uri."""

    def test_examples(self) -> None:
        """The examples of RFC 3261 19.1.3."""
        uri = parse_uri(b"sip:alice@atlanta.com")
        self.assertEqual((uri.scheme, uri.user, uri.password), (b"sip", b"alice", None))
        self.assertEqual((uri.host, uri.port, uri.params, uri.headers), (b"atlanta.com", None, {}, b""))
        uri = parse_uri(b"sip:alice:secretword@atlanta.com;transport=tcp")
        self.assertEqual((uri.password, uri.params), (b"secretword", {b"transport": b"tcp"}))
        uri = parse_uri(b"sips:alice@atlanta.com?subject=project%20x&priority=urgent")
        self.assertEqual((uri.scheme, uri.headers), (b"sips", b"subject=project%20x&priority=urgent"))
        uri = parse_uri(b"sip:+1-212-555-1212:1234@gateway.com;user=phone")
        self.assertEqual((uri.user, uri.password, uri.params), (b"+1-212-555-1212", b"1234", {b"user": b"phone"}))
        uri = parse_uri(b"sip:atlanta.com;method=REGISTER?to=alice%40atlanta.com")
        self.assertEqual((uri.user, uri.host, uri.params), (None, b"atlanta.com", {b"method": b"REGISTER"}))
        uri = parse_uri(b"sip:alice;day=tuesday@atlanta.com")
        self.assertEqual((uri.user, uri.params), (b"alice;day=tuesday", {}))

    def test_raw(self) -> None:
        """A Uri keeps its octets; scheme, host and names of parameters are read in lower case."""
        uri = parse_uri(b"SIP:Alice@ATLANTA.com;Transport=TCP;LR")
        self.assertEqual(uri.raw, b"SIP:Alice@ATLANTA.com;Transport=TCP;LR")
        self.assertEqual((uri.scheme, uri.user, uri.host), (b"sip", b"Alice", b"atlanta.com"))
        self.assertEqual(uri.params, {b"transport": b"TCP", b"lr": None})

    def test_ipv6_host(self) -> None:
        """An IPv6 reference keeps its brackets; the port stands behind them."""
        uri = parse_uri(b"sip:a@[2001:DB8::1]:5070;maddr=[::1]")
        self.assertEqual((uri.host, uri.port, uri.params[b"maddr"]), (b"[2001:db8::1]", 5070, b"[::1]"))

    def test_ports(self) -> None:
        """Ports are 0 to 65535."""
        self.assertEqual([parse_uri(b"sip:a:" + port).port for port in (b"0", b"05060", b"65535")], [0, 5060, 65535])
        for port in (b"65536", b"", b"-1", b"x", b"5060 "):
            self.assertRaises(SipParseError, parse_uri, b"sip:a:" + port)

    def test_long_contact(self) -> None:
        """The push parameters of a phone are kept to the octet."""
        raw = b"sip:bob@192.0.2.4;transport=tls;pn-provider=apns;pn-prid=" + b"0123456789abcdef:" * 40 + b"voip&remote"
        self.assertEqual(parse_uri(raw).raw, raw)
        self.assertEqual(parse_uri(raw).params[b"pn-provider"], b"apns")

    def test_too_long(self) -> None:
        """A URI of more than MAX_URI octets is answered with 414."""
        self.assertEqual(len(parse_uri(b"sip:" + b"a" * (MAX_URI - 6) + b"@b").raw), MAX_URI)
        error = self.assertRaises(SipParseError, parse_uri, b"sip:" + b"a" * (MAX_URI - 5) + b"@b")
        self.assertEqual(error.status, 414)

    def test_row_22_lr_with_a_value(self) -> None:
        """lr=on and lr=true are lr."""
        for raw in (b"sip:p.example.com;lr", b"sip:p.example.com;lr=on", b"sip:p.example.com;LR=true"):
            self.assertIn(b"lr", parse_uri(raw).params)

    def test_escaped_name(self) -> None:
        """The name of a parameter may be escaped (RFC 4475 3.1.1.3); what would be no name then stays escaped."""
        self.assertEqual(list(parse_uri(b"sip:a;%6C%72;x%3by=1").params), [b"lr", b"x%3by"])

    def test_refused(self) -> None:
        """What is no URI, or lacks part of one."""
        for raw in (
            b"", b"sip", b"sip:", b"sip:@a", b"sip:a@", b"sip:a b@c", b"sip:a@b@c", b"sip:a@b c", b" sip:a", b"sip:a ",
            b"sip:a@b;", b"sip:a@b;;x", b"sip:a@b;=x", b"sip:%4@b", b"sip:a%zz@b", b"sip:a@b;x=%", b"sip:a@b?x=%g0",
            b"sip:a@-b", b"sip:a@b-", b"sip:a@b\n", b"sip:\x00@b", b"sip:a@b\x00", b"sip:<a>@b", b'sip:"a"@b',
            "sip:ü@b".encode(), b"//host", b"1a:b", b"tel:", b"x:", b"http://a b", b"*",
        ):  # fmt: skip
            self.assertRaises(SipParseError, parse_uri, raw)

    def test_lenient(self) -> None:
        """Beyond the RFC: # in a user part, and values of parameters that are empty or hold =."""
        self.assertEqual(parse_uri(b"sip:*21#@example.com").user, b"*21#")
        self.assertEqual(parse_uri(b"sip:a@b;x=;y=YWI=;z").params, {b"x": b"", b"y": b"YWI=", b"z": None})


class TelTests(SynchronousTestCase):
    """tel: and telephone numbers in sip:."""

    def test_row_09_tel(self) -> None:
        """A tel URI has its number for a user, its parameters, and no host (RFC 3966 3)."""
        uri = parse_uri(b"tel:7042;phone-context=example.com;isub=1")
        self.assertEqual((uri.scheme, uri.user, uri.host, uri.is_sip), (b"tel", b"7042", b"", False))
        self.assertEqual(uri.params, {b"phone-context": b"example.com", b"isub": b"1"})

    def test_row_09_visual_separators(self) -> None:
        """A number is its digits without what only helps the eye (RFC 3966 5.1.1), escapes undone."""
        for user in (b"+1-201-555-0123", b"+1(201)555.0123", b"%2B1%202015550123", b"+12015550123"):
            self.assertEqual(digits(user), b"+12015550123")

    def test_row_09_user_phone(self) -> None:
        """In sip:...;user=phone the user part is the number (RFC 3261 19.1.6)."""
        uri = parse_uri(b"sip:+1-201-555-0123;phone-context=x@gw.example.com;user=phone")
        self.assertEqual((uri.user, uri.params), (b"+1-201-555-0123;phone-context=x", {b"user": b"phone"}))

    def test_other_schemes(self) -> None:
        """A URI of another scheme is read as a whole, its scheme in lower case."""
        uri = parse_uri(b"URN:service:sos")
        self.assertEqual((uri.scheme, uri.raw, uri.host), (b"urn", b"URN:service:sos", b""))


EQUAL = (  # RFC 3261 19.1.4, from "%61lice" to "priority"; the last two are of the rules above them.
    (b"sip:%61lice@atlanta.com;transport=TCP", b"sip:alice@AtLanTa.CoM;Transport=tcp"),
    (b"sip:carol@chicago.com", b"sip:carol@chicago.com;newparam=5"),
    (b"sip:carol@chicago.com", b"sip:carol@chicago.com;security=on"),
    (b"sip:carol@chicago.com;newparam=5", b"sip:carol@chicago.com;security=on"),
    (
        b"sip:biloxi.com;transport=tcp;method=REGISTER?to=sip:bob%40biloxi.com",
        b"sip:biloxi.com;method=REGISTER;transport=tcp?to=sip:bob%40biloxi.com",
    ),
    (
        b"sip:alice@atlanta.com?subject=project%20x&priority=urgent",
        b"sip:alice@atlanta.com?priority=urgent&subject=project%20x",
    ),
    (b"sip:bob@biloxi.com;maddr=192.0.2.1;x", b"SIP:bob@BILOXI.com;MADDR=192.0.2.1"),
    (b"sip:%3b%2B@biloxi.com", b"sip:%3B%2b@biloxi.com"),
)
UNEQUAL = (  # RFC 3261 19.1.4, likewise
    (b"SIP:ALICE@AtLanTa.CoM;Transport=udp", b"sip:alice@AtLanTa.CoM;Transport=UDP"),
    (b"sip:bob@biloxi.com", b"sip:bob@biloxi.com:5060"),
    (b"sip:bob@biloxi.com", b"sip:bob@biloxi.com;transport=udp"),
    (b"sip:bob@biloxi.com", b"sip:bob@biloxi.com:6000;transport=tcp"),
    (b"sip:carol@chicago.com", b"sip:carol@chicago.com?Subject=next%20meeting"),
    (b"sip:bob@phone21.boxesbybob.com", b"sip:bob@192.0.2.4"),
    (b"sip:carol@chicago.com;security=on", b"sip:carol@chicago.com;security=off"),
    (b"sip:bob@biloxi.com", b"sips:bob@biloxi.com"),
    (b"sip:bob@biloxi.com", b"sip:biloxi.com"),
    (b"sip:bob@biloxi.com", b"sip:bob:@biloxi.com"),
    (b"sip:bob:a@biloxi.com", b"sip:bob:A@biloxi.com"),
    (b"sip:bob@biloxi.com", b"sip:bob@biloxi.com;maddr=192.0.2.1"),
    (b"sip:bob@biloxi.com", b"sip:bob@biloxi.com;ttl=1"),
    (b"sip:bob@biloxi.com", b"sip:bob@biloxi.com;user=ip"),
    (b"sip:bob@biloxi.com", b"sip:bob@biloxi.com;method=INVITE"),
    (b"sip:a%3Bb@biloxi.com", b"sip:a;b@biloxi.com"),  # reserved octets are not equal to their escapes
    (b"sip:a%3Bb@biloxi.com", b"sip:a%253Bb@biloxi.com"),
    (b"sip:bob@biloxi.com", b"tel:+12015550123"),
    (b"tel:+12015550123", b"tel:+12015550124"),
)


class CompareTests(SynchronousTestCase):
    """Equality (RFC 3261 19.1.4)."""

    def same(self, first: bytes, second: bytes) -> bool:
        """Compare both ways round, which must agree."""
        one, other = parse_uri(first), parse_uri(second)
        self.assertEqual(one.same(other), other.same(one))
        return one.same(other)

    def test_row_08_equal(self) -> None:
        """What the RFC calls equivalent is the same."""
        for first, second in EQUAL:
            self.assertTrue(self.same(first, second), (first, second))
            self.assertTrue(self.same(first, first), first)

    def test_row_08_unequal(self) -> None:
        """What the RFC calls not equivalent is not."""
        for first, second in UNEQUAL:
            self.assertFalse(self.same(first, second), (first, second))


class WriteTests(SynchronousTestCase):
    """A Uri to octets."""

    def without(self, uri: Uri, *names: bytes) -> bytes:
        """Write a URI without some parameters."""
        return uri.without(set(names))

    def test_row_23_bare(self) -> None:
        """A Request-URI has no method parameter and no headers (RFC 3261 19.1.1)."""
        self.assertEqual(parse_uri(b"sip:A@B.com;X=1;method=INVITE?to=c").bare(), b"sip:A@b.com;x=1")
        self.assertEqual(parse_uri(b"SIP:A@B.com;X=1").bare(), b"SIP:A@B.com;X=1")
        self.assertEqual(parse_uri(b"tel:+1;method=x").bare(), b"tel:+1;method=x")

    def test_without(self) -> None:
        """Parameters go by name, the others stay in order with their values as written."""
        uri = parse_uri(b"sips:a%41:p@[::1]:5061;a=%42;b;C=d=;e=?x=y")
        self.assertEqual(self.without(uri), b"sips:a%41:p@[::1]:5061;a=%42;b;c=d=;e=")
        self.assertEqual(self.without(uri, b"b", b"c", b"zz"), b"sips:a%41:p@[::1]:5061;a=%42;e=")
        self.assertEqual(uri.without({b"a", b"b", b"c", b"e"}, keep_port=False), b"sips:a%41:p@[::1]")
