"""Delivery of records to RADIUS servers (RFC 2866 2, 5.2).

Many calls at a time, the records of a call one after the other. Which server is
asked, how often and for how long is the client's business; where it has found
none, all waits, longer from time to time, and then one record is tried before
the others follow. A record is done with its Accounting-Response.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple, Protocol

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from sipproxy.accounting.backlog import Backlog
from sipproxy.accounting.call import RADIUS, Call
from sipproxy.accounting.packets import RecordPacker
from sipproxy.errors import UnavailableError

log = Logger(namespace="mod_sip_radius")

#: Records that are under way at a time.
MOST_UNDER_WAY = 1000
#: How long nothing is sent after no server has answered: at first, and at most, seconds.
SHORTEST_PAUSE, LONGEST_PAUSE = 1.0, 60.0

Send = Callable[[Callable[[], bytes]], "Deferred[Any]"]


class Ledger(Protocol):
    """Where it is noted what was delivered (L{sipproxy.accounting.spool.Spool})."""

    def delivered(self, call: Call, destination: int, kind: int) -> None:
        """A record was delivered."""

    def refuse(self, call: Call, kind: int, reason: str) -> None:
        """Put a record into the error log, as it is not kept."""


class State(NamedTuple):
    """How a destination is.

    @ivar since: since when it is away, seconds since 1970; None while it is there
    @ivar reason: why it is away
    """

    name: str
    since: float | None
    reason: str


class Delivery:
    """Sends records.

    @ivar under_way: records that were sent and not answered
    """

    def __init__(
        self,
        clock: IReactorTime,
        now: Callable[[], float],
        backlog: Backlog,
        ledger: Ledger,
        send: Send,
        packer: RecordPacker,
    ) -> None:
        """
        @param now: gives the time in seconds since 1970
        @param send: sends a record, see L{sipproxy.net.radius.RadiusClient.account}
        @param packer: writes records
        """
        self.under_way = 0
        self._clock = clock
        self._now = now
        self._backlog = backlog
        self._ledger = ledger
        self._send = send
        self._packer = packer
        self._sent: set[Deferred[Any]] = set()
        self._away_since: float | None = None
        self._reason = ""
        self._pause = 0.0
        self._timer: IDelayedCall | None = None
        self._is_pumping = False
        self._is_stopped = False
        backlog.more = self._pump

    @property
    def state(self) -> State:
        """How the servers are, as far as is known."""
        return State("accounting servers", self._away_since, self._reason)

    def retry(self) -> None:
        """Try at once, if it was to be tried later."""
        if self._timer is not None:
            self._timer.cancel()
            self._resume()

    def stop(self) -> None:
        """Send nothing any more; what was not answered stays in the spool."""
        self._is_stopped = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        for sent in list(self._sent):
            sent.cancel()

    def _pump(self) -> None:
        """Send as much as may be under way."""
        if self._is_pumping:
            return
        self._is_pumping = True
        try:
            while self.under_way < self._most() and (call := self._backlog.next()) is not None:
                self._send_next(call)
        finally:
            self._is_pumping = False

    def _most(self) -> int:
        """Tell how many records may be under way."""
        if self._is_stopped or self._timer is not None:
            return 0
        return MOST_UNDER_WAY if self._away_since is None else 1

    def _send_next(self, call: Call) -> None:
        kind = call.next_for(RADIUS)
        self.under_way += 1
        sent = self._send(partial(self._content, call, kind))
        self._sent.add(sent)
        sent.addCallbacks(self._acknowledged, self._failed, (sent, call, kind), {}, (sent, call, kind))
        sent.addErrback(_broke)

    def _content(self, call: Call, kind: int) -> bytes:
        return self._packer.pack(call, kind, max(0, int(self._now() - call.time_of(kind))))

    def _acknowledged(self, _: object, sent: "Deferred[Any]", call: Call, kind: int) -> None:
        self._ended(sent)
        if self._away_since is not None:
            log.info("accounting records are acknowledged again", severity="notice")
            self._away_since, self._reason = None, ""
        self._pause = 0.0
        self._done(call, kind)

    def _failed(self, failure: Failure, sent: "Deferred[Any]", call: Call, kind: int) -> None:
        self._ended(sent)
        if isinstance(failure.value, UnavailableError):
            self._backlog.give_back(call)
            self._wait(failure.value)
        elif not (self._is_stopped and isinstance(failure.value, CancelledError)):
            # A record that cannot be sent must not hold up the others.
            log.failure("fault in an accounting record", failure)
            self._ledger.refuse(call, kind, "it cannot be sent")
            self._done(call, kind)

    def _ended(self, sent: "Deferred[Any]") -> None:
        self._sent.discard(sent)
        self.under_way -= 1

    def _done(self, call: Call, kind: int) -> None:
        self._ledger.delivered(call, RADIUS, kind)
        self._backlog.done(call)
        self._pump()

    def _wait(self, error: UnavailableError) -> None:
        """Send nothing for a while."""
        if self._is_stopped or self._timer is not None:
            return
        if self._away_since is None:
            self._away_since = self._now()
            log.error("accounting records wait: {error}", error=error)
        self._reason = error.reason.decode("utf-8", "replace")
        self._pause = min(LONGEST_PAUSE, max(SHORTEST_PAUSE, 2 * self._pause))
        self._timer = self._clock.callLater(self._pause, self._resume)

    def _resume(self) -> None:
        self._timer = None
        self._pump()


def _broke(failure: Failure) -> None:
    log.failure("fault in accounting", failure)
