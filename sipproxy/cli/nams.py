"""C{sipproxyctl nams}: how the connections to GKTMP servers are."""

from collections.abc import Mapping, Sequence
from typing import Any

import click

from sipproxy.cli.output import json_option, print_json, print_pairs, print_table, when
from sipproxy.cli.session import Session, ask, pass_session

_COLUMNS = ("SERVER", "ADDRESS", "PRIORITY", "STATE", "SINCE", "OPEN", "ASKED", "WHY")


@click.command()
@click.option("--counters", is_flag=True, help="Print all that was counted.")
@json_option
@pass_session
def nams(session: Session, counters: bool, as_json: bool) -> None:
    """Show the NAMs of GKTMPServer: whether they are connected, since when, and why not."""
    found = ask(session.server, "GET", "/nams")
    if as_json:
        print_json(found)
        return
    print_table(_COLUMNS, map(_row, found["nams"]))
    if counters:
        for nam in found["nams"]:
            click.echo(f"\n{nam['server']}")
            print_pairs(nam["counters"])


def _row(nam: Mapping[str, Any]) -> Sequence[object]:
    return (
        nam["server"],
        nam["address"],
        nam["priority"],
        nam["state"],
        when(nam["since"], "-"),
        nam["open_questions"],
        nam["counters"]["asked"],
        nam["reason"] or "-",
    )
