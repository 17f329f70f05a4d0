"""The command C{sipproxyctl}: its own options, and the table of its commands."""

import errno
import os
import sys

import click

from sipproxy import __version__
from sipproxy.cli.accounting import accounting
from sipproxy.cli.calls import calls
from sipproxy.cli.check import check
from sipproxy.cli.completion import completion
from sipproxy.cli.convert import convert
from sipproxy.cli.drain import drain
from sipproxy.cli.explain import explain
from sipproxy.cli.failure import PROGRAM, note
from sipproxy.cli.farm import farm
from sipproxy.cli.gatekeepers import gatekeepers
from sipproxy.cli.gateways import gateways
from sipproxy.cli.ipsec import ipsec
from sipproxy.cli.loglevel import loglevel
from sipproxy.cli.nams import nams
from sipproxy.cli.numbers import numbers
from sipproxy.cli.registrations import registrations
from sipproxy.cli.reload import reload
from sipproxy.cli.replay import replay
from sipproxy.cli.routes import routes
from sipproxy.cli.session import VARIABLE, Session
from sipproxy.cli.status import status
from sipproxy.cli.subscribers import subscribers
from sipproxy.cli.transactions import transactions
from sipproxy.cli.version import version

COMMANDS: tuple[click.Command, ...] = (
    status,
    registrations,
    subscribers,
    routes,
    numbers,
    calls,
    accounting,
    explain,
    gateways,
    gatekeepers,
    nams,
    drain,
    ipsec,
    farm,
    reload,
    replay,
    transactions,
    loglevel,
    check,
    convert,
    version,
    completion,
)


#: Only what is written can fail like this; a command tells itself of files that it was given.
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name=PROGRAM, message="%(prog)s %(version)s")
@click.option(
    "-c",
    "--config",
    type=click.Path(),
    metavar="FILE",
    help=f"The configuration file of the server; else ${VARIABLE}, ./sipd.conf, /etc/sipproxy/sipd.conf.",
)
@click.pass_context
def cli(context: click.Context, config: str | None) -> None:
    """Look at and change a SIP proxy server while it runs.

    Exit status: 0 done, 1 not done or something is wrong, 2 wrong usage.
    """
    if context.obj is None:  # whoever embeds the command, as tests do, has its own
        context.obj = Session(config, os.environ)
    context.call_on_close(context.obj.close)


for command in COMMANDS:
    cli.add_command(command)


def main() -> None:
    """Run it."""
    try:
        cli(prog_name=PROGRAM)
    except OSError as error:
        if error.errno not in _FULL:
            raise
        # The interpreter would try what is left in the buffer once more, and complain.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        note(f"the output cannot be written: {error.strerror}")
        sys.exit(1)
