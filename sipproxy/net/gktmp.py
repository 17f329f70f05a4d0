"""The client of GKTMP servers: asks the best one that can be asked, and the next one where that gives no answer.

Servers are asked in the order of their priorities, equal ones in that of the
configuration. A question goes on to the next server at once where the
connection is lost while it is open, and after its deadline where nothing is
answered; LRJ is an answer. With no server connected it fails at once.
"""

from collections.abc import Sequence
from random import Random
from typing import Any, NamedTuple

from twisted.application.service import Service
from twisted.internet.defer import Deferred, DeferredList

from sipproxy.errors import UnavailableError
from sipproxy.interfaces import IResolver
from sipproxy.net.gktmp_connection import Dialect, Timing
from sipproxy.net.gktmp_link import Link, NamServer, ServerState
from sipproxy.wire.gktmp_tags import Location, Question, TagTable

__all__ = ["Answer", "GktmpClient", "NamServer", "ServerState", "Timing"]


class Answer(NamedTuple):
    """An answer, and where it is from.

    @ivar seconds: that it took, those with servers asked in vain among them
    """

    location: Location
    server: str
    seconds: float


class GktmpClient(Service):
    """The links to all servers."""

    def __init__(
        self,
        reactor: Any,
        resolver: IResolver,
        servers: Sequence[NamServer],
        *,
        gatekeeper: str,
        timing: Timing,
        table: TagTable,
        random: Random,
    ) -> None:
        """
        @param reactor: provider of IReactorTCP and IReactorTime
        @param gatekeeper: what we are called in the From header
        @param random: the start of Transaction-Ids, and the spread of attempts to connect
        """
        self.setName("gktmp")  # type: ignore[no-untyped-call]
        self._clock = reactor
        self._links = [
            Link(reactor, resolver, server, Dialect(gatekeeper, server.identity, table), timing, random)
            for server in sorted(servers, key=lambda server: server.priority)
        ]

    @property
    def states(self) -> list[ServerState]:
        """How each server is, in the order of asking."""
        return [link.state for link in self._links]

    def startService(self) -> None:
        """Connect to all servers."""
        super().startService()  # type: ignore[no-untyped-call]
        for link in self._links:
            link.start()

    def stopService(self) -> "Deferred[None]":
        """Close all connections; open questions fail.

        @return: fires with None when they are closed
        """
        super().stopService()  # type: ignore[no-untyped-call]
        closing = [closed for link in self._links if (closed := link.stop()) is not None]
        stopped: Deferred[Any] = DeferredList(closing)
        return stopped.addCallback(_none)

    def ask(self, question: Question) -> "Deferred[Answer]":
        """Ask about a number.

        @return: fires with the answer
        @raise UnavailableError: in the Deferred: no server has given one
        """
        return Deferred.fromCoroutine(self._ask(question))

    async def _ask(self, question: Question) -> Answer:
        begin = self._clock.seconds()
        reasons = []
        for link in self._links:
            if not link.is_ready:
                reasons.append(f"{link.server.identity} is {_condition(link.state)}")
                continue
            try:
                location = await link.ask(question)
            except UnavailableError as error:
                reasons.append(f"{link.server.identity}: {error.reason.decode()}")
            else:
                return Answer(location, link.server.identity, self._clock.seconds() - begin)
        raise UnavailableError("; ".join(reasons).encode())


def _condition(state: ServerState) -> str:
    return state.state if state.state != "up" else "busy"


def _none(_: object) -> None:
    """The end of a chain."""
