"""Counters of what nothing else counts: requests and their responses, durations, the lateness of the reactor.

They are attached where metrics are wanted, and cost nothing elsewhere. What a
stranger can choose (methods, statuses) is put together into few, so that nobody
can make them grow.
"""

from bisect import bisect_left
from collections.abc import Iterator
from typing import Any

from twisted.application.service import Service
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from zope.interface import implementer

from sipproxy.interfaces import IOutcome, IOutcomeObserver

#: Methods that have their own count; all others are counted as one.
METHODS = (
    b"INVITE", b"ACK", b"CANCEL", b"BYE", b"OPTIONS", b"REGISTER", b"PRACK", b"SUBSCRIBE", b"NOTIFY", b"PUBLISH",
    b"INFO", b"REFER", b"MESSAGE", b"UPDATE",
)  # fmt: skip
OTHER = "other"

#: Upper ends of the intervals that durations are counted in, seconds: of a backend, and of a request, which may ring.
SHORT = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
LONG = (0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 180.0)

#: Seconds between two looks at how late the reactor is.
LOOK_AGAIN = 0.25

_NAMES = {method: method.decode("ascii") for method in METHODS}


class Durations:
    """How many things took how long: a histogram.

    @ivar total: sum of all of them, seconds
    @ivar count: how many there were
    """

    __slots__ = ("_counts", "_ends", "count", "total")

    def __init__(self, ends: tuple[float, ...] = SHORT) -> None:
        """
        @param ends: upper ends of the intervals, in order, seconds
        """
        self._ends = ends
        self._counts = [0] * (len(ends) + 1)
        self.total = 0.0
        self.count = 0

    def add(self, seconds: float) -> None:
        """Count one."""
        self._counts[bisect_left(self._ends, seconds)] += 1
        self.total += seconds
        self.count += 1

    def cumulated(self) -> Iterator[tuple[float, int]]:
        """Give each upper end and how many took at most so long; the last end is infinite."""
        sum_so_far = 0
        for end, count in zip((*self._ends, float("inf")), self._counts, strict=True):
            sum_so_far += count
            yield end, sum_so_far


@implementer(IOutcomeObserver)
class RequestTally:
    """Counts requests that are done.

    @ivar requests: how many, by method
    @ivar responses: final responses that were sent, by method and the first digit of the status
    @ivar durations: seconds from a request to its final response, by method
    """

    def __init__(self) -> None:
        self.requests: dict[str, int] = {}
        self.responses: dict[tuple[str, int], int] = {}
        self.durations: dict[str, Durations] = {}

    def finished(self, outcome: IOutcome) -> None:
        """Count a request."""
        method = _NAMES.get(outcome.request.method, OTHER)
        self.requests[method] = self.requests.get(method, 0) + 1
        # What was forwarded without state has no status here, what was given up no response.
        if outcome.status is None or not outcome.size:
            return
        key = method, outcome.status // 100
        self.responses[key] = self.responses.get(key, 0) + 1
        durations = self.durations.get(method)
        if durations is None:
            durations = self.durations[method] = Durations(LONG)
        durations.add(outcome.duration)


class Lateness(Service):
    """Measures how late the reactor does what is due.

    @ivar durations: seconds that a call came behind its time
    """

    def __init__(self, clock: IReactorTime) -> None:
        self.setName("lateness")
        self.durations = Durations()
        self._clock: Any = clock
        self._call: IDelayedCall | None = None
        self._due = 0.0

    def startService(self) -> None:
        """Begin."""
        super().startService()
        self._schedule()

    def stopService(self) -> None:
        """End."""
        super().stopService()
        if self._call is not None:
            self._call.cancel()
            self._call = None

    def _schedule(self) -> None:
        self._due = self._clock.seconds() + LOOK_AGAIN
        self._call = self._clock.callLater(LOOK_AGAIN, self._look)

    def _look(self) -> None:
        # The clock may have been set back meanwhile.
        self.durations.add(max(0.0, self._clock.seconds() - self._due))
        self._schedule()
