"""The redirect server: targets become the Contacts of a 3xx (RFC 3261 8.3, 21.3)."""

from collections.abc import Sequence

from twisted.internet.defer import Deferred, FirstError, gatherResults
from twisted.python.failure import Failure

from sipproxy.errors import RequestError
from sipproxy.message import Request, Uri
from sipproxy.proxy.journey import Journey
from sipproxy.proxy.points import sent_by
from sipproxy.proxy.settings import Policy
from sipproxy.routing import NextHop, NextHops
from sipproxy.translation import Target

Contacts = list[bytes]


def split_by_action(
    targets: Sequence[Target], request: Request, policy: Policy
) -> tuple[Sequence[Target], Sequence[Target]]:
    """Tell which targets are forwarded to, and which are told to the caller.

    Where any is to be proxied, the others are left out. A request of a dialog that comes by our Record-Route is of a
    call that was proxied.

    @return: (to be proxied, to be redirected to), one of them empty
    """
    if not policy.caller_preferences:
        return ((), targets) if policy.redirects else (targets, ())
    is_in_path = "route" in request.names and request.to.tag
    default = "redirect" if policy.redirects and not is_in_path else "proxy"
    proxied = [target for target in targets if (target.action or default) == "proxy"]
    return (proxied, ()) if proxied else ((), targets)


def contacts(journey: Journey, targets: Sequence[Target]) -> "Contacts | Deferred[Contacts]":
    """Write the Contact values; a number at our host becomes an address at its next hop.

    @return: none where nothing is known of the Request-URI
    @raise RequestError: what a router says (also in the Deferred)
    """
    original = journey.ready.uri
    found: list[list[bytes] | Deferred[list[bytes]]] = []
    for target in targets:
        if not journey.generation.identity.is_ours(target.uri):
            found.append([] if target.uri.raw == original.raw else [_contact(target.uri.raw, target.q, len(targets))])
            continue
        hops = journey.generation.routing.route(target.uri, journey.subject)
        if isinstance(hops, Deferred):
            found.append(hops.addCallback(_at_hops, target))
        else:
            found.append(_at_hops(hops, target))
    waiting = [answer for answer in found if isinstance(answer, Deferred)]
    if not waiting:
        return [value for answer in found if not isinstance(answer, Deferred) for value in answer]
    gathered = gatherResults(
        [answer if isinstance(answer, Deferred) else _known(answer) for answer in found], consumeErrors=True
    )
    return gathered.addCallbacks(lambda lists: [value for values in lists for value in values], _first_error)


def _first_error(failure: Failure) -> Contacts:
    if isinstance(failure.value, FirstError):
        failure.value.subFailure.raiseException()
    failure.raiseException()


def _known(values: list[bytes]) -> "Deferred[list[bytes]]":
    known: Deferred[list[bytes]] = Deferred()
    known.callback(values)
    return known


def _at_hops(hops: NextHops, target: Target) -> list[bytes]:
    return [_contact(_at(target.uri, hop), target.q, len(hops)) for hop in hops]


def _at(uri: Uri, hop: NextHop) -> bytes:
    user = hop.user or uri.user
    place = sent_by(hop.host, hop.port).encode("ascii")
    return uri.scheme + b":" + (place if user is None else user + b"@" + place)


def _contact(uri: bytes, q: float, among: int) -> bytes:
    if among == 1:
        return b"<" + uri + b">"
    return b"<%b>;q=%b" % (uri, f"{q:.3f}".rstrip("0").rstrip(".").encode("ascii"))


def status_of(values: Contacts) -> int:
    """Give the status for some Contacts: 302 for one, 300 for several.

    @raise RequestError: 404 for none
    """
    if not values:
        raise RequestError(404)
    return 302 if len(values) == 1 else 300
