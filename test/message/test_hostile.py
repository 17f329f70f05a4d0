"""Datagrams made to cost: 64 KB of what a careless pattern or loop is slow at.

Nothing here looks at a clock. But with one quadratic place in the package this
module takes minutes in place of a second.
"""

from collections.abc import Callable

from twisted.trial.unittest import SynchronousTestCase

from sipproxy.message import parse_name_addr, parse_uri, parse_via, split_values
from sipproxy.message.grammar import unescape, unfold, unquote
from sipproxy.message.headers import parse_cseq, parse_params, parse_q
from sipproxy.message.uri import MAX_URI, digits
from test.message.messages import octets
from test.message.reading import outcome, tried
from test.message.verdict import verdict

SIZE = 63000

#: What is repeated.
PIECES = (
    b'"', b'""', b'"\\', b'\\"', b"\\", b"<", b">", b"<>", b"(", b")", b"[", b"]", b"{", b"%", b"%41", b"%3b", b" ",
    b"\t", b" \t", b";", b",", b";,", b"; ", b", ", b" ;", b" =", b"=", b":", b"@", b"?", b"&", b"a=b&", b"/", b".",
    b"-", b"*", b"a", b"a ", b"a,", b"0", b"9", b";a", b";a=b", b';a=","', b"<sip:a@b>,", b"SIP/2.0/UDP a,", b"\x00",
    b"\x80", b"\xff",
)  # fmt: skip
FOLDS = (b"\r\n ", b"\r\n\t", b"a\r\n ", b"  \r\n ", b'"\r\n ', b",\r\n ")
LINES = (b"\r\na:", b"\r\na", b"\r\nv: SIP/2.0/UDP a", b"\r\nv:", b"\r\n:", b"\r\nl:0")

#: What stands before the repetition, and behind it.
BEFORE = (b"", b"a", b'"', b"<", b'"a" ', b"sip:", b"<sip:", b"<sip:a@b;", b"<sip:a@b?", b"<sip:a@b>;a", b"1 ", b"tel:")
BEFORE_VIA = (b"SIP", b"SIP/2.0/UDP", b"SIP/2.0/UDP ", b"SIP/2.0/UDP a", b"SIP/2.0/UDP a;a=", b"SIP/2.0/UDP a:")
BEHIND = (b"", b"x", b'"', b">", b"@b>", b" <sip:a@b>")

LINE_NAMES = {"via": b"Via: ", "from_": b"From: ", "to": b"To: ", "cseq": b"CSeq: ", "max_forwards": b"Max-Forwards: "}


class ValueTests(SynchronousTestCase):
    """One long value."""

    def test_values_of_headers(self) -> None:
        """Each header that we read, filled with each piece, is read, or refused for a limit."""
        for piece in PIECES:
            filling = piece * (SIZE // len(piece))
            limited = filling.count(b",") + filling.count(b";") > 1900
            for name, line in LINE_NAMES.items():
                for before in BEFORE_VIA if name == "via" else BEFORE[::4]:
                    data = octets(**{name: line + before + filling})
                    expected = {"Too Many Values"} if limited else {"message"}
                    self.assertIn(outcome(data), expected | {"Too Many Vias"}, (name, before, piece))

    def test_values(self) -> None:
        """Readers of a value refuse or read it, and do nothing else."""
        readers: tuple[Callable[[bytes], object], ...] = (
            parse_name_addr, parse_uri, parse_via, parse_cseq, parse_q, parse_params, split_values,
            unescape, unquote, unfold, digits,
        )  # fmt: skip
        for piece in PIECES + FOLDS:
            for before in (*BEFORE, *BEFORE_VIA):
                for behind in BEHIND:
                    value = before + piece * (6000 // len(piece)) + behind
                    for read in readers:
                        result = tried(read, value)
                        self.assertIn(getattr(result, "status", 400), (400, 414), (read, value[:20]))

    def test_comparison(self) -> None:
        """URIs as long as they may be are compared."""
        for piece in (b"%41", b"%3b", b"a"):
            raw = b"sip:" + piece * ((MAX_URI - 10) // len(piece)) + b"@b"
            self.assertTrue(parse_uri(raw).same(parse_uri(raw + b";x")))
            self.assertFalse(parse_uri(raw).same(parse_uri(b"sip:b@b")))
        for piece in (b"a=b&", b"&", b"%41"):
            raw = b"sip:a@b?" + piece * ((MAX_URI - 10) // len(piece))
            self.assertFalse(parse_uri(raw).same(parse_uri(b"sip:a@b?x=y")))


class ShapeTests(SynchronousTestCase):
    """Datagrams of odd shapes."""

    def test_folds(self) -> None:
        """Thousands of folds are over the limit, wherever they stand."""
        for fold in FOLDS:
            filling = fold * (SIZE // len(fold))
            for name, line in LINE_NAMES.items():
                self.assertEqual(outcome(octets(**{name: line + filling})), "Too Many Values")
            self.assertEqual(outcome(octets(b"Subject: " + fold * 600 + b" x")), "message")

    def test_lines(self) -> None:
        """Thousands of lines are over one limit or the other."""
        for piece in LINES:
            self.assertEqual(verdict(octets(b"X: y" + piece * (SIZE // len(piece)))), "drop")
            self.assertEqual(verdict(octets(b"X: y" + piece * 300)), 400)

    def test_line_feeds(self) -> None:
        """Thousands of bare line feeds too."""
        for piece in (b"\n", b"\r", b"\na:b", b"\n ", b"\r\n"):
            filling = piece * (SIZE // len(piece))
            head = octets().removesuffix(b"\r\n\r\n")
            for data in (filling, head + filling, b"A b SIP/2.0\n" + filling + b"\n\n", octets(body=filling)):
                self.assertIn(outcome(data), ("message", "Too Many Values", "No Empty Line", "Stray CR Or LF"))

    def test_vias_in_one_line(self) -> None:
        """Seventy Vias in a line are read, thousands refused."""
        line = b"Via: " + b", ".join([b"SIP/2.0/UDP a;branch=z9hG4bKx"] * 70)
        self.assertEqual(outcome(octets(via=line)), "message")
        self.assertEqual(outcome(octets(via=line + b", SIP/2.0/UDP a")), "Too Many Vias")
        self.assertEqual(outcome(octets(via=line * 28)), "Too Many Values")

    def test_start_lines(self) -> None:
        """A start line of one piece, or a URI of it."""
        for piece in PIECES:
            filling = piece * (SIZE // len(piece))
            for start in (filling, b"INVITE " + filling, b"A " + filling + b" SIP/2.0", b"SIP/2.0 200 " + filling):
                allowed = {"message", "Bad Start Line", "Too Many Values"}
                self.assertIn(outcome(octets(start=start)), allowed, (piece, start[:20]))

    def test_noise(self) -> None:
        """Datagrams of one piece alone are dropped, and names of headers of one piece are refused or read."""
        for piece in PIECES:
            filling = piece * (SIZE // len(piece))
            self.assertEqual(verdict(filling), "drop", piece)
            allowed = {"message", "Bad Header Name", "Too Many Values"}
            self.assertIn(outcome(octets(filling + b": x")), allowed, piece)
            self.assertEqual(verdict(octets(body=filling)), "ok", piece)
