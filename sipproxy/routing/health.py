"""What is known of a next hop: its state, and the events that led to it."""

from collections import deque
from typing import NamedTuple

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall

from sipproxy.routing.chain import NextHop
from sipproxy.routing.states import UP

#: Events that are remembered of each next hop.
MAX_EVENTS = 10


class Gateway(NextHop):
    """A next hop that the operator has named, in a static route for one; it is probed."""

    __slots__ = ()


class Event(NamedTuple):
    """Something that changed the health of a next hop, or confirmed that it is bad.

    @ivar time: wall-clock time, the last one where it happened several times in a row
    @ivar state: the state it led to
    @ivar reason: one line
    @ivar times: how often it happened in a row
    """

    time: float
    state: str
    reason: str
    times: int = 1


class Health(NamedTuple):
    """What is known of a next hop.

    @ivar since: wall-clock time at which its state began
    @ivar until: wall-clock time at which its hold-down ends, None where it is not held down
    @ivar used: wall-clock time at which it last answered or failed
    @ivar events: the last ones, oldest first
    """

    hop: NextHop
    state: str
    since: float
    until: float | None
    used: float
    events: tuple[Event, ...]


class Record:
    """A next hop, while it is remembered.

    @ivar hop: the operator's name for it, where he has one
    @ivar state: one of L{sipproxy.routing.states}
    @ivar since: when the state began
    @ivar used: when it last answered or failed
    @ivar rests: whether its hold-down was asked for by a 503
    @ivar hold: the end of its hold-down
    @ivar probe_call: when it is probed next
    @ivar probe: the probe that is on its way
    """

    __slots__ = ("events", "hold", "hop", "probe", "probe_call", "rests", "since", "state", "used")

    def __init__(self, hop: NextHop, now: float) -> None:
        self.hop = hop
        self.state = UP
        self.since = now
        self.used = now
        self.events: deque[Event] = deque(maxlen=MAX_EVENTS)
        self.rests = False
        self.hold: IDelayedCall | None = None
        self.probe_call: IDelayedCall | None = None
        self.probe: Deferred[bool] | None = None

    def add(self, time: float, reason: str) -> None:
        """Add what led to its state; one like the last counts it up, so that it does not push out how things began."""
        event = Event(time, self.state, reason)
        if self.events and self.events[-1][1:3] == event[1:3]:
            event = event._replace(times=self.events.pop().times + 1)
        self.events.append(event)

    def health(self) -> Health:
        """Give what is known, as it is now."""
        until = self.hold.getTime() if self.hold is not None else None
        return Health(self.hop, self.state, self.since, until, self.used, tuple(self.events))


def names_of(hop: NextHop) -> tuple[str, ...]:
    """Give the texts that an operator may call a next hop by."""
    return hop.name.lower(), hop.host, _place(hop)


def title_of(hop: NextHop) -> str:
    """Give name and place of a next hop, for the log."""
    place = _place(hop)
    return place if hop.name in ("", place, hop.host) else f"{hop.name} ({place})"


def _place(hop: NextHop) -> str:
    return f"[{hop.host}]:{hop.port}" if ":" in hop.host else f"{hop.host}:{hop.port}"
