"""Files of subscribers, in CSV or JSON: read and checked as a whole, sent in pieces, exported.

All that is wrong in a file is told by its lines, and then nothing is sent.
"""

import csv
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext, suppress
from io import StringIO
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from sipproxy.cli.failure import Failure, note
from sipproxy.cli.files import json_lines, write_lines
from sipproxy.cli.output import pages
from sipproxy.cli.session import ask
from sipproxy.config.problems import quotation
from sipproxy.control.imports import MOST_TEXT
from sipproxy.control.subscribers_items import SECRETS, fields_of, see_targets
from sipproxy.databases.subscribers import RefusedError, Subscriber
from sipproxy.databases.subscribers_csv import CsvProblem, parse_csv, write_csv
from sipproxy.databases.subscribers_fields import FIELDS, check

if TYPE_CHECKING:
    from sipproxy.cli.transport import ITransport

_PATH = "/subscribers/import"
#: Faults of a file that are told, the others are counted.
_MOST_TOLD = 20
#: Rows that go to the server at a time, at most: it serves calls between the pieces.
_PIECE = 200


class Found(NamedTuple):
    """What a file holds.

    @ivar subscribers: who stands in it
    @ivar has_passwords: whether it has a place for passwords or hashes
    """

    subscribers: Sequence[Subscriber]
    has_passwords: bool


class _Lines:
    """The lines of a text.

    @param skipped: so many lines are the header's
    @ivar count: how many were read
    @ivar first: the line that a row begins in, of what was read since this was 0
    """

    def __init__(self, text: str, skipped: int = 0) -> None:
        self._lines = StringIO(text, newline="")
        self._skipped = skipped
        self.count = 0
        self.first = 0

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = next(self._lines)
        self.count += 1
        if not self.first and self.count > self._skipped and line.strip("\r\n"):
            self.first = self.count
        return line


# Reading


def read_subscribers(file: str, form: str) -> Found:
    """Read a file.

    @param file: its path, C{-} for the standard input
    @param form: C{csv} or C{json}
    @raise Failure: it cannot be read, or something in it is wrong; all that is has been told
    """
    text = _text_of(file)
    names: set[str] = set()
    subscribers: list[Subscriber] = []
    faults = 0
    for row in (_csv_rows if form == "csv" else _json_rows)(text, names):
        if isinstance(row, Subscriber):
            subscribers.append(row)
            continue
        faults += 1
        if faults <= _MOST_TOLD:
            note(f"{file}:{row.line}: {row.text}")
    if faults:
        more = f", the first {_MOST_TOLD} are told" if faults > _MOST_TOLD else ""
        raise Failure(f"nothing is imported: {faults} fault{'s' * (faults > 1)} in {file}{more}")
    return Found(subscribers, not names.isdisjoint(set(SECRETS) - {"realm"}))


def _text_of(file: str) -> str:
    """Give the text of a file.

    @raise Failure: it cannot be read
    """
    try:
        with click.open_file(file, "rb") as opened:
            octets: bytes = opened.read()
        return octets.decode("utf-8-sig")
    except OSError as error:
        raise Failure(f"{file}: {error.strerror}") from None
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise Failure(f"{file}:{line}: not UTF-8 at octet {error.start} of the file") from None


def _csv_rows(text: str, names: set[str]) -> Iterator[Subscriber | CsvProblem]:
    """Read CSV.

    @param names: those of its columns are added
    """
    header = _Lines(text)
    with suppress(csv.Error):  # it is told below
        names.update(next(filter(None, csv.reader(header)), []))
    lines = _Lines(text, header.count)
    for row in parse_csv(lines):
        yield _with_callable_targets(row, lines.first)
        lines.first = 0


def _with_callable_targets(row: Subscriber | CsvProblem, line: int) -> Subscriber | CsvProblem:
    if isinstance(row, Subscriber):
        try:
            see_targets(row)
        except RefusedError as error:
            return CsvProblem(line, str(error))
    return row


def _json_rows(text: str, names: set[str]) -> Iterator[Subscriber | CsvProblem]:
    """Read an array of objects.

    @param names: those of all objects are added
    """
    try:
        elements = json.loads(text)
    except json.JSONDecodeError as error:
        yield CsvProblem(error.lineno, f"no JSON: {error.msg}")
        return
    except (ValueError, RecursionError):  # a number of thousands of digits, arrays in arrays in arrays
        yield CsvProblem(1, "no JSON that has a meaning here")
        return
    if not isinstance(elements, list):
        yield CsvProblem(1, "expected an array of objects")
        return
    first_lines: dict[str, int] = {}
    for line, element in zip(_lines_of_elements(text, len(elements)), elements, strict=True):
        try:
            subscriber = _from_object(element, names)
        except RefusedError as error:
            yield CsvProblem(line, str(error))
            continue
        first = first_lines.get(subscriber.key)
        first_lines[subscriber.key] = line
        yield subscriber if first is None else CsvProblem(line, f"{subscriber.key} stands in line {first} already")


def _lines_of_elements(text: str, count: int) -> Iterator[int]:
    """Give the lines that the elements of an array begin in.

    @param text: JSON that is one
    """
    decode = json.JSONDecoder().raw_decode
    line, start, end = 1, 0, text.index("[") + 1
    for _ in range(count):
        while text[end] in " \t\r\n,":
            end += 1
        line += text.count("\n", start, end)
        yield line
        start = end
        _, end = decode(text, start)


def _from_object(given: Any, names: set[str]) -> Subscriber:
    """Read an element of an array.

    @raise RefusedError: it is none of a subscriber
    """
    if not isinstance(given, dict):
        raise RefusedError("expected an object")
    names.update(given)
    for name in given:
        if name not in FIELDS:
            raise RefusedError(f"expected names among {', '.join(FIELDS)}, got {quotation(name)}")
    fields = fields_of({name: value for name, value in given.items() if value is not None})
    subscriber = Subscriber(**{"key": "", **fields})
    check(subscriber)
    return subscriber


# Sending


def send_subscribers(transport: "ITransport", subscribers: Sequence[Subscriber], overwrite: bool) -> Mapping[str, Any]:
    """Import subscribers, all of them or none, and give what the server says.

    @param overwrite: write over those who are there, instead of failing
    @raise Failure: they are refused
    """
    number: int | None = None
    try:
        with _progress() as progress:
            task = progress.add_task("", total=len(subscribers))
            for count, rows in _pieces(subscribers):
                body = {"rows": rows, **({} if number is None else {"import": number})}
                number = ask(transport, "POST", _PATH, body=body)["import"]
                progress.advance(task, count)
        return ask(transport, "PUT", _PATH, body={"import": number, "overwrite": overwrite})
    except (Failure, KeyboardInterrupt):
        if number is not None:
            with suppress(Failure):  # then it ends by itself
                transport.request("DELETE", _PATH, {"import": number}, None)
        raise


def _progress() -> Progress:
    """Give a bar on the standard error, where that is a terminal."""
    console = Console(stderr=True)
    return Progress(
        TextColumn("importing subscribers"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=console,
        disable=not console.is_terminal,
        transient=True,
    )


def _pieces(subscribers: Sequence[Subscriber]) -> Iterator[tuple[int, str]]:
    """Give rows in pieces, how many and as text; none is a piece too, as an import has to begin."""
    piece: list[str] = []
    size = 0
    for line in islice(write_csv(subscribers), 1, None):
        if len(piece) == _PIECE or size + len(line) > MOST_TEXT:
            yield len(piece), "".join(piece)
            piece, size = [], 0
        piece.append(line)
        size += len(line)
    yield len(piece), "".join(piece)


# Exporting


def export_subscribers(transport: "ITransport", file: str, form: str, with_passwords: bool) -> int:
    """Write all subscribers into a file, and tell how many those are.

    @param file: its path, C{-} for the standard output; it is there whole, or as it was before
    @param with_passwords: whether passwords and hashes are among it; then only its owner can read the file
    @raise Failure: it cannot be written
    """
    names = [name for name in FIELDS if with_passwords or name not in SECRETS]
    count = 0

    def fetch(after: str | None) -> Mapping[str, Any]:
        query = {"secrets": "true" if with_passwords else None, "after": after}
        return ask(transport, "GET", "/subscribers/export", query)

    def counted() -> Iterator[Mapping[str, Any]]:
        nonlocal count
        for item in pages(fetch, "subscribers"):
            count += 1
            yield {name: item[name] for name in names}

    with _private() if with_passwords else nullcontext():
        write_lines(file, _csv_lines(names, counted()) if form == "csv" else json_lines(counted()))
    return count


@contextmanager
def _private() -> Iterator[None]:
    """Let nobody else read the files that are made meanwhile."""
    before = os.umask(0o077)
    try:
        yield
    finally:
        os.umask(before)


def _csv_lines(names: Sequence[str], items: Iterator[Mapping[str, Any]]) -> Iterator[str]:
    yield _csv_line(names)
    for item in items:
        yield _csv_line([_cell(value) for value in item.values()])


def _csv_line(cells: Sequence[str]) -> str:
    text = StringIO(newline="")
    csv.writer(text).writerow(cells)
    return text.getvalue()


def _cell(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)
