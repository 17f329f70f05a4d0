"""C{sipproxyctl gateways}: the health of next hops."""

from collections.abc import Mapping, Sequence
from typing import Any

import click

from sipproxy.cli.output import json_option, print_json, print_table, when
from sipproxy.cli.session import Session, ask, pass_session

_COLUMNS = ("NAME", "ADDRESS", "STATE", "SINCE", "HELD DOWN UNTIL", "LAST EVENT")


@click.group(invoke_without_command=True)
@json_option
@click.pass_context
def gateways(context: click.Context, as_json: bool) -> None:
    """Show the health of next hops; those that nothing was sent to of late are not among them."""
    if context.invoked_subcommand is not None:
        return
    found = ask(context.find_object(Session).server, "GET", "/gateways")  # type: ignore[union-attr]
    if as_json:
        print_json(found)
    else:
        print_table(_COLUMNS, map(_row, found["gateways"]))


def _row(gateway: Mapping[str, Any]) -> Sequence[object]:
    events = gateway["events"]
    return (
        gateway["name"],
        f"{gateway['address']} {gateway['port']}/{gateway['transport']}",
        gateway["state"],
        when(gateway["since"], "-"),
        when(gateway["until"], "-"),
        events[-1]["reason"] if events else "-",
    )


@gateways.command()
@click.argument("name")
@json_option
@pass_session
def why(session: Session, name: str, as_json: bool) -> None:
    """Tell why a gateway is up or down: its last events. NAME is its name, its address, or address:port."""
    found = ask(session.server, "GET", "/gateways", {"name": name})
    if as_json:
        print_json(found)
        return
    for gateway in found["gateways"]:
        place = f"{gateway['address']} {gateway['port']}/{gateway['transport']}"
        click.echo(f"{gateway['name']} ({place}) is {gateway['state']} since {when(gateway['since'], '-')}")
        rows = [
            (when(event["time"], "-"), event["state"], event["reason"], event["times"]) for event in gateway["events"]
        ]
        print_table(("WHEN", "STATE", "REASON", "TIMES"), rows)
