"""C{sipproxyctl loglevel}."""

import click
from click.shell_completion import CompletionItem

from sipproxy.cli.output import json_option, print_json, print_table
from sipproxy.cli.session import Session, ask, pass_session

_PATH = "/log-levels"


def _modules(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Complete the name of a module, or a level for all of them."""
    from sipproxy.logs.levels import CORE, LEVEL_NAMES, module_name
    from sipproxy.modules import MODULES

    words = [CORE, *(module_name(module.name) for module in MODULES), *LEVEL_NAMES]
    return [CompletionItem(word) for word in dict.fromkeys(words) if word.startswith(incomplete)]


def _levels(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Complete a level."""
    from sipproxy.control.log_levels import DEFAULT
    from sipproxy.logs.levels import LEVEL_NAMES

    return [CompletionItem(word) for word in (*LEVEL_NAMES, DEFAULT) if word.startswith(incomplete)]


@click.command()
@click.argument("module", required=False, shell_complete=_modules)
@click.argument("level", required=False, shell_complete=_levels)
@json_option
@pass_session
def loglevel(session: Session, module: str | None, level: str | None, as_json: bool) -> None:
    """Show the levels of the error log, or change one until the server ends.

    LEVEL alone is that of all modules that have none of their own; MODULE alone shows its level; LEVEL default takes
    the own level of a module away.
    """
    from sipproxy.logs.levels import LEVEL_NAMES

    if level is None and module is not None and module.lower() in LEVEL_NAMES:
        module, level = None, module
    if level is None:
        found = ask(session.server, "GET", _PATH)
    else:
        body = {"level": level.lower(), **({} if module is None else {"module": module})}
        found = ask(session.server, "PUT", _PATH, body=body)
    if as_json:
        print_json(found)
    elif module is not None:
        own = found["modules"].get(module.lower().removesuffix(".c"))
        click.echo(own or f"{found['default']} (default)")
    else:
        print_table(("MODULE", "LEVEL"), [("(default)", found["default"]), *found["modules"].items()])
