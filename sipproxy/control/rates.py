"""How many requests and calls come in a second, over the last minute."""

from collections import deque

from twisted.application.service import Service
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall

from sipproxy.control.declarations import Json
from sipproxy.control.schema import COUNT, an_object
from sipproxy.proxy.core import Core

#: How often it is counted, and how many such times are looked back upon: a minute.
_INTERVAL, _INTERVALS = 5.0, 12

_RATE = {"type": "number", "minimum": 0}

ANSWER = an_object(requests=COUNT, calls=COUNT, requests_per_second=_RATE, calls_per_second=_RATE)


class Rates(Service):
    """Looks at the counters of a core from time to time."""

    def __init__(self, core: Core, clock: IReactorTime) -> None:
        """
        @param clock: provides IReactorTime
        """
        self.setName("rates")
        self._core = core
        self._clock = clock
        self._seen: deque[tuple[float, int, int]] = deque([self._counted()], maxlen=_INTERVALS)
        self._counting = LoopingCall(self._count)
        self._counting.clock = clock

    def startService(self) -> None:
        """Begin to count."""
        super().startService()
        self._count()
        self._counting.start(_INTERVAL, now=False)

    def stopService(self) -> None:
        """Count no more."""
        super().stopService()
        if self._counting.running:
            self._counting.stop()

    def show(self) -> Json:
        """Give what is counted, and how much of it a second had in the last minute."""
        before, requests, calls = self._seen[0]
        now, all_requests, all_calls = self._counted()
        elapsed = max(now - before, 1.0)
        return {
            "requests": all_requests,
            "calls": all_calls,
            "requests_per_second": round((all_requests - requests) / elapsed, 2),
            "calls_per_second": round((all_calls - calls) / elapsed, 2),
        }

    def _counted(self) -> tuple[float, int, int]:
        return self._clock.seconds(), self._core.requests, self._core.calls

    def _count(self) -> None:
        self._seen.append(self._counted())
