"""Whether a worker still does anything: it is asked again and again, and given up when it does not answer.

What counts are questions without an answer, not seconds: a machine that was
suspended, or a clock that was set, makes no worker dead.
"""

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall
from twisted.python.failure import Failure

from sipproxy.workers.channel import Ask, RefusedError

#: Seconds between two questions, and how many may have no answer.
INTERVAL, MOST_UNANSWERED = 10.0, 3


class Pulse:
    """Asks one worker process.

    @param clock: a reactor's
    @param ask: asks the worker
    @param dead: called once when it does not answer, after C{INTERVAL * MOST_UNANSWERED} seconds
    """

    def __init__(self, clock: Any, ask: Ask, dead: Callable[[], object]) -> None:
        self._clock = clock
        self._ask = ask
        self._dead = dead
        self._unanswered = 0
        self._call: IDelayedCall | None = None

    def start(self) -> None:
        """Ask from now on."""
        self._beat()

    def stop(self) -> None:
        """Ask no more."""
        if self._call is not None:
            self._call.cancel()
            self._call = None

    def _beat(self) -> None:
        self._call = None
        if self._unanswered == MOST_UNANSWERED:
            self._dead()
            return
        self._unanswered += 1
        self._call = self._clock.callLater(INTERVAL, self._beat)
        asked: Deferred[None] = self._ask("pulse")
        asked.addCallbacks(self._answered, _refused)

    def _answered(self, _: None) -> None:
        self._unanswered = 0


def _refused(failure: Failure) -> None:
    """The way to it is gone: it has ended, or will be given up."""
    failure.trap(RefusedError)  # type: ignore[no-untyped-call]
