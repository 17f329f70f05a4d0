"""C{sipproxyctl routes}: list, add, delete, test, import, export."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import click

from sipproxy.cli.failure import note
from sipproxy.cli.files import Rows, form_of, read_rows
from sipproxy.cli.output import json_option, pages, print_json, print_json_list, print_long_table
from sipproxy.cli.session import Session, ask, pass_session
from sipproxy.cli.tables import export_file, format_option, import_rows, replace_option

_PATH = "/routes"
_COLUMNS = ("KIND", "PATTERN", "NEXT HOP", "PORT", "TRANSPORT", "PRIORITY", "WEIGHT", "REWRITE", "ORIGIN")
_NUMBER = click.IntRange(0, 65535)

kind_argument = click.argument("kind", type=click.Choice(["E164", "Domain"], case_sensitive=False))


def _rows() -> Rows:
    from sipproxy.databases.routes import FIELDS, REQUIRED, read_route

    return Rows(_PATH, "routes", FIELDS, REQUIRED, read_route)


@click.group()
def routes() -> None:
    """List, add, delete, test, import and export static routes.

    Where the server is down and RoutingDatabase is a file, the file is read and changed.
    """


@routes.command("list")
@click.option("--kind", type=click.Choice(["E164", "Domain"], case_sensitive=False), help="Only those for these.")
@click.option("--pattern", help="Only those whose pattern reads like this; * stands for any text.")
@click.option("--next-hop", help="Only those to these hosts; * stands for any text.")
@click.option("--origin", type=click.Choice(["configuration", "database"]), help="Only those from there.")
@json_option
@pass_session
def list_(session: Session, /, as_json: bool, **given: str | None) -> None:
    """List the routes of the configuration and of the database."""

    def fetch(after: str | None) -> Mapping[str, Any]:
        return ask(session.routes, "GET", _PATH, {**given, "after": after})

    found = pages(fetch, "routes")
    if as_json:
        print_json_list(found)
    else:
        print_long_table(_COLUMNS, map(_row, found))


def _row(item: Mapping[str, Any]) -> Sequence[object]:
    return (
        item["kind"],
        item["pattern"],
        item["next_hop"],
        item["port"] or "-",
        item["transport"],
        item["priority"],
        item["weight"],
        item["rewrite"] or "-",
        item["origin"],
    )


@routes.command()
@kind_argument
@click.argument("pattern")
@click.option("--next-hop", required=True, help="The host that calls are sent to.")
@click.option("--next-hop-port", "port", type=_NUMBER, help="Its port; 0, or none: what its SRV records say.")
@click.option("--priority", type=_NUMBER, help="The lowest are tried first; 1 where there is none.")
@click.option("--weight", type=_NUMBER, help="Its share among those of equal priority; 1 where there is none.")
@click.option("--transport", help="How it is reached, udp where it is not said.")
@click.option("--rewrite", help="What the user part becomes; dots stand for the last digits of the number.")
@json_option
@pass_session
def add(session: Session, /, as_json: bool, **given: str | int | None) -> None:
    """Add a route, or replace the one of the same pattern, next hop, port and transport.

    PATTERN: for E164 digits, with dots for any digit and perhaps a T behind; for Domain a name, *.name or *.
    """
    body = {name: value for name, value in given.items() if value is not None}
    added = ask(session.routes, "POST", _PATH, body=body)
    if as_json:
        print_json(added)
    else:
        note(f"added {_named(added)}")


@routes.command()
@kind_argument
@click.argument("pattern")
@click.option("--next-hop", help="Only the routes to this host.")
@json_option
@pass_session
def delete(session: Session, kind: str, pattern: str, next_hop: str | None, as_json: bool) -> None:
    """Delete the routes of a pattern, or those to one next hop; those of the configuration stand there."""
    query = {"kind": kind, "pattern": pattern, "next_hop": next_hop}
    deleted = ask(session.routes, "DELETE", _PATH, query)
    if as_json:
        print_json(deleted)
        return
    for item in deleted["routes"]:
        note(f"deleted {_named(item)}")


@routes.command()
@click.argument("number")
@json_option
@pass_session
def test(session: Session, number: str, as_json: bool) -> None:
    """Show which routes NUMBER finds, and which others match but lose; NUMBER may be a host too.

    A number is taken as it is after NumExpand. The exit status is 1 where there is no route.
    """
    found = ask(session.routes, "GET", f"{_PATH}/test", {"target": number})
    if as_json:
        print_json(found)
    elif found["matches"]:
        print_long_table(("", *_COLUMNS), _tested(found["matches"]))
    else:
        note(f"no route for {number}")
    if not found["matches"]:
        raise click.exceptions.Exit(1)


def _tested(matches: Iterable[Mapping[str, Any]]) -> Iterable[Sequence[object]]:
    for match in matches:
        for item in match["routes"]:
            yield "wins" if match["wins"] else "loses", *_row(item)


@routes.command("import")
@click.argument("file", type=click.Path(allow_dash=True))
@format_option
@replace_option
@json_option
@pass_session
def import_(session: Session, file: str, form: str | None, replace: bool, as_json: bool) -> None:
    """Import routes from FILE, all of them or none; - is the standard input.

    CSV has a header; columns are kind, pattern, next_hop, port, transport, priority, weight and rewrite, the first
    three of which must be there. JSON is an array of objects with the same names.
    """
    rows = _rows()
    checked = read_rows(rows, file, form_of(file, form))
    done = import_rows(session.routes, rows, checked, "replace" if replace else "add")
    if as_json:
        print_json(done)
    else:
        note(f"{done['stored']} routes are new or changed, {done['deleted']} deleted")


@routes.command()
@click.argument("file", type=click.Path(allow_dash=True), default="-")
@format_option
@pass_session
def export(session: Session, file: str, form: str | None) -> None:
    """Export the routes of the database to FILE, as import reads them; without FILE to the standard output."""
    note(f"{export_file(session.routes, _rows(), file, form)} routes exported")


def _named(item: Mapping[str, Any]) -> str:
    port = f" port {item['port']}" if item["port"] else ""
    return f"route {item['kind']} {item['pattern']} to {item['next_hop']}{port}"
