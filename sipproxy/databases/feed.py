"""Changes in order, for whoever follows: another process, another member of the farm, a log.

A follower that was away asks for what it missed; where that is forgotten it
loads a snapshot anew. Nothing here knows how a change travels.
"""

from collections import deque
from collections.abc import Callable
from typing import NamedTuple

from twisted.logger import Logger

from sipproxy.registrar.bindings import Bindings

_log = Logger(namespace="mod_sip_registry")


class Change(NamedTuple):
    """The dynamic bindings of an address of record have been replaced, durably.

    @ivar revision: its number, one more than that of the change before
    @ivar aor: the address of record
    @ivar bindings: what it has now, empty where nothing is left
    """

    revision: int
    aor: bytes
    bindings: Bindings


Follower = Callable[[Change], object]


class Feed:
    """Remembers the last changes, and tells the followers.

    @ivar revision: number of the last change
    @param history: how many changes are remembered
    """

    def __init__(self, history: int) -> None:
        self.revision = 0
        self._history: deque[Change] = deque(maxlen=history)
        self._followers: tuple[Follower, ...] = ()

    def subscribe(self, follower: Follower) -> None:
        """Call C{follower} with each change from now on."""
        self._followers = (*self._followers, follower)

    def unsubscribe(self, follower: Follower) -> None:
        """Call it no more."""
        self._followers = tuple(other for other in self._followers if other != follower)

    def publish(self, change: Change) -> None:
        """Make a change known, whose revision is the next; a follower that fails does not keep it from others."""
        self.revision = change.revision
        self._history.append(change)
        for follower in self._followers:
            try:
                follower(change)
            except Exception:  # noqa: BLE001 - its mistake; the others go on
                _log.failure("A follower of the registry failed at revision {revision}", revision=change.revision)

    def since(self, revision: int) -> list[Change] | None:
        """Give the changes after a revision, None where they are forgotten or the revision is not from here."""
        if revision == self.revision:
            return []
        if not self._history or not self._history[0].revision - 1 <= revision <= self.revision:
            return None
        return [change for change in self._history if change.revision > revision]
