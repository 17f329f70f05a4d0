"""The table of modules: what C{sipd.conf} may say, in the order of its manual page.

C{python -m sipproxy.modules} prints that page.
"""

from dataclasses import replace

from sipproxy import directives
from sipproxy.config import Module, manual
from sipproxy.control.settings import MODULE as CONTROL
from sipproxy.databases.registry import REGISTRY_DATABASE
from sipproxy.databases.static import STATIC_REGISTRATION
from sipproxy.logs import directives as logs
from sipproxy.net import settings as net
from sipproxy.proxy import settings as proxy
from sipproxy.registrar import registrar
from sipproxy.translation.expansion import INTERPRETATION, NUM_EXPAND
from sipproxy.translation.registry import REGISTRY

PROXY_DOMAIN = proxy.proxy_domain(directives.SERVER_NAME)
MOD_SIP = proxy.mod_sip(PROXY_DOMAIN)

MODULES: tuple[Module, ...] = (
    directives.MODULE,
    logs.MODULE,
    replace(MOD_SIP, directives=(*MOD_SIP.directives, INTERPRETATION, NUM_EXPAND, *net.DIRECTIVES)),
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
    CONTROL,
)

if __name__ == "__main__":
    print(manual(MODULES), end="")
