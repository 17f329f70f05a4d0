"""Calls that are forwarded because nobody took them: busy, no answer, unavailable (mod_sip_call_forward.c).

A subscriber whose telephones are tried may wish so (L{Forwarding}); a telephone
of a subscriber may be another subscriber, who is asked first. When all branches
of a subscriber have ended, or time is up, what is left of them is cancelled and
counts no more, and the target of the wish takes their place.
"""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from sipproxy.errors import RequestError
from sipproxy.message import Uri
from sipproxy.proxy.responses import choose_best
from sipproxy.transaction.timers import Timer
from sipproxy.translation import Forwarding, Target

if TYPE_CHECKING:
    from sipproxy.proxy.branch import Branch
    from sipproxy.proxy.context import ResponseContext

# The reasons of RFC 5806.
BUSY = "user-busy"
NO_ANSWER = "no-answer"
UNAVAILABLE = "unavailable"


class Callee:
    """A subscriber that a request is for, and what became of it so far.

    @ivar forwarding: what the subscriber wishes
    @ivar rounds: rounds of translation that led to the subscriber
    @ivar is_over: whether nothing is left to be wished
    """

    __slots__ = ("_diversions", "_has_left", "_is_heard", "_rang_out", "_timers", "forwarding", "is_over", "rounds")

    def __init__(self, diversions: "Diversions", forwarding: Forwarding, rounds: int) -> None:
        self._diversions = diversions
        self.forwarding = forwarding
        self.rounds = rounds
        self.is_over = False
        self._has_left = False
        self._is_heard = False
        self._rang_out = False
        self._timers: list[Timer] = []

    def covers(self, target: Target) -> bool:
        """Tell whether a target is one of the subscriber's, or of one who is."""
        return any(forwarding is self.forwarding for forwarding in _outward(target.forwarding))

    def where(self, reason: str) -> Uri | None:
        """Give the URI that a call is forwarded to."""
        forwarding = self.forwarding
        return {BUSY: forwarding.busy, NO_ANSWER: forwarding.no_answer, UNAVAILABLE: forwarding.unavailable}[reason]

    def left(self) -> None:
        """The INVITE leaves: the first time, time begins to run."""
        if self._has_left or self.is_over:
            return
        self._has_left = True
        wheel, forwarding = self._diversions.context.core.wheel, self.forwarding
        if forwarding.no_answer is not None:
            self._timers.append(wheel.start(forwarding.ring_time, self._ring_time_over, None))
        if forwarding.unavailable is not None:
            self._timers.append(wheel.start(forwarding.silent_time, self._silent_time_over, None))

    def heard(self) -> None:
        """More than a 100 came: it is not silent."""
        self._is_heard = True
        if self._rang_out:
            self._diversions.divert(self, NO_ANSWER)

    def _ring_time_over(self, _: object) -> None:
        self._rang_out = True
        # While it is silent, it may be that nothing can be reached: then the other timer decides.
        if self._is_heard or self.forwarding.unavailable is None:
            self._diversions.divert(self, NO_ANSWER)

    def _silent_time_over(self, _: object) -> None:
        if not self._is_heard:
            self._diversions.divert(self, UNAVAILABLE)

    def end(self) -> None:
        """Nothing is left to be wished."""
        self.is_over = True
        for timer in self._timers:
            timer.cancel()
        self._timers.clear()


class Diversions:
    """The wishes that a request has met.

    @ivar context: the response context of the request
    """

    __slots__ = ("_callees", "_looked_for", "context")

    def __init__(self, context: "ResponseContext") -> None:
        self.context = context
        self._callees: list[Callee] = []
        self._looked_for: list[Target] = []

    @property
    def is_looking(self) -> bool:
        """Whether it is being found out where a wish leads."""
        return bool(self._looked_for)

    def _of(self, target: Target) -> list[Callee]:
        """Give the subscribers that a target is of, the innermost first."""
        found = []
        for forwarding in _outward(target.forwarding):
            callee = next((each for each in self._callees if each.forwarding is forwarding), None)
            if callee is None:
                callee = Callee(self, forwarding, target.rounds)
                self._callees.append(callee)
            found.append(callee)
        return found

    def left(self, target: Target) -> None:
        """An INVITE leaves for a target."""
        for callee in self._of(target):
            callee.left()

    def heard(self, target: Target) -> None:
        """A provisional response other than 100 came from a target."""
        for callee in self._of(target):
            if not callee.is_over:
                callee.heard()

    def take(self, ended: "Branch") -> bool:
        """See whether with a branch all of a subscriber's have ended, and forward the call if that is wished.

        @return: whether the call goes on elsewhere
        """
        for callee in self._of(ended.target):
            if callee.is_over:
                continue
            if self.context.is_trying(callee.covers) or any(map(callee.covers, self._looked_for)):
                return False
            branches = [branch for branch in self.context.ended() if callee.covers(branch.target)]
            reason = _reason(branches)
            if reason and callee.where(reason) is not None:
                return self.divert(callee, reason)
            callee.end()
        return False

    def divert(self, callee: Callee, reason: str) -> bool:
        """Forward the call of a subscriber.

        @return: whether that was still possible
        """
        context, uri = self.context, callee.where(reason)
        if callee.is_over or uri is None or context.is_over():
            return False
        for other in self._callees:
            if any(forwarding is callee.forwarding for forwarding in _outward(other.forwarding)):
                other.end()
        self._looked_for = [other for other in self._looked_for if not callee.covers(other)]
        target = callee.forwarding.target(reason, uri)
        target.rounds = callee.rounds
        context.journey.subject.trace.append(("forwarding", target.origin, f"{reason}: {uri.raw.decode('latin-1')}"))
        self._looked_for.append(target)
        context.replace(callee.covers)
        try:
            found = context.journey.inside((target,))
        except RequestError as error:
            self._nowhere(error, target)
        else:
            if isinstance(found, Deferred):
                found.addCallbacks(self._found, self._failed, callbackArgs=(target,), errbackArgs=(target,))
                found.addErrback(context.broke)
            else:
                self._found(found, target)
        return True

    def _found(self, targets: Sequence[Target], wished: Target) -> None:
        if self._end_looking(wished):
            self.context.outcome.notes["diversion"] = wished.diverted
            self.context.go_on_at(targets, wished)

    def _failed(self, failure: Failure, wished: Target) -> None:
        if not isinstance(failure.value, RequestError):
            failure.raiseException()
        self._nowhere(failure.value, wished)

    def _nowhere(self, error: RequestError, wished: Target) -> None:
        if self._end_looking(wished):
            self.context.go_on_without(wished, error)

    def _end_looking(self, wished: Target) -> bool:
        """Take what was looked for off the list; tell whether it still stood there."""
        if wished not in self._looked_for:
            return False
        self._looked_for.remove(wished)
        return True

    def end(self) -> None:
        """Nothing is wished any more."""
        self._looked_for.clear()
        for callee in self._callees:
            callee.end()


def _outward(forwarding: Forwarding | None) -> Iterator[Forwarding]:
    while forwarding is not None:
        yield forwarding
        forwarding = forwarding.outer


def _reason(branches: "Sequence[Branch]") -> str:
    """Tell why a call was not taken, in the words of RFC 5806; empty where no wish is about that."""
    finals = [branch.final for branch in branches if branch.final is not None]
    if not finals:
        return ""
    if all(branch.unreachable for branch in branches) and not any(final.error for final in finals):
        return UNAVAILABLE
    best = choose_best(finals)
    if best.status == 486:
        return BUSY
    # Without a response a 408 is our own: it rang as long as it may.
    return NO_ANSWER if best.status == 408 and best.response is None else ""
