"""C{/v1/nams}: how the connections to GKTMP servers are."""

from collections.abc import Callable, Iterable
from typing import Protocol

from sipproxy.control.declarations import Arguments, Json, Operation, Resource
from sipproxy.control.schema import COUNT, TEXT, TIME, an_array, an_object

_NAM = an_object(
    server=TEXT,
    address=TEXT,
    priority=COUNT,
    state={"type": "string", "enum": ["stopped", "connecting", "up", "blocked", "away"]},
    since=TIME,
    reason=TEXT,
    open_questions=COUNT,
    counters={"type": "object", "additionalProperties": COUNT},
)


class State(Protocol):
    """How a server is: L{sipproxy.net.gktmp.ServerState}."""

    def _asdict(self) -> Json:
        """Give it by name."""


class Client(Protocol):
    """Who asks the servers: L{sipproxy.net.gktmp.GktmpClient}."""

    @property
    def states(self) -> Iterable[State]:
        """How each server is, in the order of asking."""


def nams_resource(client: Callable[[], Client | None]) -> Resource:
    """Give the resource.

    @param client: gives who asks GKTMP servers now, None where nobody does
    """

    def show(_: Arguments) -> Json:
        asking = client()
        return {"nams": [] if asking is None else [state._asdict() for state in asking.states]}

    return Resource(
        "/nams",
        (Operation("GET", "Give the state of GKTMP servers.", show, an_object(nams=an_array(_NAM))),),
    )
