"""C{sipproxyctl farm}: the members of the farm, and whether they agree."""

from collections.abc import Mapping, Sequence
from typing import Any

import click

from sipproxy.cli.failure import note
from sipproxy.cli.output import json_option, print_json, print_pairs, print_table, when
from sipproxy.cli.session import Session, ask, pass_session

_SWITCH = "Farm"
_MEMBERS = ("NAME", "STATE", "SINCE", "VERSION", "LISTENS AT", "REVISION", "LAG", "PENDING")


@click.group()
def farm() -> None:
    """Look at the farm that this server is a member of."""


@farm.command()
@json_option
@pass_session
def status(session: Session, as_json: bool) -> None:
    """Tell how the farm is; exit status 1 where it cannot be reached or a member is missing."""
    found = ask(session.server, "GET", "/farm", switch=_SWITCH)
    if as_json:
        print_json(found)
    else:
        print_pairs(
            {
                "state": found["state"] if found["since"] is None else f"away since {when(found['since'], '-')}",
                "reason": found["reason"] or "-",
                "databases": " ".join(found["databases"]) or "-",
                "revision": found["revision"],
                "pending": found["pending"],
                "missing": " ".join(found["missing"]) or "-",
                **{place["name"]: _place(place) for place in found["engine"]},
            }
        )
    if found["since"] is not None or found["missing"]:
        raise click.exceptions.Exit(1)


def _place(place: Mapping[str, Any]) -> str:
    if place["since"] is None:
        return "up"
    return f"away since {when(place['since'], '-')}: {place['reason']}"


@farm.command()
@json_option
@pass_session
def members(session: Session, as_json: bool) -> None:
    """List the members, and those of FarmExpectMembers who are missing.

    LAG is how many changes of the farm a member did not know when it last told.
    """
    found = ask(session.server, "GET", "/farm", switch=_SWITCH)
    if as_json:
        print_json({"members": found["members"]})
    else:
        print_table(_MEMBERS, map(_row, found["members"]))


def _row(member: Mapping[str, Any]) -> Sequence[object]:
    return (
        member["name"],
        member["state"],
        when(member["since"], "-"),
        member["version"] or "-",
        " ".join(member["listen"]) or "-",
        member["revision"],
        member["lag"],
        member["pending"],
    )


@farm.command()
@json_option
@pass_session
def verify(session: Session, as_json: bool) -> None:
    """Compare the copies of this member with what the farm has; exit status 1 where they differ.

    What is changed while it is compared may be named as well. Members that are at one revision have one CHECKSUM.
    """
    found = ask(session.server, "GET", "/farm/verify", switch=_SWITCH)
    if as_json:
        print_json(found)
    else:
        rows = [(one["database"], one["checksum"], found["revision"], one["count"]) for one in found["databases"]]
        print_table(("DATABASE", "CHECKSUM", "REVISION", "DIFFERENCES"), rows)
        for one in found["databases"]:
            for key in one["keys"]:
                click.echo(f"{one['database']}: {key}")
    if not found["equal"]:
        raise click.exceptions.Exit(1)


@farm.command()
@pass_session
def resync(session: Session) -> None:
    """Let this member read all that the farm has anew."""
    ask(session.server, "POST", "/farm/resync", switch=_SWITCH)
    note("all is read again")
