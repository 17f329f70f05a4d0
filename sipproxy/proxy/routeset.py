"""Route information preprocessing, and what a request looks like behind it (RFC 3261 16.4)."""

from sipproxy.errors import RequestError, SipParseError
from sipproxy.message import Draft, NameAddr, Request, Uri, parse_name_addr, parse_uri
from sipproxy.proxy.identity import Identity

_KNOWN = (b"INVITE", b"ACK", b"CANCEL", b"BYE", b"OPTIONS", b"REGISTER")


class Forwardable:
    """A request with our own Route values and maddr taken out.

    @ivar uri: its Request-URI now
    @ivar lines: its header lines now, perhaps those of the request itself: each branch copies them
    @ivar names: canonical name of each line
    @ivar route: the first Route that is left, or None
    """

    __slots__ = ("lines", "names", "route", "uri")

    def __init__(self, uri: Uri, lines: list[bytes], names: list[str], route: NameAddr | None) -> None:
        self.uri = uri
        self.lines = lines
        self.names = names
        self.route = route


def preprocess(request: Request, identity: Identity) -> Forwardable:
    """Apply RFC 3261 16.4.

    @raise SipParseError: a Route or Request-URI that must be read cannot be
    """
    uri = request.request_uri
    if uri.params and b"maddr" in uri.params:
        uri = _strip_maddr(uri, identity)
    if "route" not in request.names:
        return Forwardable(uri, request.lines, request.names, None)
    draft = Draft.of(request)
    uri = _restore_request_uri(uri, draft, identity)
    route = _pop_own_routes(draft, identity) if "route" in draft.names else None
    return Forwardable(uri, draft.lines, draft.names, route)


def names_us(request: Request, identity: Identity) -> bool:
    """Tell whether the Request-URI is ours, and no Route of others leads elsewhere first.

    @raise SipParseError: as for L{preprocess}
    """
    if "route" not in request.names:
        return identity.is_ours(request.request_uri)
    ready = preprocess(request, identity)
    return ready.route is None and identity.is_ours(ready.uri)


def is_ping(request: Request, identity: Identity) -> bool:
    """Tell whether an OPTIONS is answered by us (11.2, 16.3 item 3).

    @raise SipParseError: as for L{preprocess}
    """
    return request.max_forwards == 0 or _is_for_us(request, identity)


def check_method(request: Request, identity: Identity, allow: bytes) -> None:
    """Refuse what is for us, not for a user of ours, and is no method that we know (8.2.1).

    @param allow: the Allow line of the refusal
    @raise RequestError: 405
    @raise SipParseError: as for L{preprocess}
    """
    if request.method not in _KNOWN and _is_for_us(request, identity):
        raise RequestError(405, headers=(allow,))


def _is_for_us(request: Request, identity: Identity) -> bool:
    return request.request_uri.user is None and names_us(request, identity)


def _restore_request_uri(uri: Uri, draft: Draft, identity: Identity) -> Uri:
    """Undo what a strict router did: our Record-Route stands as Request-URI, the true one is the last Route."""
    if uri.user is not None or b"lr" not in uri.params or not identity.is_ours(uri):
        return uri
    routes = _values(draft)
    last = parse_name_addr(routes.pop()).uri
    _set_routes(draft, routes)
    return last


def _strip_maddr(uri: Uri, identity: Identity) -> Uri:
    # Only what names us together with its port was received as it says; another port is somebody else beside us.
    maddr = uri.params[b"maddr"]
    if maddr is None or not identity.is_host(maddr.lower(), uri.port):
        return uri
    return parse_uri(uri.without({b"maddr", b"transport"}, keep_port=False))


def _pop_own_routes(draft: Draft, identity: Identity) -> NameAddr | None:
    """Remove the topmost Route values that name us: one, or the two of RFC 5658."""
    while "route" in draft.names:
        first = first_route(draft)
        if not identity.is_ours(first.uri):
            return first
        draft.pop_value("route")
    return None


def first_route(draft: Draft) -> NameAddr:
    """Read the topmost Route.

    @raise SipParseError: it cannot be read
    """
    line = draft.lines[draft.names.index("route")]
    if b"," in line or b"\n" in line:
        return parse_name_addr(_values(draft)[0])
    return parse_name_addr(line.partition(b":")[2].strip())


def _values(draft: Draft) -> list[bytes]:
    # A Message over the draft's own lists reads lists as a received message does.
    values = Request(b"", b"", draft.start, draft.lines, draft.names, b"").values("route")
    if not values:
        raise SipParseError(b"Empty Route")
    return values


def _set_routes(draft: Draft, routes: list[bytes]) -> None:
    draft.remove("route")
    for value in reversed(routes):
        draft.push("route", b"Route: " + value)


def push_route(draft: Draft, values: tuple[bytes, ...]) -> None:
    """Put Route values before those that are there (RFC 3327 5.3: the Path of the registration)."""
    for value in reversed(values):
        draft.push("route", b"Route: " + value)


def to_strict_router(draft: Draft, uri: bytes) -> Uri | None:
    """Reformat for a next hop without lr: swap its URI and the Request-URI (RFC 3261 16.6 item 6).

    @param uri: the Request-URI so far
    @return: the new Request-URI, None where the next hop is a loose router
    """
    first = first_route(draft)
    if b"lr" in first.uri.params:
        return None
    draft.pop_value("route")
    draft.append("route", b"Route: <" + uri + b">")
    return first.uri
