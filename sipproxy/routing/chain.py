"""The routers in their order: those for our own host, and those for others.

A contact at this server is routed by its user part, one elsewhere by its host
part. The first router that gives next hops ends the step; what each one
answered is recorded in the subject's trace.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

from twisted.internet.defer import Deferred
from zope.interface import Attribute, Interface

from sipproxy.message import Uri
from sipproxy.translation.chain import AT_HAND, Subject


class NextHop(NamedTuple):
    """Where a request is sent.

    @ivar host: literal address
    @ivar port: port
    @ivar transport: lower-case transport
    @ivar name: what the operator calls it, for logs
    @ivar user: what the user part of the Request-URI becomes there, empty to leave it
    """

    host: str
    port: int
    transport: str = "udp"
    name: str = ""
    user: bytes = b""


#: What a router gives: a list, or a tuple.
NextHops = list[NextHop] | tuple[NextHop, ...]


class IRouter(Interface):
    """A module that knows next hops for contacts."""

    name = Attribute("module name, as in the trace")

    def route(uri: Uri, subject: Subject) -> "NextHops | Deferred[NextHops]":
        """Give next hops, the first one first; none means: ask the next router.

        @raise sipproxy.errors.RequestError: this target fails with that status
        """


class RoutingChain:
    """Routers, asked in order."""

    def __init__(
        self,
        is_ours: Callable[[Uri], bool],
        own: Sequence[IRouter],
        foreign: Sequence[IRouter],
        bypass: Sequence[IRouter],
    ) -> None:
        """
        @param own: routers for URIs at this server, by user part
        @param foreign: routers for all others, by host part
        @param bypass: routers for URIs of Route headers
        """
        self._is_ours = is_ours
        self._own = tuple(own)
        self._foreign = tuple(foreign)
        self._bypass = tuple(bypass)

    def route(self, uri: Uri, subject: Subject) -> "NextHops | Deferred[NextHops]":
        """Give the next hops of the first router that has some, or an empty list."""
        return self._ask(self._own if self._is_ours(uri) else self._foreign, 0, uri, subject)

    def bypass(self, uri: Uri, subject: Subject) -> "NextHops | Deferred[NextHops]":
        """Give the next hops of a URI that a Route header names: by host part, whoever it is."""
        return self._ask(self._bypass, 0, uri, subject)

    def _ask(
        self, routers: tuple[IRouter, ...], first: int, uri: Uri, subject: Subject
    ) -> "NextHops | Deferred[NextHops]":
        for at in range(first, len(routers)):
            answer = routers[at].route(uri, subject)
            if not isinstance(answer, AT_HAND):
                return answer.addCallback(partial(self._resume, routers, at, uri, subject))
            subject.trace.append(("routing", routers[at].name, answer))
            if answer:
                return answer
        return ()

    def _resume(
        self, routers: tuple[IRouter, ...], at: int, uri: Uri, subject: Subject, hops: NextHops
    ) -> "NextHops | Deferred[NextHops]":
        subject.trace.append(("routing", routers[at].name, hops))
        return hops or self._ask(routers, at + 1, uri, subject)
