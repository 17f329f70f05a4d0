"""Lines, words and their positions."""

from twisted.trial.unittest import SynchronousTestCase

from sipproxy.config.lexer import Statement, Word, lines, statement
from sipproxy.config.problems import Position, Problem


def read(data: bytes) -> tuple[list[Statement], list[str]]:
    """Give the statements of a file F, and its problems."""
    problems: list[Problem] = []
    found = [statement(line, problems.append) for line in lines("F", data, problems.append)]
    return [one for one in found if one is not None], list(map(str, problems))


def texts(data: bytes) -> list[list[str]]:
    """Give the name and the words of each statement."""
    return [[one.name.text, *(word.text for word in one.words or ())] for one in read(data)[0]]


class LineTests(SynchronousTestCase):
    """From bytes to lines."""

    def test_blank_lines_and_comments(self) -> None:
        """Blank lines and comments say nothing."""
        self.assertEqual(texts(b"\n  \t\n# Listen 1\n   # Listen 2\nListen 3\n"), [["Listen", "3"]])

    def test_line_ends(self) -> None:
        """Lines end with LF or CRLF, the last need not; a form feed or U+2028 ends none."""
        self.assertEqual(texts("A 1\r\nB 2\nC\f3\u2028".encode()), [["A", "1"], ["B", "2"], ["C", "3\u2028"]])

    def test_empty_file(self) -> None:
        """A file may be empty."""
        self.assertEqual(read(b""), ([], []))

    def test_byte_order_mark(self) -> None:
        """The mark that some editors write in front is no part of the first name."""
        self.assertEqual(texts(b"\xef\xbb\xbfListen 3"), [["Listen", "3"]])

    def test_continuation(self) -> None:
        """A backslash at the end joins lines; without blanks around, it joins words."""
        self.assertEqual(texts(b"A 1 \\\n  2 \\\r\n3\nB x\\\ny"), [["A", "1", "2", "3"], ["B", "xy"]])

    def test_continued_comment(self) -> None:
        """A comment goes on too, as in Apache."""
        self.assertEqual(texts(b"# A \\\nB\nC"), [["C"]])

    def test_backslash_before_blank(self) -> None:
        """A backslash that is not the last character of its line is itself."""
        self.assertEqual(texts(b"A \\ \nB"), [["A", "\\"], ["B"]])

    def test_positions_in_continuation(self) -> None:
        """Each word has the line and column where it stands in the file."""
        ((found,), problems) = read(b'\n  A 1 \\\n\t2 \\\n\\\n"3 4" five')
        self.assertEqual(problems, [])
        self.assertEqual(found.name, Word("A", Position("F", 2, 3)))
        self.assertEqual(
            found.words,
            (
                Word("1", Position("F", 2, 5)),
                Word("2", Position("F", 3, 2)),
                Word("3 4", Position("F", 5, 1), "quoted"),
                Word("five", Position("F", 5, 7)),
            ),
        )
        self.assertEqual(found.end, Position("F", 5, 11))

    def test_columns_are_characters(self) -> None:
        """A column counts characters, not octets."""
        ((found,), _) = read("Ä ö ü".encode())
        self.assertEqual([word.position.column for word in found.words or ()], [3, 5])

    def test_backslash_at_end_of_file(self) -> None:
        """Nothing to join is an error; what stands before it counts."""
        for data in (b"A 1\nB 2 \\", b"A 1\nB 2 \\\n"):
            found, problems = read(data)
            self.assertEqual([one.name.text for one in found], ["A", "B"])
            self.assertEqual(problems, ["F:2:5: expected a line after the \\, got end of file"])

    def test_no_text(self) -> None:
        """Octets that are not UTF-8 are reported once for each line, and the rest is read."""
        found, problems = read(b"A \xc3\xa4\xff\xfe\nB \x80\nC 1")
        self.assertEqual([one.name.text for one in found], ["A", "B", "C"])
        self.assertEqual(problems, ["F:1:4: expected UTF-8 text, got \\xff", "F:2:3: expected UTF-8 text, got \\x80"])

    def test_nul(self) -> None:
        """NUL is no text."""
        self.assertEqual(read(b"A 1\0\0")[1], ["F:1:4: expected text without NUL characters, got \\x00"])


class WordTests(SynchronousTestCase):
    """From a line to words."""

    def test_quotes(self) -> None:
        """Quotes group, may be empty, and only in them two escapes count."""
        self.assertEqual(
            texts(rb'A "b c" "" "\"d\" \\ \e" f\g\\ \"h'),
            [["A", "b c", "", '"d" \\ \\e', "f\\g\\\\", '\\"h']],
        )

    def test_quote_inside_word(self) -> None:
        """A quote inside a bare word is itself, as in Apache."""
        self.assertEqual(texts(b'A b"c d"'), [["A", 'b"c', 'd"']])

    def test_comment_after_words(self) -> None:
        """A # where a word could begin starts a comment; inside a word or in quotes it is itself."""
        self.assertEqual(texts(b'A 1# "#2" "3" # "4\nB 5#6 #7'), [["A", "1#", "#2", "3"], ["B", "5#6"]])

    def test_unterminated_quote(self) -> None:
        """A quote without its end is reported where it begins."""
        for data in (b'A b "c d', b'A b "c d\\"', b'A b "'):
            ((found,), problems) = read(data)
            self.assertIsNone(found.words)
            self.assertEqual(problems, ['F:1:5: expected a closing ", got end of line'])

    def test_text_after_quote(self) -> None:
        """A word does not go on after its closing quote."""
        self.assertEqual(
            read(b'A "b"c d')[1],
            ['F:1:6: expected a blank after the closing ", got c'],
        )


class TagTests(SynchronousTestCase):
    """Opening and closing tags."""

    def test_tags(self) -> None:
        """A tag has a form, a name and words, blanks before its bracket and a comment behind it."""
        found, problems = read(b'<A>\n <B 1 2># x\n<C "3 > 4" > # y\n</C>\n</B > ')
        self.assertEqual(problems, [])
        self.assertEqual(
            [(one.form, one.name.text, [word.text for word in one.words or ()]) for one in found],
            [
                ("open", "A", []),
                ("open", "B", ["1", "2"]),
                ("open", "C", ["3 > 4"]),
                ("close", "C", []),
                ("close", "B", []),
            ],
        )

    def test_number_sign(self) -> None:
        """A number in a tag may begin with #."""
        self.assertEqual(texts(b"<A E164 #31#>"), [["A", "E164", "#31#"]])

    def test_no_bracket(self) -> None:
        """A tag must end on its line; one that does not still opens its container."""
        ((found,), problems) = read(b"<A 1 # 2 ")
        self.assertEqual((found.form, found.name.text, found.words), ("open", "A", None))
        self.assertEqual(problems, ["F:1:9: expected > at the end of the tag, got end of line"])

    def test_text_after_bracket(self) -> None:
        """Nothing follows a tag on its line."""
        self.assertEqual(read(b"<A 1> B 2")[1], ["F:1:7: expected end of line after >, got B"])
