"""Escaping in both logs."""

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from sipproxy.logs.escape import decoded, encoded, escape, escape_text


class EscapeTests(SynchronousTestCase):
    """Fields of the access log."""

    def test_apaches_escapes(self) -> None:
        """Quotes, backslashes and controls are escaped as ap_escape_logitem does it."""
        for value, expected in (
            (b"sip:bob@example.com", b"sip:bob@example.com"),
            (b'"Bob" <sip:b>', b'\\"Bob\\" <sip:b>'),
            (b"a\\b", b"a\\\\b"),
            (b"a\nb\r\tc\vd\be", b"a\\nb\\r\\tc\\vd\\be"),
            (b"\x00\x1b[2J\x7f", b"\\x00\\x1b[2J\\x7f"),
            (b"", b""),
        ):
            self.assertEqual(escape(value), expected)

    def test_utf8_is_kept(self) -> None:
        """Valid UTF-8 stays as it is, invalid octets are shown in hexadecimal."""
        self.assertEqual(escape("Zoë €".encode()), "Zoë €".encode())
        self.assertEqual(escape(b"Zo\xeb"), b"Zo\\xeb")
        self.assertEqual(escape(b"\xc0\xaf"), b"\\xc0\\xaf")

    def test_hidden_characters(self) -> None:
        """C1 controls, line separators and direction overrides do not reach a terminal."""
        self.assertEqual(escape("\x9b2J\u2028\u202e".encode()), b"\\xc2\\x9b2J\\xe2\\x80\\xa8\\xe2\\x80\\xae")

    def test_error_text_keeps_quotes(self) -> None:
        """The error log escapes what the access log does, but for quotes."""
        self.assertEqual(escape_text('"a"\n\\ é'), '"a"\\n\\\\ é')

    @given(st.binary())
    def test_any_octets(self, value: bytes) -> None:
        """Whatever the octets, the result is printable UTF-8 without a bare quote, and nothing is lost."""
        text = escape(value).decode()
        self.assertTrue(text.isprintable())
        self.assertNotIn('"', text.replace("\\\\", "").replace('\\"', ""))
        self.assertEqual(_unescape(text), value)

    @given(st.binary())
    def test_any_error_octets(self, value: bytes) -> None:
        """Whatever the octets, the error log's text is printable."""
        self.assertTrue(escape_text(decoded(value)).isprintable())

    @given(st.text(st.characters(codec=None, categories=None)))
    def test_any_text(self, text: str) -> None:
        """Any str, with lone surrogates too, can be escaped."""
        self.assertTrue(escape_text(text).isprintable())
        self.assertTrue(escape(encoded(text)).decode().isprintable())


_NAMED = {"b": b"\b", "n": b"\n", "r": b"\r", "t": b"\t", "v": b"\v", '"': b'"', "\\": b"\\"}


def _unescape(text: str) -> bytes:
    found = b""
    at = 0
    while at < len(text):
        if text[at] != "\\":
            found += text[at].encode()
            at += 1
        elif text[at + 1] == "x":
            found += bytes.fromhex(text[at + 2 : at + 4])
            at += 4
        else:
            found += _NAMED[text[at + 1]]
            at += 2
    return found
