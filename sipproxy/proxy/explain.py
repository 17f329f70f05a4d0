"""Why a request goes where it goes: the live code, dry, and the trace that live requests record.

Nothing here decides anything. A request is taken through the same validation,
translation and routing as others, and is not sent; questions to name servers,
gatekeepers and NAMs are asked as they would be.
"""

from collections.abc import Awaitable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from twisted.internet.defer import Deferred

from sipproxy.errors import RequestError, SilenceError
from sipproxy.interfaces import Address
from sipproxy.message import Request, Uri
from sipproxy.proxy.forward import hops_left, make_copy, write_copy
from sipproxy.proxy.generation import Generation
from sipproxy.proxy.history import Trace
from sipproxy.proxy.journey import Journey
from sipproxy.proxy.loops import stateless_branch
from sipproxy.proxy.points import Point, sent_by
from sipproxy.proxy.redirect import contacts, split_by_action, status_of
from sipproxy.proxy.routeset import check_method, is_ping, names_us
from sipproxy.proxy.settings import Policy
from sipproxy.proxy.stateless import choose
from sipproxy.proxy.validate import validate
from sipproxy.routing import NextHop
from sipproxy.translation import AT_HAND, Target, Targets

if TYPE_CHECKING:
    from sipproxy.proxy.core import Core

TRANSLATORS = ("mod_sip_call_forward", "mod_sip_registry", "mod_sip_enum", "mod_sip_gktmp")
ROUTERS = ("mod_sip_routing", "mod_sip_ras")


@dataclass
class Way:
    """One target and where it would be tried.

    @ivar hops: its next hops in the order of trying
    @ivar message: the request as it would leave for the first of them
    @ivar error: why there are none
    """

    target: Target
    hops: Sequence[NextHop] = ()
    message: bytes = b""
    error: RequestError | None = None


@dataclass
class Explained:
    """What would become of a request.

    @ivar trace: what was found out, in order
    @ivar ways: where it would be sent, in the order of trying
    @ivar contacts: what a redirect server would name
    @ivar status: what it would be answered by us; None where that is up to others
    @ivar reason: reason phrase of that, where it has one of its own
    """

    trace: Trace = field(default_factory=list)
    ways: list[Way] = field(default_factory=list)
    contacts: list[bytes] = field(default_factory=list)
    status: int | None = None
    reason: str = ""


def explain(
    core: "Core", request: Request, source: Address, generation: Generation | None = None
) -> "Deferred[Explained]":
    """Tell what would become of a request that came from an address.

    @param generation: by another configuration than the one that the core serves by
    """
    return Deferred.fromCoroutine(_explain(core, request, source, generation or core.generation, Explained()))


async def _explain(
    core: "Core", request: Request, source: Address, generation: Generation, explained: Explained
) -> Explained:
    try:
        validate(request)
        is_for_registrar = request.method == b"REGISTER" and names_us(request, generation.identity)
        await _access(generation, request, source, explained, is_for_registrar)
        if is_for_registrar:
            _registrar(generation, explained)
            return explained
        if request.method == b"OPTIONS" and is_ping(request, generation.identity):
            explained.status = 200
            return explained
        check_method(request, generation.identity, generation.allow)
        if request.max_forwards == 0:
            raise RequestError(483)
        journey = Journey(generation, request, source, core.now(), generation.policy.stateful)
        journey.subject.trace = explained.trace
        targets = await _targets(journey)
        proxied, redirected = split_by_action(targets, request, generation.policy)
        if redirected:
            explained.contacts = await _value(contacts(journey, redirected))
            explained.status = status_of(explained.contacts)
        for target in _in_order(generation.policy, request, proxied):
            explained.ways.append(await _way(core, journey, target, source))
        _tell_unrouted(journey, targets)
        failed = [way.error for way in explained.ways if way.error is not None]
        if failed and len(failed) == len(explained.ways):
            raise failed[0]
    except RequestError as error:
        explained.status, explained.reason = error.status, error.reason.decode("utf-8", "replace")
    return explained


def _registrar(generation: Generation, explained: Explained) -> None:
    if generation.registrar is None:
        explained.status = 405
    said = "the registrar answers" if explained.status is None else "skipped: Registry Off"
    explained.trace.append(("registrar", "mod_sip_registry", said))


async def _access(
    generation: Generation, request: Request, source: Address, explained: Explained, as_registrar: bool
) -> None:
    """Tell what would be asked of the sender; then go on as if it had been given."""
    access, exemption = generation.access, generation.exemption
    said: object = "nothing is asked for"
    if access is None:
        said = "skipped: Authentication Off"
    elif exemption is not None and exemption.covers(request):
        said = "nothing is asked for: it comes back to us"
    elif "authorization" in request.names or "proxy-authorization" in request.names:
        said = "credentials are not checked here"  # what is wrong would count against its user
    else:
        try:
            await _value(access.admit(request, source, as_registrar))
        except RequestError as error:
            said = f"credentials are asked for: {error.status}"
        except SilenceError as silence:
            said = f"not answered: {silence}"
    explained.trace.append(("access", "mod_sip_authen", said))


async def _targets(journey: Journey) -> Targets:
    """Find the target set; tell also of the translators that have no say in it."""
    targets: Targets = await _value(journey.targets())
    why = "another one has contacts" if journey.may_retarget else "the host is not this server"
    _tell_unasked(journey, "translation", TRANSLATORS, why)
    return targets


def _tell_unrouted(journey: Journey, targets: Targets) -> None:
    """Tell of the routers that have no say in the next hops."""
    own = any(journey.generation.identity.is_ours(target.uri) for target in targets)
    why = "another one has next hops" if own else "no contact is a number at this server"
    _tell_unasked(journey, "routing", ROUTERS, why)


def _tell_unasked(journey: Journey, stage: str, modules: Sequence[str], why: str) -> None:
    """
    @param why: the reason where it is not that the module is off
    """
    if journey.ready.route is not None:
        return  # all are bypassed, and that is told
    trace, off = journey.subject.trace, journey.generation.off
    told = {module for at, module, _ in trace if at == stage}
    trace += [(stage, module, f"skipped: {off.get(module, why)}") for module in modules if module not in told]


def _in_order(policy: Policy, request: Request, targets: Sequence[Target]) -> Sequence[Target]:
    if targets and (policy.forking == "Off" or not policy.stateful):
        return (choose(targets, request),)
    return sorted(targets, key=lambda target: -target.q)


async def _way(core: "Core", journey: Journey, target: Target, source: Address) -> Way:
    way = Way(target)
    request, generation = journey.subject.request, journey.generation
    try:
        copy = make_copy(request, journey.ready, target, hops_left(request, target.rounds), journey.breadth)
        routing = generation.routing
        hops = await _value((routing.bypass if copy.routed else routing.route)(copy.next, journey.subject))
        if not hops:
            raise RequestError(404)
        way.hops = generation.gateways.in_order(hops) if target.origin != "mod_sip_registry" else hops
        hop = way.hops[0]
        leaving = core.points.choose(hop.host, _arrival(core))
        branch = stateless_branch(request, journey.decision)
        record_route = b"" if generation.policy.record_route else None
        way.message = write_copy(copy, branch, _arrival(core), source[0], leaving, hop, record_route)
    except RequestError as error:
        way.error = error
    return way


def _arrival(core: "Core") -> Point:
    return core.points.all[0]


async def _value(answer: Any) -> Any:
    """Wait for an answer that may be at hand."""
    return await answer if isinstance(answer, Awaitable) and not isinstance(answer, AT_HAND) else answer


def line(value: object) -> str:
    """Write a value of a trace for a person."""
    if isinstance(value, Uri):
        return value.raw.decode("utf-8", "backslashreplace")
    if isinstance(value, Target):
        return f"{line(value.uri)} q={value.q:g}"
    if isinstance(value, NextHop):
        name = f" ({value.name})" if value.name not in ("", value.host) else ""
        return sent_by(value.host, value.port) + name
    if isinstance(value, AT_HAND):
        return ", ".join(map(line, value)) or "nothing"
    return str(value)
