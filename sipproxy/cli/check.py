"""C{sipproxyctl check}."""

from dataclasses import asdict
from typing import Any

import click

from sipproxy.cli.output import json_option, print_json
from sipproxy.cli.session import Session, pass_session


@click.command()
@click.argument("file", required=False, type=click.Path())
@json_option
@pass_session
def check(session: Session, file: str | None, as_json: bool) -> None:
    """Check a configuration, by default the one of the server.

    All that is wrong is told, a line each; the exit status is 1 then.
    """
    from sipproxy.app import load_settings
    from sipproxy.config import ConfigError, Problem

    path = file or session.configuration
    wrong = False
    try:
        problems: tuple[Problem, ...] = load_settings(path).warnings
    except ConfigError as error:
        problems, wrong = error.problems, True
    if as_json:
        print_json({"file": path, "right": not wrong, "problems": [_as_json(problem) for problem in problems]})
    else:
        for problem in problems:
            click.echo(str(problem), err=True)
        if not wrong:
            click.echo(f"{path}: configuration is right")
    if wrong:
        raise click.exceptions.Exit(1)


def _as_json(problem: Any) -> dict[str, object]:
    fields = asdict(problem)
    position = fields.pop("position")
    return {"file": position[0], "line": position[1], "column": position[2], **fields}
