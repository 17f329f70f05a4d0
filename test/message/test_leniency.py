"""What old and careless peers send, and what becomes of it.

Accepted is what RFC 2543 allowed, or what real telephones send and Kamailio 5.6
takes. Refused is what RFC 3261 calls wrong and nobody needs, so that the limit
of our patience is on record too.
"""

from twisted.trial.unittest import SynchronousTestCase

from sipproxy.message import parse_message
from test.message.messages import octets, request
from test.message.verdict import verdict


class AcceptedTests(SynchronousTestCase):
    """Odd, but understood."""

    def test_rfc_2543_request(self) -> None:
        """No branch, no From tag, no Max-Forwards, no Content-Length."""
        old = octets(
            via=b"Via: SIP/2.0/UDP 10.0.0.1", from_=b"From: sip:a@b", max_forwards=None, body=b"v=0\r\n"
        )  # fmt: skip
        self.assertEqual(verdict(old), "ok")
        self.assertEqual(parse_message(old).body, b"v=0\r\n")

    def test_branch_without_cookie(self) -> None:
        """A branch of RFC 2543, and one of the cookie alone."""
        for branch in (b"1", b"z9hG4bK", b"Z9HG4BKx", b"a/b+c", b'"z9hG4bKx"'):
            self.assertEqual(verdict(octets(via=b"Via: SIP/2.0/UDP a;branch=" + branch)), "ok", branch)

    def test_spaces_in_via(self) -> None:
        """Spaces around slashes and colon."""
        via = request(via=b"Via : SIP / 2.0 / UDP   10.0.0.1 : 5062 ; branch = z9hG4bKx").via
        self.assertEqual((via.host, via.port, via.branch), (b"10.0.0.1", 5062, b"z9hG4bKx"))

    def test_line_feeds(self) -> None:
        """Lines that end with LF only, all of them; they leave with CRLF, the body stays."""
        head = octets(b"Subject: a\r\n b")
        for body in (b"", b"v=0\n", b"v=0\r\n\r\n"):
            message = parse_message(head.replace(b"\r\n", b"\n") + body)
            self.assertEqual(message.to_bytes(), head + body)
            self.assertEqual(message.header("subject"), b"a b")

    def test_empty_values(self) -> None:
        """Headers without a value."""
        message = request(b"Subject:", b"Supported: ", b"Organization:\t", b"Allow:", b"k:", b"Contact:", b"Route:")
        self.assertEqual(verdict(message.to_bytes()), "ok")
        self.assertEqual((message.header("subject"), message.values("supported")), (b"", []))
        self.assertEqual(message.values("contact") + message.values("route"), [])

    def test_display_names_without_quotes(self) -> None:
        """UTF-8 and Latin-1 letters without quotes."""
        for name in ("Jürgen Müller".encode(), "Jürgen".encode("latin-1"), "李".encode()):
            message = request(from_=b"From: " + name + b" <sip:a@b>;tag=1")
            self.assertEqual((message.from_.display, verdict(message.to_bytes())), (name, "ok"))

    def test_lower_case_method(self) -> None:
        """A method in lower case is another, unknown method: it is forwarded like those."""
        self.assertEqual(verdict(octets(start=b"invite sip:a@b SIP/2.0", cseq=b"CSeq: 1 invite")), "ok")

    def test_uris(self) -> None:
        """lr=on, SIP: in capitals, underscores and a final dot in hosts, # in a user, odd values of parameters."""
        for uri in (
            b"sip:p.example.com;lr=on", b"SIP:a@B.example.com", b"sip:a@my_host.example.com.", b"sip:*21#@b",
            b"sip:a@b;x=", b"sip:a@b;x=YQ==", b"tel:+1-201-555-0123", b"sip:a:@b", b"sip:192.0.2.1:0",
        ):  # fmt: skip
            self.assertEqual(verdict(octets(start=b"INVITE " + uri + b" SIP/2.0")), "ok", uri)

    def test_numbers(self) -> None:
        """Leading zeros."""
        data = octets(b"Content-Length: 000", max_forwards=b"Max-Forwards: 0070", cseq=b"CSeq: 00000000000001 INVITE")
        self.assertEqual(verdict(data), "ok")

    def test_to_without_brackets(self) -> None:
        """user=phone and tag behind a bare address are both the header's."""
        to = request(to=b"To: sip:+12015550123@b;user=phone;tag=1").to
        self.assertEqual((to.uri.raw, to.tag), (b"sip:+12015550123@b", b"1"))

    def test_nulls(self) -> None:
        """A null in a header that nobody reads."""
        self.assertEqual(verdict(octets(b"X: a\x00b")), "ok")


class RefusedTests(SynchronousTestCase):
    """Wrong, and answered with 400."""

    def test_addresses(self) -> None:
        """Words with commas, colons or brackets without quotes; spaces in <>; values that end too early."""
        for to in (
            b"Bell, Bob <sip:a@b>", b"Room: 1 <sip:a@b>", b"Bob (home) <sip:a@b>", b"a@b <sip:a@b>", b"< sip:a@b >",
            b"<sip:a@b>;", b"<sip:a@b>;tag=", b"<sip:a@b>;tag=a==", b"<sip:a@b>, <sip:c@d>", b"<sip:a@b;>",
            "<sip:ü@b>".encode(), b"<sip:%zz@b>", b"<sip:a@b:>", b"<sip:@b>", b"<sip:a@b@c>",
        ):  # fmt: skip
            self.assertEqual(verdict(octets(to=b"To: " + to)), 400, to)

    def test_vias(self) -> None:
        """Parameters without what they announce; the comment of RFC 2543, which later Vias could not carry on."""
        for via in (b"a;", b"a;branch=", b"a;branch=x==", b"a;rport=", b"a:", b"a (comment)", b"a;branch=x (comment)"):
            self.assertEqual(verdict(octets(via=b"Via: SIP/2.0/UDP " + via)), 400, via)

    def test_numbers(self) -> None:
        """Numbers beyond their bounds."""
        for number in (b"2147483648", b"4294967295", b"99999999999999999999"):
            self.assertEqual(verdict(octets(cseq=b"CSeq: " + number + b" INVITE")), 400, number)
        for number in (b"256", b"-1", b"", b"9" * 99):
            self.assertEqual(verdict(octets(max_forwards=b"Max-Forwards: " + number)), 400, number)

    def test_from_tag(self) -> None:
        """A peer whose branch says RFC 3261 has a From tag."""
        self.assertEqual(verdict(octets(from_=b"From: <sip:a@b>")), 400)
