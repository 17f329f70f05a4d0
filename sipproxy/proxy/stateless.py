"""The stateless proxy: what goes through keeps nothing here (RFC 3261 16.11).

Also how a stateful proxy forwards what has no transaction: the ACK for a 2xx,
and a CANCEL that it knows nothing of (16.10).
"""

from collections.abc import Callable, Sequence

from twisted.internet.defer import Deferred

from sipproxy.errors import RequestError
from sipproxy.interfaces import Address
from sipproxy.message import AnyResponse, Request, parse_via
from sipproxy.message.grammar import number
from sipproxy.message.uri import DEFAULT_PORT
from sipproxy.proxy.forward import hops_left, make_copy, write_copy
from sipproxy.proxy.journey import Journey
from sipproxy.proxy.loops import path_hash, stateless_branch
from sipproxy.proxy.points import LONGEST, Point, Points
from sipproxy.proxy.responses import without_top_via
from sipproxy.routing import NextHop, NextHops
from sipproxy.transaction.via import literal, response_destination
from sipproxy.translation import AT_HAND, Target

Sent = Callable[[NextHop], None]


def choose(targets: Sequence[Target], request: Request) -> Target:
    """Choose the one target: the highest q, among equals by a stable hash, so that each copy goes the same way."""
    if len(targets) == 1:
        return targets[0]
    best = max(target.q for target in targets)
    equals = sorted((target for target in targets if target.q == best), key=lambda target: target.uri.raw)
    return equals[int(path_hash(request), 16) % len(equals)]


def forward(
    journey: Journey, target: Target, request: Request, source: Address, point: Point, points: Points, sent: Sent
) -> "Deferred[None] | None":
    """Forward a request to a target.

    @param sent: called with the next hop once it is gone
    @raise RequestError: it cannot be forwarded (also in the Deferred)
    """
    copy = make_copy(request, journey.ready, target, hops_left(request, target.rounds), journey.breadth)
    routing = journey.generation.routing
    hops = (routing.bypass if copy.routed else routing.route)(copy.next, journey.subject)

    def send(found: NextHops) -> None:
        if not found:
            raise RequestError(404)
        hop = found[0]
        leaving = points.choose(hop.host, point)
        branch = stateless_branch(request, journey.decision)
        record_route = _record_route(journey, request)
        data = write_copy(copy, branch, point, source[0], leaving, hop, record_route)
        if len(data) > LONGEST:
            raise RequestError(513)
        leaving.write(data, (hop.host, hop.port))
        sent(hop)

    if isinstance(hops, AT_HAND):
        send(hops)
        return None
    return hops.addCallback(send)


def _record_route(journey: Journey, request: Request) -> bytes | None:
    """Give the parameters of our Record-Route; None for no Record-Route."""
    if not journey.generation.policy.record_route or request.method in (b"ACK", b"CANCEL"):
        return None
    exemption = journey.generation.exemption
    return b"" if exemption is None else exemption.route_parameter(request)


def response_onward(response: AnyResponse) -> tuple[bytes, Address] | None:
    """Give a response without our Via, and where the next Via says it goes (16.7 item 3, 18.2.2).

    @return: None where no Via is left, so that it was for us (16.11), or where the next one is no literal address
    @raise sipproxy.errors.SipParseError: the next Via cannot be read
    """
    following = response.next_via()
    if not following:
        return None
    via = parse_via(following)
    host = literal(via.params.get(b"received") or via.host)
    if host is None:
        return None
    rport = via.params.get(b"rport")
    port = number(rport, 65535, b"rport") if rport else 0
    return without_top_via(response), response_destination(via, (host, port or via.port or DEFAULT_PORT))
