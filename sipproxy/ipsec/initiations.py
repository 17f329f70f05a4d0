"""Initiations of the peers' associations in charon: one at a time for each peer, again and again until it succeeds.

Each has a connection to charon of its own, as it may take long, and as charon
tells what it logs of it there, which says why it fails.
"""

from collections.abc import Awaitable, Callable
from random import Random
from typing import Any, Protocol

from twisted.internet.defer import Deferred, DeferredSemaphore
from twisted.logger import Logger

from sipproxy.ipsec import connections
from sipproxy.ipsec.vici import EventFollower, Section, ViciConnection, ViciError

log = Logger(namespace="mod_sip_ipsec")

#: Seconds that an initiation may take.
TIMEOUT = 10.0
#: Initiations of all peers at one time.
MOST_AT_ONCE = 50
#: Seconds until the next one, at first and at most.
FIRST_WAIT, LONGEST_WAIT = 1.0, 60.0


class IConnector(Protocol):
    """The way to charon (L{sipproxy.ipsec.vici.Connector})."""

    def connect(self, follower: EventFollower | None = None) -> Awaitable[ViciConnection]:
        """Open a connection.

        @raise ViciError: there is none
        """


class _Attempts:
    """The initiations of one peer.

    @ivar wait: seconds until the next one, where this one fails
    @ivar call: the delayed call of the next one
    @ivar is_busy: whether there is one just now
    """

    __slots__ = ("call", "is_busy", "wait")

    def __init__(self) -> None:
        self.wait = FIRST_WAIT
        self.call: Any = None
        self.is_busy = False


class Initiations:
    """The initiations of all peers."""

    def __init__(
        self,
        clock: Any,
        connector: IConnector,
        random: Random,
        is_wanted: Callable[[str], bool],
        ended: Callable[[str, str], Awaitable[None]],
    ) -> None:
        """
        @param clock: provider of IReactorTime
        @param is_wanted: tells whether there is a peer of a name without its association
        @param ended: takes the end of an initiation: the name, and why it has failed, empty where it has not
        """
        self._clock = clock
        self._connector = connector
        self._random = random
        self._is_wanted = is_wanted
        self._ended = ended
        self._attempts: dict[str, _Attempts] = {}
        self._open: set[ViciConnection] = set()
        self._turns = DeferredSemaphore(MOST_AT_ONCE)

    def plan(self, name: str, wait: float = 0.0) -> None:
        """Initiate, unless that is planned or under way already.

        @param wait: seconds until then, about
        """
        attempts = self._attempts.setdefault(name, _Attempts())
        if attempts.is_busy or attempts.call is not None:
            return
        # Not at the same time as the other side, which has lost the association at the same moment.
        wait *= 0.75 + 0.5 * self._random.random()
        attempts.call = self._clock.callLater(wait, self._try, name, attempts)

    def forget(self, name: str) -> None:
        """Plan none any more; the next one is the first."""
        attempts = self._attempts.pop(name, None)
        if attempts is not None and attempts.call is not None:
            attempts.call.cancel()

    def stop(self) -> None:
        """End all of them."""
        for name in list(self._attempts):
            self.forget(name)
        for connection in list(self._open):
            connection.close()

    async def initiate(self, name: str) -> None:
        """Establish an association.

        @raise ViciError: it cannot be established; the text says why
        """
        lines: list[Section] = []
        connection = await self._connector.connect(lambda _, line: lines.append(line))
        self._open.add(connection)
        try:
            await connection.follow("control-log")
            # Some more than charon's own time, as its answer says more than no answer.
            await connection.request("initiate", connections.initiation(name, TIMEOUT), TIMEOUT + 5)
        except ViciError as error:
            raise ViciError(connections.why(str(error), lines)) from error
        finally:
            self._open.discard(connection)
            connection.close()

    def _try(self, name: str, attempts: _Attempts) -> None:
        attempts.call = None
        if self._is_wanted(name):
            attempts.is_busy = True
            self._turns.run(lambda: Deferred.fromCoroutine(self._attempt(name, attempts))).addErrback(_fault)

    async def _attempt(self, name: str, attempts: _Attempts) -> None:
        try:
            if self._is_current(name, attempts):
                reason = await self._reason(name)
            if self._is_current(name, attempts):
                await self._ended(name, reason)
        finally:
            attempts.is_busy = False
        if self._is_current(name, attempts):
            wait, attempts.wait = attempts.wait, min(2 * attempts.wait, LONGEST_WAIT)
            self.plan(name, wait)

    async def _reason(self, name: str) -> str:
        """Establish an association, and give the reason why it cannot be, empty where it is."""
        try:
            await self.initiate(name)
        except ViciError as error:
            return str(error)
        return ""

    def _is_current(self, name: str, attempts: _Attempts) -> bool:
        return self._attempts.get(name) is attempts and self._is_wanted(name)


def _fault(failure: Any) -> None:
    log.failure("fault in an initiation", failure)
