"""The 12 messages of RFC 5118, each with what its section says."""

from collections.abc import Callable
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from sipproxy.errors import SipParseError
from sipproxy.message import Request, parse_message, parse_name_addr, parse_uri, parse_via
from test.message.verdict import Verdict, verdict

FOLDER = Path(__file__).parent / "ipv6"

#: Verdict and reason by message, in the order of the RFC.
EXPECTED: dict[str, tuple[Verdict, str]] = {
    "ipv6-good": ("ok", "4.1: IPv6 references in Request-URI, Via and Contact."),
    "ipv6-bad": (400, "4.2: the Request-URI lacks the brackets."),
    "port-ambiguous": ("ok", "4.3: a port inside the brackets is the end of the address."),
    "port-unambiguous": ("ok", "4.4: a port behind the brackets."),
    "via-received-param-with-delim": ("ok", "4.5: received with brackets, against the grammar."),
    "via-received-param-no-delim": ("ok", "4.5: received without brackets."),
    "ipv6-in-sdp": ("ok", "4.6: addresses in the body."),
    "mult-ip-in-header": ("ok", "4.7: Vias of both families."),
    "mult-ip-in-sdp": ("ok", "4.8: media of both families."),
    "ipv4-mapped-ipv6": ("ok", "4.9: IPv4-mapped addresses."),
    "ipv6-bug-abnf-3-colons": ("ok", "4.10: three colons, which the grammar of RFC 3261 allows."),
    "ipv6-correct-abnf-2-colons": ("ok", "4.10: two colons."),
}


def octets(name: str) -> bytes:
    """Give a message of the RFC."""
    return (FOLDER / f"{name}.dat").read_bytes()


def request(name: str) -> Request:
    """Give a request of the RFC, read."""
    message = parse_message(octets(name))
    assert isinstance(message, Request)
    return message


class VerdictTests(SynchronousTestCase):
    """One test for each message; the methods are made from the table."""

    def test_table_is_complete(self) -> None:
        """The table has the messages of the folder."""
        self.assertEqual(sorted(EXPECTED), sorted(path.stem for path in FOLDER.glob("*.dat")))


def _verdict_test(name: str, expected: Verdict, sentence: str) -> Callable[[VerdictTests], None]:
    def test(self: VerdictTests) -> None:
        self.assertEqual(verdict(octets(name)), expected)
        if expected == "ok":
            self.assertEqual(request(name).to_bytes(), octets(name))

    test.__doc__ = sentence
    return test


for _name, (_expected, _sentence) in EXPECTED.items():
    setattr(VerdictTests, f"test_{_name.replace('-', '_')}", _verdict_test(_name, _expected, _sentence))


class ContentTests(SynchronousTestCase):
    """What the sections say about parts of the messages."""

    def test_hosts(self) -> None:
        """A host keeps its brackets; the port is what stands behind them."""
        for name, host, port in (
            ("ipv6-good", b"[2001:db8::10]", None),
            ("port-ambiguous", b"[2001:db8::10:5070]", None),
            ("port-unambiguous", b"[2001:db8::10]", 5070),
            ("ipv6-correct-abnf-2-colons", b"[2001:db8::c000:201]", None),
        ):
            uri = request(name).request_uri
            self.assertEqual((uri.host, uri.port), (host, port), name)

    def test_received(self) -> None:
        """received is read with and without brackets."""
        with_brackets = request("via-received-param-with-delim").via
        without = request("via-received-param-no-delim").via
        self.assertEqual(with_brackets.params[b"received"], b"[2001:db8::9:255]")
        self.assertEqual(without.params[b"received"], b"2001:db8::9:255")

    def test_sent_by(self) -> None:
        """The sent-by of a Via has brackets, and its port stands behind them."""
        vias = [parse_via(value) for value in request("mult-ip-in-header").values("via")]
        self.assertEqual(
            [(via.host, via.port) for via in vias],
            [(b"[2001:db8::9:1]", 6050), (b"192.0.2.1", None), (b"[2001:db8::9:255]", None)],
        )

    def test_mapped(self) -> None:
        """An IPv4-mapped address is a host like others."""
        message = request("ipv4-mapped-ipv6")
        self.assertEqual((message.via.host, message.via.port), (b"[::ffff:192.0.2.10]", 19823))
        self.assertEqual(parse_name_addr(message.values("contact")[0]).uri.host, b"[::ffff:192.0.2.2]")

    def test_third_colon(self) -> None:
        """The third colon is mended where the host is used, and left where the URI is passed on."""
        uri = request("ipv6-bug-abnf-3-colons").request_uri
        self.assertEqual(uri.host, b"[2001:db8::c000:201]")
        self.assertEqual(uri.raw, b"sip:user@[2001:db8:::192.0.2.1]")

    def test_no_address(self) -> None:
        """What stands in brackets is an address: in a URI and in a Via."""
        for host in (b"[]", b"[:]", b"[::1", b"[1:2:3]", b"[::1::2]", b"[::g]", b"[::1%25eth0]", b"[192.0.2.1]"):
            self.assertRaises(SipParseError, parse_uri, b"sip:user@" + host)
            self.assertRaises(SipParseError, parse_via, b"SIP/2.0/UDP " + host)

    def test_length_as_printed(self) -> None:
        """With the Content-Length that the RFC prints in 4.6 the message would be cut off: 400."""
        self.assertEqual(verdict(octets("ipv6-in-sdp").replace(b"Length: 251", b"Length: 268")), 400)
