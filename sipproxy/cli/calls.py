"""C{sipproxyctl calls}."""

from collections.abc import Mapping, Sequence
from typing import Any

import click

from sipproxy.cli.failure import note
from sipproxy.cli.output import json_option, print_json, print_long_table, when
from sipproxy.cli.session import Session, ask, pass_session

_COLUMNS = ("SINCE", "METHOD", "FROM", "TO", "REQUEST-URI", "CALL-ID", "SOURCE", "NEXT HOPS")


@click.command()
@click.option("--call-id", help="Only those with this Call-ID; * stands for any text.")
@click.option("--limit", type=click.IntRange(1, 10_000), help="How many at most, else 1000.")
@json_option
@pass_session
def calls(session: Session, call_id: str | None, limit: int | None, as_json: bool) -> None:
    """List the requests that have no final response yet, the oldest first."""
    found = ask(session.server, "GET", "/calls", {"call_id": call_id, "limit": limit})
    if as_json:
        print_json(found)
        return
    print_long_table(_COLUMNS, map(_row, found["calls"]))
    if len(found["calls"]) < found["pending"]:
        note(f"{len(found['calls'])} of {found['pending']} that are pending")


def _row(item: Mapping[str, Any]) -> Sequence[object]:
    return (
        when(item["since"], "-"),
        item["method"],
        item["from"],
        item["to"],
        item["uri"],
        item["call_id"],
        item["source"],
        " ".join(item["next_hops"]) or "-",
    )
