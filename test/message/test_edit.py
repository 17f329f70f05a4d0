"""Drafts, and responses to requests (RFC 3261 8.2.6, 16.6, 16.7)."""

from twisted.trial.unittest import SynchronousTestCase

from sipproxy.errors import SipParseError
from sipproxy.message import Draft, Request, make_response, parse_message, reason_phrase
from test.message.messages import HEAD, octets, request


def lines_of(written: bytes) -> list[bytes]:
    """Give start line and header lines of what was written."""
    return written.partition(b"\r\n\r\n")[0].split(b"\r\n")


class DraftTests(SynchronousTestCase):
    """A copy that is changed."""

    def setUp(self) -> None:
        """Begin a draft of a request with a Route list and two Record-Routes."""
        self.request = request(b"Route: <sip:a;lr>, <sip:b;lr>", b"record-route : <sip:c>", b"Record-Route: <sip:d>")
        self.draft = Draft.of(self.request)

    def values(self, name: str) -> list[bytes]:
        """Give the values of a header of what the draft writes."""
        return parse_message(self.draft.to_bytes()).values(name)

    def test_copy(self) -> None:
        """A draft writes what it was made of, and its changes leave that alone."""
        before = self.request.to_bytes()
        self.assertEqual(self.draft.to_bytes(), before)
        self.draft.remove("via")
        self.draft.push("route", b"Route: <sip:x>")
        self.draft.body = b"x"
        self.assertEqual(self.request.to_bytes(), before)

    def test_push(self) -> None:
        """A line goes before the first of its name, or before all others."""
        self.draft.push("record-route", b"Record-Route: <sip:us;lr>")
        self.draft.push("via", b"Via: SIP/2.0/UDP us")
        self.draft.push("path", b"Path: <sip:us>")
        self.assertEqual(self.values("record-route"), [b"<sip:us;lr>", b"<sip:c>", b"<sip:d>"])
        self.assertEqual(self.draft.lines[:3], [b"Path: <sip:us>", b"Via: SIP/2.0/UDP us", HEAD["via"]])
        self.assertEqual(self.draft.names[:3], ["path", "via", "via"])

    def test_set(self) -> None:
        """A line takes the place of the first of its name, the others go; a new name goes to the end."""
        self.draft.set("max-forwards", b"Max-Forwards: 69")
        self.draft.set("record-route", b"Record-Route: <sip:e>")
        self.draft.set("expires", b"Expires: 1")
        self.assertEqual(self.draft.lines[1], b"Max-Forwards: 69")
        self.assertEqual(self.values("record-route"), [b"<sip:e>"])
        self.assertEqual((self.draft.lines[-1], self.draft.names[-1]), (b"Expires: 1", "expires"))

    def test_append_and_remove(self) -> None:
        """Append puts a line last, remove takes all lines of a name."""
        self.draft.append("record-route", b"Record-Route: <sip:e>")
        self.assertEqual(self.values("record-route"), [b"<sip:c>", b"<sip:d>", b"<sip:e>"])
        self.draft.remove("record-route")
        self.draft.remove("no-such-name")
        self.assertEqual((self.values("record-route"), len(self.draft.lines)), ([], len(self.draft.names)))

    def test_row_03_pop_value(self) -> None:
        """The first value goes, its line with its last value; lines and lists may be mixed."""
        self.draft.append("route", b"Route: <sip:c>")
        for left in ([b"<sip:b;lr>", b"<sip:c>"], [b"<sip:c>"], []):
            self.draft.pop_value("route")
            self.assertEqual(self.values("route"), left)
        self.assertNotIn("route", self.draft.names)
        error = self.assertRaises(SipParseError, self.draft.pop_value, "route")
        self.assertEqual(error.reason, b"Missing Route")

    def test_pop_value_of_fold(self) -> None:
        """A fold beside a comma leaves no line end behind: no part of a value becomes a line, or ends the head."""
        for route in (b"<sip:a>,\r\n <sip:b>", b"<sip:a>\r\n , <sip:b>\r\n ,<sip:c>", b"<sip:a>, <sip:b>\r\n \r\n "):
            draft = Draft.of(request(b"Route: " + route, b"X-Last: 1", body=b"body"))
            draft.pop_value("route")
            written = parse_message(draft.to_bytes())
            self.assertEqual(written.values("route")[0], b"<sip:b>", route)
            self.assertEqual((written.header("x-last"), written.body), (b"1", b"body"))

    def test_pop_value_beside_empty_ones(self) -> None:
        """What goes is what values() gives first: empty values before it go along, those behind it stay out."""
        for lines in ([b"Route:", b"Route: <sip:a>,"], [b"Route: ,", b"Route: , <sip:a> ,,"]):
            draft = Draft.of(request(*lines, b"Route: <sip:b>"))
            draft.pop_value("route")
            self.assertEqual(parse_message(draft.to_bytes()).values("route"), [b"<sip:b>"])

    def test_pop_value_unbalanced(self) -> None:
        """A list that cannot be split is the peer's fault."""
        draft = Draft.of(request(b'Route: <sip:a>, "b'))
        self.assertRaises(SipParseError, draft.pop_value, "route")


class ResponseTests(SynchronousTestCase):
    """Responses to a request."""

    def test_headers(self) -> None:
        """From, Call-ID, CSeq and all Vias in order are copied to the octet, compact names and folds with them."""
        asked = request(
            b"v: SIP/2.0/TCP b,\r\n SIP/2.0/UDP c", b"Subject: x",
            from_=b"f:  <sip:a@b>;tag=1 ", call_id=b"i:x", cseq=b"CSEQ : 1 INVITE",
        )  # fmt: skip
        written = make_response(asked, 404)
        self.assertEqual(
            lines_of(written),
            [
                b"SIP/2.0 404 Not Found", HEAD["via"], HEAD["to"], b"f:  <sip:a@b>;tag=1 ", b"i:x", b"CSEQ : 1 INVITE",
                b"v: SIP/2.0/TCP b,", b" SIP/2.0/UDP c", b"Content-Length: 0",
            ],
        )  # fmt: skip
        self.assertTrue(written.endswith(b"\r\n\r\n"))

    def to_line(self, to: bytes, status: int = 180) -> bytes:
        """Give the To line of a response whose tag is t."""
        return lines_of(make_response(request(to=to), status, to_tag=b"t"))[2]

    def test_to_tag(self) -> None:
        """A To without a tag gets one, a To with one keeps it (RFC 3261 8.2.6.2)."""
        self.assertEqual(self.to_line(b"To: <sip:a@b;tag=x>"), b"To: <sip:a@b;tag=x>;tag=t")
        self.assertEqual(self.to_line(b"t: sip:a@b;user=phone"), b"t: sip:a@b;user=phone;tag=t")
        self.assertEqual(self.to_line(b'To: "tag=1" <sip:a@b>;x \t'), b'To: "tag=1" <sip:a@b>;x;tag=t')
        self.assertEqual(self.to_line(b"To: <sip:a@b>;TAG=z"), b"To: <sip:a@b>;TAG=z")

    def test_no_tag_in_100(self) -> None:
        """A 100 adds no tag."""
        self.assertEqual(self.to_line(b"To: <sip:a@b>", 100), b"To: <sip:a@b>")

    def test_to_that_cannot_be_read(self) -> None:
        """A To that is wrong is sent back as it came."""
        self.assertEqual(self.to_line(b'To: "a <sip:a@b>', 400), b'To: "a <sip:a@b>')

    def test_tag_behind_a_fold(self) -> None:
        """The tag stands on the To's line, even where an empty fold ends it."""
        asked = request(to=b"To: <sip:a@b>\r\n \t\r\n ")
        written = parse_message(make_response(asked, 200, to_tag=b"t"))
        self.assertEqual((written.to.tag, written.call_id), (b"t", asked.call_id))

    def test_timestamp(self) -> None:
        """Timestamp is copied into a 100 only (RFC 3261 8.2.6.1)."""
        asked = request(b"Timestamp: 54")
        self.assertIn(b"Timestamp: 54", lines_of(make_response(asked, 100)))
        self.assertNotIn(b"Timestamp: 54", lines_of(make_response(asked, 200)))

    def test_own_headers_reason_and_body(self) -> None:
        """Reason, headers and body are as given; Content-Length is the body's."""
        written = make_response(request(), 400, b"Bad CSeq", headers=[b"A: 1", b"B: 2"], body=b"abc")
        self.assertTrue(written.startswith(b"SIP/2.0 400 Bad CSeq\r\n"))
        self.assertTrue(written.endswith(b"\r\nA: 1\r\nB: 2\r\nContent-Length: 3\r\n\r\nabc"))

    def test_answer_to_a_part(self) -> None:
        """What an error could read of a request is enough for its answer."""
        error = self.assertRaises(SipParseError, parse_message, octets(b"Content-Length: 9", b"no colon"))
        assert isinstance(error.partial, Request)
        written = parse_message(make_response(error.partial, error.status, error.reason))
        self.assertEqual(written.start, b"SIP/2.0 400 Bad Header Name")
        self.assertEqual((written.via.branch, written.cseq), (b"z9hG4bK776asdhds", (314159, b"INVITE")))

    def test_reason_phrases(self) -> None:
        """A status without a phrase of its own has that of its class (RFC 3261 8.1.3.2)."""
        self.assertEqual([reason_phrase(status) for status in (486, 499, 299)], [b"Busy Here", b"Bad Request", b"OK"])
