"""Kinds of values that are hosts, addresses, ports and networks.

Hosts are given in one spelling: names in small letters without the root's dot
(RFC 1123 2.1; an underscore is let through, as many networks use it), literal
addresses as L{ipaddress} writes them, without brackets. No name is looked up.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Any

from sipproxy.config.kinds import Kind, WrongValueError, each, one_word

Network = IPv4Network | IPv6Network

#: Transports that can be listened on.
TRANSPORTS = ("udp",)

_LONGEST_NAME = 253
_LABEL = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_HOST_NAME = re.compile(rf"(?:{_LABEL}\.)*(?![0-9]+\.?$){_LABEL}\.?")
_HOST_PORT = re.compile(r"(?P<host>\[[^\]]*\]|[^:\[\]]*)(?::(?P<port>[0-9]{1,5}))?")
_LISTEN = re.compile(r"(?:(?P<host>\[[^\]]*\]|[^:\[\]/]*):)?(?P<port>[0-9]{1,5})(?:/(?P<transport>.*))?", re.DOTALL)


@dataclass(frozen=True)
class Listen:
    """A place to listen at.

    @ivar host: literal address, None for all addresses of this machine
    @ivar port: 1 to 65535
    @ivar transport: one of L{TRANSPORTS}
    """

    host: str | None
    port: int
    transport: str = "udp"

    def __str__(self) -> str:
        place = str(self.port) if self.host is None else _show_address_port((self.host, self.port))
        return f"{place}/{self.transport}"


def host() -> Kind[str]:
    """Read a host name or a literal address, IPv6 with or without brackets."""
    return one_word(_host, "a host name or address", "host")


def hosts() -> Kind[tuple[str, ...]]:
    """Read one or more hosts."""
    return each(host())


def address_port(default_port: int | None = None, minimum: int = 1) -> Kind[tuple[str, int]]:
    """Read a host and a port, IPv6 in brackets where a port follows.

    @param default_port: port where none is written; None: it must be written
    @param minimum: 0 where the system may choose the port
    """
    syntax = "host:port" if default_port is None else "host[:port]"
    expected = f"{syntax} with a port from {minimum} to 65535"

    def parse(word: str) -> tuple[str, int]:
        found = _HOST_PORT.fullmatch(word)
        if found is None:
            if default_port is None or word.count(":") < 2:
                raise ValueError
            return _literal(word), default_port
        if found["port"] is None:
            if default_port is None:
                raise ValueError
            return _host(found["host"]), default_port
        port = int(found["port"])
        if not minimum <= port <= 65535:
            raise ValueError
        return _host(found["host"]), port

    return one_word(parse, expected, syntax, show=_show_address_port)


def _show_address_port(value: Any) -> str:
    """Write (host, port)."""
    name, port = value
    return f"[{name}]:{port}" if ":" in name else f"{name}:{port}"


def listen() -> Kind[Listen]:
    """Read a place to listen at: C{[address:]port[/transport]}."""
    syntax = "[address:]port[/transport]"
    return one_word(_listen, f"{syntax} with a literal address and a port from 1 to 65535", syntax)


def _listen(word: str) -> Listen:
    """Read a L{Listen}."""
    found = _LISTEN.fullmatch(word)
    if found is None or not 1 <= int(found["port"]) <= 65535:
        raise ValueError
    transport = TRANSPORTS[0] if found["transport"] is None else found["transport"].lower()
    if transport not in TRANSPORTS:
        raise ValueError(f"transport {' or '.join(TRANSPORTS)}")
    return Listen(None if found["host"] is None else _literal(found["host"]), int(found["port"]), transport)


def networks() -> Kind[tuple[Network, ...]]:
    """Read one or more of address, address/bits, C{all} (both address families) and C{none}.

    Bits of the address beyond the mask are set to 0, as Apache does.
    """
    everything = (ip_network("0.0.0.0/0"), ip_network("::/0"))
    keywords: dict[str, tuple[Network, ...]] = {"all": everything, "none": ()}

    def parse(given: Sequence[str]) -> tuple[Network, ...]:
        if not given:
            raise WrongValueError(expected, 0)
        found: list[Network] = []
        for index, word in enumerate(given):
            try:
                found += keywords[word.lower()] if word.lower() in keywords else (_network(word),)
            except ValueError:
                raise WrongValueError(expected, index) from None
        return tuple(found)

    def show(value: Any) -> str:
        if value == everything:
            return "all"
        return " ".join(map(_show_network, value)) or "none"

    expected = "address[/bits], all or none"
    return Kind(parse, expected, "address[/bits] ... | all | none", tuple(keywords), show)


def _network(word: str) -> Network:
    """Read a network.

    @raise ValueError: it is none
    """
    if "%" in word:
        raise ValueError(word)
    return ip_network(word, strict=False)


def _show_network(network: Network) -> str:
    """Write a network, that of one address without its bits."""
    return str(network.network_address) if network.num_addresses == 1 else str(network)


def _literal(word: str) -> str:
    """Read a literal address.

    @raise ValueError: it is none
    """
    bare = word[1:-1] if word.startswith("[") and word.endswith("]") else word
    try:
        address = ip_address(bare)
    except ValueError:
        raise ValueError from None
    # A scope (fe80::1%eth0) has no place in SIP; brackets are for IPv6 only.
    if "%" in bare or (bare != word and address.version == 4):
        raise ValueError
    return str(address)


def _host(word: str) -> str:
    """Read a host.

    @raise ValueError: it is none
    """
    if len(word.removesuffix(".")) <= _LONGEST_NAME and _HOST_NAME.fullmatch(word) is not None:
        return word.removesuffix(".").lower()
    return _literal(word)
