"""The moments at which calls are given up, to a few seconds, for hundreds of thousands of calls.

Calls stand in slots of ten seconds by the moment that was true when they were
put there. A slot that is over is gone through: a call whose moment has moved
on since is put into another slot. So to move a moment costs nothing, and what
is held is one entry for each call that is open.
"""

from collections.abc import Callable

from twisted.internet.interfaces import IDelayedCall, IReactorTime

from sipproxy.accounting.call import Call

#: Seconds of a slot.
SLOT = 10.0


class Deadlines:
    """Watches calls until they are given up or forgotten.

    @param now: gives the time in seconds since 1970
    @param due: gives the moment at which a call is to be given up
    @param give_up: is told of a call whose moment has come
    """

    def __init__(
        self,
        clock: IReactorTime,
        now: Callable[[], float],
        due: Callable[[Call], float],
        give_up: Callable[[Call], None],
    ) -> None:
        self._clock = clock
        self._now = now
        self._due = due
        self._give_up = give_up
        self._slots: dict[int, set[Call]] = {}
        self._timer: IDelayedCall | None = None

    def watch(self, call: Call, not_before: float = 0.0) -> None:
        """Begin to watch a call.

        @param not_before: the earliest moment at which it is looked at, seconds since 1970
        """
        call.slot = int(max(self._due(call), not_before) // SLOT) + 1
        self._slots.setdefault(call.slot, set()).add(call)
        if self._timer is None:
            self._timer = self._clock.callLater(SLOT, self._look)

    def advance(self, call: Call) -> None:
        """Look at a call earlier than was thought, if its moment has come nearer."""
        if int(self._due(call) // SLOT) + 1 < call.slot:
            self.forget(call)
            self.watch(call)

    def forget(self, call: Call) -> None:
        """Watch a call no longer."""
        slot = self._slots.get(call.slot)
        if slot is not None:
            slot.discard(call)
            if not slot:
                del self._slots[call.slot]

    def stop(self) -> None:
        """Watch nothing any more."""
        self._slots.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look(self) -> None:
        self._timer = None
        now = self._now()
        over = [slot for slot in self._slots if slot * SLOT <= now]
        for calls in [self._slots.pop(slot) for slot in over]:
            for call in calls:
                if self._due(call) <= now:
                    self._give_up(call)
                else:
                    self.watch(call)
        if self._slots and self._timer is None:
            self._timer = self._clock.callLater(SLOT, self._look)
