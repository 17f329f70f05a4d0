"""The directives about name servers and the hosts file; part of mod_sip.c."""

from pathlib import Path
from typing import Any

from sipproxy.config import Directive, Settings, address_port, each, joined, milliseconds, on_off, path, seconds, whole
from sipproxy.net.resolver import Resolver, create_resolver

DNS_SERVERS = Directive(
    "DNSServers", joined(each(address_port(53))), (), "Name servers, asked in this order; none: those of the system."
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
