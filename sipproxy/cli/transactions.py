"""C{sipproxyctl transactions}."""

import click

from sipproxy.cli.output import json_option, print_json, print_pairs
from sipproxy.cli.session import Session, ask, pass_session


@click.command()
@json_option
@pass_session
def transactions(session: Session, as_json: bool) -> None:
    """Count the live transactions."""
    found = ask(session.server, "GET", "/transactions")
    if as_json:
        print_json(found)
    else:
        print_pairs(found)
