"""Connections to one LDAP server: where it is, and all that makes a connection one of use.

A name may have several addresses; they are tried in turn. TLS verifies the
certificate and that it is the host's, whichever way it begins (RFC 4513 3.1.3).
"""

from typing import Any, NamedTuple, TypeVar

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.endpoints import TCP4ClientEndpoint, wrapClientTLS
from twisted.internet.error import ConnectError, ConnectingCancelledError
from twisted.internet.interfaces import IOpenSSLClientConnectionCreator, IStreamClientEndpoint
from twisted.internet.protocol import Factory
from twisted.python.failure import Failure

from sipproxy.errors import NameNotFoundError, ResolverTimeoutError, StoreError
from sipproxy.interfaces import IResolver
from sipproxy.net.ldap_connection import LATE, LdapConnection, LostError, SilentError
from sipproxy.net.ldap_messages import Bind
from sipproxy.net.sockets import address_text

#: Why there is no connection once nothing more is to be opened.
CLOSED = "closed"

# Endpoints have one of their own.
_CANCELLED = (CancelledError, ConnectingCancelledError)

T = TypeVar("T")


class LdapServer(NamedTuple):
    """Where a directory is, who we are there, and where in it what is looked for is.

    @ivar base: distinguished name of the entry that searches begin at
    @ivar tls: begins TLS and verifies who is there; None without TLS
    @ivar starts_tls: whether TLS begins by StartTLS, rather than at once
    """

    host: str
    port: int
    base: str
    bind: Bind
    tls: IOpenSSLClientConnectionCreator | None
    starts_tls: bool

    def __str__(self) -> str:
        scheme = "ldap" if self.tls is None or self.starts_tls else "ldaps"
        return f"{scheme}://{address_text((self.host, self.port))}"


class Connector:
    """Opens connections."""

    def __init__(self, reactor: Any, resolver: IResolver, server: LdapServer, timeout: float) -> None:
        """
        @param reactor: an L{IReactorTCP} and L{IReactorTime}
        @param timeout: how long it may take to be connected, seconds
        """
        self._reactor = reactor
        self._resolver = resolver
        self._server = server
        self._timeout = timeout

    async def open(self, factory: "Factory[LdapConnection]", end: float) -> LdapConnection:
        """Open a connection.

        @param factory: makes L{LdapConnection}s
        @param end: when it must be of use
        @raise Exception: it is not; see L{failure_text}
        """
        connection = await self._connect(factory)
        try:
            await connection.start(self._server.tls if self._server.starts_tls else None, self._server.bind, end)
        except BaseException:
            # A deadline, which cancels, is one of these.
            connection.give_up(LostError(LATE))
            raise
        return connection

    async def _connect(self, factory: "Factory[LdapConnection]") -> LdapConnection:
        """Connect to the first address of the server that takes us; each has its share of the time."""
        addresses = self._resolver.addresses(self._server.host)
        if isinstance(addresses, Deferred):
            addresses = await addresses
        share = self._timeout / len(addresses)
        *others, last = addresses
        for address in others:
            try:
                return await self._connect_to(factory, address, share)
            except ConnectError:
                continue
        return await self._connect_to(factory, last, share)

    def _connect_to(self, factory: "Factory[LdapConnection]", address: str, timeout: float) -> Deferred[LdapConnection]:
        server = self._server
        endpoint: IStreamClientEndpoint = TCP4ClientEndpoint(self._reactor, address, server.port, timeout)  # IPv6 too
        if server.tls is not None and not server.starts_tls:
            endpoint = wrapClientTLS(server.tls, endpoint)
        connected: Deferred[Any] = endpoint.connect(factory)
        return connected


def failure_text(error: BaseException | None) -> str | None:
    """Say in a line why there is no connection; None where that is no failure of the server."""
    if isinstance(error, ConnectError):
        return f"cannot connect: {error}"
    if isinstance(error, StoreError | NameNotFoundError | ResolverTimeoutError):
        return str(error)
    return CLOSED if isinstance(error, _CANCELLED) else None


def out_of_time(result: T | Failure, timeout: float) -> T | Failure:
    """Say what a deadline means, which has cancelled a Deferred."""
    if isinstance(result, Failure) and isinstance(result.value, _CANCELLED):
        raise SilentError(LATE) from result.value
    return result
