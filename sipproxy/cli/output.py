"""What a command prints: tables for people, JSON for programs."""

import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from sipproxy.config.problems import printable

#: Columns of a line that goes to a file or a pipe; nothing is to be wrapped there.
_WIDE = 10_000
#: Rows by which the widths of a long table are chosen, as the others are not known yet when it begins.
_SAMPLE = 500
_GAP = "  "

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


def console() -> Console:
    """Give the console of the standard output; what is printed is text, never markup."""
    made = Console(markup=False, emoji=False, highlight=False)
    if not made.is_terminal:
        made.width = _WIDE
    return made


def print_json(content: Mapping[str, Any]) -> None:
    """Print one JSON object."""
    click.echo(json.dumps(content, indent=2))


def print_json_list(items: Iterable[Mapping[str, Any]]) -> None:
    """Print a JSON array, an element a line, as the elements come."""
    separator = "["
    for item in items:
        click.echo(f"{separator}\n{json.dumps(item)}", nl=False)
        separator = ","
    click.echo("[]" if separator == "[" else "\n]")


def print_pairs(pairs: Mapping[str, object]) -> None:
    """Print names and values."""
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="bold")
    table.add_column()
    for name, value in pairs.items():
        table.add_row(name, Text(printable(str(value))))
    console().print(table)


def print_table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print a table that is not long."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column)
    for row in rows:
        table.add_row(*(Text(printable(str(value))) for value in row))
    console().print(table)


def print_long_table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print a table of any length as its rows come; none is cut off or wrapped.

    Not with rich, which has to know all rows first, and takes half a millisecond for each.
    """
    texts = (tuple(printable(str(value)) for value in row) for row in rows)
    sample = list(islice(texts, _SAMPLE))
    widths = [max(map(len, column)) for column in zip(columns, *sample, strict=True)]
    console().print(Text(_line(columns, widths), style="bold"))
    for row in sample:
        click.echo(_line(row, widths))
    for row in texts:
        click.echo(_line(row, widths))


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    return _GAP.join(map(str.ljust, cells, widths)).rstrip()


def pages(fetch: Callable[[str | None], Mapping[str, Any]], name: str) -> Iterator[Mapping[str, Any]]:
    """Give the elements of a list that comes in pages.

    @param fetch: gives the page behind a place, None for the first
    @param name: what a page calls its elements
    """
    after: str | None = None
    while True:
        page = fetch(after)
        yield from page[name]
        after = page["next"]
        if after is None:
            return


def when(seconds: float | None, none: str) -> str:
    """Write a time as the clock here shows it.

    @param seconds: since 1970
    @param none: what is written for no time
    """
    if seconds is None:
        return none
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(seconds))
