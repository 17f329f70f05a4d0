"""The calls whose records wait for one destination: some thousands in memory, the rest on the disk.

While a destination is away calls that have ended are let go of, once they are
in the spool; when there is room they are read back, a page at a time, as often
as it takes until a round over all has found none that was let go of meanwhile.
"""

from collections import OrderedDict
from collections.abc import Callable
from typing import Protocol

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from sipproxy.accounting.call import Call
from sipproxy.errors import StoreError

log = Logger(namespace="mod_sip_radius")

#: Calls that have ended and are held in memory, about.
MOST_HELD = 5_000
#: Calls that are read back at a time.
PAGE = 500
#: How long after a failure the spool is read again, seconds.
RETRY = 5.0


class Pages(Protocol):
    """Where calls are read back from (L{sipproxy.accounting.spool.Spool})."""

    def page(self, destination: int, after: int, limit: int) -> Deferred[list[Call]]:
        """Give ended calls that wait for a destination."""


class Backlog:
    """Calls in the order in which they wait.

    @ivar destination: what for
    @ivar more: is called when there is something to deliver
    """

    def __init__(self, destination: int, pages: Pages, clock: IReactorTime, most: int = MOST_HELD) -> None:
        self.destination = destination
        self.more: Callable[[], None] = _nothing
        self._pages = pages
        self._clock = clock
        self._most = most
        self._queue: OrderedDict[Call, None] = OrderedDict()
        self._held: set[Call] = set()
        self._is_left = False
        self._left_meanwhile = False
        self._is_reading = False
        self._after = 0
        self._timer: IDelayedCall | None = None

    def offer(self, call: Call) -> None:
        """Take a call, if it has a record to be delivered."""
        if not call.next_for(self.destination):
            return
        if len(self._held) >= self._most and call.end is not None and call.is_stored:
            self._let_go(call)
        elif call not in self._held:
            self._hold(call)
            self.more()

    def _let_go(self, call: Call) -> None:
        """Leave a call to the disk, unless a record of it is under way."""
        if call in self._queue:
            del self._queue[call]
            self._held.discard(call)
        if call not in self._held:
            self._is_left = self._left_meanwhile = True

    def expect(self) -> None:
        """Records are in the spool that were not offered."""
        self._is_left = self._left_meanwhile = True
        self.more()

    def next(self) -> Call | None:
        """Give the call that is next, None where there is none just now."""
        if self._is_left and not self._is_reading and self._timer is None and len(self._held) <= self._most // 2:
            self._read()
        return self._queue.popitem(last=False)[0] if self._queue else None

    def give_back(self, call: Call) -> None:
        """Take a call back whose record was not delivered; it is the next one again."""
        self._queue[call] = None
        self._queue.move_to_end(call, last=False)

    def done(self, call: Call) -> None:
        """Take the news that a record of a call was delivered; it waits with the next one, or no more."""
        if call.next_for(self.destination):
            self._queue[call] = None
        else:
            self._held.discard(call)

    def stop(self) -> None:
        """Read nothing any more."""
        self._is_left = False
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _hold(self, call: Call) -> None:
        self._held.add(call)
        self._queue[call] = None

    # Reading back.

    def _read(self) -> None:
        self._is_reading = True
        if not self._after:
            self._left_meanwhile = False
        done = self._pages.page(self.destination, self._after, PAGE)
        done.addCallbacks(self._found, self._not_found).addErrback(_broke)

    def _found(self, calls: list[Call]) -> None:
        self._is_reading = False
        for call in calls:
            if call not in self._held and call.next_for(self.destination):
                self._hold(call)
        if len(calls) == PAGE:
            self._after = calls[-1].number
        else:
            self._after = 0
            self._is_left = self._is_left and self._left_meanwhile
        self.more()

    def _not_found(self, failure: Failure) -> None:
        failure.trap(StoreError)  # type: ignore[no-untyped-call]
        self._is_reading = False
        if self._is_left:
            self._timer = self._clock.callLater(RETRY, self._again)

    def _again(self) -> None:
        self._timer = None
        self.more()


def _nothing() -> None:
    """Nobody delivers."""


def _broke(failure: Failure) -> None:
    log.failure("fault in reading the accounting spool", failure)
