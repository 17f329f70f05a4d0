"""The directives about name servers and the hosts file; part of mod_sip.c."""

from ipaddress import ip_address
from pathlib import Path
from typing import Any

from sipproxy.config import Directive, Settings, address_port, each, joined, milliseconds, on_off, path, seconds, whole
from sipproxy.config.kinds import Kind, one_word
from sipproxy.interfaces import Address
from sipproxy.net.resolver import Resolver, create_resolver

_ADDRESS = address_port(53)


def _parse_server(word: str) -> Address:
    """Read the place of a name server: nobody could look a name up.

    @raise ValueError: it is none
    """
    try:
        place = _ADDRESS.parse((word,))
        ip_address(place[0])
    except ValueError:
        raise ValueError from None
    return place


_SERVER: Kind[Address] = one_word(
    _parse_server, "ip[:port] with a literal address and a port from 1 to 65535", "ip[:port]", show=_ADDRESS.show
)

DNS_SERVERS = Directive(
    "DNSServers", joined(each(_SERVER)), (), "Name servers, asked in this order; none: those of the system."
)
DNS_TIMEOUT = Directive("DNSTimeoutInMs", milliseconds(minimum=1), 2.0, "How long a question to the DNS may take.")
DNS_CACHE_SIZE = Directive("DNSCacheSize", whole(minimum=1), 100_000, "Answers that are remembered.")
DNS_NEGATIVE_TTL = Directive("DNSNegativeTTLInS", seconds(), 30.0, "How long it is believed that a name has no record.")
DNS_SERVE_STALE = Directive(
    "DNSServeStaleInS", seconds(), 0.0, "How long an answer serves past its TTL while no name server answers."
)
SYSTEM_RESOLVER = Directive(
    "SystemResolver", on_off(), False, "Ask the system for names that neither the DNS nor the hosts file knows."
)
HOSTS_FILE = Directive("HostsFile", path(), Path("/etc/hosts"), "Names and addresses that are known without asking.")

DIRECTIVES: tuple[Directive[object], ...] = (
    DNS_SERVERS,
    DNS_TIMEOUT,
    DNS_CACHE_SIZE,
    DNS_NEGATIVE_TTL,
    DNS_SERVE_STALE,
    SYSTEM_RESOLVER,
    HOSTS_FILE,
)


def configured_resolver(settings: Settings, reactor: Any) -> Resolver:
    """Make the resolver that a configuration describes."""
    return create_resolver(
        reactor,
        servers=settings[DNS_SERVERS],
        timeout=settings[DNS_TIMEOUT],
        cache_size=settings[DNS_CACHE_SIZE],
        negative_ttl=settings[DNS_NEGATIVE_TTL],
        serve_stale=settings[DNS_SERVE_STALE],
        hosts_file=str(settings[HOSTS_FILE]),
        system_resolver=settings[SYSTEM_RESOLVER],
    )
