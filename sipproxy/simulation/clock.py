"""Virtual time that goes from event to event."""

from collections.abc import Callable
from math import inf

from twisted.internet.task import Clock


class VirtualClock(Clock):
    """A C{task.Clock} that can be run: every call sees exactly the time that it was made for.

    C{Clock.advance} alone jumps: all calls that are due see the time of its end.
    """

    def run(self, seconds: float, after_each: Callable[[], None] | None = None) -> None:
        """Let some time pass.

        @param seconds: how much
        @param after_each: called after each moment at which something happened
        """
        self.run_until(lambda: False, seconds, after_each)

    def run_until(
        self, reached: Callable[[], bool], seconds: float, after_each: Callable[[], None] | None = None
    ) -> None:
        """Let time pass until a condition holds, at most for so long.

        @param reached: the condition; asked after each moment at which something happened
        """
        end = self.seconds() + seconds
        while not reached():
            moment = min((call.getTime() for call in self.getDelayedCalls()), default=inf)
            if moment > end:
                self._go_to(end)
                return
            self._go_to(moment)
            if after_each is not None:
                after_each()

    def _go_to(self, moment: float) -> None:
        # By assignment: adding a difference can end a rounding error short of the moment, and nothing would happen.
        self.rightNow = max(self.rightNow, moment)
        self.advance(0)
