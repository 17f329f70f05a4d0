"""Host names of a simulation: a resolver that asks nobody."""

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock, deferLater
from zope.interface import implementer

from sipproxy.errors import NameNotFoundError, ResolverTimeoutError
from sipproxy.interfaces import IResolver
from sipproxy.net.resolver import literal_address


@implementer(IResolver)
class Names:
    """Names and their addresses.

    @ivar known: addresses by name, to be changed at will; a name without any is one that no server answers for
    @ivar delay: seconds that an answer takes; 0 for one at once
    """

    def __init__(self, clock: Clock) -> None:
        self.known: dict[str, list[str]] = {}
        self.delay = 0.0
        self._clock = clock

    def addresses(self, host: str) -> "list[str] | Deferred[list[str]]":
        """Give the addresses of a host.

        @return: literal addresses; a Deferred of them where there is a delay
        @raise NameNotFoundError: nobody knows the name (also in the Deferred)
        @raise ResolverTimeoutError: in the Deferred
        """
        literal = literal_address(host)
        if literal is not None:
            return [literal]
        found = self.known.get(host.lower())
        if self.delay or found == []:
            return deferLater(self._clock, self.delay, self._answer, host, found)
        return self._answer(host, found)

    def _answer(self, host: str, found: list[str] | None) -> list[str]:
        if found is None:
            raise NameNotFoundError(f"nobody knows {host}")
        if not found:
            raise ResolverTimeoutError(f"no server answers for {host}")
        return list(found)
