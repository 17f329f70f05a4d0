"""Who we are: the names, addresses and ports that are this server, and what we write of ourselves.

What writes our Via and Record-Route and what recognises them is this one
object (RFC 3261 16.4, 16.6 items 4 and 8).
"""

from collections.abc import Iterable, Sequence

from sipproxy.message import Uri, Via
from sipproxy.message.grammar import ipv6_reference, unescape
from sipproxy.message.uri import DEFAULT_PORT, digits


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
        via_ports: Iterable[int] = (),
    ) -> None:
        """
        @param domains: domains that the server is responsible for
        @param hosts: its names and literal addresses
        @param ports: ports that it listens on
        @param advertised: (host, port) that others see of it; port 0: each of C{ports}
        @param via_ports: further ports, which only Via names: those of worker processes
        """
        self._domains = {_wire(domain) for domain in domains}
        self._hosts = {_wire(host) for host in hosts}
        named = frozenset(via_ports)
        self._ports = frozenset(ports) | named
        self._advertised: frozenset[tuple[bytes, int]] = frozenset()
        self._names = self._hosts
        if advertised is not None:
            host, port = _wire(advertised[0]), advertised[1]
            self._advertised = frozenset((host, each) for each in ({port, *named} if port else self._ports))
            self._names = self._hosts | {host}
        self.domain = _wire(domains[0])

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
        return (host in self._hosts and port in self._ports) or (host, port) in self._advertised

    def is_our_via(self, via: Via) -> bool:
        """Tell whether a Via value may be one of ours."""
        return self.is_host(via.host, via.port or DEFAULT_PORT)

    def aor_key(self, uri: Uri) -> bytes | None:
        """Give the canonical key of an address of record: user@domain (RFC 3261 10.3 item 5).

        Parameters are dropped, escapes undone, visual separators of telephone
        numbers too. Our own names and addresses stand for the first domain.

        @return: None where the URI is not at a domain of ours
        """
        return self._key(uri) if self.is_ours(uri) else None

    def registered_key(self, uri: Uri) -> bytes | None:
        """Give the key of the To of a REGISTER that is for us.

        Linphone leaves the port of a literal address out of To: a name or an
        address of ours without a port counts here whatever port we listen on.
        """
        if uri.port is None and uri.host in self._names and b"maddr" not in uri.params:
            return self._key(uri)
        return self.aor_key(uri)

    def _key(self, uri: Uri) -> bytes:
        domain = uri.host if uri.host in self._domains else self.domain
        if uri.user is None:
            return domain
        is_number = uri.params.get(b"user") == b"phone"
        # RFC 3261 19.1.6: what stands behind a number in the user part are parameters of a tel: URI.
        user = digits(uri.user.partition(b";")[0]) if is_number else unescape(uri.user)
        return user + b"@" + domain


def _wire(host: str) -> bytes:
    """Write a host as it stands in a URI: lower case, IPv6 in brackets."""
    text = host.lower().encode("idna" if not host.isascii() else "ascii")
    if b":" not in text or b"%" in text:
        return text
    return ipv6_reference(text if text[:1] == b"[" else b"[" + text + b"]")
