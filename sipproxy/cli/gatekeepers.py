"""C{sipproxyctl gatekeepers}: the clusters of H.323 gatekeepers, and how fast they answer."""

from collections.abc import Mapping, Sequence
from typing import Any

import click

from sipproxy.cli.output import json_option, print_json, print_pairs, print_table, when
from sipproxy.cli.session import Session, ask, pass_session

_COLUMNS = ("CLUSTER", "GATEKEEPER", "STATE", "SINCE", "LAST MS", "MEAN MS", "LONGEST MS", "ASKED", "LCF", "LRJ", "WHY")


@click.command()
@click.option("--counters", is_flag=True, help="Print all that was counted.")
@json_option
@pass_session
def gatekeepers(session: Session, counters: bool, as_json: bool) -> None:
    """Show the gatekeepers of RASGateKeeperCluster: their state, and how long they take to answer."""
    found = ask(session.server, "GET", "/gatekeepers")
    if as_json:
        print_json(found)
        return
    print_table(_COLUMNS, map(_row, found["gatekeepers"]))
    if counters:
        for gatekeeper in found["gatekeepers"]:
            click.echo(f"\n{gatekeeper['gatekeeper']} of cluster {gatekeeper['cluster']}")
            print_pairs(gatekeeper["counters"])
        click.echo("\nanswers to nobody's question")
        print_pairs(found["strays"])


def _row(gatekeeper: Mapping[str, Any]) -> Sequence[object]:
    counted = gatekeeper["counters"]
    return (
        gatekeeper["cluster"],
        gatekeeper["gatekeeper"],
        gatekeeper["state"],
        when(gatekeeper["since"], "-"),
        *(_milliseconds(gatekeeper[name]) for name in ("last", "mean", "longest")),
        counted["asked"],
        counted["confirmed"],
        counted["rejected"],
        gatekeeper["reason"] or "-",
    )


def _milliseconds(seconds: float | None) -> str:
    return "-" if seconds is None else f"{seconds * 1000:.1f}"
