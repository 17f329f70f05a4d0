"""Why finished calls went where they went: what was found out about each, as long as there is room (ExplainHistory)."""

from collections import deque
from collections.abc import Iterator
from typing import NamedTuple

from sipproxy.interfaces import Address
from sipproxy.routing import NextHop

#: What was found out on a request's way: (stage, module, value), in order.
Trace = list[tuple[str, str, object]]
#: Octets of Call-ID, Request-URI and From together; a call with more is not remembered.
MOST_OCTETS = 2048


class Attempt:
    """A request that was sent to a next hop, and what became of it."""

    __slots__ = ("hop", "outcome")

    def __init__(self, hop: NextHop, outcome: object) -> None:
        """
        @param outcome: a status, or a text
        """
        self.hop = hop
        self.outcome = outcome

    def __str__(self) -> str:
        place = f"[{self.hop.host}]" if ":" in self.hop.host else self.hop.host
        name = f" ({self.hop.name})" if self.hop.name not in ("", self.hop.host) else ""
        return f"{place}:{self.hop.port}{name}: {self.outcome}"


class PastCall(NamedTuple):
    """A call that is over.

    @ivar uri: the Request-URI as received
    @ivar sender: its From
    @ivar started: wall-clock time
    @ivar duration: seconds to its final response
    @ivar status: status of that, None for what was forwarded without state
    """

    call_id: bytes
    uri: bytes
    sender: bytes
    source: Address
    started: float
    duration: float
    status: int | None
    trace: Trace


class CallHistory:
    """The last calls."""

    def __init__(self, limit: int) -> None:
        self._calls: deque[PastCall] = deque(maxlen=limit)
        self.add = self._calls.append

    def __len__(self) -> int:
        return len(self._calls)

    def last(self) -> Iterator[PastCall]:
        """Give the calls that are remembered, the last one first."""
        return iter(tuple(reversed(self._calls)))

    def find(self, call_id: bytes) -> Iterator[PastCall]:
        """Give the calls of a Call-ID that are remembered, the last one first."""
        return (call for call in reversed(self._calls) if call.call_id == call_id)
