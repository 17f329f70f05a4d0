"""Timer values of RFC 3261 17, table 4, and the wheel that runs them.

Thousands of transactions wait for a handful of delays: their timers are put
into buckets of one tick each, and one delayed call of the clock wakes the
wheel for the next bucket. Starting and stopping a timer is a dictionary entry.
"""

from collections.abc import Callable
from dataclasses import dataclass
from heapq import heappop, heappush
from math import ceil
from typing import Any

from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

log = Logger(namespace="mod_sip")

TICKS_PER_SECOND = 100
#: Forgives what floating point adds, in ticks: a microsecond.
_HAIR = 1e-4


@dataclass(frozen=True, slots=True)
class TimerValues:
    """T1, T2, T4 in seconds; all else follows (RFC 3261 17, table 4)."""

    t1: float = 0.5
    t2: float = 4.0
    t4: float = 5.0

    @property
    def timeout(self) -> float:
        """Timers B, F, H, J, L and M: 64*T1."""
        return 64 * self.t1

    @property
    def until_t2(self) -> float:
        """How long it takes a timer E to be set to T2 (RFC 4320 4.1): 3.5 s of the default values."""
        elapsed, interval = self.t1, min(2 * self.t1, self.t2)
        while interval < self.t2:
            elapsed += interval
            interval = min(2 * interval, self.t2)
        return elapsed

    @property
    def timer_d(self) -> float:
        """At least 32 s, as the server's T1 is unknown (RFC 6026 8.4)."""
        return max(32.0, 64 * self.t1)


class Timer:
    """A running timer; L{TimerWheel.start} makes them."""

    __slots__ = ("argument", "bucket", "call")

    def __init__(self, bucket: "dict[Timer, None]", call: Callable[[Any], object], argument: Any) -> None:
        self.bucket: dict[Timer, None] | None = bucket
        self.call = call
        self.argument = argument

    def cancel(self) -> None:
        """Stop it; a timer that has fired or was stopped stays as it is."""
        bucket = self.bucket
        if bucket is not None:
            self.bucket = None
            del bucket[self]


class TimerWheel:
    """Timers over one delayed call of a clock. None fires early; all fire within one tick (10 ms).

    Timers of one tick fire in the order in which they were started, so that a
    run on a virtual clock is the same each time.
    """

    def __init__(self, clock: IReactorTime) -> None:
        self._seconds = clock.seconds
        self._clock = clock
        self._buckets: dict[int, dict[Timer, None]] = {}
        self._ticks: list[int] = []
        self._wake: IDelayedCall | None = None

    def __len__(self) -> int:
        """How many timers are running."""
        return sum(map(len, self._buckets.values()))

    def start(self, delay: float, call: Callable[[Any], object], argument: Any) -> Timer:
        """Call C{call(argument)} in C{delay} seconds."""
        tick = ceil((self._seconds() + delay) * TICKS_PER_SECOND - _HAIR)
        bucket = self._buckets.get(tick)
        if bucket is None:
            bucket = self._buckets[tick] = {}
            heappush(self._ticks, tick)
            if self._ticks[0] == tick:
                self._schedule(tick)
        timer = Timer(bucket, call, argument)
        bucket[timer] = None
        return timer

    def stop(self) -> None:
        """Stop all timers."""
        for bucket in self._buckets.values():
            for timer in bucket:
                timer.bucket = None
        self._buckets.clear()
        self._ticks.clear()
        if self._wake is not None and self._wake.active():
            self._wake.cancel()

    def _schedule(self, tick: int) -> None:
        if self._wake is not None and self._wake.active():
            self._wake.cancel()
        delay = (tick - _HAIR) / TICKS_PER_SECOND - self._seconds()
        self._wake = self._clock.callLater(max(0.0, delay), self._turn)

    def _turn(self) -> None:
        now = self._seconds() * TICKS_PER_SECOND + 2 * _HAIR
        while self._ticks and self._ticks[0] <= now:
            bucket = self._buckets.pop(heappop(self._ticks))
            for timer in list(bucket):
                self._fire(timer)
        if self._ticks:
            self._schedule(self._ticks[0])

    def _fire(self, timer: Timer) -> None:
        if timer.bucket is None:  # stopped by one that fired before it in this tick
            return
        timer.bucket = None
        try:
            timer.call(timer.argument)
        except Exception:  # noqa: BLE001 - a fault in one must not stop the others
            log.failure("a timer failed")
