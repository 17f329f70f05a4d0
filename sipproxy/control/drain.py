"""C{/v1/drain}: no new calls, upon which a process ends when its last one is set up; or new calls again.

What is drained answers new calls, and OPTIONS to itself, with 503 and
Retry-After, so that a caller, or the proxy before us, goes elsewhere. All else
goes on: calls that are here, registrations, everything within a dialog. It lasts until it is taken back, or the
server ends: by itself where it is a process of its own (L{sipproxy.draining}).
"""

from sipproxy.control.declarations import Arguments, ControlError, Field, Json, Operation, Resource
from sipproxy.control.schema import COUNT, TRUTH, an_object
from sipproxy.server import SipService

_ANSWER = an_object(draining=TRUTH, pending=COUNT)


def drain_resource(sip: SipService) -> Resource:
    """Give the resource."""
    core = sip.core

    def show(_: Arguments) -> Json:
        return {"draining": core.draining, "pending": core.pending}

    def drain(arguments: Arguments) -> Json:
        if not sip.running:
            raise ControlError(409, "the server is ending")
        core.draining = arguments.get("on", True)
        return show({})

    return Resource(
        "/drain",
        (
            Operation("GET", "Tell whether new calls are refused, and how many requests are pending.", show, _ANSWER),
            Operation(
                "POST",
                "Refuse new calls, or take them again.",
                drain,
                _ANSWER,
                body=(Field("on", TRUTH, "Whether they are refused; true where it is not said."),),
                refusals={409: "The server is ending."},
            ),
        ),
    )
