"""Whether the association with each peer is in place, since when, and why not (RFC 4301 4.1).

IKE and manual keys report here; ports, log, status and sipproxyctl read it. What a peer can make us keep is bounded:
there is one entry for each peer of the configuration, and the last events of it.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from twisted.logger import Logger

from sipproxy.ipsec.peers import Peer

log = Logger(namespace="mod_sip_ipsec")

#: Events of a peer that are kept.
MOST_EVENTS = 20
_NOT_YET = "not established yet"


class Event(NamedTuple):
    """Something that has happened with a peer.

    @ivar time: seconds since 1970
    """

    time: float
    state: str
    reason: str


@dataclass
class Association:
    """The protection of one peer.

    @ivar is_in_place: whether datagrams to and from it are protected
    @ivar since: since when it is so, seconds since 1970
    @ivar reason: what established it, or why it is not in place
    @ivar dropped: datagrams from the peer that were dropped
    @ivar refused: datagrams to it that were not sent
    """

    peer: Peer
    since: float
    is_in_place: bool = False
    reason: str = _NOT_YET
    dropped: int = 0
    refused: int = 0
    events: "deque[Event]" = field(default_factory=lambda: deque(maxlen=MOST_EVENTS))

    @property
    def state(self) -> str:
        """C{up} or C{down}."""
        return "up" if self.is_in_place else "down"


class Associations:
    """All peers of the configuration.

    @ivar required: by address those that are not to be talked to in the clear
    @ivar shut: by address those of them that are not to be talked to at all now; the same dict for ever
    """

    def __init__(self, now: Callable[[], float]) -> None:
        """
        @param now: gives the time in seconds since 1970
        """
        self.required: dict[str, Association] = {}
        self.shut: dict[str, Association] = {}
        self._now = now
        self._by_name: dict[str, Association] = {}
        self._followers: list[Callable[[Association], None]] = []

    def __iter__(self) -> Iterator[Association]:
        return iter(self._by_name.values())

    def get(self, name: str) -> Association | None:
        """Give the association with the peer of a name, None where there is no such peer."""
        return self._by_name.get(name)

    def subscribe(self, follower: Callable[[Association], None]) -> None:
        """Call C{follower} with each association that has come to be in place, or is so no longer."""
        self._followers.append(follower)

    def serve(self, peers: Iterable[Peer]) -> None:
        """Have these peers and no others; what has not changed stays as it is."""
        old = self._by_name
        self._by_name = {peer.name: self._entry(old.get(peer.name), peer) for peer in peers}
        self._decide()

    def _entry(self, old: Association | None, peer: Peer) -> Association:
        if old is not None and old.peer == peer:
            return old
        return Association(peer, self._now())

    def _decide(self) -> None:
        required = [entry for entry in self._by_name.values() if entry.peer.is_required]
        for table, entries in (
            (self.required, required),
            (self.shut, [entry for entry in required if not entry.is_in_place]),
        ):
            table.clear()
            table.update((entry.peer.address, entry) for entry in entries)

    def up(self, name: str, reason: str) -> None:
        """The association with a peer is in place."""
        self._change(name, True, reason)

    def down(self, name: str, reason: str) -> None:
        """It is not.

        @param reason: why, one line
        """
        self._change(name, False, reason)

    def note(self, name: str, what: str) -> None:
        """Something has happened that changes nothing."""
        entry = self._by_name.get(name)
        if entry is not None:
            entry.events.append(Event(self._now(), entry.state, what))
            log.info("{peer}: {what}", peer=name, what=what)

    def _change(self, name: str, is_in_place: bool, reason: str) -> None:
        entry = self._by_name.get(name)
        if entry is None or (entry.is_in_place, entry.reason) == (is_in_place, reason):
            return
        has_changed = entry.is_in_place != is_in_place
        if has_changed:
            entry.since = self._now()
        entry.is_in_place, entry.reason = is_in_place, reason
        entry.events.append(Event(self._now(), entry.state, reason))
        self._decide()
        if is_in_place:
            log.info("{peer} is protected: {reason}", peer=name, reason=reason, severity="notice")
        else:
            log.error("{peer} is not protected: {reason}", peer=name, reason=reason)
        if has_changed:
            for follower in self._followers:
                follower(entry)
