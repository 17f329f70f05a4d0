"""C{sipproxyctl reload}."""

import click

from sipproxy.cli.failure import note
from sipproxy.cli.output import json_option, print_json
from sipproxy.cli.session import Session, ask, pass_session


@click.command()
@click.option("--dry-run", is_flag=True, help="Only tell what would change.")
@json_option
@pass_session
def reload(session: Session, dry_run: bool, as_json: bool) -> None:
    """Let the server read its configuration file again and serve by it.

    Where anything in it is wrong nothing changes. Requests that are being dealt with end by the configuration that
    they began with.
    """
    _ = session.settings  # what is wrong is told line by line, without troubling the server
    found = ask(session.server, "POST", "/reload", body={"dry_run": dry_run})
    if as_json:
        print_json(found)
        return
    for warning in found["warnings"]:
        click.echo(warning, err=True)
    for name in found["changed"]:
        click.echo(f"{'would change' if dry_run else 'changed'}: {name}")
    for name in found["at_next_start"]:
        click.echo(f"changes at the next start only: {name}")
    calls = found["calls"]
    for each in calls["examples"]:
        click.echo(f"{each['uri']} from {each['source']}\n  now:  {each['current']}\n  then: {each['other']}")
    note(f"{calls['different']} of the last {calls['looked_at']} calls {'would go' if dry_run else 'go'} elsewhere")
    note(f"generation {found['generation']}{' goes on' if dry_run else ''}")
