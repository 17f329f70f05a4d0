"""Kinds of values."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from sipproxy.config import (
    Kind,
    WrongValueError,
    each,
    joined,
    milliseconds,
    on_off,
    one_of,
    path,
    repeated,
    seconds,
    text,
    whole,
    words,
)


class KindTestCase(SynchronousTestCase):
    """Says what a kind expects."""

    def wrong(self, kind: Kind[Any], *given: str) -> tuple[str, int]:
        """Give what a kind expected instead of words, and which word is wrong."""
        error = self.assertRaises(WrongValueError, kind.parse, given)
        return error.expected, error.index


class OneWordTests(KindTestCase):
    """Kinds of one word."""

    def test_on_off(self) -> None:
        """On and Off in any case, and nothing else."""
        self.assertEqual([on_off().parse([word]) for word in ("On", "OFF", "on")], [True, False, True])
        self.assertEqual(self.wrong(on_off(), "yes"), ("On or Off", 0))
        self.assertEqual([on_off().show(state) for state in (True, False)], ["On", "Off"])
        self.assertEqual(on_off().candidates, ("On", "Off"))

    def test_number_of_words(self) -> None:
        """None is too few, two are too many."""
        self.assertEqual(self.wrong(on_off()), ("On or Off", 0))
        self.assertEqual(self.wrong(on_off(), "On", "Off"), ("end of line", 1))

    def test_whole(self) -> None:
        """Integers within bounds, in digits of ASCII."""
        self.assertEqual([whole(0, 63).parse([word]) for word in ("0", "63", "007")], [0, 63, 7])
        self.assertEqual(whole(-2, 2).parse(["-2"]), -2)
        for word in ("64", "-1", "+1", "1.0", "1_0", " 1", "", "\u0663", "0x1", "9" * 5000):
            self.assertEqual(self.wrong(whole(0, 63), word), ("a whole number from 0 to 63", 0))
        self.assertEqual(self.wrong(whole(1), "0"), ("a whole number of 1 or more", 0))

    def test_times(self) -> None:
        """Times are written in what their directive counts, and given in seconds."""
        self.assertEqual(milliseconds().parse(["1500"]), 1.5)
        self.assertEqual(seconds().parse(["30"]), 30.0)
        self.assertEqual(milliseconds().show(0.5), "500")
        self.assertEqual(seconds().show(3600), "3600")
        expected = "a whole number of milliseconds from 1 to 4294967295"
        self.assertEqual(self.wrong(milliseconds(minimum=1), "0"), (expected, 0))
        self.assertEqual(self.wrong(seconds(1, 9), "1s"), ("a whole number of seconds from 1 to 9", 0))

    @given(st.integers(0, 2**32 - 1))
    def test_times_round_trip(self, time: int) -> None:
        """What is shown of a time reads as the same time."""
        for kind in (milliseconds(), seconds()):
            self.assertEqual(kind.show(kind.parse([str(time)])), str(time))

    def test_one_of(self) -> None:
        """A word in any case has the declared spelling."""
        kind = one_of("Parallel", "Sequential", "Off")
        self.assertEqual(kind.parse(["sequential"]), "Sequential")
        self.assertEqual(self.wrong(kind, "Serial"), ("Parallel, Sequential or Off", 0))
        self.assertEqual(kind.candidates, ("Parallel", "Sequential", "Off"))
        self.assertEqual(self.wrong(one_of("Proxy"), "x"), ("Proxy", 0))

    def test_text(self) -> None:
        """Text may have blanks, but no control characters."""
        self.assertEqual(text().parse(["a b"]), "a b")
        self.assertEqual(self.wrong(text(), "a\r\nb"), ("text without control characters", 0))

    def test_path(self) -> None:
        """A path; a keyword in its place stays text, in its spelling."""
        kind = path(keywords=("syslog", "stderr"))
        self.assertEqual(kind.parse(["logs/x"]), Path("logs/x"))
        self.assertEqual(kind.parse(["SysLog"]), "syslog")
        self.assertEqual(path().parse(["syslog"]), Path("syslog"))
        self.assertEqual(self.wrong(kind, ""), ("a path or syslog or stderr", 0))

    def test_resolved_path(self) -> None:
        """A relative path starts at the root, C{..} is taken as text; a keyword stays as it is."""
        kind = path(keywords=("memory",))
        self.assertEqual(kind.resolve(Path("../x/./y"), Path("/a/b")), Path("/a/x/y"))
        self.assertEqual(kind.resolve(Path("/x"), Path("/a/b")), Path("/x"))
        self.assertEqual(kind.resolve("memory", Path("/a/b")), "memory")


class ManyWordsTests(KindTestCase):
    """Kinds that are made of others, or by a module."""

    def test_words(self) -> None:
        """A module's own parser gets all words; none at all are none of its business."""

        def size(given: Sequence[str]) -> int:
            if given[-1] != "bytes":
                raise ValueError("bytes at the end")
            return int(given[0])

        kind = words(size, "a size in bytes", syntax="n bytes")
        self.assertEqual(kind.parse(["5", "bytes"]), 5)
        self.assertEqual(self.wrong(kind), ("a size in bytes", 0))
        self.assertEqual(str(self.assertRaises(ValueError, kind.parse, ["5", "miles"])), "bytes at the end")
        placed = words(size, "a size", show=lambda value: f"{value} bytes", resolve=lambda value, root: (root, value))
        self.assertEqual((placed.show(5), placed.resolve(5, Path("/a"))), ("5 bytes", (Path("/a"), 5)))
        self.assertEqual((kind.syntax, words(size, "a size").syntax), ("n bytes", "a size"))

    def test_each(self) -> None:
        """Each word is read by the same kind, and the wrong one is named."""
        kind = each(one_of("MD5", "SHA-256"))
        self.assertEqual(kind.parse(["sha-256", "md5"]), ("SHA-256", "MD5"))
        self.assertEqual(self.wrong(kind, "MD5", "SHA-1"), ("MD5 or SHA-256", 1))
        self.assertEqual(self.wrong(kind), ("MD5 or SHA-256", 0))
        self.assertEqual(kind.show(("SHA-256", "MD5")), "SHA-256 MD5")
        self.assertEqual(each(path()).resolve((Path("x"),), Path("/a")), (Path("/a/x"),))

    def test_repeated(self) -> None:
        """One occurrence gives one element; paths in the elements are resolved."""
        kind = repeated(path())
        self.assertEqual((kind.parse(["x"]), kind.occurrences), ((Path("x"),), "many"))
        self.assertEqual(kind.resolve((Path("x"), Path("/y")), Path("/a")), (Path("/a/x"), Path("/y")))
        self.assertEqual(kind.show((Path("x"), Path("/y"))), "x, /y")

    def test_joined(self) -> None:
        """One occurrence gives as many elements as it has."""
        kind = joined(each(whole()))
        self.assertEqual((kind.parse(["1", "2"]), kind.occurrences), ((1, 2), "many"))
