"""C{sipproxyctl ipsec}: the protection of peers."""

from collections.abc import Mapping, Sequence
from typing import Any

import click

from sipproxy.cli.failure import Failure
from sipproxy.cli.output import json_option, print_json, print_table, when
from sipproxy.cli.session import Session, ask, pass_session

_SWITCH = "IPSec"
_COLUMNS = ("NAME", "ADDRESS", "KEYS", "STATE", "SINCE", "DROPPED", "REFUSED", "REASON")


@click.group(invoke_without_command=True)
@json_option
@click.pass_context
def ipsec(context: click.Context, as_json: bool) -> None:
    """Show which peers are protected by IPsec, and what was dropped from or refused to those that are not.

    The exit status is 1 where one is not.
    """
    if context.invoked_subcommand is not None:
        return
    found = ask(context.find_object(Session).server, "GET", "/ipsec", switch=_SWITCH)  # type: ignore[union-attr]
    if as_json:
        print_json(found)
    else:
        print_table(_COLUMNS, map(_row, found["peers"]))
        if found["kernel"]:
            click.echo(f"kernel: {found['kernel']}")
    if any(peer["state"] == "down" for peer in found["peers"]):
        raise click.exceptions.Exit(1)


def _row(peer: Mapping[str, Any]) -> Sequence[object]:
    keys = f"{peer['mode']}, {peer['method']}, {peer['selectors']}"
    state = peer["state"] if peer["required"] else f"{peer['state']}, not required"
    since = when(peer["since"], "-")
    return (peer["name"], peer["address"], keys, state, since, peer["dropped"], peer["refused"], peer["reason"])


@ipsec.command()
@click.argument("name")
@json_option
@pass_session
def why(session: Session, name: str, as_json: bool) -> None:
    """Tell what has happened with the association of the peer NAME."""
    found = [peer for peer in ask(session.server, "GET", "/ipsec", switch=_SWITCH)["peers"] if peer["name"] == name]
    if not found:
        raise Failure(f"there is no IPSecPeer {name}")
    if as_json:
        print_json(found[0])
        return
    (peer,) = found
    click.echo(f"{name} is {peer['state']} since {when(peer['since'], '-')}: {peer['reason']}")
    print_table(
        ("WHEN", "STATE", "REASON"),
        [(when(event["time"], "-"), event["state"], event["reason"]) for event in peer["events"]],
    )


@ipsec.command()
@click.argument("name")
@pass_session
def initiate(session: Session, name: str) -> None:
    """Establish the association with the peer NAME now."""
    ask(session.server, "POST", "/ipsec", body={"name": name, "action": "initiate"}, switch=_SWITCH)
    click.echo(f"{name}: established")


@ipsec.command()
@click.argument("name")
@pass_session
def rekey(session: Session, name: str) -> None:
    """Give the association with the peer NAME new keys."""
    ask(session.server, "POST", "/ipsec", body={"name": name, "action": "rekey"}, switch=_SWITCH)
    click.echo(f"{name}: new keys asked for")
