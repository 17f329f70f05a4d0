"""Tests of GKTMP messages and of the stream decoder."""

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from sipproxy.wire.gktmp import Decoder, GktmpError, Limits, Message, read_fields, write_fields

REQUEST = (
    b"REQUEST LRQ\r\nVersion-Id:100\r\nFrom:sps1\r\nTo:NAM-1\r\nTransaction-Id:00000001\r\n"
    b"Content-Length:38\r\n\r\ns=E:4085559999\r\nd=E:18005551212\r\nm=T\r\n"
)
LIMITS = Limits(line=60, headers=4, body=40)


def decode(stream: bytes, limits: Limits = LIMITS, size: int = 0) -> tuple[list[Message], str]:
    """Give the messages of a stream, cut in pieces of a size, and the error that ended it."""
    decoder = Decoder(limits)
    messages = []
    for at in range(0, len(stream), size or len(stream) or 1):
        decoder.feed(stream[at : at + (size or len(stream))])
        try:
            while (message := decoder.next_message()) is not None:
                messages.append(message)
        except GktmpError as error:
            return messages, str(error)
    return messages, ""


texts = st.text(st.characters(codec="utf-8", exclude_categories=("C", "Z")), max_size=12)
headers = st.tuples(st.from_regex(r"[A-Za-z][A-Za-z-]{0,8}", fullmatch=True), texts).filter(
    lambda header: header[0].lower() != "content-length"
)
messages = st.builds(
    Message,
    st.sampled_from(["REQUEST", "RESPONSE", "REGISTER"]),
    st.sampled_from(["LRQ", "LCF", "LRJ", "RIP", "ALV"]),
    st.lists(headers, max_size=4).map(tuple),
    st.binary(max_size=40),
)
#: Pieces from which streams are made that are nearly right.
pieces = st.sampled_from(
    [
        *(b"RESPONSE LCF\r\n", b"Content-Length:3\n", b"content-length: 2\r\n", b"Content-Length:41\r\n", b"To:x\r\n"),
        *(b"\r\n", b"\n", b"\r", b"d=E:1", b"\x00", b"\xff", b"x" * 61, b":", b"A", b" "),
    ]
)


class DecoderTests(SynchronousTestCase):
    """L{Decoder}."""

    def test_sample(self) -> None:
        """A request is read, its headers found in any case."""
        (message,), error = decode(REQUEST, Limits())
        self.assertEqual((message.word, message.name, error), ("REQUEST", "LRQ", ""))
        self.assertEqual(message.header("transaction-ID"), "00000001")
        self.assertEqual(message.header("Priority"), None)
        self.assertEqual(read_fields(message.body), (("s", "E:4085559999"), ("d", "E:18005551212"), ("m", "T")))

    def test_written_as_read(self) -> None:
        """It is written as it was."""
        (message,), _ = decode(REQUEST, Limits())
        self.assertEqual(message.encode(), REQUEST)

    def test_line_feeds(self) -> None:
        """A lone LF ends a line, blanks around values and case do not matter, nor do blank lines between messages."""
        stream = b"\n\r\nresponse  lcf\nTRANSACTION-ID : 7 \nContent-length: 5\n\nd=E:1\nRESPONSE RIP\n\n"
        found, error = decode(stream)
        self.assertEqual(error, "")
        self.assertEqual(
            found,
            [Message("RESPONSE", "LCF", (("TRANSACTION-ID", "7"),), b"d=E:1"), Message("RESPONSE", "RIP")],
        )

    def test_notification_only(self) -> None:
        """Notification-Only has no value, with a colon or without."""
        for line in (b"Notification-Only", b"notification-only:"):
            (message,), error = decode(b"REQUEST RRQ\r\n" + line + b"\r\n\r\n")
            self.assertEqual((message.header("Notification-Only"), error), ("", ""))

    def test_bad_heads(self) -> None:
        """A broken head ends the stream; what came before it is kept."""
        good = b"RESPONSE RIP\r\n\r\n"
        for bad, reason in (
            (b"HELLO LRQ\r\n", "not a message line: 'HELLO LRQ'"),
            (b"RESPONSE\r\n", "not a message line: 'RESPONSE'"),
            (b"RESPONSE LCF\r\nTo me:x\r\n", "not a header: 'To me:x'"),
            (b"RESPONSE LCF\r\n:x\r\n", "not a header: ':x'"),
            (b"RESPONSE LCF\r\nContent-Length:-1\r\n", "not a Content-Length: '-1'"),
            (b"RESPONSE LCF\r\nContent-Length:\r\n", "not a Content-Length: ''"),
            (b"RESPONSE LCF\r\nContent-Length:41\r\n", "a body of more than 40 octets"),
            (b"RESPONSE LCF\r\nContent-Length:9999999999999999\r\n", "not a Content-Length: '9999999999999999'"),
            (b"RESPONSE LCF\r\nContent-Length:1\r\nContent-Length:2\r\n", "two values of Content-Length"),
            (b"RESPONSE LCF\r\n" + b"A:1\r\n" * 5, "more than 4 headers"),
            (b"x" * 63, "a line of more than 60 octets"),
            (b"x" * 61 + b"\r\n", "a line of more than 60 octets"),
            (b"RESPONSE LCF\r\nTo:\x00\r\n", "control characters"),
            (b"RESPONSE LCF\r\nTo:a\rb\r\n", "control characters"),
            (b"\x80\xff\r\n", "octets that are not text"),
        ):
            self.assertEqual(decode(good + bad + good), ([Message("RESPONSE", "RIP")], reason))

    def test_wrong_length(self) -> None:
        """A length too short leaves octets that begin no message; one too long takes the next one's."""
        found, error = decode(b"RESPONSE LCF\r\nContent-Length:3\r\n\r\nd=E:1\r\nRESPONSE RIP\r\n\r\n")
        self.assertEqual((len(found), error), (1, "not a message line: ':1'"))
        found, error = decode(b"RESPONSE LCF\r\nContent-Length:15\r\n\r\nd=E:1\r\nRESPONSE RIP\r\n\r\n")
        self.assertEqual(error, "not a message line: ' RIP'")
        self.assertRaises(GktmpError, read_fields, found[0].body)

    def test_after_an_error(self) -> None:
        """After an error nothing is kept and the same error is raised again."""
        decoder = Decoder()
        decoder.feed(b"bad\r\n" + b"x" * 10_000)
        self.assertRaises(GktmpError, decoder.next_message)
        decoder.feed(b"x" * 10_000)
        self.assertEqual(decoder.pending, 0)
        self.assertRaises(GktmpError, decoder.next_message)

    def test_memory(self) -> None:
        """What is kept of an endless stream is bounded."""
        decoder = Decoder(LIMITS)
        decoder.feed(b"x" * 61)
        self.assertIsNone(decoder.next_message())
        decoder.feed(b"x")
        self.assertRaises(GktmpError, decoder.next_message)

    @given(st.lists(messages, max_size=3), st.integers(1, 20))
    def test_round_trip(self, sent: list[Message], size: int) -> None:
        """What is written is read, wherever the stream is cut."""
        stream = b"".join(message.encode() for message in sent)
        self.assertEqual(decode(stream, Limits(), size), (sent, ""))

    @given(st.lists(pieces | st.binary(max_size=8), max_size=12).map(b"".join))
    def test_cut_anywhere(self, stream: bytes) -> None:
        """Any stream gives the same messages and the same error however it is cut, and no other error."""
        whole = decode(stream)
        for size in (1, 2, 7):
            self.assertEqual(decode(stream, LIMITS, size), whole)

    def test_every_cut(self) -> None:
        """Two messages are the same with one cut at any place, and with what follows them."""
        stream = REQUEST + REQUEST.replace(b"\r\n", b"\n").replace(b":38", b":35") + b"REQ"
        whole = decode(stream, Limits())
        self.assertEqual((len(whole[0]), whole[1]), (2, ""))
        for cut in range(len(stream)):
            decoder, found = Decoder(), []
            for piece in (stream[:cut], stream[cut:]):
                decoder.feed(piece)
                while (message := decoder.next_message()) is not None:
                    found.append(message)
            self.assertEqual(found, whole[0])


class WritingTests(SynchronousTestCase):
    """What is written."""

    def test_no_line_breaks(self) -> None:
        """A value cannot break out of its line."""
        for value in ("a\r\nTo:b", "a\nb", "\x00"):
            self.assertRaises(GktmpError, Message("REQUEST", "LRQ", (("From", value),)).encode)
            self.assertRaises(GktmpError, write_fields, [("d", value)], "=")
        self.assertRaises(GktmpError, Message("REQUEST", "LRQ", (("From:", "x"),)).encode)
        self.assertRaises(GktmpError, write_fields, [("d d", "x")], "=")

    def test_without_body(self) -> None:
        """Without a body there is no Content-Length."""
        self.assertEqual(Message("REQUEST", "ALV").encode(), b"REQUEST ALV\r\n\r\n")


class FieldTests(SynchronousTestCase):
    """L{read_fields}."""

    def test_separators(self) -> None:
        """Both separators are read, the first one counts; unknown tags are kept in order."""
        self.assertEqual(
            read_fields(b"c=I:172.18.0.1:1720\nZZ:x=y\r\n\r\np = 1#"),
            (("c", "I:172.18.0.1:1720"), ("ZZ", "x=y"), ("p", "1#")),
        )

    def test_bad(self) -> None:
        """A line without a tag, and octets that are no text, are errors."""
        for body in (b"hello", b"=x", b"d\xc3=1", b"d=\x01", b"\xff\xfe"):
            self.assertRaises(GktmpError, read_fields, body)

    @given(st.binary(max_size=40))
    def test_any(self, body: bytes) -> None:
        """Any octets give fields that can be written again, or the one error."""
        try:
            fields = read_fields(body)
        except GktmpError:
            return
        self.assertEqual(read_fields(write_fields(fields, ":")), fields)
