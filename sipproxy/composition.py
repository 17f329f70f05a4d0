"""From settings to a generation: which class stands behind which interface.

What outlives a generation of the configuration (ports, databases, the health of
gateways) is made once, as L{Parts}; all else is made for each generation by
L{compose}, beside the one that serves, and put in its place whole.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import partial
from random import Random
from typing import TYPE_CHECKING

from twisted.application.service import IService
from twisted.logger import Logger

from sipproxy import directives
from sipproxy.access import settings as authen
from sipproxy.access.access import Access
from sipproxy.access.basic import BasicScheme
from sipproxy.access.checks import ICheck, SubscriberCheck
from sipproxy.access.keys import CallerKeys, subscriber_keys
from sipproxy.access.radius import CHAP_WARNING, ChapCheck, RadiusDigestCheck
from sipproxy.access.radius_check import RadiusCheck, as_it_is, with_domain
from sipproxy.access.schemes import DigestScheme, IScheme
from sipproxy.config import Settings
from sipproxy.control.watched import Watch
from sipproxy.databases.numbers import Numbers, static_numbers
from sipproxy.databases.routes import Routes
from sipproxy.databases.routes_settings import SRV_ROUTING, STATIC_ROUTING, static_routes
from sipproxy.databases.static import STATIC_REGISTRATION, WithStatic, by_aor
from sipproxy.interfaces import IAccess, INetwork
from sipproxy.message import Request, Uri
from sipproxy.modules import AUTH_REALM, GATEKEEPER_ID, PROXY_DOMAIN
from sipproxy.net.gktmp import GktmpClient, Timing
from sipproxy.net.radius_settings import ADD_DOMAIN, DIGEST_FORM
from sipproxy.parts import Parts, nas_address
from sipproxy.proxy.exemption import Exemption
from sipproxy.proxy.generation import Generation
from sipproxy.proxy.identity import Identity
from sipproxy.proxy.loops import path_hash
from sipproxy.proxy.settings import STATEFUL, Policy
from sipproxy.proxy.sources import Sources
from sipproxy.proxy.targets import Location, resolvable
from sipproxy.registrar.registrar import Registrar, policy_of
from sipproxy.routing import IRouter, RoutingChain
from sipproxy.routing import ras_settings as ras
from sipproxy.routing.dns import DnsRouter
from sipproxy.routing.domain import DomainRouter
from sipproxy.routing.e164 import E164Router
from sipproxy.routing.locate import Locator
from sipproxy.routing.static import Alternates
from sipproxy.routing.unknown import NowhereRouter
from sipproxy.server import own_hosts
from sipproxy.services import GenerationService, RoutingService, TranslationService
from sipproxy.translation import ITranslator, TranslationChain, enum
from sipproxy.translation import gktmp_settings as gktmp
from sipproxy.translation.call_forward import CallForward, CallForwardUnavailable, ForwardPolicy
from sipproxy.translation.expansion import INTERPRETATION, NUM_EXPAND, Expansion, number_of, routing_number_of
from sipproxy.translation.gktmp import GktmpTranslator
from sipproxy.translation.registry import REGISTRY, RegistryTranslator
from sipproxy.wire.radius import nas_attributes

if TYPE_CHECKING:
    from sipproxy.net.ras import RasClient

_access_log = Logger(namespace="mod_sip_authen")


@dataclass(frozen=True)
class Composition:
    """A generation with what it uses.

    @ivar settings: the configuration that it was made of
    @ivar service: what its translators and routers keep open
    @ivar nams: who asks GKTMP servers, None where nobody does
    @ivar gatekeepers: who asks H.323 gatekeepers, None where nobody does
    """

    settings: Settings
    generation: Generation
    service: GenerationService
    nams: GktmpClient | None
    gatekeepers: "RasClient | None"


def compose(settings: Settings, parts: Parts) -> Composition:
    """Make the generation that a configuration describes; nothing is opened yet."""
    identity = identity_of(settings, parts.network, parts.started, parts.via_ports)
    expansion = Expansion(settings[NUM_EXPAND], settings[INTERPRETATION])
    needs_access = settings[authen.AUTHENTICATION]
    if parts.watch is not None:
        parts = _watched(parts, parts.watch)
    translators, clients = _translators(settings, parts, identity)
    if parts.watch is not None:
        translators = [parts.watch.translator(translator) for translator in translators]
    translation = TranslationService(TranslationChain(translators), clients)
    gatekeepers = _gatekeepers(settings, parts) if settings[ras.RAS] else None
    routing = RoutingService(
        _routing(settings, parts, identity, gatekeepers), [] if gatekeepers is None else [gatekeepers]
    )
    generation = Generation(
        identity,
        Policy.of(settings),
        Sources(settings[directives.ALLOW_FROM], settings[directives.DENY_FROM], settings[directives.DENY_SILENTLY]),
        Location(identity, translation.chain, expansion),
        routing.chain,
        Registrar(parts.registry, identity, policy_of(settings), parts.reactor.seconds) if settings[REGISTRY] else None,
        _guarded(parts, _access(settings, parts, identity, expansion)) if needs_access else None,
        Exemption(parts.guard.secret, identity, parts.reactor.seconds) if needs_access else None,
        parts.gateways,
        _off(settings),
    )
    nams = next((client for client in clients if isinstance(client, GktmpClient)), None)
    return Composition(settings, generation, GenerationService((translation, routing)), nams, gatekeepers)


def _off(settings: Settings) -> dict[str, str]:
    """Name the translators and routers that are off, with what says so."""
    switches = {
        "mod_sip_call_forward": (ForwardPolicy.of(settings).is_used, "all CallForward directives Off"),
        "mod_sip_registry": (settings[REGISTRY], "Registry Off"),
        "mod_sip_enum": (settings[enum.ENUM], "EnumModule Off"),
        "mod_sip_gktmp": (settings[gktmp.GKTMP], "GKTMPModule Off"),
        "mod_sip_routing": (settings[STATIC_ROUTING], "StaticRouting Off"),
        "mod_sip_ras": (settings[ras.RAS], "RASModule Off"),
    }
    return {module: said for module, (is_on, said) in switches.items() if not is_on}


def _watched(parts: Parts, watch: Watch) -> Parts:
    """Give the parts with somebody who counts beside their backends."""
    return replace(parts, resolver=watch.resolver(parts.resolver), subscribers=watch.subscribers(parts.subscribers))


def _guarded(parts: Parts, access: IAccess) -> IAccess:
    return access if parts.watch is None else parts.watch.access(access)


def identity_of(
    settings: Settings, network: INetwork, started: Settings | None = None, via_ports: Iterable[int] = ()
) -> Identity:
    """Tell who a configured server is.

    @param started: the configuration that its ports were opened by, where that is another
    @param via_ports: those that its Via names, where they are others than those that it listens on
    """
    ports = started or settings
    return Identity(
        settings[PROXY_DOMAIN],
        own_hosts(settings, network, ports[directives.LISTEN]),
        {place.port for place in ports[directives.LISTEN]},
        ports[directives.ADVERTISED],
        via_ports,
    )


def _gatekeepers(settings: Settings, parts: Parts) -> "RasClient":
    # Only here: the codec takes a fifth of a second to load.
    from sipproxy.net.ras import Manner, RasClient

    manner = Manner(
        settings[ras.METHOD],
        settings[ras.ACCEPT],
        settings[ras.TIMEOUT],
        settings[ras.WINDOW],
        settings[ras.RETRANSMISSIONS],
    )
    return RasClient(
        parts.reactor,
        parts.network,
        parts.resolver,
        ras.clusters(settings),
        parts.random,
        manner,
        settings[ras.BIND],
        settings[ras.ALLOW_FROM] if settings.is_set(ras.ALLOW_FROM) else None,
    )


def _ras_router(settings: Settings, parts: Parts, gatekeepers: "RasClient") -> IRouter:
    from sipproxy.routing.ras import RasRouter

    return RasRouter(gatekeepers, ras.Policy.of(settings), routing_number_of, parts.reactor.seconds)


def _routing(settings: Settings, parts: Parts, identity: Identity, gatekeepers: "RasClient | None") -> RoutingChain:
    """Give the routers in their order; a module that is off is not among them."""
    is_stateful = settings[STATEFUL]

    def chance(request: Request) -> Random:
        # Without state each copy of a request must go the same way.
        return parts.random if is_stateful else Random(path_hash(request))

    locator = Locator(parts.resolver, parts.reactor.seconds, chance)
    dns = DnsRouter(locator, settings[SRV_ROUTING])
    own: list[IRouter] = [*parts.routers]
    foreign: list[IRouter] = []
    if settings[STATIC_ROUTING]:
        routes = Routes(static_routes(settings), parts.routes)
        alternates = Alternates(locator, chance)
        own.append(E164Router(routes, alternates, routing_number_of))
        foreign.append(DomainRouter(routes, alternates, number_of))
    if gatekeepers is not None:
        own.append(_ras_router(settings, parts, gatekeepers))
    own.append(NowhereRouter(parts.subscribers, _keys_of(identity)))
    foreign.append(dns)
    bypass: list[IRouter] = [dns]
    if parts.watch is not None:
        own, foreign, bypass = (
            [parts.watch.router(router) for router in routers] for routers in (own, foreign, bypass)
        )
    return RoutingChain(identity.is_ours, own, foreign, bypass)


def _access(settings: Settings, parts: Parts, identity: Identity, expansion: Expansion) -> IAccess:
    def names(uri: Uri) -> tuple[Uri, ...]:
        return expansion.names(uri, expansion.expand(uri))

    def expand(name: str) -> str:
        return expansion.expand_number(name) if settings[authen.EXPAND_NAME] else name

    guard, realm, scheme = parts.guard, settings[AUTH_REALM], settings[authen.SCHEME]
    keys = CallerKeys(identity.domain.decode("ascii"), settings[authen.USER_SOURCE], names, expand)
    asking: IScheme = DigestScheme(realm, settings[authen.ALGORITHMS], settings[authen.QOP], guard.nonces)
    check: ICheck = SubscriberCheck(parts.subscribers, parts.random)
    if guard.radius is not None and scheme != "HTTP_Digest":
        nas = nas_attributes(nas_address(settings, parts.network))
        naming = with_domain if settings[ADD_DOMAIN] else as_it_is
        if scheme == "CHAP":
            # Also for those who never see what a daemon prints: no listener is protected by itself yet.
            _access_log.warn("AuthScheme CHAP instead of {warning}", warning=CHAP_WARNING)
            asking, check = BasicScheme(realm), RadiusCheck(ChapCheck(guard.radius, nas, parts.random), naming)
        else:
            check = RadiusCheck(RadiusDigestCheck(guard.radius, nas, settings[DIGEST_FORM]), naming)
    return Access(authen.Policy.of(settings), asking, check, guard.failures, keys)


def _keys_of(identity: Identity) -> Callable[[Uri], tuple[str, ...]]:
    return partial(subscriber_keys, domain=identity.domain.decode("ascii"))


def _translators(settings: Settings, parts: Parts, identity: Identity) -> tuple[list[ITranslator], list[IService]]:
    """Give the translators in their order, and what they keep open; a module that is off is not among them."""
    found: list[ITranslator] = [*parts.translators]
    clients: list[IService] = []
    forwarding = ForwardPolicy.of(settings)
    if forwarding.is_used:

        def callable_uri(uri: Uri) -> Uri:
            return resolvable(uri, identity)

        found.append(CallForward(parts.subscribers, forwarding, _keys_of(identity), callable_uri))
    if settings[REGISTRY]:
        called = WithStatic(parts.registry, by_aor(settings[STATIC_REGISTRATION], identity.aor_key))
        found.append(RegistryTranslator(called, identity.aor_key))
    if forwarding.unavailable:
        found.append(CallForwardUnavailable())
    if settings[enum.ENUM]:
        found.append(enum.configured_enum(settings, parts.resolver, parts.reactor))
    if settings[gktmp.GKTMP]:
        nams = _nams(settings, parts)
        clients.append(nams)
        found.append(GktmpTranslator(Numbers(static_numbers(settings), parts.numbers), nams))
    return found, clients


def _nams(settings: Settings, parts: Parts) -> GktmpClient:
    return GktmpClient(
        parts.reactor,
        parts.resolver,
        settings[gktmp.SERVER],
        gatekeeper=settings[GATEKEEPER_ID],
        timing=Timing(settings[gktmp.TIMEOUT], settings[gktmp.RETRY], settings[gktmp.KEEPALIVE]),
        table=gktmp.tag_table(settings),
        random=parts.random,
    )
