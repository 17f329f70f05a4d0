"""C{sipproxyctl registrations}: list, add, delete."""

from collections.abc import Mapping, Sequence
from typing import Any

import click

from sipproxy.cli.failure import note
from sipproxy.cli.output import json_option, pages, print_json, print_json_list, print_long_table, when
from sipproxy.cli.session import Session, ask, pass_session

_PATH = "/registrations"
_COLUMNS = ("ADDRESS OF RECORD", "CONTACT", "KIND", "Q", "ACTION", "EXPIRES")


@click.group()
def registrations() -> None:
    """List, add and delete registrations.

    Where the server is down and RegistryDatabase is a file, the file is read and changed.
    """


@registrations.command("list")
@click.option("--aor", help="Only these addresses of record; * stands for any text.")
@click.option("--contact", help="Only these contacts; * stands for any text.")
@json_option
@pass_session
def list_(session: Session, aor: str | None, contact: str | None, as_json: bool) -> None:
    """List what is registered, permanent or static."""

    def fetch(after: str | None) -> Mapping[str, Any]:
        return ask(session.registry, "GET", _PATH, {"aor": aor, "contact": contact, "after": after})

    found = pages(fetch, "registrations")
    if as_json:
        print_json_list(found)
    else:
        print_long_table(_COLUMNS, map(_row, found))


def _row(item: Mapping[str, Any]) -> Sequence[object]:
    return (
        item["aor"],
        item["contact"],
        item["kind"],
        f"{item['q']:g}",
        item["action"] or "-",
        when(item["expires"], "never"),
    )


@registrations.command()
@click.argument("aor")
@click.argument("contact")
@click.option("--q", type=click.FloatRange(0, 1), help="Its preference among the contacts, 0 to 1.")
@click.option("--action", type=click.Choice(["proxy", "redirect"]), help="What is done with calls to it.")
@json_option
@pass_session
def add(session: Session, aor: str, contact: str, q: float | None, action: str | None, as_json: bool) -> None:
    """Add a permanent contact, or replace the permanent one that is the same.

    It never expires, no telephone can remove it or sees it, and it does not count for RegistryMaxContacts.
    """
    given = {"aor": aor, "contact": contact, "q": q, "action": action}
    body = {name: value for name, value in given.items() if value is not None}
    added = ask(session.registry, "POST", _PATH, body=body)
    if as_json:
        print_json(added)
    else:
        note(f"added {added['contact']} to {added['aor']}")


@registrations.command()
@click.argument("aor")
@click.argument("contact", required=False)
@json_option
@pass_session
def delete(session: Session, aor: str, contact: str | None, as_json: bool) -> None:
    """Delete a contact, or all that an address of record has; static ones stand in the configuration."""
    deleted = ask(session.registry, "DELETE", _PATH, {"aor": aor, "contact": contact})
    if as_json:
        print_json(deleted)
        return
    for item in deleted["registrations"]:
        note(f"deleted {item['contact']} of {item['aor']}")
