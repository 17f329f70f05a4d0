"""The link to one GKTMP server: a connection that is made again whenever it is lost.

After a loss the next attempt is made at once, after each further one that leads
to nothing later, up to L{Timing.retry}. A connection counts as good once the
server has said something on it: one that accepts and hangs up is not asked for
a new connection in a tight loop. One that was lost for its silence is not up
again before it speaks.
"""

import typing
from random import Random
from typing import Any, NamedTuple

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.endpoints import TCP4ClientEndpoint
from twisted.internet.error import ConnectError, ConnectingCancelledError
from twisted.internet.protocol import Factory
from twisted.logger import Logger
from twisted.python.failure import Failure

from sipproxy.errors import NameNotFoundError, ResolverTimeoutError, UnavailableError
from sipproxy.interfaces import IResolver
from sipproxy.net.gktmp_connection import Connection, Counters, Dialect, Timing, TransactionIds
from sipproxy.net.sockets import address_text
from sipproxy.wire.gktmp_tags import Location, Question

log = Logger(namespace="mod_sip_gktmp")

#: Seconds that an attempt to connect may take.
CONNECT_TIMEOUT = 5.0
#: Seconds before the second attempt to connect.
_FIRST_WAIT = 0.5
#: Doublings after which any wait is the longest.
_MOST_DOUBLINGS = 20
#: Share of a wait that is left to chance, so that many proxies do not come back to a server at the same moment.
_SPREAD = 0.25

_CANCELLED = (CancelledError, ConnectingCancelledError)
_EXPECTED = (ConnectError, NameNotFoundError, ResolverTimeoutError, *_CANCELLED)


class NamServer(typing.Protocol):
    """Where a server is."""

    @property
    def host(self) -> str:
        """Name or literal address."""

    @property
    def port(self) -> int:
        """TCP port."""

    @property
    def priority(self) -> int:
        """Lower ones are asked first."""

    @property
    def identity(self) -> str:
        """What it is called."""


class ServerState(NamedTuple):
    """How the link to a server is.

    @ivar server: what the server is called
    @ivar address: host and port
    @ivar state: C{stopped}, C{connecting} (for the first time), C{up}, C{blocked} (connected, but it does not read)
        or C{away}
    @ivar since: since when, seconds since 1970
    @ivar reason: why it is not up, empty where it is
    @ivar open_questions: how many wait for an answer
    @ivar counters: what has happened, by name
    """

    server: str
    address: str
    priority: int
    state: str
    since: float
    reason: str
    open_questions: int
    counters: dict[str, int]


class Link:
    """A server, and the connection to it while there is one.

    @ivar server: which it is
    """

    def __init__(
        self, reactor: Any, resolver: IResolver, server: NamServer, dialect: Dialect, timing: Timing, random: Random
    ) -> None:
        """
        @param reactor: provider of IReactorTCP and IReactorTime
        @param random: start of the Transaction-Ids, and the spread of attempts to connect
        """
        self.server = server
        self._reactor = reactor
        self._resolver = resolver
        self._dialect = dialect
        self._timing = timing
        self._random = random
        self._ids = TransactionIds(random.getrandbits(64))
        self._counters = Counters()
        self._factory = Factory.forProtocol(self._make_connection)
        self._factory.noisy = False
        self._connection: Connection | None = None
        self._attempt: Deferred[None] | None = None
        self._next_attempt: Any = None
        self._failures = 0
        self._was_silent = False
        self._is_running = False
        self._state = "stopped"
        self._since = reactor.seconds()
        self._reason = ""

    @property
    def is_ready(self) -> bool:
        """Whether a question can be asked now."""
        return self._connection is not None and self._connection.is_ready

    @property
    def state(self) -> ServerState:
        """How it is."""
        counters = {name: getattr(self._counters, name) for name in Counters.__slots__}
        waiting = self._connection.open_questions if self._connection is not None else 0
        address = address_text((self.server.host, self.server.port))
        identity, priority = self.server.identity, self.server.priority
        return ServerState(identity, address, priority, self._state, self._since, self._reason, waiting, counters)

    def ask(self, question: Question) -> "Deferred[Location]":
        """Ask; only while L{is_ready}.

        @return: fires with the answer
        @raise UnavailableError: in the Deferred: there was none
        """
        if self._connection is None:
            raise UnavailableError(b"not connected")
        return self._connection.ask(question)

    def start(self) -> None:
        """Connect, and stay connected."""
        self._is_running = True
        self._failures = 0
        self._enter("connecting")
        self._connect()

    def stop(self) -> "Deferred[None] | None":
        """Close.

        @return: fires with None when it is closed, None where it is already
        """
        self._is_running = False
        if self._next_attempt is not None:
            self._next_attempt.cancel()
            self._next_attempt = None
        if self._attempt is not None:
            self._attempt.cancel()
        connection = self._connection
        if connection is not None:
            connection.abort("we stop")
        self._enter("stopped")
        return None if connection is None else connection.closed

    # Connecting

    def _make_connection(self) -> Connection:
        return Connection(self._reactor, self, self._dialect, self._timing, self._ids, self._counters, self._was_silent)

    def _connect(self) -> None:
        self._next_attempt = None
        self._attempt = Deferred.fromCoroutine(self._open())
        self._attempt.addErrback(self._not_connected)
        self._attempt.addCallback(self._attempted)

    async def _open(self) -> None:
        addresses = self._resolver.addresses(self.server.host)
        if isinstance(addresses, Deferred):
            addresses = await addresses
        for address in addresses:
            endpoint = TCP4ClientEndpoint(self._reactor, address, self.server.port, CONNECT_TIMEOUT)  # IPv6 as well
            try:
                await endpoint.connect(self._factory)
                return
            except ConnectError:
                if address == addresses[-1]:
                    raise

    def _not_connected(self, failure: Failure) -> None:
        if not isinstance(failure.value, _EXPECTED):
            log.failure("connecting to {server} failed", failure, server=self.server.identity)
        if self._is_running:
            self._away(f"cannot connect: {failure.getErrorMessage()}")

    def _attempted(self, _: None) -> None:
        self._attempt = None

    def _away(self, reason: str) -> None:
        self._enter("away", reason)
        self._next_attempt = self._reactor.callLater(self._wait(), self._connect)
        self._failures += 1

    def _wait(self) -> float:
        """Give the seconds until the next attempt: none after a good connection."""
        if not self._failures:
            return 0.0
        longest: float = _FIRST_WAIT * 2 ** min(self._failures - 1, _MOST_DOUBLINGS)
        return min(self._timing.retry, longest) * (1 - _SPREAD * self._random.random())

    def _enter(self, state: str, reason: str = "") -> None:
        """Note a state; only a change of it is worth a line."""
        self._reason = reason
        if state == self._state:
            return
        self._state, self._since = state, self._reactor.seconds()
        if state == "up":
            log.info("{server} is connected", server=self.server.identity, severity="notice")
        elif reason:
            log.warn("{server} is {state}: {reason}", server=self.server.identity, state=state, reason=reason)

    # What the connection tells

    def connection_made(self, connection: Connection) -> None:
        """See ConnectionUser."""
        if not self._is_running:
            connection.abort("we stop")
            return
        self._connection = connection
        if not self._was_silent:
            self._enter("up")

    def connection_heard(self) -> None:
        """See ConnectionUser."""
        self._failures = 0
        if self._was_silent:
            self._was_silent = False
            self._enter("up")

    def connection_blocked(self, is_blocked: bool) -> None:
        """See ConnectionUser."""
        if is_blocked:
            self._enter("blocked", "it does not read")
        else:
            self._enter("up")

    def connection_lost(self, reason: str, is_silent: bool) -> None:
        """See ConnectionUser."""
        self._connection = None
        self._was_silent = is_silent or self._was_silent
        if self._is_running:
            if is_silent:
                self._failures = max(1, self._failures)  # who was connected and silent is not in a hurry
            self._away(reason)
