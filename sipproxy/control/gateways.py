"""C{/v1/gateways}: the health of next hops, since when, and the last events that led to it."""

from typing import Any

from sipproxy.control.declarations import Arguments, ControlError, Field, Json, Operation, Resource
from sipproxy.control.schema import COUNT, MAYBE_TIME, TEXT, TIME, an_array, an_object
from sipproxy.routing.gateways import Gateways
from sipproxy.routing.health import Event, Health

_FIELDS = (Field("name", {"type": "string", "minLength": 1, "maxLength": 300}, "Only those of this name or address."),)
_EVENT = an_object(time=TIME, state=TEXT, reason=TEXT, times=COUNT)
_GATEWAY = an_object(
    name=TEXT,
    address=TEXT,
    port={"type": "integer"},
    transport=TEXT,
    state={"type": "string", "enum": ["up", "suspect", "down", "probing"]},
    since=TIME,
    until=MAYBE_TIME,
    used=TIME,
    events=an_array(_EVENT),
)


def gateways_resource(gateways: Gateways) -> Resource:
    """Give the resource."""

    def show(arguments: Arguments) -> Json:
        name = arguments.get("name")
        found = gateways.states() if name is None else gateways.why(name)
        if name is not None and not found:
            raise ControlError(404, f"nothing has been sent to {name!a} of late")
        return {"gateways": [_gateway(health) for health in found]}

    return Resource(
        "/gateways",
        (
            Operation(
                "GET",
                "Give the health of next hops.",
                show,
                an_object(gateways=an_array(_GATEWAY)),
                query=_FIELDS,
                refusals={404: "There is none of that name."},
            ),
        ),
    )


def _gateway(health: Health) -> Json:
    hop = health.hop
    return {
        "name": hop.name or hop.host,
        "address": hop.host,
        "port": hop.port,
        "transport": hop.transport,
        "state": health.state,
        "since": health.since,
        "until": health.until,
        "used": health.used,
        "events": [_event(event) for event in health.events],
    }


def _event(event: Event) -> dict[str, Any]:
    return event._asdict()
