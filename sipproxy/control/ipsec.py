"""C{/v1/ipsec}: whether each peer of IPsec is protected, since when, and why not."""

from collections.abc import Iterable
from typing import Any, Protocol

from twisted.internet.defer import Deferred

from sipproxy.control.declarations import Arguments, ControlError, Field, Json, Operation, Resource
from sipproxy.control.schema import COUNT, TEXT, TIME, TRUTH, an_array, an_object
from sipproxy.errors import SipproxyError

_EVENT = an_object(time=TIME, state=TEXT, reason=TEXT)
_PEER = an_object(
    name=TEXT,
    address=TEXT,
    mode={"type": "string", "enum": ["IKE", "Manual"]},
    method={"type": "string", "enum": ["Transport", "Tunnel"]},
    selectors={"type": "string", "enum": ["SIP", "Host"]},
    required=TRUTH,
    state={"type": "string", "enum": ["up", "down"]},
    since=TIME,
    reason=TEXT,
    dropped=COUNT,
    refused=COUNT,
    events=an_array(_EVENT),
)
_ACTIONS = ("initiate", "rekey")
_FIELDS = (
    Field("name", {"type": "string", "minLength": 1, "maxLength": 32}, "The name of the peer.", required=True),
    Field("action", {"type": "string", "enum": list(_ACTIONS)}, "What is to be done.", required=True),
)


class Protection(Protocol):
    """What the server knows of its peers (L{sipproxy.ipsec.service.IPSecService})."""

    @property
    def associations(self) -> Iterable[Any]:
        """The associations (L{sipproxy.ipsec.associations.Association})."""

    @property
    def kernel_reason(self) -> str:
        """Why the kernel does not discard what is not protected, empty where it does."""

    def initiate(self, name: str) -> "Deferred[None]":
        """Establish an association."""

    def rekey(self, name: str) -> "Deferred[None]":
        """Give an association new keys."""


def ipsec_resource(protection: Protection) -> Resource:
    """Give the resource."""

    def show(_: Arguments) -> Json:
        peers = [_peer(association) for association in protection.associations]
        return {"peers": peers, "kernel": protection.kernel_reason}

    def act(arguments: Arguments) -> "Deferred[Json]":
        do = protection.initiate if arguments["action"] == "initiate" else protection.rekey
        try:
            done = do(arguments["name"])
        except SipproxyError as error:
            raise ControlError(404, str(error)) from None
        return done.addCallbacks(_done, _refused)

    return Resource(
        "/ipsec",
        (
            Operation("GET", "Tell which peers are protected.", show, an_object(peers=an_array(_PEER), kernel=TEXT)),
            Operation(
                "POST",
                "Establish the association with a peer, or give it new keys.",
                act,
                an_object(),
                body=_FIELDS,
                refusals={404: "There is no such peer with IKE.", 422: "It cannot be done."},
            ),
        ),
    )


def _done(_: None) -> Json:
    return {}


def _refused(failure: Any) -> Json:
    failure.trap(SipproxyError)
    raise ControlError(422, str(failure.value))


def _peer(association: Any) -> Json:
    peer = association.peer
    return {
        "name": peer.name,
        "address": peer.address,
        "mode": peer.mode,
        "method": peer.method,
        "selectors": peer.selectors,
        "required": peer.is_required,
        "state": association.state,
        "since": association.since,
        "reason": association.reason,
        "dropped": association.dropped,
        "refused": association.refused,
        "events": [event._asdict() for event in association.events],
    }
