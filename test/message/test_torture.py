"""The 49 messages of RFC 4475, each with what its section says that a proxy does with it.

The verdict is that of syntax (RFC 3261 16.3 item 1). What a later step of the
proxy answers stands in the sentence of the row, and is tested there.
"""

from collections.abc import Callable
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from sipproxy.errors import RequestError, SipParseError
from sipproxy.message import Request, Response, parse_message, parse_name_addr, parse_uri, parse_via
from sipproxy.proxy.validate import check_proxy_require
from test.message.verdict import Verdict, verdict

FOLDER = Path(__file__).parent / "torture"

#: Verdict and reason by message, in the order of the RFC.
EXPECTED: dict[str, tuple[Verdict, str]] = {
    "wsinv": ("ok", "3.1.1.1: white space and folds everywhere; all elements treat it as well-formed."),
    "intmeth": ("ok", "3.1.1.2: unusual characters, legal where they stand."),
    "esc01": ("ok", "3.1.1.3: escapes in URIs are undone once."),
    "escnull": ("ok", "3.1.1.4: escaped nulls do not end a user part."),
    "esc02": ("ok", "3.1.1.5: % is no escape in a method, a display name or a header name."),
    "lwsdisp": ("ok", "3.1.1.6: no white space between display name and <."),
    "longreq": ("ok", "3.1.1.7: long values, 34 Vias in all spellings of the name."),
    "dblreq": ("ok", "3.1.1.8: octets behind the body are no part of the message."),
    "semiuri": ("ok", "3.1.1.9: a semicolon in a user part."),
    "transports": ("ok", "3.1.1.10: a Via may name any transport."),
    "mpart01": ("ok", "3.1.1.11: a binary body with nulls."),
    "unreason": ("ok", "3.1.1.12: UTF-8 in a reason phrase."),
    "noreason": ("ok", "3.1.1.13: an empty reason phrase."),
    "badinv01": (400, "3.1.2.1: extra separators in Via and Contact."),
    "clerr": (400, "3.1.2.2: Content-Length beyond the datagram."),
    "ncl": (400, "3.1.2.3: negative Content-Length."),
    "scalar02": (400, "3.1.2.4: CSeq above 2**32-1."),
    "scalarlg": ("drop", "3.1.2.5: the same in a response, which is discarded."),
    "quotbal": (400, "3.1.2.6: a quote is not closed."),
    "ltgtruri": (400, "3.1.2.7: Request-URI in <>."),
    "lwsruri": (400, "3.1.2.8: a space in the Request-URI."),
    "lwsstart": (400, "3.1.2.9: two spaces in the start line; being liberal is allowed, we are not."),
    "trws": (400, "3.1.2.10: spaces behind the start line; as above."),
    "escruri": (400, "3.1.2.11: headers in the Request-URI; they may also be ignored, but never become headers."),
    "baddate": ("ok", "3.1.2.12: a Date that is not ours to read is nobody's error."),
    "regbadct": ("ok", "3.1.2.13: fine for a proxy; who reads the Contact, a registrar, answers 400."),
    "badaspec": (400, "3.1.2.14: spaces within <>."),
    "baddn": (400, "3.1.2.15: a comma in an unquoted display name."),
    "badvers": (505, "3.1.2.16: SIP/7.0."),
    "mismatch01": (400, "3.1.2.17: CSeq names another method."),
    "mismatch02": (400, "3.1.2.18: the same; 501 is for who must know all methods, which a proxy need not."),
    "bigcode": ("drop", "3.1.2.19: a status above 699."),
    "badbranch": ("ok", "3.2.1: a branch of the magic cookie alone; matching falls back to RFC 2543's."),
    "insuf": (400, "3.3.1: no Call-ID, From, To."),
    "unkscm": ("ok", "3.3.2: well-formed; whoever must resolve the Request-URI answers 416."),
    "novelsc": ("ok", "3.3.3: as above."),
    "unksm2": ("ok", "3.3.4: other schemes in To, From and Contact; a registrar answers 400."),
    "bext01": ("ok", "3.3.5: well-formed; Proxy-Require makes it 420."),
    "invut": ("ok", "3.3.6: a body of unknown type is the endpoint's business."),
    "regaut01": ("ok", "3.3.7: an unknown Authorization scheme goes on unchanged."),
    "multi01": (400, "3.3.8: Call-ID, To, From, Max-Forwards, CSeq twice."),
    "mcl01": (400, "3.3.9: two Content-Lengths."),
    "bcast": ("ok", "3.3.10: well-formed; the Via below ours is a broadcast address, so it is not forwarded."),
    "zeromf": ("ok", "3.3.11: well-formed; a proxy answers 483."),
    "cparam01": ("ok", "3.3.12: a parameter outside <> is the Contact's."),
    "cparam02": ("ok", "3.3.13: a parameter inside <> is the URI's."),
    "regescrt": ("ok", "3.3.14: headers in a Contact URI are kept."),
    "sdp01": ("ok", "3.3.15: Accept is the endpoint's business."),
    "inv2543": ("ok", "3.4.1: no branch, no From tag, no Content-Length, no Max-Forwards."),
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

    def test_what_is_read_is_written(self) -> None:
        """A message that is accepted goes out octet for octet, without octets behind its body."""
        for name in (name for name, (expected, _) in EXPECTED.items() if expected == "ok"):
            written = parse_message(octets(name)).to_bytes()
            self.assertEqual(written, octets(name)[: len(written)], name)
            self.assertEqual(len(written) == len(octets(name)), name != "dblreq", name)


def _verdict_test(name: str, expected: Verdict, sentence: str) -> Callable[[VerdictTests], None]:
    def test(self: VerdictTests) -> None:
        self.assertEqual(verdict(octets(name)), expected)

    test.__doc__ = sentence
    return test


for _name, (_expected, _sentence) in EXPECTED.items():
    setattr(VerdictTests, f"test_{_name}", _verdict_test(_name, _expected, _sentence))


class ContentTests(SynchronousTestCase):
    """What the sections say about parts of the messages."""

    def test_wsinv_values(self) -> None:
        """Folds, spaces around separators and leading zeros change no value."""
        message = request("wsinv")
        self.assertEqual((message.to.uri.raw, message.to.tag), (b"sip:vivekg@chair-dnrc.example.com", b"1918181833n"))
        self.assertEqual(message.from_.display, rb'"J Rosenberg \\\""')
        self.assertEqual(message.cseq, (9, b"INVITE"))
        self.assertEqual(message.max_forwards, 68)
        self.assertEqual(message.header("subject"), b"")
        vias = [parse_via(value) for value in message.values("via")]
        self.assertEqual(
            [(via.transport, via.host, via.branch) for via in vias],
            [
                (b"UDP", b"192.0.2.2", b"390skdjuw"),
                (b"TCP", b"spindle.example.com", b"z9hG4bK9ikj8"),
                (b"UDP", b"192.168.255.111", b"z9hG4bK30239"),
            ],
        )
        contact = parse_name_addr(message.values("contact")[0])
        self.assertEqual(contact.params, {b"newparam": b"newvalue", b"secondparam": None, b"q": b"0.33"})

    def test_intmeth_values(self) -> None:
        """Odd octets stay what they are: % in a method, controls in a quoted string, UTF-8 in a parameter."""
        message = request("intmeth")
        self.assertEqual(message.method, b"!interesting-Method0123456789_*+`.%indeed'~")
        self.assertEqual(message.request_uri.user, b"1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*")
        self.assertEqual(message.request_uri.password, b"&it+has=1,weird!*pas$wo~d_too.(doesn't-it)")
        self.assertIn(b"NUL:\\\x00", message.to.display)
        self.assertEqual(message.from_.params[b"fromparam''~+*_!.-%"], '"работающий"'.encode())

    def test_esc01_values(self) -> None:
        """Escapes are undone once: value%41 is not valueA, and %6C%72 is lr."""
        message = request("esc01")
        self.assertTrue(message.to.uri.same(parse_uri(b"sip:user@example.com")))
        uri = parse_name_addr(message.values("contact")[0]).uri
        self.assertTrue(uri.same(parse_uri(b"sip:caller@host5.example.net;lr;name=value%25%34%31")))
        self.assertFalse(uri.same(parse_uri(b"sip:caller@host5.example.net;lr;name=valueA")))
        self.assertIn(b"lr", uri.params)

    def test_escnull_contacts(self) -> None:
        """Users of one null and of two are two users."""
        one, two = (parse_name_addr(value).uri for value in request("escnull").values("contact"))
        self.assertFalse(one.same(two))

    def test_esc02_contacts(self) -> None:
        """C%6Fntact is no Contact."""
        uris = [parse_name_addr(value).uri.user for value in request("esc02").values("contact")]
        self.assertEqual(uris, [b"alias1", b"alias3"])

    def test_longreq_vias(self) -> None:
        """All 34 Vias are seen, whatever the spelling of the name."""
        hosts = [parse_via(value).host for value in request("longreq").values("via")]
        self.assertEqual(hosts[:33], [b"sip%d.example.com" % number for number in range(33, 0, -1)])
        self.assertEqual(hosts[33:], [b"host.example.com"])

    def test_semiuri_user(self) -> None:
        """The semicolon and the escaped @ belong to the user."""
        self.assertEqual(request("semiuri").request_uri.user, b"user;par=u%40example.net")

    def test_mpart01_body(self) -> None:
        """The body has its 553 octets."""
        self.assertEqual(len(request("mpart01").body), 553)

    def test_reason_phrases(self) -> None:
        """A reason phrase may be UTF-8, or empty."""
        for name, status, reason in (("unreason", 200, "= 2**3 * 5**2 но"), ("noreason", 100, "")):
            message = parse_message(octets(name))
            assert isinstance(message, Response)
            self.assertEqual((message.status, message.reason[: len(reason.encode())]), (status, reason.encode()))

    def test_escruri_without_headers(self) -> None:
        """A Request-URI is forwarded without the headers in it."""
        uri = request("escruri").request_uri
        self.assertEqual(uri.bare(), b"sip:user@example.com")

    def test_badvers_via(self) -> None:
        """The Via of a later version can be read, so that the 505 finds its way."""
        error = self.assertRaises(SipParseError, parse_message, octets("badvers"))
        assert isinstance(error.partial, Request)
        self.assertEqual((error.partial.via.host, error.partial.via.port), (b"c.example.com", None))

    def test_baddn_with_empty_line(self) -> None:
        """Its display name is refused too, not only the head without an end."""
        self.assertEqual(verdict(octets("baddn") + b"\r\n"), 400)

    def test_regbadct_contact(self) -> None:
        """A URI with headers stands in <> or is refused."""
        self.assertRaises(SipParseError, parse_name_addr, request("regbadct").values("contact")[0])

    def test_bext01_unsupported(self) -> None:
        """420 names what Proxy-Require asks for."""
        error = self.assertRaises(RequestError, check_proxy_require, request("bext01"))
        self.assertEqual(error.status, 420)
        self.assertEqual(error.headers[0].lower(), b"unsupported: noproxiessupportthis, nordoanyproxiessupportthis")

    def test_zeromf(self) -> None:
        """Max-Forwards is 0, and neither absent nor wrong."""
        self.assertEqual(request("zeromf").max_forwards, 0)

    def test_contact_parameters(self) -> None:
        """A parameter belongs to the Contact or to its URI, as the brackets say."""
        outside = parse_name_addr(request("cparam01").values("contact")[0])
        inside = parse_name_addr(request("cparam02").values("contact")[0])
        self.assertEqual((outside.params, outside.uri.params), ({b"unknownparam": None}, {}))
        self.assertEqual((inside.params, inside.uri.params), ({}, {b"unknownparam": None}))

    def test_regescrt_headers(self) -> None:
        """The escaped Route of the Contact URI is kept."""
        uri = parse_name_addr(request("regescrt").values("contact")[0]).uri
        self.assertEqual(uri.headers, b"Route=%3Csip:sip.example.com%3E")

    def test_other_schemes(self) -> None:
        """URIs of other schemes are read, with their scheme."""
        message = request("unksm2")
        contact = parse_name_addr(message.values("contact")[0])
        self.assertEqual([a.uri.scheme for a in (message.to, message.from_, contact)], [b"isbn", b"http", b"name"])
        self.assertEqual(request("unkscm").request_uri.scheme, b"nobodyknowsthisscheme")
        self.assertEqual(request("novelsc").request_uri.scheme, b"soap.beep")
