"""C{sipproxyctl status}."""

from collections.abc import Mapping, Sequence
from typing import Any

import click

from sipproxy.cli.output import json_option, print_json, print_pairs, print_table, when
from sipproxy.cli.session import Session, ask, pass_session


@click.command()
@json_option
@pass_session
def status(session: Session, as_json: bool) -> None:
    """Tell how the server is.

    The exit status is 1 where the server is down, something that it needs is away, or a log cannot be written.
    """
    found = ask(session.server, "GET", "/status")
    if as_json:
        print_json(found)
    else:
        _print(found)
    if not found["healthy"]:
        raise click.exceptions.Exit(1)


def _print(found: Mapping[str, Any]) -> None:
    transactions, traffic, configuration = found["transactions"], found["traffic"], found["configuration"]
    print_pairs(
        {
            "server": f"sipproxy {found['version']}, {found['state']}, process {found['pid']}",
            "since": when(found["since"], "-"),
            "configuration": f"generation {configuration['generation']}, since {when(configuration['since'], '-')}",
            "requests": f"{traffic['requests']}, in the last minute {traffic['requests_per_second']} per second",
            "calls": f"{traffic['calls']}, in the last minute {traffic['calls_per_second']} per second",
            "requests pending": found["pending"],
            "transactions": f"{transactions['server']} server, {transactions['client']} client, "
            f"{transactions['limit']} at most",
            **({"workers": _workers(found["workers"])} if found.get("workers") else {}),
            "registered": f"{found['registrations']} addresses of record",
            **{dependency["name"]: _state(dependency) for dependency in found["dependencies"]},
            "logs": "; ".join(found["logs"]["problems"]) or "written",
            "log lines lost": found["logs"]["lost"],
        }
    )
    click.echo()
    names = ["address", *(name for name in found["listeners"][0] if name != "address")] if found["listeners"] else []
    columns = [name.replace("_", " ") for name in names]
    print_table(columns, ([listener[name] for name in names] for listener in found["listeners"]))


def _workers(workers: Sequence[Mapping[str, Any]]) -> str:
    return ", ".join(f"process {worker['pid']} since {when(worker['since'], '-')}" for worker in workers)


def _state(dependency: Mapping[str, Any]) -> str:
    if dependency["state"] != "away":
        return {"unasked": "not asked yet"}.get(dependency["state"], "up")
    return f"AWAY since {when(dependency['since'], '-')}: {dependency['reason']}; {dependency['without']}"
