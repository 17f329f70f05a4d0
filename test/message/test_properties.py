"""What holds for all input: octets come back as they went in, and an error is a SipParseError.

Hypothesis draws from three sources: any octets; messages built of plausible
pieces; the messages of RFC 4475 and RFC 5118, spoilt in some place.
"""

from functools import partial
from pathlib import Path

from hypothesis import example, given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from sipproxy.errors import SipParseError
from sipproxy.message import (
    Draft,
    NameAddr,
    Request,
    Response,
    Uri,
    parse_message,
    parse_name_addr,
    parse_uri,
    parse_via,
    split_values,
)
from sipproxy.message.grammar import canonical_name, number, unescape, unfold, unquote
from sipproxy.message.headers import parse_cseq, parse_params, parse_q, parse_seconds
from sipproxy.message.uri import digits
from test.message.messages import HEAD, octets
from test.message.reading import outcome, tried
from test.message.verdict import verdict

FOLDERS = (Path(__file__).parent / "torture", Path(__file__).parent / "ipv6")
REAL = sorted(path.read_bytes() for folder in FOLDERS for path in folder.glob("*.dat"))

TOKENS = st.from_regex(rb"[A-Za-z0-9\-.!%*_+`'~]{1,12}", fullmatch=True)
WORDS = st.sampled_from(
    [
        b"sip:a@b", b"<sip:a@b;lr>", b"sips:[::1]:5061", b"tel:+1-2", b'"q,\\"<"', b"SIP/2.0/UDP a:5060", b"SIP",
        b"/", b"2.0", b";", b",", b"=", b":", b"<", b">", b'"', b"\\", b"%41", b"%", b"?", b"&", b"@", b"[", b"]", b" ",
        b"\t", b"\r\n ", b"tag=x", b"branch=z9hG4bKx", b"rport", b"0", b"4294967296", b"INVITE", b"\x00", b"\xff",
        b"\n", b"\r",
    ]
)  # fmt: skip
#: Values that look like those of SIP, right or wrong.
VALUES = st.lists(WORDS | TOKENS | st.binary(max_size=4), max_size=12).map(b"".join)
NAMES = st.sampled_from([b"Via", b"v", b"From", b"To", b"t ", b"Call-ID", b"CSeq", b"m", b"Route", b"l", b"X", b""])
COLONS = st.sampled_from([b":", b": ", b" :\t", b""])
LINES = st.builds(lambda name, colon, value: name + colon + value, NAMES, COLONS, VALUES)
STARTS = st.sampled_from([b"INVITE sip:a@b SIP/2.0", b"SIP/2.0 200 OK"])

PORTS = st.none() | st.integers(0, 65535)
PARAMS = st.dictionaries(TOKENS.map(bytes.lower), st.none() | TOKENS, max_size=4)

#: Header lines that are whole: one value, maybe folded, no stray line ends.
TEXTS = st.from_regex(rb"[!-~\x80-\xff]([ -~\x80-\xff]|\r\n[ \t]){0,30}", fullmatch=True)
WHOLE_LINES = st.builds(lambda name, value: b"X-" + name + b": " + value, TOKENS, TEXTS)

#: A busy machine is no failure.
CALM = settings(deadline=None)

READERS = (
    parse_name_addr, parse_uri, parse_via, split_values, parse_params, parse_q, parse_cseq, parse_seconds,
    canonical_name, unescape, unfold, unquote, digits, partial(number, most=255, what=b"x"),
)  # fmt: skip


@st.composite
def spoilt(draw: st.DrawFn) -> bytes:
    """Give a message of the RFCs with some octets replaced, in one to three places."""
    data = draw(st.sampled_from(REAL))
    for _ in range(draw(st.integers(1, 3))):
        start = draw(st.integers(0, len(data)))
        stop = min(len(data), start + draw(st.integers(0, 8)))
        data = data[:start] + draw(WORDS | st.binary(max_size=8)) + data[stop:]
    return data


class AnyInputTests(SynchronousTestCase):
    """No input makes another exception than SipParseError."""

    def check(self, data: bytes) -> None:
        """A datagram is a message that is written as it came, or it is refused."""
        self.assertTrue(outcome(data))
        message = tried(parse_message, data)
        if isinstance(message, Request | Response):
            again = parse_message(message.to_bytes())
            self.assertEqual((again.start, again.lines, again.body), (message.start, message.lines, message.body))
            self.assertEqual(again.names, message.names)

    @CALM
    @given(st.binary(max_size=200))
    @example(b"\r\n\r\n")
    @example(b"\n\n")
    @example(b"A b SIP/2.0\n\n")
    @example(b"A b SIP/2.0\r\n\r\n")
    @example(b"SIP/2.0 200 OK\r\n \r\n\r\n")
    def test_octets(self, data: bytes) -> None:
        """Any octets."""
        self.check(data)

    @CALM
    @given(st.lists(LINES, max_size=8), STARTS, st.binary(max_size=9))
    def test_lines(self, lines: list[bytes], start: bytes, body: bytes) -> None:
        """Plausible lines behind a start line."""
        self.check(b"\r\n".join([start, *lines, b"", body]))

    @CALM
    @given(spoilt())
    def test_spoilt(self, data: bytes) -> None:
        """Real messages with a few octets changed."""
        self.check(data)

    @CALM
    @given(st.sampled_from(REAL), st.integers(0, 4000))
    def test_cut(self, data: bytes, end: int) -> None:
        """Real messages that break off: a head without its end, or a body shorter than announced, is no message."""
        data = data[:end]
        self.check(data)
        if b"\r\n\r\n" not in data:
            self.assertRaises(SipParseError, parse_message, data)

    @CALM
    @given(VALUES | st.binary(max_size=40))
    def test_values(self, value: bytes) -> None:
        """Any value, with every reader of values."""
        for read in READERS:
            result = tried(read, value)
            if isinstance(result, NameAddr):
                tried(getattr, result, "q")
                result.uri.bare()
            if isinstance(result, Uri):
                self.assertTrue(result.same(parse_uri(value)))
                self.assertTrue(tried(parse_uri, result.without(set())))


class RoundTripTests(SynchronousTestCase):
    """What is written is what was read."""

    @CALM
    @given(st.lists(WHOLE_LINES, max_size=6), st.binary(max_size=40))
    def test_untouched(self, lines: list[bytes], body: bytes) -> None:
        """A message that nobody changes leaves octet for octet, folds and odd names with it; so does a draft of it."""
        data = octets(*lines, body=body)
        message = parse_message(data)
        self.assertEqual(message.to_bytes(), data)
        self.assertEqual(Draft.of(message).to_bytes(), data)
        self.assertEqual(len(message.lines), len(HEAD) - 1 + len(lines))

    @CALM
    @given(st.lists(WHOLE_LINES, max_size=3), st.binary(max_size=20), st.binary(max_size=20))
    def test_trailing_octets(self, lines: list[bytes], body: bytes, rest: bytes) -> None:
        """Octets behind Content-Length are not part of the message, whatever they are (RFC 3261 18.3)."""
        data = octets(b"Content-Length: %d" % len(body), *lines, body=body)
        self.assertEqual(parse_message(data + rest).to_bytes(), data)

    @CALM
    @given(st.integers(min_value=0))
    def test_split(self, at: int) -> None:
        """A datagram is a message or none: neither half of one passes as a request like it."""
        data = octets(b"Content-Length: 40", b"X: y", body=b"v=0\r\n" * 8)
        at = 1 + at % (len(data) - 1)
        self.assertRaises(SipParseError, parse_message, data[:at])
        self.assertIn(verdict(data[at:]), (400, "drop"))

    @CALM
    @given(st.lists(st.sampled_from([b"\r\n", b"\n", b"\r"]), max_size=9).map(b"".join))
    def test_leading_line_ends(self, lead: bytes) -> None:
        """Line ends before a message are none of it."""
        self.assertEqual(parse_message(lead + octets(body=b"x")).to_bytes(), octets(body=b"x"))

    @CALM
    @given(st.lists(st.tuples(TOKENS, st.booleans()), min_size=1, max_size=6))
    def test_lists(self, tokens: list[tuple[bytes, bool]]) -> None:
        """Values are the same in one line, in many, and in any mixture; taken off one by one they come in order."""
        values = [b'"%b, <" <sip:h>' % token for token, _ in tokens]
        lines: list[bytes] = []
        for value, (_, joined) in zip(values, tokens, strict=True):
            if lines and joined:
                lines[-1] += b" ,\r\n " + value
            else:
                lines.append(b"Route: " + value)
        message = parse_message(octets(*lines))
        self.assertEqual(message.values("route"), values)
        draft = Draft.of(message)
        for left in range(len(values)):
            self.assertEqual(parse_message(draft.to_bytes()).values("route"), values[left:])
            draft.pop_value("route")
        self.assertEqual(draft.to_bytes(), octets())


class ValueTests(SynchronousTestCase):
    """What is built of parts is read as those parts."""

    @CALM
    @given(TOKENS, PORTS, PARAMS)
    def test_via(self, transport: bytes, port: int | None, params: dict[bytes, bytes | None]) -> None:
        """A Via."""
        text = b"SIP/2.0/" + transport + b" a.example.com" + (b"" if port is None else b":%d" % port)
        text += b"".join(b";" + name + (b"" if value is None else b"=" + value) for name, value in params.items())
        via = parse_via(text)
        self.assertEqual((via.transport, via.port, via.params), (transport.upper(), port, params))

    @CALM
    @given(st.sampled_from([b"a", b"A.b-c", b"a.", b"[::1]"]), PORTS, st.none() | TOKENS, st.booleans())
    def test_usual_via(self, host: bytes, port: int | None, branch: bytes | None, rport: bool) -> None:
        """What most peers write is read in one go, with more spaces piece by piece: both give the same."""
        text = b"SIP/2.0/UDP " + host + (b"" if port is None else b":%d" % port)
        text += (b"" if branch is None else b";branch=" + branch) + (b";rport" if rport else b"")
        one, other = (parse_via(value) for value in (text, text.replace(b";", b" ; ").replace(b" a", b"  a")))
        self.assertEqual(
            (one.transport, one.host, one.port, one.params), (other.transport, other.host, other.port, other.params)
        )

    @CALM
    @given(
        st.sampled_from([b"", b"Bob ", b'"B" ', b'"B"', b'"<\xff, ;"', b'"\\"" ']), st.none() | TOKENS, st.booleans()
    )
    def test_usual_address(self, display: bytes, tag: bytes | None, more: bool) -> None:
        """The same for addresses."""
        text = display + b"<sip:a@b;lr>" + (b"" if tag is None else b";tag=" + tag) + (b";x" if more else b"")
        one, other = (parse_name_addr(value) for value in (text, text + b" "))
        self.assertEqual((one.display, one.uri.raw, one.params), (other.display, other.uri.raw, other.params))
        self.assertEqual(one.display, display.rstrip())

    @CALM
    @given(st.binary(max_size=12), st.binary(max_size=12))
    def test_escaped_users(self, one: bytes, other: bytes) -> None:
        """Users that are escaped wholly are the same if they are the same octets."""
        escaped = [b"".join(b"%%%02x" % octet for octet in user + b"x") for user in (one, other)]
        first, second = (parse_uri(b"sip:" + user + b"@b") for user in escaped)
        self.assertEqual(first.same(second), one == other)
        self.assertEqual(unescape(escaped[0]), one + b"x")

    @CALM
    @given(st.text(alphabet=st.characters(max_codepoint=127), max_size=20))
    def test_quoted(self, text: str) -> None:
        """A quoted string gives back what was quoted, and hides all of it."""
        content = text.encode().replace(b"\r", b"").replace(b"\n", b"")
        quoted = b'"' + content.replace(b"\\", b"\\\\").replace(b'"', b'\\"') + b'"'
        self.assertEqual(unquote(quoted), content)
        self.assertEqual(split_values(quoted + b",x"), [quoted, b"x"])
        self.assertEqual(parse_params(b";a=" + quoted), {b"a": quoted})
        self.assertEqual(parse_name_addr(quoted + b" <sip:a>").display, quoted)
