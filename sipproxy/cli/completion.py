"""C{sipproxyctl completion}."""

import click
from click.shell_completion import get_completion_class

from sipproxy.cli.failure import PROGRAM, Failure

VARIABLE = "_SIPPROXYCTL_COMPLETE"


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print what makes a shell complete the commands.

    For bash: source <(sipproxyctl completion bash)
    """
    made = get_completion_class(shell)
    if made is None:
        raise Failure(f"this click cannot complete in {shell}")
    click.echo(made(context.find_root().command, {}, PROGRAM, VARIABLE).source())
