"""The redirect server: targets become the Contacts of a 3xx (RFC 3261 8.3, 21.3)."""

from collections.abc import Sequence

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from sipproxy.errors import RequestError
from sipproxy.message import Request, Uri
from sipproxy.proxy.journey import Journey
from sipproxy.proxy.points import sent_by
from sipproxy.proxy.settings import Policy
from sipproxy.routing import NextHop, NextHops
from sipproxy.routing.locate import settled
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

    What leads nowhere is left out where anything else does not.

    @return: none where nothing is known of the Request-URI
    @raise RequestError: what a router says (also in the Deferred)
    """
    found = [_found(journey, target) for target in targets]
    known = [answer for answer in found if not isinstance(answer, Deferred)]
    return _collect(known) if len(known) == len(found) else Deferred.fromCoroutine(_wait(found))


#: URIs, each with its q; or why there are none.
_Found = list[tuple[bytes, float]] | RequestError


def _found(journey: Journey, target: Target) -> "_Found | Deferred[_Found]":
    if not journey.generation.identity.is_ours(target.uri):
        is_unchanged = target.uri.raw == journey.ready.uri.raw
        return [] if is_unchanged else [(target.uri.raw, target.q)]
    try:
        hops = journey.generation.routing.route(target.uri, journey.subject)
    except RequestError as error:
        return error
    if isinstance(hops, Deferred):
        return hops.addCallbacks(_at_hops, _error, callbackArgs=(target,))
    return _at_hops(hops, target)


def _error(failure: Failure) -> RequestError:
    if not isinstance(failure.value, RequestError):
        failure.raiseException()
    return failure.value


async def _wait(found: "Sequence[_Found | Deferred[_Found]]") -> Contacts:
    return _collect([await settled(answer) for answer in found])


def _collect(found: Sequence[_Found]) -> Contacts:
    places = [place for answer in found if not isinstance(answer, RequestError) for place in answer]
    errors = [answer for answer in found if isinstance(answer, RequestError)]
    if errors and not places:
        raise max(errors, key=lambda error: error.status)
    return [_contact(uri, q, len(places)) for uri, q in places]


def _at_hops(hops: NextHops, target: Target) -> _Found:
    # 20.10: q is all that tells a caller in which order alternates are to be tried.
    return [(_at(target.uri, hop), max(target.q - 0.001 * place, 0.0)) for place, hop in enumerate(hops)]


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
