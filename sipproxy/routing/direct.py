"""Contacts as they are: maddr, literal address or host name, and the port that the URI says (RFC 3263 4)."""

import re
from collections.abc import Sequence

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure
from zope.interface import implementer

from sipproxy.errors import NameNotFoundError, RequestError, ResolverTimeoutError, UnavailableError
from sipproxy.interfaces import IResolver
from sipproxy.message import Uri
from sipproxy.message.uri import DEFAULT_PORT
from sipproxy.routing.chain import IRouter, NextHop, NextHops
from sipproxy.translation.chain import AT_HAND, Subject

MAX_REMEMBERED = 10_000
_LITERAL = re.compile(rb"[0-9.]+\Z|\[").match


@implementer(IRouter)
class DirectRouter:
    """Every address of the host of a URI, in the resolver's order."""

    name = "address"

    def __init__(self, resolver: IResolver) -> None:
        self._resolver = resolver
        self._literal: dict[tuple[bytes, int | None], NextHops] = {}

    def route(self, uri: Uri, subject: Subject) -> "NextHops | Deferred[NextHops]":
        """Give a next hop for each address.

        @raise RequestError: 416 for another scheme than sip, 404 for a host that does not exist, 503 while no
            name server answers (also in the Deferred)
        """
        if uri.scheme != b"sip":
            raise RequestError(416)
        if not uri.params or b"maddr" not in uri.params:
            known = self._literal.get((uri.host, uri.port))
            if known is not None:
                return known
        host = ((uri.params.get(b"maddr") if uri.params else None) or uri.host).decode("ascii", "replace")
        name = host if uri.port is None else f"{host}:{uri.port}"
        port = uri.port or DEFAULT_PORT
        try:
            answer = self._resolver.addresses(host)
        except NameNotFoundError:
            raise _unresolvable() from None
        if not isinstance(answer, AT_HAND):
            return answer.addCallbacks(lambda found: _hops(found, port, name), _failed)
        hops = _hops(answer, port, name)
        if _LITERAL(uri.host) and b"maddr" not in uri.params:
            if len(self._literal) >= MAX_REMEMBERED:
                self._literal.clear()
            self._literal[uri.host, uri.port] = hops
        return hops


def _hops(addresses: Sequence[str], port: int, name: str) -> list[NextHop]:
    return [NextHop(address, port, "udp", name) for address in addresses]


def _failed(failure: Failure) -> NextHops:
    if isinstance(failure.value, ResolverTimeoutError):
        raise UnavailableError(b"Name Service Unavailable")
    if isinstance(failure.value, NameNotFoundError):
        raise _unresolvable()
    failure.raiseException()


def _unresolvable() -> RequestError:
    return RequestError(404, b"Unresolvable Destination")
