"""The end of the routers for our own host: who is known but nowhere to be found, and who is not known at all.

480 for a subscriber, also while their database is away; 404 for anybody else
(RFC 3261 21.4.18, 21.4.5).
"""

from collections.abc import Callable, Sequence

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure
from zope.interface import implementer

from sipproxy.errors import RequestError, UnavailableError
from sipproxy.interfaces import ISubscriber, ISubscribers
from sipproxy.message import Uri
from sipproxy.routing.chain import IRouter, NextHops
from sipproxy.translation.chain import Subject


@implementer(IRouter)
class NowhereRouter:
    """Gives no next hop, but tells why there is none."""

    name = "mod_sip"

    def __init__(self, subscribers: ISubscribers, keys_of: Callable[[Uri], Sequence[str]]) -> None:
        """
        @param keys_of: gives the keys that a called party may have in the subscriber database
        """
        self._subscribers = subscribers
        self._keys_of = keys_of

    def route(self, uri: Uri, subject: Subject) -> "NextHops | Deferred[NextHops]":
        """Tell why there is no next hop.

        @raise RequestError: 404 or 480, always (also in the Deferred)
        """
        names = subject.names if uri is subject.uri else (uri,)
        try:
            found = self._subscribers.find([key for name in names for key in self._keys_of(name)])
        except UnavailableError:
            raise RequestError(480) from None
        if isinstance(found, Deferred):
            return found.addCallbacks(_tell, _away)
        return _tell(found)


def _tell(subscriber: ISubscriber | None) -> NextHops:
    raise RequestError(404 if subscriber is None else 480)


def _away(failure: Failure) -> NextHops:
    failure.trap(UnavailableError)  # type: ignore[no-untyped-call]
    raise RequestError(480)
