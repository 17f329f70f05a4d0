"""Whole messages: lines, names, limits, and what is an error (RFC 3261 7, 18.3, 20)."""

from twisted.trial.unittest import SynchronousTestCase

from sipproxy.errors import SipParseError
from sipproxy.message import Limits, Message, Request, Response, parse_message
from test.message.messages import HEAD, octets, request
from test.message.verdict import verdict

OK = octets(
    b"Content-Length: 0",
    start=b"SIP/2.0 200 OK",
    max_forwards=None,
    to=b"To: Bob <sip:bob@biloxi.com>;tag=a6c85cf",
)


class StartLineTests(SynchronousTestCase):
    """Request and status lines (RFC 3261 7.1, 7.2)."""

    def test_request(self) -> None:
        """A request has a method, a URI and typed values."""
        message = request(b"Content-Length: 3", body=b"abc")
        self.assertEqual((message.method, message.uri, message.body), (b"INVITE", b"sip:bob@biloxi.com", b"abc"))
        self.assertEqual(message.request_uri.host, b"biloxi.com")
        self.assertEqual((message.via.host, message.from_.tag), (b"pc33.atlanta.com", b"1928301774"))
        self.assertEqual((message.to.display, message.cseq), (b"Bob", (314159, b"INVITE")))
        self.assertEqual(message.call_id, b"a84b4c76e66710@pc33.atlanta.com")

    def test_response(self) -> None:
        """A response has a status and a reason; the space before an empty reason may be missing."""
        for start, status, reason in (
            (b"SIP/2.0 200 OK", 200, b"OK"),
            (b"sip/2.0 699 a  b ", 699, b"a  b "),
            (b"SIP/2.0 100 ", 100, b""),
            (b"SIP/2.0 100", 100, b""),
        ):
            message = parse_message(OK.replace(b"SIP/2.0 200 OK", start))
            assert isinstance(message, Response)
            self.assertEqual((message.status, message.reason, message.to.tag), (status, reason, b"a6c85cf"))

    def test_row_10_methods_are_case_sensitive(self) -> None:
        """invite is not INVITE, and CSeq says the same method; the version is SIP in any case (RFC 3261 7.1)."""
        message = request(start=b"invite sip:a@b sip/2.0", cseq=b"CSeq: 1 invite")
        self.assertEqual(message.method, b"invite")
        self.assertEqual(verdict(octets(start=b"invite sip:a@b SIP/2.0")), 400)

    def test_bad_request_lines(self) -> None:
        """Three parts with one space between them, or 400."""
        for start in (
            b"INVITE", b"INVITE sip:a@b", b"INVITE  sip:a@b SIP/2.0", b" INVITE sip:a@b SIP/2.0", b"A:B sip:a SIP/2.0",
            b"INVITE sip:a@b SIP/2.0 ", b"INVITE sip:a@b SIP/2.0x", b"INVITE sip:a@b HTTP/1.1", b"INVITE a b SIP/2.0",
            b"INVITE\tsip:a@b\tSIP/2.0", b"INVITE sip:a SIP/2", b"INVITE <sip:a> SIP/2.0", b"INVITE sip:\x01 SIP/2.0",
        ):  # fmt: skip
            self.assertEqual(verdict(octets(start=start)), 400, start)

    def test_other_versions(self) -> None:
        """Another version is 505."""
        for start in (b"INVITE sip:a@b SIP/3.0", b"INVITE sip:a@b SIP/2.1", b"INVITE sip:a@b SIP/20.0"):
            self.assertEqual(verdict(octets(start=start)), 505, start)

    def test_bad_status_lines(self) -> None:
        """A response that is wrong gets no answer."""
        for start in (b"SIP/2.0 20 OK", b"SIP/2.0 2000 OK", b"SIP/2.0 099 OK", b"SIP/2.0 700 OK", b"SIP/3.0 200 OK"):
            self.assertEqual(verdict(OK.replace(b"SIP/2.0 200 OK", start)), "drop", start)


class LineTests(SynchronousTestCase):
    """Header lines (RFC 3261 7.3)."""

    def test_row_01_names(self) -> None:
        """A header is found by its name, however it is written."""
        message = request(to=b"t: <sip:a@b>", cseq=b"CSEQ: 1 INVITE", call_id=b"I:x", from_=b"fRoM  : <sip:c@d>")
        self.assertEqual((message.to.uri.raw, message.cseq[0], message.call_id), (b"sip:a@b", 1, b"x"))
        self.assertEqual(message.from_.uri.raw, b"sip:c@d")

    def test_row_02_folding_is_one_space(self) -> None:
        """A folded header is one header; its fold counts as one space, and is written as it came."""
        message = request(b"Subject: I know \r\n\t you're there,\r\n  pick up", from_=b"From:\r\n <sip:a@b>\r\n ;tag=1")
        self.assertEqual(message.header("subject"), b"I know you're there, pick up")
        self.assertEqual((message.from_.uri.user, message.from_.tag), (b"a", b"1"))
        self.assertIn(b"I know \r\n\t you're there,\r\n  pick up\r\n", message.to_bytes())

    def test_row_02_no_fold_before_the_first_header(self) -> None:
        """White space behind the start line continues nothing: 400."""
        for start in (b"INVITE sip:a@b SIP/2.0\r\n Via: x", b"INVITE sip:a@b\r\n SIP/2.0"):
            self.assertEqual(verdict(octets(start=start)), 400, start)

    def test_row_02_space_before_colon(self) -> None:
        """White space may stand before the colon, but no fold."""
        self.assertEqual(request(b"Subject \t: x").header("subject"), b"x")
        self.assertEqual(verdict(octets(b"Subject\r\n : x")), 400)

    def test_row_03_lists_and_lines(self) -> None:
        """Values of several lines and of lists are one list, in order."""
        lines = (b"Route: <sip:a>, <sip:b>", b"X: y", b"ROUTE: <sip:c>", b"Route:", b"Route: <sip:d>,\r\n <sip:e>")
        message = request(*lines)
        self.assertEqual(message.values("route"), [b"<sip:%b>" % letter for letter in (b"a", b"b", b"c", b"d", b"e")])
        self.assertEqual(message.values("record-route"), [])

    def test_row_03_challenges_stay_whole(self) -> None:
        """Commas in challenges and credentials are theirs: a line is a value (RFC 3261 7.3.1)."""
        message = request(b'Proxy-Authorization: Digest username="a", realm="b"', b"Proxy-Authorization: X y, z")
        self.assertEqual(message.headers("proxy-authorization"), [b'Digest username="a", realm="b"', b"X y, z"])

    def test_row_04_quotes_hide_lines_of_a_list(self) -> None:
        """A quoted string hides commas over a fold as well."""
        message = request(b'Contact: "a,\r\n b" <sip:a@b,c>, <sip:d>')
        self.assertEqual(message.values("contact"), [b'"a, b" <sip:a@b,c>', b"<sip:d>"])

    def test_row_05_leading_line_ends(self) -> None:
        """Line ends before the start line are ignored (RFC 3261 7.5); alone they are no message."""
        for lead in (b"\r\n", b"\r\n\r\n\r\n", b"\n"):
            self.assertEqual(parse_message(lead + octets()).to_bytes(), octets())
        for ping in (b"\r\n\r\n", b"\r\n", b"", b"\x00" * 4):
            self.assertEqual(verdict(ping), "drop")

    def test_row_07_unknown_goes_through(self) -> None:
        """Unknown methods, headers, parameters and bodies are kept to the octet."""
        data = octets(
            b"x-a :\t;;,;=\x80", b"X-A:", b"P~Q: \xff", b"Content-Type: a/b", b"Content-Length:4",
            start=b"F.O-O sip:a;b?c@d;e=f;g SIP/2.0", cseq=b"CSeq:  007   F.O-O", body=b"\x00\r\n\xff",
        )  # fmt: skip
        self.assertEqual(verdict(data), "ok")
        self.assertEqual(parse_message(data).to_bytes(), data)

    def test_row_10_parameters_are_case_insensitive(self) -> None:
        """Names of parameters in any case; transport and host of a Via too; values are given as written."""
        via = request(via=b"Via: sip/2.0/udp PC.Atlanta.COM;BRANCH=z9hG4bKaB").via
        self.assertEqual((via.transport, via.host, via.branch), (b"UDP", b"pc.atlanta.com", b"z9hG4bKaB"))

    def test_missing(self) -> None:
        """Without one of the headers that every message has, the answer is 400 and names it."""
        for part in ("via", "to", "from_", "call_id", "cseq"):
            name = HEAD[part].partition(b":")[0]
            for line in (None, name + b": "):
                self.assertEqual(verdict(octets(**{part: line})), 400, part)
                error = self.assertRaises(SipParseError, getattr, request(**{part: line}), part)
                self.assertEqual(error.reason, b"Missing " + name)

    def test_repeated(self) -> None:
        """A header of one value that stands twice is 400, in either form."""
        for line in (b"f: <sip:a>;tag=1", b"T: <sip:a>", b"i: x", b"CSeq: 314159 INVITE", b"Max-Forwards: 70"):
            self.assertEqual(verdict(octets(line)), 400, line)
        self.assertEqual(verdict(octets(b"l: 0", b"Content-Length: 0")), 400)

    def test_no_header_line(self) -> None:
        """A line without a name is 400, and what can be read is there for the answer."""
        for line in (b"Foobar roobar", b"Via1", b": x", b"a b: c", b"\x00: a", "ü: x".encode()):
            error = self.assertRaises(SipParseError, parse_message, octets(line))
            assert isinstance(error.partial, Request)
            self.assertEqual((error.reason, error.partial.via.branch), (b"Bad Header Name", b"z9hG4bK776asdhds"))

    def test_stray_line_ends(self) -> None:
        """CR or LF alone within a head of CRLFs hides lines from one of two parsers: dropped."""
        for line in (b"X: a\rTo: b", b"X: a\nTo: b", b"X: a\n", b"X: a\r", b"X: a\r\r\n b"):
            self.assertEqual(verdict(octets(line)), "drop", line)

    def test_no_empty_line(self) -> None:
        """A head that does not end is 400 where it can be answered."""
        data = octets(b"X: a\r\n b")
        self.assertEqual([verdict(data[:-2]), verdict(data[:-4]), verdict(data[:40])], [400, 400, 400])
        self.assertEqual([verdict(OK[:-2]), verdict(b"x\ny\r")], ["drop", "drop"])


class BodyTests(SynchronousTestCase):
    """Content-Length in a datagram (RFC 3261 18.3)."""

    def test_row_06_rest_is_no_body(self) -> None:
        """Octets behind Content-Length are discarded; without it the body goes to the end."""
        self.assertEqual(request(b"l: 2", body=b"abc").body, b"ab")
        self.assertEqual(request(b"l: 0", body=b"abc").to_bytes(), octets(b"l: 0"))
        self.assertEqual(request(body=b"abc").body, b"abc")

    def test_row_06_beyond_the_datagram(self) -> None:
        """A Content-Length beyond the datagram is 400 for a request; a response is dropped."""
        self.assertEqual(verdict(octets(b"Content-Length: 4", body=b"abc")), 400)
        self.assertEqual(verdict(OK.replace(b"Length: 0", b"Length: 1")), "drop")

    def test_row_06_no_length(self) -> None:
        """A Content-Length that is no number is 400."""
        for text in (b"-1", b"+1", b"0x0", b"1 ,1", b"five", b"", b"0.0", b"9" * 5000):
            self.assertEqual(verdict(octets(b"Content-Length: " + text, body=b"abc")), 400, text)

    def test_leading_zeros(self) -> None:
        """Leading zeros are legal."""
        self.assertEqual(request(b"Content-Length: 0000000000002", body=b"abc").body, b"ab")


class LimitTests(SynchronousTestCase):
    """What a message may measure."""

    def refused(self, data: bytes, limits: Limits) -> tuple[int, bytes, bool]:
        """Give status and reason of the refusal, and whether it can be answered."""
        error = self.assertRaises(SipParseError, parse_message, data, limits)
        return error.status, error.reason, isinstance(error.partial, Message)

    def test_size(self) -> None:
        """One octet more than allowed is 513."""
        data = octets()
        self.assertEqual(parse_message(data, Limits(size=len(data))).to_bytes(), data)
        self.assertEqual(self.refused(data, Limits(size=len(data) - 1)), (513, b"Message Too Large", True))

    def test_headers(self) -> None:
        """One header line more than allowed is 400."""
        self.assertEqual(len(parse_message(octets(b"X: y"), Limits(headers=7)).names), 7)
        self.assertEqual(self.refused(octets(b"X: y"), Limits(headers=6)), (400, b"Too Many Headers", True))

    def test_vias(self) -> None:
        """One Via more than allowed is 400, in lines or in lists."""
        for further in (b"v: SIP/2.0/UDP b\r\nv: SIP/2.0/UDP c", b"v: SIP/2.0/UDP b, SIP/2.0/UDP c"):
            self.assertEqual(len(parse_message(octets(further), Limits(vias=3)).values("via")), 3)
            self.assertEqual(self.refused(octets(further), Limits(vias=2)), (400, b"Too Many Vias", True))

    def test_separators(self) -> None:
        """Commas, semicolons and lines of the head are bounded; those of the body are free."""
        data = octets(b"Subject: ,,;;", body=b",;\n" * 100)
        self.assertEqual(parse_message(data, Limits(separators=13)).to_bytes(), data)
        self.assertEqual(self.refused(data, Limits(separators=12)), (400, b"Too Many Values", False))
