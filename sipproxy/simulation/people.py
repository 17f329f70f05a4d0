"""Subscribers of a simulation: a database in memory that can be slow, or away."""

from collections.abc import Sequence

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock, deferLater
from zope.interface import implementer

from sipproxy.errors import UnavailableError
from sipproxy.interfaces import ISubscriber, ISubscribers


@implementer(ISubscribers)
class People:
    """Subscribers by key.

    @ivar known: who there is, to be changed at will
    @ivar delay: seconds that an answer takes; 0 for one at once
    @ivar is_away: whether the database is away
    """

    def __init__(self, clock: Clock) -> None:
        self.known: dict[str, ISubscriber] = {}
        self.delay = 0.0
        self.is_away = False
        self._clock = clock

    def find(self, keys: Sequence[str]) -> "ISubscriber | Deferred[ISubscriber | None] | None":
        """Give the subscriber of the first key that there is one for.

        @raise UnavailableError: the database is away (also in the Deferred)
        """
        if self.delay:
            return deferLater(self._clock, self.delay, self._find, keys)
        return self._find(keys)

    def _find(self, keys: Sequence[str]) -> ISubscriber | None:
        if self.is_away:
            raise UnavailableError(b"Subscriber Database Unavailable")
        return next((self.known[key] for key in keys if key in self.known), None)
