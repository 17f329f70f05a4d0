"""Who we are: the names, addresses and ports that are this server, and what we write of ourselves.

What writes our Via and Record-Route and what recognises them is this one
object (RFC 3261 16.4, 16.6 items 4 and 8).
"""

from collections.abc import Iterable, Sequence

from sipproxy.message import Uri, Via
from sipproxy.message.grammar import unescape
from sipproxy.message.uri import digits

DEFAULT_PORT = 5060


class Identity:
    """This server among others.

    @ivar domain: the first ProxyDomain, which completes user@domain
    """

    def __init__(
        self,
        domains: Sequence[str],
        hosts: Iterable[str],
        ports: Iterable[int],
        advertised: tuple[str, int] | None = None,
    ) -> None:
        """
        @param domains: domains that the server is responsible for
        @param hosts: its names and literal addresses
        @param ports: ports that it listens on
        @param advertised: (host, port) that others see of it
        """
        self._domains = {_wire(domain) for domain in domains}
        self._hosts = {_wire(host) for host in hosts}
        self._ports = frozenset(ports)
        self._advertised = (_wire(advertised[0]), advertised[1]) if advertised else None
        self.domain = _wire(domains[0])
        self._key_domains: dict[bytes, bytes] = {}

    def is_ours(self, uri: Uri) -> bool:
        """Tell whether a URI names this server or a domain it is responsible for.

        A name or an address of ours counts with a port that we listen on (none
        means 5060), a domain also without any. A maddr parameter comes before the host (19.1.1).
        """
        maddr = uri.params.get(b"maddr") if uri.params else None
        return self.is_host(uri.host if maddr is None else maddr.lower(), uri.port)

    def is_host(self, host: bytes, port: int | None) -> bool:
        """Tell whether a host and port are this server or a domain of it."""
        if host in self._domains and (port is None or port in self._ports):
            return True
        port = port or DEFAULT_PORT
        return (host in self._hosts and port in self._ports) or (host, port) == self._advertised

    def is_responsible(self, host: bytes) -> bool:
        """Tell whether a maddr value names us (RFC 3261 16.4)."""
        return host.lower() in self._hosts or host.lower() in self._domains

    def is_our_via(self, via: Via) -> bool:
        """Tell whether a Via value may be one of ours."""
        return self.is_host(via.host, via.port or DEFAULT_PORT)

    def aor_key(self, uri: Uri) -> bytes | None:
        """Give the canonical key of an address of record: user@domain (RFC 3261 10.3 item 5).

        Parameters are dropped, escapes undone, visual separators of telephone
        numbers too. Our own names and addresses stand for the first domain.

        @return: None where the URI is not at a domain of ours
        """
        if not self.is_ours(uri):
            return None
        domain = uri.host if uri.host in self._domains else self.domain
        if uri.user is None:
            return domain
        user = digits(uri.user) if uri.params.get(b"user") == b"phone" else unescape(uri.user)
        return user + b"@" + domain


def _wire(host: str) -> bytes:
    """Write a host as it stands in a URI: lower case, IPv6 in brackets."""
    text = host.lower().encode("idna" if not host.isascii() else "ascii")
    return b"[" + text + b"]" if b":" in text and text[:1] != b"[" else text
