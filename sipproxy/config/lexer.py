r"""From the bytes of a file to statements: lines, words, quotes, continuation.

The format is that of the Apache HTTP server's configuration files. A C{\} at a
line's end joins the next line, also in a comment. Words are separated by blanks;
double quotes group, and only inside them C{\"} is a quote and C{\\} a backslash.
A C{#} where a word could begin starts a comment, inside a word it is itself.

Nothing here knows which names exist, nor reads a file: see
L{sipproxy.config.reader}.
"""

import re
from bisect import bisect_right
from collections.abc import Iterator
from operator import itemgetter
from typing import Literal, NamedTuple

from sipproxy.config.problems import END_OF_LINE, Position, Problem, Report, quotation

BYTE_ORDER_MARK = b"\xef\xbb\xbf"

_BLANKS = re.compile(r"[ \t\r\n\v\f]*")
_WORD = re.compile(r"[^ \t\r\n\v\f]+")
_WORD_IN_TAG = re.compile(r"[^ \t\r\n\v\f>]+")
_TAG = re.compile(r"<(/?)([^ \t\r\n\v\f>]*)")
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"', re.DOTALL)
_ESCAPE = re.compile(r'\\(["\\])')


class Line(NamedTuple):
    """A line with its continuation lines joined to it.

    @ivar file: name of the file
    @ivar number: line number of its beginning, from 1
    @ivar text: the joined text
    @ivar joints: for each continuation line, the offset at which it begins and its line number
    """

    file: str
    number: int
    text: str
    joints: tuple[tuple[int, int], ...] = ()

    def position(self, offset: int) -> Position:
        """Tell where a character of the joined text stands in the file."""
        joint = bisect_right(self.joints, offset, key=itemgetter(0))
        if joint == 0:
            return Position(self.file, self.number, offset + 1)
        start, number = self.joints[joint - 1]
        return Position(self.file, number, offset - start + 1)


class Word(NamedTuple):
    """A word and where it begins; C{quoting} tells whether it stood in quotes."""

    text: str
    position: Position
    quoting: Literal["bare", "quoted"] = "bare"


class Statement(NamedTuple):
    """What one line says.

    @ivar form: a directive, or the opening or closing tag of a container
    @ivar name: the directive's or container's name, a tag's without its brackets
    @ivar words: what follows the name, None where it is malformed (then that is reported already)
    @ivar end: where the next word would have been
    """

    form: Literal["directive", "open", "close"]
    name: Word
    words: tuple[Word, ...] | None
    end: Position


def lines(file: str, data: bytes, report: Report) -> Iterator[Line]:
    """Split the bytes of a file into lines, continuation lines joined.

    Bytes that are not text are reported and replaced, so that the rest can be judged too.

    @param file: the file's name, for positions
    """
    rows = data.removeprefix(BYTE_ORDER_MARK).split(b"\n")
    if not rows[-1]:
        rows.pop()
    pieces: list[str] = []
    joints: list[tuple[int, int]] = []
    first, length = 1, 0
    for number, row in enumerate(rows, 1):
        text = _decoded(Position(file, number, 1), row, report)
        if pieces:
            joints.append((length, number))
        else:
            first = number
        if not text.endswith("\\"):
            yield Line(file, first, "".join((*pieces, text)), tuple(joints))
            pieces, joints, length = [], [], 0
            continue
        pieces.append(text[:-1])
        length += len(text) - 1
        if number == len(rows):
            report(Problem(Position(file, number, len(text)), "a line after the \\", "end of file"))
            yield Line(file, first, "".join(pieces), tuple(joints))


def _decoded(start: Position, row: bytes, report: Report) -> str:
    """Give a row as text without its CR; its first octet that is not text is reported."""
    row = row.removesuffix(b"\r")
    try:
        text = row.decode("utf-8")
    except UnicodeDecodeError as error:
        column = len(row[: error.start].decode("utf-8")) + 1
        report(Problem(start._replace(column=column), "UTF-8 text", f"\\x{row[error.start]:02x}"))
        text = row.decode("utf-8", "replace")
    if "\0" in text:
        report(Problem(start._replace(column=text.index("\0") + 1), "text without NUL characters", "\\x00"))
        text = text.replace("\0", "\N{REPLACEMENT CHARACTER}")
    return text


def statement(line: Line, report: Report) -> Statement | None:
    """Read what a line says.

    @return: None for a blank line or a comment
    """
    start = _skip_blanks(line.text, 0)
    if start == len(line.text) or line.text[start] == "#":
        return None
    tag = _TAG.match(line.text, start)
    if tag is not None:
        return _tag(line, tag, report)
    name_end = _end(_WORD, line.text, start)
    words, end = _words(line, name_end, _WORD, "#", report)
    return Statement("directive", Word(line.text[start:name_end], line.position(start)), words, line.position(end))


def _tag(line: Line, tag: re.Match[str], report: Report) -> Statement:
    """Read a line that begins with C{<}; a C{#} before the C{>} is no comment."""
    words, end = _words(line, tag.end(), _WORD_IN_TAG, ">", report)
    if words is not None:
        words = _closed_tag(line, words, end, report)
    name = Word(tag[2], line.position(tag.start()))
    return Statement("close" if tag[1] else "open", name, words, line.position(end))


def _closed_tag(line: Line, words: tuple[Word, ...], end: int, report: Report) -> tuple[Word, ...] | None:
    """See that a C{>} follows the words of a tag, and then nothing but a comment."""
    bracket = _skip_blanks(line.text, end)
    if bracket == len(line.text):
        report(Problem(line.position(end), "> at the end of the tag", END_OF_LINE))
        return None
    rest = _skip_blanks(line.text, bracket + 1)
    if rest < len(line.text) and line.text[rest] != "#":
        got = line.text[rest : _end(_WORD, line.text, rest)]
        report(Problem(line.position(rest), f"{END_OF_LINE} after >", quotation(got)))
        return None
    return words


def _words(
    line: Line, offset: int, bare: re.Pattern[str], stop: str, report: Report
) -> tuple[tuple[Word, ...] | None, int]:
    """Read words up to the end of the line, or to the character C{stop} where a word could begin.

    @param bare: matches a word that is not in quotes
    @return: the words, None where they are malformed, and the offset at which the last ended
    """
    text = line.text
    words: list[Word] = []
    while True:
        start = _skip_blanks(text, offset)
        if start == len(text) or text[start] == stop:
            return tuple(words), offset
        if text[start] != '"':
            offset = _end(bare, text, start)
            words.append(Word(text[start:offset], line.position(start)))
            continue
        quoted = _QUOTED.match(text, start)
        if quoted is None:
            report(Problem(line.position(start), 'a closing "', END_OF_LINE))
            return None, offset
        offset = quoted.end()
        if _skip_blanks(text, offset) == offset < len(text) and (text[offset], stop) != (">", ">"):
            got = text[offset : _end(_WORD, text, offset)]
            report(Problem(line.position(offset), 'a blank after the closing "', quotation(got)))
            return None, offset
        words.append(Word(_ESCAPE.sub(r"\1", quoted[1]), line.position(start), "quoted"))


def _skip_blanks(text: str, offset: int) -> int:
    """Give the offset of the next character that is not a blank."""
    return _end(_BLANKS, text, offset)


def _end(pattern: re.Pattern[str], text: str, offset: int) -> int:
    """Give the end of a match at an offset, the offset itself where there is none."""
    match = pattern.match(text, offset)
    return offset if match is None else match.end()
