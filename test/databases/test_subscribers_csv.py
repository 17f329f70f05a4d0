"""Subscribers as CSV."""

import io
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from sipproxy.databases.subscribers import Subscriber
from sipproxy.databases.subscribers_csv import MOST_PROBLEMS, CsvError, CsvProblem, parse_csv, read_csv, write_csv
from sipproxy.databases.subscribers_fields import FIELDS, RefusedError, check

_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
_DIGITS = "0123456789abcdef"
SUBSCRIBERS = st.builds(
    Subscriber,
    key=_TEXT.filter(bool),
    domain=_TEXT,
    display_name=_TEXT,
    password=st.none() | _TEXT.filter(bool),
    realm=_TEXT,
    ha1_md5=st.just("") | st.text(_DIGITS, min_size=32, max_size=32),
    ha1b_sha256=st.just("") | st.text(_DIGITS, min_size=64, max_size=64),
    unconditional=_TEXT,
    busy=_TEXT,
    ring_time=st.none() | st.integers(1, 2**32 - 1).map(lambda milliseconds: milliseconds / 1000),
    enabled=st.booleans(),
    created=st.floats(0, 1e12),
    updated=st.floats(0, 1e12),
)


def lines_of(text: str) -> io.StringIO:
    """Give lines as a file opened with newline="" does."""
    return io.StringIO(text, newline="")


def read(text: str) -> list[Subscriber]:
    """Read a text."""
    return read_csv(lines_of(text))


class CsvTests(SynchronousTestCase):
    """Reading and writing."""

    maxDiff = None

    @given(st.lists(SUBSCRIBERS, max_size=4, unique_by=lambda subscriber: subscriber.key))
    def test_round_trip(self, subscribers: list[Subscriber]) -> None:
        """What is written is read as it was: quotes, commas, line ends, any Unicode."""
        self.assertEqual(read("".join(write_csv(subscribers))), subscribers)

    @given(st.text(alphabet='key,password"\r\n;\0\u00e9 \ufeff1', max_size=60))
    def test_any_text(self, text: str) -> None:
        """Any text gives subscribers that can be stored, or an error with lines."""
        for heading in ("", "key,password\n"):
            try:
                subscribers = read(heading + text)
            except CsvError as error:
                self.assertTrue(all(problem.line >= 1 for problem in error.problems))
            else:
                for subscriber in subscribers:
                    check(subscriber)

    def test_columns(self) -> None:
        """Columns stand in any order; what is not there is as it is by itself; empty lines say nothing."""
        found = read("\ufeffbusy,key,ring_time,enabled\r\n\r\nsip:vm@h,bob,20000,No\r\n,alice,,\r\n")
        self.assertEqual(
            found, [Subscriber("bob", busy="sip:vm@h", ring_time=20.0, enabled=False), Subscriber("alice")]
        )

    def test_written(self) -> None:
        """All columns are written, the names first."""
        bob = Subscriber("bob", display_name='"Bob", X', ring_time=1.5, created=1.25)
        expected = [",".join(FIELDS) + "\r\n", 'bob,,"""Bob"", X",,,,,,,,,,,1500,true,1.25,\r\n']
        self.assertEqual(list(write_csv([bob])), expected)

    def problems(self, text: str) -> list[str]:
        """Give what is wrong with a text."""
        with self.assertRaises(CsvError) as caught:
            read(text)
        return str(caught.exception).split("\n")

    def test_wrong_columns(self) -> None:
        """Columns that are unknown, missing or there twice, and a file without any, are errors."""
        cases = {
            "key,buzy\nbob,x": "line 1: no column 'buzy', did you mean busy?",
            "Key\nbob": "line 1: no column 'Key', did you mean key?",
            "busy\nbob": "line 1: there must be a column key",
            "key,key\na,b": "line 1: column key stands twice",
            "\n\nkey,\nb,c": "line 3: no column ''; columns are " + ", ".join(FIELDS),
            "": "line 1: expected a line with the names of columns: " + ", ".join(FIELDS),
        }
        for text, problem in cases.items():
            self.assertEqual(self.problems(text), [problem])

    def test_wrong_rows(self) -> None:
        """Each wrong row is told with the line that it begins in, all of them at once."""
        text = (
            "key,display_name,ring_time,enabled\n"
            'bob,"two\nlines",,\n'
            "short,x\n"
            '"a\nb",x,1.5,\n'
            "c,x,,maybe\n"
            ",x,,\n"
            "bob,again,,\n"
            f"d,{'x' * 256},,\n"
            "e,x,0,\n"
            "f,x,,,\n"
        )
        expected = [
            "line 4: expected 4 cells, got 2",
            "line 5: ring_time: expected a whole number of milliseconds",
            "line 7: enabled: expected true or false",
            "line 8: key: it is empty",
            "line 9: bob stands in line 2 already",
            "line 10: display_name: 256 characters, at most 255 are stored",
            "line 11: ring_time: expected none, or 1 to 4294967295 milliseconds",
            "line 12: expected 4 cells, got 5",
        ]
        self.assertEqual(self.problems(text), expected)

    def test_broken_quotes(self) -> None:
        """A quote that does not end is an error in the line where the file does."""
        self.assertEqual(self.problems('key\n"bob\nalice\n'), ["line 3: unexpected end of data"])
        self.assertEqual(self.problems('key\n"bob"x\n'), ["line 2: ',' expected after '\"'"])

    def test_not_unicode(self) -> None:
        """A file in another encoding is an error."""
        path = Path(self.mktemp())
        path.write_bytes(b"key,display_name\nbob,B\xf6b\n")
        with open(path, encoding="utf-8", newline="") as file, self.assertRaises(CsvError) as caught:
            read_csv(file)
        self.assertIn("not UTF-8: invalid", str(caught.exception))

    def test_many_problems(self) -> None:
        """The first problems of a large file are told, and it is not read to its end."""
        rows = iter(["key,busy\n", *["bob\n"] * 1000])
        with self.assertRaises(CsvError) as caught:
            read_csv(rows)
        self.assertEqual(len(caught.exception.problems), MOST_PROBLEMS)
        self.assertGreater(len(list(rows)), 900)

    def test_one_by_one(self) -> None:
        """Rows are given as they are read, right or wrong."""
        found = list(parse_csv(lines_of("key,busy\nbob,\nalice\n")))
        self.assertEqual(found, [Subscriber("bob"), CsvProblem(3, "expected 2 cells, got 1")])

    def test_what_is_read_can_be_stored(self) -> None:
        """A time that is no number is none."""
        for value in ("nan", "inf", "-1", "1e400", "today"):
            self.assertRegex(self.problems(f"key,created\nbob,{value}\n")[0], "^line 2: created: expected seconds")
        self.assertRaises(RefusedError, check, Subscriber("bob", created=float("nan")))
