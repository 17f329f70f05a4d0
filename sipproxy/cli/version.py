"""C{sipproxyctl version}."""

import click

from sipproxy import __version__
from sipproxy.cli.failure import NoConfigurationError, ServerDownError
from sipproxy.cli.output import json_option, print_json, print_pairs
from sipproxy.cli.session import Session, ask, pass_session


@click.command()
@json_option
@pass_session
def version(session: Session, as_json: bool) -> None:
    """Print the release of this tool, and of the server that runs."""
    try:
        server: str | None = ask(session.server, "GET", "/version")["version"]
        missing = ""
    except ServerDownError:
        server, missing = None, "down"
    except NoConfigurationError:  # a machine that has the tool, and no server
        server, missing = None, "unknown"
    if as_json:
        print_json({"sipproxyctl": __version__, "server": server})
    else:
        print_pairs({"sipproxyctl": __version__, "server": server or missing})
