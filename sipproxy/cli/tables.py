"""What C{routes} and C{numbers} share: their rows imported from a file, and exported into one.

A file is checked before any of it goes to the server, which takes all of it or
nothing.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from sipproxy.cli.failure import Failure
from sipproxy.cli.files import Rows, csv_lines, csv_text, form_of, json_lines, write_lines
from sipproxy.cli.output import pages
from sipproxy.cli.session import ask

if TYPE_CHECKING:
    from sipproxy.cli.transport import ITransport

#: Rows that go to the server at a time, at most: it serves calls between the pieces.
_PIECE = 500

format_option = click.option(
    "--format",
    "form",
    type=click.Choice(["csv", "json"]),
    help="How the file is written; else its name says it, and what has no name is CSV.",
)
replace_option = click.option(
    "--replace", is_flag=True, help="The rows are to be all that there are; what else is in the database is deleted."
)


# Importing


def import_rows(
    transport: "ITransport", rows: Rows, checked: Sequence[Sequence[object]], mode: str
) -> Mapping[str, Any]:
    """Import rows, all of them or nothing, and give what the server says.

    @param checked: what L{read_rows} gave
    @param mode: C{add}, or C{replace} where they are to be all that there are
    @raise Failure: they are refused
    """
    number: int | None = None
    try:
        with _progress(rows.name) as progress:
            task = progress.add_task("", total=len(checked))
            for count, text in _pieces(checked):
                body = {"rows": text, **({} if number is None else {"import": number})}
                number = ask(transport, "POST", f"{rows.path}/import", body=body)["import"]
                progress.advance(task, count)
        return ask(transport, "PUT", f"{rows.path}/import", body={"import": number, "mode": mode})
    except (Failure, KeyboardInterrupt):
        if number is not None:
            with suppress(Failure):  # then it ends by itself
                transport.request("DELETE", f"{rows.path}/import", {"import": number}, None)
        raise


def _progress(name: str) -> Progress:
    """Give a bar on the standard error, where that is a terminal."""
    console = Console(stderr=True)
    return Progress(
        TextColumn(f"importing {name}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=console,
        disable=not console.is_terminal,
        transient=True,
    )


def _pieces(rows: Iterable[Sequence[object]]) -> Iterator[tuple[int, str]]:
    """Give the rows in pieces, how many and as text; none is a piece too, as an import has to begin."""
    from sipproxy.control.imports import MOST_TEXT

    piece: list[str] = []
    size = 0
    for row in rows:
        text = csv_text([row])
        if len(piece) == _PIECE or size + len(text) > MOST_TEXT:
            yield len(piece), "".join(piece)
            piece, size = [], 0
        piece.append(text)
        size += len(text)
    yield len(piece), "".join(piece)


# Exporting


def export_file(transport: "ITransport", rows: Rows, file: str, form: str | None) -> int:
    """Write what is in the database into a file, and tell how many rows those are.

    @param file: its path, C{-} for the standard output; it is there whole, or as it was before
    @raise Failure: it cannot be written
    """
    form = form_of(file, form)

    def fetch(after: str | None) -> Mapping[str, Any]:
        return ask(transport, "GET", rows.path, {"origin": "database", "after": after})

    count = 0

    def counted() -> Iterator[Mapping[str, Any]]:
        nonlocal count
        for item in pages(fetch, rows.name):
            count += 1
            yield {name: item[name] for name in rows.fields}

    write_lines(file, csv_lines(counted(), rows) if form == "csv" else json_lines(counted()))
    return count
