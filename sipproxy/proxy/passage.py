"""Requests that pass through without a transaction: an ACK for a 2xx, and a CANCEL that matches none (RFC 3261 16.10).

Both go the way that a stateless proxy would send them (16.11). What cannot go on
is an ACK to drop, as nothing answers an ACK, or a CANCEL to refuse (9.2).
"""

from typing import TYPE_CHECKING

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from sipproxy.errors import RequestError, SipParseError
from sipproxy.interfaces import Address
from sipproxy.message import Request, make_response
from sipproxy.proxy.exchange import Outcome
from sipproxy.proxy.journey import Journey
from sipproxy.proxy.points import Point, sent_by
from sipproxy.proxy.redirect import split_by_action
from sipproxy.proxy.stateless import choose, forward
from sipproxy.proxy.validate import validate
from sipproxy.routing import NextHop
from sipproxy.translation import AT_HAND, Targets

if TYPE_CHECKING:
    from sipproxy.proxy.core import Core

log = Logger(namespace="mod_sip")


class Passage:
    """An ACK on its way through."""

    __slots__ = ("_core", "_point", "_request", "_source")

    def __init__(self, core: "Core", request: Request, source: Address, point: Point) -> None:
        self._core = core
        self._request = request
        self._source = source
        self._point = point

    def begin(self) -> None:
        """Forward it."""
        try:
            validate(self._request)
            self._go()
        except RequestError as error:
            self.refused(error)

    def _go(self) -> None:
        """Forward what is proper, at once or when it is known where it goes.

        @raise RequestError: it cannot go on
        """
        core, request = self._core, self._request
        if request.max_forwards == 0:
            raise RequestError(483)
        journey = Journey(core.generation, request, self._source, core.now(), stateful=False)
        targets = journey.targets()
        if isinstance(targets, AT_HAND):
            gone = self._forward(targets, journey)
            if gone is not None:
                gone.addErrback(self._failed)
        else:
            targets.addCallback(self._forward, journey).addErrback(self._failed)

    def _forward(self, targets: Targets, journey: Journey) -> "Deferred[None] | None":
        request = self._request
        proxied, _ = split_by_action(targets, request, journey.generation.policy)
        if not proxied:
            return None  # its INVITE was redirected
        target = choose(proxied, request)
        return forward(journey, target, request, self._source, self._point, self._core.points, self.sent)

    def _failed(self, failure: Failure) -> None:
        if isinstance(failure.value, RequestError):
            self.refused(failure.value)
        else:
            log.failure("fault in a request without a transaction", failure)

    def sent(self, hop: NextHop) -> None:
        """Take the news that it is gone: nobody is told of an ACK."""

    def refused(self, error: RequestError) -> None:
        """Take the news that it cannot go on."""
        log.debug("ACK dropped: {error}", error=error)


class CancelPassage(Passage):
    """A CANCEL on its way through; the observers are told of it."""

    __slots__ = ("_outcome",)

    def __init__(self, core: "Core", request: Request, source: Address, point: Point) -> None:
        Passage.__init__(self, core, request, source, point)
        self._outcome = Outcome(request, source, point.port.address, core.now())

    def begin(self) -> None:
        """Forward it, if a request of this proxy can have gone anywhere.

        @raise SipParseError: it is not proper
        """
        validate(self._request)
        policy = self._core.generation.policy
        try:
            if policy.redirects and not policy.caller_preferences:
                raise RequestError(481)
            self._go()
        except RequestError as error:
            self.refused(error)

    def sent(self, hop: NextHop) -> None:
        """Tell where it is gone."""
        outcome, core = self._outcome, self._core
        outcome.notes["next-hop"] = sent_by(hop.host, hop.port)
        outcome.duration = core.now() - outcome.started
        core.tell(outcome)

    def refused(self, error: RequestError) -> None:
        """Answer it (9.2): whatever is in the way, there is nothing to cancel, unless it cannot be read."""
        outcome, core, request = self._outcome, self._core, self._request
        outcome.status = error.status if isinstance(error, SipParseError) else 481
        response = make_response(request, outcome.status, to_tag=core.stateless_tag(request))
        core.send_stateless(request, self._source, self._point, response)
        outcome.size = len(response)
        core.tell(outcome)
