"""What client and server transactions have in common: a machine, timers, an end."""

from collections.abc import Callable
from typing import Any, ClassVar

from sipproxy.interfaces import Address
from sipproxy.transaction.machines import TERMINATED, Table
from sipproxy.transaction.timers import Timer, TimerValues, TimerWheel
from sipproxy.transaction.users import Sender

Compiled = dict[tuple[str, str], tuple[tuple[Callable[[Any, Any], None], ...], str]]


def compile_table(table: Table, transaction: type) -> Compiled:
    """Replace the names of actions by the methods of a class; a name that it lacks is an error at once."""
    return {
        pair: (tuple(getattr(transaction, action) for action in actions), state)
        for pair, (actions, state) in table.items()
    }


class Transaction:
    """One transaction (RFC 3261 17).

    @ivar point: where its messages leave
    @ivar destination: where they go
    @ivar is_invite: whether it is of an INVITE
    @ivar state: name of its state
    """

    __slots__ = (
        "_interval",
        "_lasting",
        "_machine",
        "_on_end",
        "_retransmit",
        "_values",
        "_wheel",
        "destination",
        "is_invite",
        "point",
        "state",
    )

    machines: ClassVar[dict[bool, Compiled]]
    """The machine for INVITE (True) and that for all else."""

    def __init__(
        self,
        is_invite: bool,
        state: str,
        point: Sender,
        destination: Address,
        wheel: TimerWheel,
        values: TimerValues,
        on_end: "Callable[[Any], None]",
    ) -> None:
        self.is_invite = is_invite
        self.state = state
        self.point = point
        self.destination = destination
        self._wheel = wheel
        self._values = values
        self._on_end = on_end
        self._machine = self.machines[is_invite]
        self._interval = values.t1
        self._retransmit: Timer | None = None
        self._lasting: Timer | None = None

    def abandon(self) -> None:
        """End at once and in silence."""
        if self.state != TERMINATED:
            self.stop_timers(None)
            self.state = TERMINATED
            self._on_end(self)

    def _step(self, what: str, argument: object = None) -> None:
        """Take an input: one lookup in the machine's table, then its actions."""
        actions, self.state = self._machine[self.state, what]
        for action in actions:
            action(self, argument)
        if self.state == TERMINATED:
            self.stop_timers(None)
            self._on_end(self)

    # An action of both machines.

    def stop_timers(self, _: object) -> None:
        """Stop what runs."""
        if self._retransmit is not None:
            self._retransmit.cancel()
            self._retransmit = None
        if self._lasting is not None:
            self._lasting.cancel()
            self._lasting = None
