"""What is known of subscribers: who there is, and who there is not.

The two are kept apart and each is bounded, so that a stranger who asks for many
that there are not pushes out nobody that there is. What has grown old stays, for
when the store is away, until there is no room.
"""

from collections.abc import Callable, Sequence
from enum import Enum
from typing import Final

from sipproxy.databases.subscribers_fields import Subscriber

#: Subscribers that are remembered, some 1 KB each.
MOST_KNOWN = 100_000
#: Keys without a subscriber that are remembered.
MOST_ABSENT = 20_000


class Unknown(Enum):
    """The type of L{UNKNOWN}."""

    UNKNOWN = "unknown"


#: Nothing is known, or no longer.
UNKNOWN: Final = Unknown.UNKNOWN

_ALWAYS = float("inf")


class Cache:
    """Answers of the store by key."""

    def __init__(
        self,
        seconds: Callable[[], float],
        lifetime: float,
        most_known: int = MOST_KNOWN,
        most_absent: int = MOST_ABSENT,
    ) -> None:
        """Make an empty one.

        @param seconds: gives the time by which answers grow old
        @param lifetime: how long an answer is believed, seconds
        """
        self._seconds = seconds
        self._lifetime = lifetime
        self._most_known = most_known
        self._most_absent = most_absent
        # Oldest answers first; with the time of each.
        self._known: dict[str, tuple[Subscriber, float]] = {}
        self._absent: dict[str, float] = {}

    def __len__(self) -> int:
        """How many keys are remembered."""
        return len(self._known) + len(self._absent)

    def first(self, keys: Sequence[str]) -> Subscriber | Unknown | None:
        """Give the first of some keys' subscribers, None where there is none, L{UNKNOWN} where that is not sure."""
        return self._first(keys, self._lifetime)

    def first_of_any_age(self, keys: Sequence[str]) -> Subscriber | Unknown | None:
        """Give the same, however old the answers are."""
        return self._first(keys, _ALWAYS)

    def learn(self, key: str, subscriber: Subscriber | None) -> None:
        """Remember an answer."""
        self.forget(key)
        if subscriber is not None:
            self._known[key] = (subscriber, self._seconds())
            if len(self._known) > self._most_known:
                del self._known[next(iter(self._known))]
        else:
            self._absent[key] = self._seconds()
            if len(self._absent) > self._most_absent:
                del self._absent[next(iter(self._absent))]

    def forget(self, key: str) -> None:
        """Know nothing about a key any more."""
        self._known.pop(key, None)
        self._absent.pop(key, None)

    def _first(self, keys: Sequence[str], lifetime: float) -> Subscriber | Unknown | None:
        now = self._seconds()
        for key in keys:
            entry = self._known.get(key)
            if entry is not None:
                # An answer from the future is as old as any: the clock was set back.
                return entry[0] if lifetime is _ALWAYS or 0 <= now - entry[1] < lifetime else UNKNOWN
            at = self._absent.get(key)
            if at is None or not (lifetime is _ALWAYS or 0 <= now - at < lifetime):
                return UNKNOWN
        return None
