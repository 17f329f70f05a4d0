"""Files of the rows of a table, in CSV or JSON: read and checked, or written.

A file in CSV has a header with the names of its columns, in any order; one in
JSON is an array of objects. All that is wrong in a file is told by its lines.
"""

import csv
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from io import StringIO
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import click

from sipproxy.cli.failure import Failure, note
from sipproxy.config.problems import quotation

#: Faults of a file that are told, the others are counted.
_MOST_TOLD = 20
#: Rows that are written at a time.
_PIECE = 1000
_BLANKS = " \t\r\n"


@dataclass(frozen=True)
class Rows:
    """A table as commands know it.

    @ivar path: of its resource
    @ivar name: what a page of it calls its elements
    @ivar fields: the names of its columns
    @ivar required: those that may not be left out
    @ivar read: gives the record of a row, or raises a ValueError that says what is wrong
    """

    path: str
    name: str
    fields: Sequence[str]
    required: Sequence[str]
    read: Callable[[Mapping[str, str]], Any]


class _Found(NamedTuple):
    """A row of a file.

    @ivar line: where it stands
    @ivar texts: its values by name
    @ivar fault: why it has none; empty where it has
    """

    line: int
    texts: Mapping[str, str]
    fault: str = ""


class _WrongFileError(Exception):
    """Nothing behind some place can be read.

    @ivar line: where
    """

    def __init__(self, line: int, message: str) -> None:
        super().__init__(message)
        self.line = line


def form_of(file: str, form: str | None) -> str:
    """Tell how a file is written.

    @raise click.UsageError: nobody says it
    """
    if form is not None:
        return form
    suffix = Path(file).suffix.lower()
    if suffix in (".csv", ".json"):
        return suffix[1:]
    if file == "-":
        return "csv"
    raise click.UsageError(f"{file}: its name ends neither in .csv nor in .json, so --format is needed")


# Reading


def _read(file: str) -> str:
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
        raise Failure(f"{file}: not UTF-8 at octet {error.start}") from None


def read_rows(rows: Rows, file: str, form: str) -> list[Sequence[object]]:
    """Give the rows of a file as they are kept.

    @param file: its path, C{-} for the standard input
    @raise Failure: it cannot be read, or something in it is wrong; all that is has been told
    """
    text = _read(file)
    wrong: list[str] = []
    lines: dict[object, int] = {}
    checked: list[Sequence[object]] = []
    try:
        for found in (_csv_rows if form == "csv" else _json_rows)(text, rows):
            record = None
            fault = found.fault
            if not fault:
                record, fault = _record(rows, found.texts)
            if record is not None:
                first = lines.setdefault(record.key, found.line)
                fault = f"the same as line {first}" if first != found.line else ""
                checked.append(record.row)
            if fault:
                wrong.append(f"{file}:{found.line}: {fault}")
    except _WrongFileError as error:
        wrong.append(f"{file}:{error.line}: {error}")
    if wrong:
        for sentence in wrong[:_MOST_TOLD]:
            note(sentence)
        more = f", the first {_MOST_TOLD} are told" if len(wrong) > _MOST_TOLD else ""
        raise Failure(f"nothing is imported: {len(wrong)} fault{'s' * (len(wrong) > 1)} in {file}{more}")
    return checked


def _record(rows: Rows, texts: Mapping[str, str]) -> tuple[Any, str]:
    """Give the record of a row, or what is wrong with it."""
    try:
        return rows.read(texts), ""
    except ValueError as error:
        return None, str(error)


def _csv_rows(text: str, rows: Rows) -> Iterator[_Found]:
    """Read CSV.

    @raise _WrongFileError: the header is wrong, or it is no CSV
    """
    reader = csv.reader(StringIO(text, newline=""), strict=True)
    try:
        header = [name.strip().lower() for name in next(reader, [])]
        fault = _fault_of(header, rows)
        if fault:
            raise _WrongFileError(1, fault)
        for cells in reader:
            if not cells:
                continue
            if len(cells) == len(header):
                yield _Found(reader.line_num, dict(zip(header, cells, strict=True)))
            else:
                yield _Found(reader.line_num, {}, f"expected {len(header)} columns, got {len(cells)}")
    except csv.Error as error:
        raise _WrongFileError(reader.line_num, f"no CSV: {error}") from None


def _fault_of(names: Sequence[str], rows: Rows) -> str:
    """Say what is wrong with the names of a row's values; empty where nothing is."""
    for name in rows.required:
        if name not in names:
            return f"expected the names {', '.join(rows.required)}, but {name} is not there"
    for name in names:
        if name not in rows.fields:
            return f"expected names among {', '.join(rows.fields)}, got {quotation(name)}"
        if names.count(name) > 1:
            return f"{name} is there twice"
    return ""


def _json_rows(text: str, rows: Rows) -> Iterator[_Found]:
    """Read an array of objects, one after the other, so that the line of each is known.

    @raise _WrongFileError: it is something else
    """
    at, line = 0, 1
    for start, given in _elements(text):
        line += text.count("\n", at, start)
        at = start
        fault = _fault_of_object(given, rows)
        yield _Found(line, {} if fault else {name: str(value) for name, value in given.items()}, fault)


def _fault_of_object(given: Any, rows: Rows) -> str:
    """Say what is wrong with an element of the array; empty where nothing is."""
    if not isinstance(given, dict):
        return "expected an object"
    for name, value in given.items():
        if not isinstance(value, str | int) or isinstance(value, bool):
            return f"{quotation(name)}: expected a text or a whole number"
    return _fault_of(list(given), rows)


def _elements(text: str) -> Iterator[tuple[int, Any]]:
    """Give where each element of an array begins, and the element.

    @raise _WrongFileError: it is no JSON
    """
    decode = json.JSONDecoder().raw_decode

    def fail(at: int, message: str) -> _WrongFileError:
        return _WrongFileError(text.count("\n", 0, at) + 1, message)

    at = _after_blanks(text, 0)
    if text[at : at + 1] != "[":
        raise fail(at, "expected an array of objects")
    at = _after_blanks(text, at + 1)
    is_first = True
    while text[at : at + 1] != "]":
        if not is_first:
            if text[at : at + 1] != ",":
                raise fail(at, 'expected "," or "]"')
            at = _after_blanks(text, at + 1)
        is_first = False
        try:
            value, end = decode(text, at)
        except json.JSONDecodeError as error:
            raise fail(error.pos, f"no JSON: {error.msg}") from None
        except (ValueError, RecursionError):  # a number of thousands of digits, arrays in arrays in arrays
            raise fail(at, "no JSON that has a meaning here") from None
        yield at, value
        at = _after_blanks(text, end)
    at = _after_blanks(text, at + 1)
    if at < len(text):
        raise fail(at, "expected nothing behind the array")


def _after_blanks(text: str, at: int) -> int:
    while text[at : at + 1] in _BLANKS and at < len(text):
        at += 1
    return at


# Writing


def write_lines(file: str, lines: Iterable[str]) -> None:
    """Write a file; it is there whole in the end, or as it was before.

    @param file: its path, C{-} for the standard output
    @raise Failure: it cannot be written
    """
    path = Path(file)
    try:
        if file == "-":
            _print_lines(lines)
        elif path.exists() and not path.is_file():
            with path.open("w") as device:  # not to be replaced by a file
                device.writelines(lines)
        else:
            _replace(path.resolve(), lines)
    except OSError as error:
        raise Failure(f"{file}: {error.strerror}") from None


def _print_lines(lines: Iterable[str]) -> None:
    for line in lines:
        click.echo(line, nl=False)


def _replace(path: Path, lines: Iterable[str]) -> None:
    other = path.with_name(f"{path.name}.{os.getpid()}")
    try:
        with other.open("x", encoding="utf-8") as opened:
            opened.writelines(lines)
        other.replace(path)
    finally:
        other.unlink(missing_ok=True)


def csv_text(rows: Iterable[Iterable[object]]) -> str:
    """Write rows in CSV."""
    text = StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()


def csv_lines(items: Iterator[Mapping[str, Any]], rows: Rows) -> Iterator[str]:
    """Write a file in CSV."""
    yield ",".join(rows.fields) + "\n"
    while piece := list(islice(items, _PIECE)):
        yield csv_text(item.values() for item in piece)


def json_lines(items: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """Write a file in JSON, a line for each element."""
    separator = "["
    for item in items:
        yield f"{separator}\n{json.dumps(item)}"
        separator = ","
    yield "[]\n" if separator == "[" else "\n]\n"
