"""C{sipproxyctl convert}."""

import os
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sipproxy.cli.failure import Failure
from sipproxy.cli.output import json_option, print_json

if TYPE_CHECKING:
    from sipproxy.convert import Conversion


@click.command()
@click.argument("file", type=click.Path())
@json_option
def convert(file: str, as_json: bool) -> None:
    """Convert a sipd.conf of the Cisco SIP Proxy Server.

    The converted file goes to the standard output, what became of each line to the standard error. No server is
    needed. The exit status is 1 where anything is not carried over, or the result is not right yet.
    """
    from sipproxy import convert as conversion
    from sipproxy import directives
    from sipproxy.modules import MODULES

    try:
        data = Path(file).read_bytes()
    except OSError as error:
        raise Failure(f"{file}: {error.strerror or error}") from None
    directory = Path(os.path.abspath(file)).parent
    converted = conversion.convert(file, data, directory, MODULES, os.environ, directives.SERVER_ROOT)
    if as_json:
        print_json(_as_json(file, converted))
    else:
        for finding in converted.findings:
            click.echo(f"{file}:{finding.line}: {finding}", err=True)
        for problem in converted.remaining:
            click.echo(f"still to do: {problem}", err=True)
        click.echo(converted.text, nl=False)
    if not converted.is_complete:
        raise click.exceptions.Exit(1)


def _as_json(file: str, converted: "Conversion") -> dict[str, Any]:
    return {
        "file": file,
        "complete": converted.is_complete,
        "findings": [asdict(finding) for finding in converted.findings],
        "remaining": [str(problem) for problem in converted.remaining],
        "text": converted.text,
    }
