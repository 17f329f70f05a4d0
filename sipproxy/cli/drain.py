"""C{sipproxyctl drain}."""

import click

from sipproxy.cli.failure import note
from sipproxy.cli.output import json_option, print_json
from sipproxy.cli.session import Session, ask, pass_session


@click.command()
@click.option("--off", is_flag=True, help="Take new calls again, and do not end.")
@json_option
@pass_session
def drain(session: Session, off: bool, as_json: bool) -> None:
    """Let the server take no new calls, and end once those that are here have been set up.

    New calls, and OPTIONS to the server, are answered 503, so that callers go elsewhere. It ends after half a minute at
    the earliest, after DrainTimeoutInS at the latest, and takes registrations until then.
    """
    found = ask(session.server, "POST", "/drain", body={"on": not off})
    if as_json:
        print_json(found)
        return
    click.echo("no new calls are taken" if found["draining"] else "new calls are taken")
    note(f"{found['pending']} requests are pending")
