"""Whether the farm can be reached, as everything that asks it finds out, and how much of it this member knows."""

from collections.abc import Callable

from twisted.internet.defer import Deferred, succeed
from twisted.logger import Logger

_log = Logger(namespace="mod_sip_farm")


class Link:
    """The state of the way to the engine.

    @ivar away_since: since when it cannot be reached, seconds since 1970; None while it can
    @ivar away_reason: why
    @ivar revision: all changes up to this one are in this member's copy
    """

    def __init__(self, now: Callable[[], float]) -> None:
        """Nothing is known yet: it counts as away.

        @param now: gives the time in seconds since 1970
        """
        self.revision = 0
        self.away_since: float | None = now()
        self.away_reason = "not reached yet"
        self._now = now
        self._followers: list[Callable[[], object]] = []
        self._waiting: list[tuple[int, Deferred[None]]] = []

    def when_down(self, follower: Callable[[], object]) -> None:
        """Call C{follower} each time that it goes away."""
        self._followers.append(follower)

    def up(self) -> None:
        """All is well, and this member's copy is true."""
        if self.away_since is not None:
            _log.info("The farm is reached, and this member has what the others have", severity="notice")
            self.away_since, self.away_reason = None, ""

    def down(self, reason: str) -> None:
        """It cannot be reached."""
        was_up, is_new = self.away_since is None, reason != self.away_reason
        if was_up:
            self.away_since = self._now()
        self.away_reason = reason
        if was_up:
            _log.error("The farm cannot be reached, this member goes on alone: {reason}", reason=reason)
            for follower in self._followers:
                follower()
        elif is_new:
            _log.warn("The farm cannot be reached: {reason}", reason=reason)

    def know(self, revision: int) -> None:
        """All changes up to a revision are in this member's copy."""
        self.revision = revision
        reached = [deferred for wanted, deferred in self._waiting if wanted <= revision]
        self._waiting = [(wanted, deferred) for wanted, deferred in self._waiting if wanted > revision]
        for deferred in reached:
            deferred.callback(None)

    def known(self, revision: int) -> Deferred[None]:
        """Wait until all changes up to a revision are in this member's copy.

        @return: fires with None then; may be cancelled
        """
        if revision <= self.revision:
            return succeed(None)
        waiting: Deferred[None] = Deferred(self._cancelled)
        self._waiting.append((revision, waiting))
        return waiting

    def _cancelled(self, cancelled: Deferred[None]) -> None:
        self._waiting = [(wanted, deferred) for wanted, deferred in self._waiting if deferred is not cancelled]
