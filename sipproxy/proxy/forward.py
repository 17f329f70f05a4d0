"""Request forwarding: the copy for one target, and its octets for one next hop (RFC 3261 16.6)."""

from sipproxy.errors import RequestError
from sipproxy.message import Draft, Request, Uri, parse_uri
from sipproxy.proxy.points import Point
from sipproxy.proxy.routeset import Forwardable, first_route, push_route, to_strict_router
from sipproxy.routing import NextHop
from sipproxy.translation import Target

DEFAULT_MAX_FORWARDS = 70
_DIVERSION = ("diversion", "cc-diversion", "cc-redirect")


class Copy:
    """The copy of a request for one target: steps 1 to 6, but for what we add at a next hop.

    @ivar start: request line
    @ivar lines: header lines
    @ivar top: where our Via and Record-Route go: before all others
    @ivar body: body
    @ivar next: the URI that the next hop is found by
    @ivar routed: whether a Route header says so, so that routing is bypassed
    """

    __slots__ = ("body", "lines", "next", "routed", "start", "top")

    def __init__(self, draft: Draft, following: Uri, routed: bool) -> None:
        self.start = draft.start
        self.lines = draft.lines
        self.body = draft.body
        self.next = following
        self.routed = routed
        names = draft.names
        self.top = names.index("via")
        if "record-route" in names:
            self.top = min(self.top, names.index("record-route"))

    def start_at(self, hop: NextHop) -> bytes:
        """Give the request line for a next hop, which may have another user part for the Request-URI."""
        if not hop.user or self.routed:
            return self.start
        method, uri, version = self.start.split(b" ", 2)
        return b" ".join((method, with_user(parse_uri(uri), hop.user), version))


def with_user(uri: Uri, user: bytes) -> bytes:
    """Write a URI with another user part."""
    rest = uri.raw.partition(b":")[2] if uri.user is None else uri.raw.partition(b"@")[2]
    return uri.scheme + b":" + user + b"@" + rest


def make_copy(request: Request, ready: Forwardable, target: Target, hops_left: int, breadth: int) -> Copy:
    """Make the copy for a target.

    @param hops_left: its Max-Forwards
    @param breadth: its Max-Breadth (RFC 5393 5.3.3)
    @raise sipproxy.errors.SipParseError: a Route that must be read cannot be
    """
    draft = Draft(b"", ready.lines[:], ready.names[:], request.body)  # 1
    uri = target.uri.bare()  # 2
    draft.set("max-forwards", b"Max-Forwards: %d" % hops_left)  # 3
    draft.set("max-breadth", b"Max-Breadth: %d" % breadth)  # 5
    if target.diversions:
        _push_diversions(draft, target.diversions)
    following, routed = target.uri, False
    if target.route:
        push_route(draft, target.route)
    if "route" in draft.names:  # 6
        routed = True
        strict = to_strict_router(draft, uri)
        if strict is not None:
            following, uri = strict, strict.bare()
        else:
            following = first_route(draft).uri
    draft.start = b"%b %b SIP/2.0" % (request.method, uri)
    return Copy(draft, following, routed)


def _push_diversions(draft: Draft, lines: tuple[bytes, ...]) -> None:
    """Put diversion headers before those that are there, whatever their name (RFC 5806 5.1: newest on top)."""
    at = next((at for at, name in enumerate(draft.names) if name in _DIVERSION), len(draft.names))
    draft.lines[at:at] = lines
    draft.names[at:at] = [line.partition(b":")[0].decode("ascii").lower() for line in lines]


def write_copy(
    copy: Copy, branch: bytes, arrival: Point, source: str, leaving: Point, hop: NextHop, record_route: bytes | None
) -> bytes:
    """Write the copy for a next hop: step 4 and step 8.

    @param arrival: where the request came in, from C{source}
    @param leaving: where the copy leaves
    @param record_route: further parameters of our Record-Route, mostly none; None for no Record-Route
    """
    top = copy.top
    via, outside = leaving.lines(hop.host)
    ours = [via + branch]
    if record_route is not None:
        inside = arrival.lines(source)[1]
        ours.append(outside + record_route + b">")
        if inside != outside:
            ours.append(inside + record_route + b">")  # RFC 5658 3: a route set must be usable from both sides.
    return b"\r\n".join((copy.start_at(hop), *copy.lines[:top], *ours, *copy.lines[top:], b"", copy.body))


def hops_left(request: Request, rounds: int) -> int:
    """Give the Max-Forwards of the copy (16.6 item 3); each round of translation inside us takes one more.

    @raise RequestError: 483
    """
    value = request.max_forwards
    left = DEFAULT_MAX_FORWARDS if value is None else value - 1
    if left < rounds or value == 0:
        raise RequestError(483)
    return left - rounds
