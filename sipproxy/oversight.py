"""What is told of a server to those who look after it: control socket, metrics, manhole; composed.

Beside L{sipproxy.app}, which knows nothing of them: whoever embeds a server
takes what of this is wanted.
"""

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from prometheus_client.registry import CollectorRegistry
from twisted.internet.defer import succeed

from sipproxy import directives
from sipproxy.app import Server
from sipproxy.backends import backends
from sipproxy.config import Settings
from sipproxy.control import CONTROL_SOCKET, Api, ControlService, Resource
from sipproxy.control import watch_settings as watch
from sipproxy.control.accounting import accounting_resources
from sipproxy.control.calls import calls_resource
from sipproxy.control.dbus_events import BusEvents
from sipproxy.control.dbus_settings import DBUS
from sipproxy.control.drain import drain_resource
from sipproxy.control.explain import explain_resource
from sipproxy.control.farm import farm_resources
from sipproxy.control.gatekeepers import gatekeepers_resource
from sipproxy.control.gateways import gateways_resource
from sipproxy.control.ipsec import ipsec_resource
from sipproxy.control.log_levels import log_levels_resource
from sipproxy.control.metrics import Sources, make_registry
from sipproxy.control.metrics_http import Gather, metrics_service
from sipproxy.control.nams import nams_resource
from sipproxy.control.numbers import NumberControl
from sipproxy.control.rates import Rates
from sipproxy.control.registrations import Configured, Registrations
from sipproxy.control.reload import reload_resource
from sipproxy.control.routes import RouteControl
from sipproxy.control.status import Served, Status
from sipproxy.control.streams import StreamService
from sipproxy.control.subscribers import SubscriberControl
from sipproxy.control.transactions import transactions_resource
from sipproxy.control.version import version_resource
from sipproxy.databases.numbers import Numbers, static_numbers
from sipproxy.databases.registry import Registry
from sipproxy.databases.routes import Routes
from sipproxy.databases.routes_settings import static_routes
from sipproxy.databases.static import STATIC_REGISTRATION, by_aor
from sipproxy.databases.subscribers import Subscribers
from sipproxy.databases.subscribers_settings import SUBSCRIBER_PASSWORDS
from sipproxy.logs.levels import CORE
from sipproxy.modules import AUTH_REALM, MODULES
from sipproxy.proxy.identity import Identity


def make_control(
    server: Server, settings: Settings, reactor: Any = None, read: Callable[[], Settings] | None = None
) -> ControlService:
    """Make the control socket of a server, for C{sipproxyctl}, as one more part of the server.

    @param server: what C{make_service} has made of the same settings
    @param reactor: a real reactor, by default the global one
    @param read: reads the configuration anew; by default it is what it was
    """
    if reactor is None:
        from twisted.internet import reactor
    return serve_control(server, settings, make_resources(server, settings, reactor, read), reactor)


def serve_control(server: Server, settings: Settings, resources: Iterable[Resource], reactor: Any) -> ControlService:
    """Make the control socket of a server with some resources, as one more part of the server."""
    control = ControlService(settings[CONTROL_SOCKET], Api(resources), reactor)
    control.setServiceParent(server)
    return control


def make_resources(
    server: Server, settings: Settings, reactor: Any, read: Callable[[], Settings] | None = None
) -> tuple[Resource, ...]:
    """Give all that is told and done of a server.

    @param read: reads the configuration anew; by default it is what it was
    """
    core = server.sip.core
    rates = Rates(core, reactor)
    rates.setServiceParent(server)
    return (
        version_resource(),
        Status(
            server.sip,
            server.registry,
            server.logs,
            reactor.seconds(),
            rates,
            lambda: Served(server.generation, server.generation_since),
            partial(backends, server),
        ).resource(),
        calls_resource(core.table),
        transactions_resource(core.table),
        explain_resource(core),
        gateways_resource(server.parts.gateways),
        gatekeepers_resource(lambda: server.composition.gatekeepers),
        nams_resource(lambda: server.composition.nams),
        drain_resource(server.sip),
        reload_resource(server, read or (lambda: settings)),
        log_levels_resource(server.logs.levels, (CORE, *(module.name for module in MODULES))),
        *RouteControl(
            lambda: Routes(static_routes(server.composition.settings), server.parts.routes), reactor
        ).resources(),
        *NumberControl(
            lambda: Numbers(static_numbers(server.composition.settings), server.parts.numbers), reactor
        ).resources(),
        *_subscriber_resources(server, settings, reactor),
        *accounting_resources(server.parts.accounting),
        *(() if server.parts.farm is None else farm_resources(server.parts.farm)),
        *([] if server.ipsec is None else [ipsec_resource(server.ipsec)]),
        Registrations(server.registry, _registrations_of(server), reactor.seconds).resource(),
    )


def make_watchers(
    server: Server, settings: Settings, api: Api, reactor: Any = None, gather: Gather | None = None
) -> list[StreamService]:
    """Make what lets others look at a server, metrics and manhole, as further parts of it; opened by C{open}.

    @param api: what the control socket tells
    @param gather: gives the metrics, by default those of this process
    @raise sipproxy.errors.ListenError: the manhole has no key and none can be made
    """
    if reactor is None:
        from twisted.internet import reactor
    found = []
    place = settings[watch.METRICS_LISTEN]
    if place is not None:
        found.append(metrics_service(place, gather or _gather_own(server), reactor))
    hole, keys = settings[watch.MANHOLE_LISTEN], settings[watch.MANHOLE_KEYS]
    if hole is not None and keys is not None:
        # Here, as its SSH chooses a reactor when it is imported.
        from sipproxy.control.manhole import manhole_service

        own_key = settings[directives.SERVER_ROOT] / watch.HOST_KEY
        found.append(manhole_service(hole, keys, own_key, server, api, reactor))
    for service in found:
        service.setServiceParent(server)
    return found


def make_bus(server: Server, settings: Settings, api: Api, events: BusEvents, reactor: Any = None) -> None:
    """Put a server on the bus of D-Bus that DBus names.

    @param api: what the control socket tells
    @param events: what C{make_service} was given among the observers of calls
    """
    if reactor is None:
        from twisted.internet import reactor
    # Here, as most servers are on none.
    from sipproxy.control.dbus import dbus_service

    bus = settings[DBUS]
    assert bus is not None
    server.registry.subscribe(events.changed)
    server.join(dbus_service(bus, api, events, reactor))


def metrics_of(server: Server) -> CollectorRegistry:
    """Give the metrics of a server whose configuration has MetricsListen."""
    return make_registry(_sources(server))


def _gather_own(server: Server) -> Gather:
    registry = metrics_of(server)
    return lambda: succeed(registry)


def _sources(server: Server) -> Sources:
    counts, watched = server.counts, server.parts.watch
    assert counts is not None and watched is not None
    return Sources(
        server.sip,
        lambda: len(server.registry),
        lambda: server.generation,
        server.parts.gateways,
        server.logs,
        counts.requests,
        watched,
        counts.lateness.durations,
        server.hep,
        partial(backends, server),
    )


def _subscriber_resources(server: Server, settings: Settings, reactor: Any) -> tuple[Resource, ...]:
    """Give what the control socket tells and does about subscribers, nothing where an embedder has them elsewhere."""
    subscribers = server.parts.subscribers
    if not isinstance(subscribers, Subscribers):
        return ()

    def realm() -> str:
        return server.composition.settings[AUTH_REALM]

    return SubscriberControl(subscribers, realm, settings[SUBSCRIBER_PASSWORDS], reactor).resources()


def _registrations_of(server: Server) -> Callable[[], Configured]:
    """Give what gives what is configured now; it is made anew only after a reload."""
    known: tuple[object, Configured] | None = None

    def configured() -> Configured:
        nonlocal known
        composition = server.composition
        if known is None or known[0] is not composition:
            known = composition, _configured(composition.settings, composition.generation.identity)
        return known[1]

    return configured


def _configured(settings: Settings, identity: Identity) -> Configured:
    return Configured(by_aor(settings[STATIC_REGISTRATION], identity.aor_key), identity.aor_key)


def registrations_resource(
    settings: Settings, registry: Registry, identity: Identity, now: Callable[[], float]
) -> Resource:
    """Give what is told and done about the registrations of one configuration."""
    configured = _configured(settings, identity)
    return Registrations(registry, lambda: configured, now).resource()
