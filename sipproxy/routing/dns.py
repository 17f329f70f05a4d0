"""The router for hosts that are not ours and for Route URIs: RFC 3263, literal addresses at once."""

import re
from collections.abc import Callable

from twisted.internet.defer import Deferred
from zope.interface import implementer

from sipproxy.errors import RequestError
from sipproxy.message import Uri
from sipproxy.routing.chain import IRouter, NextHops
from sipproxy.routing.locate import Locator
from sipproxy.routing.notes import Note, add
from sipproxy.translation.chain import AT_HAND, Subject

MAX_REMEMBERED = 10_000
_LITERAL = re.compile(rb"[0-9.]+\Z|\[").match

_Locate = Callable[[str, Subject], "NextHops | Deferred[NextHops]"]


@implementer(IRouter)
class DnsRouter:
    """Next hops of the host of a URI, or of its maddr."""

    name = "dns"

    def __init__(self, locator: Locator, uses_services: bool = True) -> None:
        """
        @param uses_services: whether SRV and NAPTR records are asked for (SRVRouting)
        """
        self._locator = locator
        self._by_domain: _Locate = locator.by_domain if uses_services else self._by_address
        self._by_service: _Locate = locator.by_service if uses_services else self._by_address
        self._literal: dict[tuple[bytes, int | None], NextHops] = {}

    def route(self, uri: Uri, subject: Subject) -> "NextHops | Deferred[NextHops]":
        """Give next hops in the order of trying; none where the service is decidedly not available (RFC 2782).

        @raise RequestError: 480 for another scheme than sip, 404 for a host that does not exist, 503 while no
            name server answers (also in the Deferred)
        """
        if uri.scheme != b"sip":
            # A contact's: 416 would tell the caller that the scheme in its own Request-URI is unknown (21.4.14).
            raise RequestError(480)
        if uri.params:
            return self._with_params(uri, subject)
        return self._literal.get((uri.host, uri.port)) or self._at_host(uri, subject, self._by_domain)

    def _with_params(self, uri: Uri, subject: Subject) -> "NextHops | Deferred[NextHops]":
        transport = uri.params.get(b"transport")
        if transport and transport.lower() != b"udp":
            add(subject, self.name, Note("transport={}: there is only udp here", transport.decode("latin-1")))
        # RFC 3263 4.1: who names the transport is not asked for it by NAPTR.
        locate = self._by_service if transport else self._by_domain
        maddr = uri.params.get(b"maddr")
        if maddr:
            return self._at(maddr, uri.port, subject, locate)
        return self._literal.get((uri.host, uri.port)) or self._at_host(uri, subject, locate)

    def _at_host(self, uri: Uri, subject: Subject, locate: _Locate) -> "NextHops | Deferred[NextHops]":
        hops = self._at(uri.host, uri.port, subject, locate)
        if _LITERAL(uri.host) and isinstance(hops, AT_HAND):
            if len(self._literal) >= MAX_REMEMBERED:
                self._literal.clear()
            self._literal[uri.host, uri.port] = hops
        return hops

    def _at(self, host: bytes, port: int | None, subject: Subject, locate: _Locate) -> "NextHops | Deferred[NextHops]":
        name = host.decode("ascii", "replace")
        # RFC 3263 4.2: a port in the URI leaves only A and AAAA to be asked for.
        return locate(name, subject) if port is None else self._locator.by_address(name, port, subject)

    def _by_address(self, host: str, subject: Subject) -> "NextHops | Deferred[NextHops]":
        add(subject, self.name, "SRV and NAPTR not asked for: SRVRouting Off")
        return self._locator.by_address(host, None, subject)
