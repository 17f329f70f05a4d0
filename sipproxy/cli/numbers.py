"""C{sipproxyctl numbers}: list, add, delete, test, import, export."""

from collections.abc import Mapping
from typing import Any

import click

from sipproxy.cli.failure import note
from sipproxy.cli.files import Rows, form_of, read_rows
from sipproxy.cli.output import json_option, pages, print_json, print_json_list, print_long_table
from sipproxy.cli.session import Session, ask, pass_session
from sipproxy.cli.tables import export_file, format_option, import_rows, replace_option

_PATH = "/numbers"
_COLUMNS = ("PATTERN", "SERVICE", "ORIGIN")

SERVICES = click.Choice(["800", "900", "LNP", "LCR"], case_sensitive=False)


def _rows() -> Rows:
    from sipproxy.databases.numbers import FIELDS, read_number

    return Rows(_PATH, "numbers", FIELDS, FIELDS, read_number)


@click.group()
def numbers() -> None:
    """List, add, delete, test, import and export number services.

    Where the server is down and NumbersDatabase is a file, the file is read and changed.
    """


@numbers.command("list")
@click.option("--pattern", help="Only those whose pattern reads like this; * stands for any text.")
@click.option("--service", type=SERVICES, help="Only those that ask this.")
@click.option("--origin", type=click.Choice(["configuration", "database"]), help="Only those from there.")
@json_option
@pass_session
def list_(session: Session, /, as_json: bool, **given: str | None) -> None:
    """List the number services of the configuration and of the database."""

    def fetch(after: str | None) -> Mapping[str, Any]:
        return ask(session.numbers, "GET", _PATH, {**given, "after": after})

    found = pages(fetch, "numbers")
    if as_json:
        print_json_list(found)
    else:
        print_long_table(_COLUMNS, ((item["pattern"], item["service"], item["origin"]) for item in found))


@numbers.command()
@click.argument("pattern")
@click.argument("service", type=SERVICES)
@json_option
@pass_session
def add(session: Session, pattern: str, service: str, as_json: bool) -> None:
    """Let the numbers of a pattern ask a service of a NAM.

    PATTERN: digits, with dots for any digit and perhaps a T behind.
    """
    added = ask(session.numbers, "POST", _PATH, body={"pattern": pattern, "service": service})
    if as_json:
        print_json(added)
    else:
        note(f"added {added['service']} for {added['pattern']}")


@numbers.command()
@click.argument("pattern")
@json_option
@pass_session
def delete(session: Session, pattern: str, as_json: bool) -> None:
    """Delete the services of a pattern; those of the configuration stand there."""
    deleted = ask(session.numbers, "DELETE", _PATH, {"pattern": pattern})
    if as_json:
        print_json(deleted)
        return
    for item in deleted["numbers"]:
        note(f"deleted {item['service']} for {item['pattern']}")


@numbers.command()
@click.argument("number")
@json_option
@pass_session
def test(session: Session, number: str, as_json: bool) -> None:
    """Show which services NUMBER asks, and which other patterns match but lose.

    A number is taken as it is after NumExpand. The exit status is 1 where it asks none.
    """
    found = ask(session.numbers, "GET", f"{_PATH}/test", {"number": number})
    if as_json:
        print_json(found)
    elif found["matches"]:
        print_long_table(
            ("", *_COLUMNS),
            (
                ("wins" if match["wins"] else "loses", item["pattern"], item["service"], item["origin"])
                for match in found["matches"]
                for item in match["numbers"]
            ),
        )
    else:
        note(f"no service for {number}")
    if not found["matches"]:
        raise click.exceptions.Exit(1)


@numbers.command("import")
@click.argument("file", type=click.Path(allow_dash=True))
@format_option
@replace_option
@json_option
@pass_session
def import_(session: Session, file: str, form: str | None, replace: bool, as_json: bool) -> None:
    """Import number services from FILE, all of them or none; - is the standard input.

    CSV has a header with the columns pattern and service. JSON is an array of objects with the same names.
    """
    rows = _rows()
    checked = read_rows(rows, file, form_of(file, form))
    done = import_rows(session.numbers, rows, checked, "replace" if replace else "add")
    if as_json:
        print_json(done)
    else:
        note(f"{done['stored']} number services are new, {done['deleted']} deleted")


@numbers.command()
@click.argument("file", type=click.Path(allow_dash=True), default="-")
@format_option
@pass_session
def export(session: Session, file: str, form: str | None) -> None:
    """Export the number services of the database to FILE, as import reads them; without FILE to the standard output."""
    note(f"{export_file(session.numbers, _rows(), file, form)} number services exported")
