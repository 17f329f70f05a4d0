"""C{sipproxyctl accounting}: the records that wait to be delivered: list, retry, export."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

import click

from sipproxy.cli.failure import note
from sipproxy.cli.files import csv_text, json_lines
from sipproxy.cli.output import json_option, pages, print_json, print_json_list, print_long_table, when
from sipproxy.cli.session import Session, ask, pass_session

_PATH = "/accounting"
_COLUMNS = ("TIME", "TYPE", "FROM", "TO", "CALL-ID", "WAITS FOR")
#: The columns of a CSV file: the names of attributes.
FIELDS = (
    "Acct-Status-Type",
    "Acct-Session-Id",
    "User-Name",
    "Called-Station-Id",
    "Calling-Station-Id",
    "Event-Timestamp",
    "Acct-Session-Time",
    "Acct-Terminate-Cause",
    "NAS-IP-Address",
    "NAS-IPv6-Address",
    "NAS-Port",
    "Service-Type",
    "h323-setup-time",
    "h323-connect-time",
    "h323-disconnect-time",
    "h323-disconnect-cause",
    "h323-call-origin",
    "h323-conf-id",
    "call-id",
    "session-protocol",
    "method",
    "prev-hop-ip",
    "next-hop-ip",
    "incoming-req-uri",
    "outgoing-req-uri",
    "sip-attempt",
)
# Rows that are written at a time.
_PIECE = 1000


@click.group(invoke_without_command=True)
@json_option
@click.pass_context
def accounting(context: click.Context, as_json: bool) -> None:
    """Show, deliver and export the records of calls that wait to be delivered; alone it lists them."""
    if context.invoked_subcommand is None:
        context.invoke(list_, as_json=as_json)


@accounting.command("list")
@json_option
@pass_session
def list_(session: Session, as_json: bool) -> None:
    """List the records that wait, the oldest calls first."""
    if as_json:
        print_json_list(_waiting(session))
        return
    print_long_table(_COLUMNS, map(_row, _waiting(session)))
    # What is away says why records wait.
    for dependency in ask(session.server, "GET", _PATH, {"limit": 1})["dependencies"]:
        if dependency["state"] == "away":
            note(f"{dependency['name']} away since {when(dependency['since'], '-')}: {dependency['reason']}")


def _waiting(session: Session) -> Iterator[Mapping[str, Any]]:
    def fetch(after: str | None) -> Mapping[str, Any]:
        return ask(session.server, "GET", _PATH, {"after": after})

    return pages(fetch, "records")


def _row(item: Mapping[str, Any]) -> Sequence[object]:
    record = item["record"]
    return (
        when(item["time"], "-"),
        item["type"],
        record.get("Calling-Station-Id", "-"),
        record.get("Called-Station-Id", "-"),
        item["call_id"],
        " ".join(item["waits_for"]),
    )


@accounting.command()
@json_option
@pass_session
def retry(session: Session, as_json: bool) -> None:
    """Deliver at once what waits, rather than when the next attempt is due."""
    found = ask(session.server, "POST", f"{_PATH}/retry")
    if as_json:
        print_json(found)
    else:
        note(f"{found['waiting']} records wait, being delivered now")


@accounting.command()
@click.option("--format", "form", type=click.Choice(["csv", "json"]), default="csv", help="How it is written.")
@pass_session
def export(session: Session, form: str) -> None:
    """Write the records that wait to the standard output; they stay where they are."""
    records = (item["record"] for item in _waiting(session))
    for piece in json_lines(records) if form == "json" else _csv(records):
        click.echo(piece, nl=False)


def _csv(records: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    rows = ([record.get(name, "") for name in FIELDS] for record in records)
    # Not even the header is written where the server does not answer.
    yield csv_text([FIELDS, *islice(rows, _PIECE)])
    while piece := list(islice(rows, _PIECE)):
        yield csv_text(piece)
