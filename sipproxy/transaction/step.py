"""How a transaction takes an input: one lookup in its machine's table."""

from collections.abc import Callable
from typing import Any

from sipproxy.transaction.machines import Table

Compiled = dict[tuple[str, str], tuple[tuple[Callable[[Any, Any], None], ...], str]]


def compile_table(table: Table, transaction: type) -> Compiled:
    """Replace the names of actions by the methods of a class; a name that it lacks is an error at once."""
    return {
        pair: (tuple(getattr(transaction, action) for action in actions), state)
        for pair, (actions, state) in table.items()
    }
