"""The table of modules: what C{sipd.conf} may say, in the order of its manual page.

C{python -m sipproxy.modules} prints that page.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from sipproxy import directives, privileges
from sipproxy.access import settings as authen
from sipproxy.access.radius import CHAP_WARNING
from sipproxy.accounting import settings as accounting
from sipproxy.config import Directive, Module, Problem, Settings, manual
from sipproxy.control import dbus_settings as dbus
from sipproxy.control import watch_settings as watch
from sipproxy.control.settings import MODULE as CONTROL
from sipproxy.databases import numbers, routes_settings
from sipproxy.databases import subscribers_settings as subscribers
from sipproxy.databases.registry import REGISTRY_DATABASE
from sipproxy.databases.static import STATIC_REGISTRATION
from sipproxy.farm import settings as farm
from sipproxy.ipsec import settings as ipsec
from sipproxy.logs import directives as logs
from sipproxy.net import ldap_settings as ldap
from sipproxy.net import radius_settings as radius
from sipproxy.net import settings as net
from sipproxy.proxy import settings as proxy
from sipproxy.registrar import registrar
from sipproxy.routing import gateways, ras_settings
from sipproxy.translation import call_forward, enum
from sipproxy.translation import gktmp_settings as gktmp
from sipproxy.translation.expansion import INTERPRETATION, NUM_EXPAND
from sipproxy.translation.registry import REGISTRY

PROXY_DOMAIN = proxy.proxy_domain(directives.SERVER_NAME)
MOD_SIP = proxy.mod_sip(PROXY_DOMAIN)

GATEKEEPER_ID = gktmp.gatekeeper_id(directives.SERVER_NAME)
AUTH_REALM = authen.auth_realm(PROXY_DOMAIN)
FARM_MEMBER = farm.farm_member(directives.SERVER_NAME)


def _check_access(settings: Settings) -> Iterator[Problem]:
    yield from authen.check(settings)
    yield from subscribers.check_subscribers(settings)
    if settings[subscribers.SUBSCRIBER_DATABASE] == "ldap":
        yield from ldap.check(settings)
    if not settings[authen.AUTHENTICATION] or settings[authen.SCHEME] == "HTTP_Digest":
        return
    if not any(server.kind == "auth" for server in settings[radius.RADIUS_SERVER]):
        yield settings.error(authen.SCHEME, "HTTP_Digest, as there is no RadiusServer auth")
    if settings[authen.SCHEME] == "CHAP":
        yield settings.warning(authen.SCHEME, CHAP_WARNING)


_check_accounting = accounting.check_accounting(radius.RADIUS_SERVER, proxy.RECORD_ROUTE, proxy.STATEFUL)


def _check_radius(settings: Settings) -> Iterator[Problem]:
    yield from radius.check(settings)
    yield from _check_accounting(settings)


#: What works in one process only, by what it has to be otherwise.
_ALONE: tuple[tuple[Directive[Any], str], ...] = (
    (accounting.ACCOUNTING, "Off"),
    (farm.FARM, "Off"),
    (ipsec.IPSEC, "Off"),
    (dbus.DBUS, "none"),
)


def _check_processes(settings: Settings) -> Iterator[Problem]:
    if settings[directives.START_SERVERS] == 1:
        return
    for directive, needed in _ALONE:
        if settings[directive]:
            yield settings.error(directive, f"{needed} with StartServers above 1")
    if settings[ras_settings.RAS] and settings[ras_settings.BIND][1]:
        yield settings.error(ras_settings.BIND, "port 0 with StartServers above 1")


MODULES: tuple[Module, ...] = (
    replace(
        directives.MODULE,
        directives=(*directives.MODULE.directives, privileges.USER, privileges.GROUP),
        check=_check_processes,
    ),
    logs.MODULE,
    replace(
        MOD_SIP,
        directives=(
            *MOD_SIP.directives,
            gateways.HOLD_DOWN,
            gateways.PROBE_INTERVAL,
            INTERPRETATION,
            NUM_EXPAND,
            *net.DIRECTIVES,
        ),
    ),
    call_forward.MODULE,
    Module(
        "mod_sip_registry.c",
        (
            REGISTRY,
            REGISTRY_DATABASE,
            registrar.DEFAULT_EXPIRES,
            registrar.MIN_EXPIRES,
            registrar.MAX_EXPIRES,
            registrar.MAX_CONTACTS,
            STATIC_REGISTRATION,
        ),
    ),
    enum.MODULE,
    Module(
        "mod_sip_gktmp.c",
        (*gktmp.DIRECTIVES, GATEKEEPER_ID, numbers.NUMBER_SERVICE, numbers.NUMBERS_DATABASE),
        check=gktmp.check,
    ),
    Module(
        "mod_sip_routing.c",
        routes_settings.ROUTING_DIRECTIVES,
        blocks=routes_settings.ROUTING_BLOCKS,
        check=routes_settings.check_routes,
    ),
    ras_settings.MODULE,
    Module(
        "mod_sip_authen.c",
        (*authen.DIRECTIVES, AUTH_REALM, *subscribers.DIRECTIVES, *ldap.DIRECTIVES),
        check=_check_access,
    ),
    Module("mod_sip_radius.c", (*radius.DIRECTIVES, *accounting.DIRECTIVES), check=_check_radius),
    farm.mod_sip_farm(FARM_MEMBER),
    ipsec.MODULE,
    replace(CONTROL, directives=(*CONTROL.directives, *dbus.DIRECTIVES, *watch.DIRECTIVES), check=watch.check),
)

if __name__ == "__main__":
    print(manual(MODULES), end="")
