"""Host names of a simulation: a resolver that asks nobody."""

from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock, deferLater
from zope.interface import implementer

from sipproxy.errors import NameNotFoundError, ResolverTimeoutError
from sipproxy.interfaces import IAnswer, IResolver
from sipproxy.net.dns import Answer
from sipproxy.net.resolver import literal_address

#: How long a record may be believed, seconds.
_LIFETIME = 3600.0


@implementer(IResolver)
class Names:
    """Names and their addresses.

    @ivar known: addresses by name, to be changed at will; a name without any is one that no server answers for
    @ivar records: records of L{twisted.names.dns} by (name, type), to be changed at will; none, but the name there:
        no server answers
    @ivar delay: seconds that an answer takes; 0 for one at once
    """

    def __init__(self, clock: Clock) -> None:
        self.known: dict[str, list[str]] = {}
        self.records: dict[tuple[str, int], list[Any]] = {}
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

    def query(self, name: str, record_type: int) -> "IAnswer | Deferred[IAnswer]":
        """Give the records of a name.

        @return: an answer that may be believed for an hour; a Deferred of it where there is a delay
        @raise NameNotFoundError: there are none (also in the Deferred)
        @raise ResolverTimeoutError: in the Deferred
        """
        found = self.records.get((name.lower(), record_type))
        if self.delay or found == []:
            return deferLater(self._clock, self.delay, self._records, name, found)
        return self._records(name, found)

    def _records(self, name: str, found: list[Any] | None) -> IAnswer:
        if found is None:
            raise NameNotFoundError(f"{name} has no such record")
        if not found:
            raise ResolverTimeoutError(f"no server answers for {name}")
        now = self._clock.seconds()
        return Answer(tuple(found), now, now + _LIFETIME)

    def _answer(self, host: str, found: list[str] | None) -> list[str]:
        if found is None:
            raise NameNotFoundError(f"nobody knows {host}")
        if not found:
            raise ResolverTimeoutError(f"no server answers for {host}")
        return list(found)
