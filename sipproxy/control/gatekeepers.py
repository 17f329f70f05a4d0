"""C{/v1/gatekeepers}: the clusters of H.323 gatekeepers, how each is, and how fast it answers."""

from collections.abc import Callable, Iterable, Mapping
from typing import Protocol

from sipproxy.control.declarations import Arguments, Json, Operation, Resource
from sipproxy.control.schema import COUNT, TEXT, TIME, an_array, an_object

_MAYBE_SECONDS = {"type": ["number", "null"]}
_COUNTERS = {"type": "object", "additionalProperties": COUNT}
_GATEKEEPER = an_object(
    cluster=COUNT,
    gatekeeper=TEXT,
    state={"type": "string", "enum": ["unasked", "up", "away"]},
    since=TIME,
    reason=TEXT,
    open_questions=COUNT,
    last=_MAYBE_SECONDS,
    mean=_MAYBE_SECONDS,
    longest=_MAYBE_SECONDS,
    counters=_COUNTERS,
)


class State(Protocol):
    """How a gatekeeper is: L{sipproxy.net.ras.GatekeeperState}."""

    def _asdict(self) -> Json:
        """Give it by name."""


class Client(Protocol):
    """Who asks gatekeepers: L{sipproxy.net.ras.RasClient}."""

    @property
    def states(self) -> Iterable[State]:
        """How each gatekeeper is, in the order of their clusters."""

    @property
    def strays(self) -> Mapping[str, int]:
        """How many datagrams were nobody's answer, by what was wrong with them."""


def gatekeepers_resource(client: Callable[[], Client | None]) -> Resource:
    """Give the resource.

    @param client: gives who asks gatekeepers now, None where nobody does
    """

    def show(_: Arguments) -> Json:
        asking = client()
        if asking is None:
            return {"gatekeepers": [], "strays": {}}
        return {"gatekeepers": [state._asdict() for state in asking.states], "strays": dict(asking.strays)}

    answer = an_object(gatekeepers=an_array(_GATEKEEPER), strays=_COUNTERS)
    return Resource(
        "/gatekeepers",
        (Operation("GET", "Give the state and the response times (seconds) of gatekeepers.", show, answer),),
    )
