"""Subscribers as CSV (RFC 4180): a line with the names of columns, then one line for each subscriber.

Columns have the names of a L{Subscriber}'s fields and may stand in any order;
only C{key} must be there. An empty cell is what the field is by itself: no
password, no target, enabled. C{ring_time} is in milliseconds, as C{--ring-time}
of sipproxyctl; C{enabled} is true or false; times are in seconds since 1970.

Neither opens files nor hashes passwords.
"""

import csv
from collections.abc import Iterable, Iterator, Sequence
from difflib import get_close_matches
from typing import Any, NamedTuple

from sipproxy.databases.subscribers_fields import FIELDS, RefusedError, Subscriber, check
from sipproxy.errors import SipproxyError

#: Problems of one file that are told at once.
MOST_PROBLEMS = 20

_WORDS = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}


class CsvProblem(NamedTuple):
    """What is wrong in a file.

    @ivar line: where, from 1; a cell may have line ends, so a row may have more than one line
    """

    line: int
    text: str

    def __str__(self) -> str:
        return f"line {self.line}: {self.text}"


class CsvError(SipproxyError):
    """A file that cannot be imported.

    @ivar problems: what is wrong, the first L{MOST_PROBLEMS} of it
    """

    def __init__(self, problems: Sequence[CsvProblem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(map(str, problems)))


def read_csv(lines: Iterable[str]) -> list[Subscriber]:
    """Read a whole file.

    @param lines: with their ends, as a file opened with C{newline=""} gives them
    @raise CsvError: there is something wrong with it
    """
    subscribers: list[Subscriber] = []
    problems: list[CsvProblem] = []
    for row in parse_csv(lines):
        if isinstance(row, Subscriber):
            subscribers.append(row)
            continue
        problems.append(row)
        if len(problems) == MOST_PROBLEMS:
            break
    if problems:
        raise CsvError(problems)
    return subscribers


def parse_csv(lines: Iterable[str]) -> Iterator[Subscriber | CsvProblem]:
    """Read row by row; after a problem of the file as a whole there is nothing more."""
    reader = csv.reader(lines, strict=True)
    columns: list[str] = []
    first_lines: dict[str, int] = {}
    try:
        line, columns = _next_row(reader)
        problem = _problem_of_columns(columns)
        if problem:
            yield CsvProblem(line, problem)
            return
        while True:
            line, cells = _next_row(reader)
            row = _row(columns, cells, line)
            if isinstance(row, Subscriber) and first_lines.setdefault(row.key, line) != line:
                row = CsvProblem(line, f"{row.key} stands in line {first_lines[row.key]} already")
            yield row
    except StopIteration:
        if not columns:
            yield CsvProblem(1, f"expected a line with the names of columns: {', '.join(FIELDS)}")
    except csv.Error as error:
        yield CsvProblem(reader.line_num, str(error))
    except UnicodeDecodeError as error:
        yield CsvProblem(reader.line_num + 1, f"not UTF-8: {error.reason}")


def write_csv(subscribers: Iterable[Subscriber]) -> Iterator[str]:
    """Write subscribers line by line, the names of columns first; L{read_csv} gives them back."""
    line = _Line()
    writer = csv.writer(line)
    writer.writerow(FIELDS)
    yield line.text
    for subscriber in subscribers:
        writer.writerow([_written(name, getattr(subscriber, name)) for name in FIELDS])
        yield line.text


class _Line:
    """Takes what csv writes."""

    text = ""

    def write(self, text: str) -> None:
        """Keep one line."""
        self.text = text


def _next_row(reader: Any) -> tuple[int, list[str]]:
    """Give the next row that is not empty, and the line that it begins in.

    @raise StopIteration: there is none
    """
    while True:
        line = reader.line_num + 1
        cells = next(reader)
        if cells:
            return line, cells


def _problem_of_columns(columns: list[str]) -> str:
    """Say what is wrong with the names of columns, nothing where they are right."""
    # Some programs begin a file with a mark of its encoding.
    columns[0] = columns[0].removeprefix("\ufeff")
    for name in columns:
        if name not in FIELDS:
            near = get_close_matches(name, FIELDS, 1)
            hint = f", did you mean {near[0]}?" if near else f"; columns are {', '.join(FIELDS)}"
            return f"no column {name!r}{hint}"
        if columns.count(name) > 1:
            return f"column {name} stands twice"
    return "" if "key" in columns else "there must be a column key"


def _row(columns: Sequence[str], cells: Sequence[str], line: int) -> Subscriber | CsvProblem:
    if len(cells) != len(columns):
        return CsvProblem(line, f"expected {len(columns)} cells, got {len(cells)}")
    try:
        values = {name: _read(name, cell) for name, cell in zip(columns, cells, strict=True) if cell}
        subscriber = Subscriber(**{"key": "", **values})  # type: ignore[arg-type]
        check(subscriber)
    except RefusedError as error:
        return CsvProblem(line, str(error))
    return subscriber


def _read(name: str, cell: str) -> object:
    """Read a cell.

    @raise RefusedError: it has no value of the field
    """
    if name == "ring_time":
        if not (cell.isascii() and cell.isdigit() and len(cell) <= 10):
            raise RefusedError("ring_time: expected a whole number of milliseconds")
        return int(cell) / 1000
    if name == "enabled":
        if cell.lower() not in _WORDS:
            raise RefusedError("enabled: expected true or false")
        return _WORDS[cell.lower()]
    if name in ("created", "updated"):
        try:
            return float(cell)
        except ValueError:
            raise RefusedError(f"{name}: expected seconds since 1970") from None
    return cell


def _written(name: str, value: Any) -> str:
    if name == "enabled":
        return "true" if value else "false"
    if not value:
        return ""
    if name == "ring_time":
        return str(round(value * 1000))
    return str(value)
