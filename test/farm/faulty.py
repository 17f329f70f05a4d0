"""A member's way to a keyspace, with all that can go wrong on it, for tests on a virtual clock.

Questions and answers take their time and get lost, watches tell late, twice, or
break and lose what was under way. It never does what etcd rules out: a watch
that goes on has left nothing out.
"""

from collections import deque
from collections.abc import Callable, Sequence
from random import Random
from typing import Any

from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.python.failure import Failure
from zope.interface import implementer

from sipproxy.farm.keyspace import (
    AwayError,
    Batch,
    Condition,
    IKeyspace,
    IWatch,
    KeyspaceError,
    Operation,
    Page,
    Place,
)


@implementer(IWatch)
class _FaultyWatch:
    """Tells what another watch does, less well."""

    def __init__(self, way: "FaultyKeyspace", inner: IWatch) -> None:
        self._way = way
        self._inner = inner
        self._told: deque[Batch] = deque(maxlen=5)
        self._call: IDelayedCall | None = None
        self._asked: Deferred[Batch] | None = None
        self._error: Failure | None = None

    def next(self) -> Deferred[Batch]:
        """Give the next changes, late, or some earlier ones once more."""
        if self._error is not None:
            return fail(self._error)
        asked: Deferred[Batch] = Deferred(self._cancelled)
        self._asked = asked
        if self._told and self._way.random.random() < self._way.doubling:
            self._come(self._way.random.choice(self._told))
        else:
            self._inner.next().addCallbacks(self._come, self.broken)
        return asked

    def _cancelled(self, _: Deferred[Batch]) -> None:
        self._asked = None

    def _come(self, batch: Batch) -> None:
        if self._way.random.random() < self._way.loss / 4:
            # The connection breaks: what was on its way is lost with it.
            self.broken(Failure(AwayError("the watch broke")))
        else:
            self._call = self._way.clock.callLater(self._way.delay(), self._tell, batch)

    def _tell(self, batch: Batch) -> None:
        self._call = None
        if self._way.is_cut:
            return  # nothing comes any more, and nothing says so
        self._told.append(batch)
        if self._asked is not None:
            asked, self._asked = self._asked, None
            asked.callback(batch)

    def broken(self, failure: Failure) -> None:
        """It has ended."""
        failure.trap(KeyspaceError)
        self._error = failure
        if self._asked is not None:
            asked, self._asked = self._asked, None
            asked.errback(failure)

    def stop(self) -> None:
        """End it."""
        if self._call is not None and self._call.active():
            self._call.cancel()
            self._call = None
        self._inner.stop()
        self.broken(Failure(AwayError("the watch was stopped")))


@implementer(IKeyspace)
class FaultyKeyspace:
    """A way that can be bad.

    @ivar loss: how many questions, and how many answers, are lost: 0 to 1
    @ivar doubling: how many batches of a watch are told twice: 0 to 1
    @ivar slowest: how long a question, an answer or a batch takes at most, seconds
    @ivar is_cut: whether nothing comes through at all
    """

    def __init__(self, inner: IKeyspace, clock: IReactorTime, random: Random, timeout: float = 1.0) -> None:
        """
        @param timeout: after how long a question has failed, seconds
        """
        self.clock = clock
        self.random = random
        self.loss = 0.0
        self.doubling = 0.0
        self.slowest = 0.01
        self.is_cut = False
        self._inner = inner
        self._timeout = timeout

    @property
    def places(self) -> tuple[Place, ...]:
        """Those behind it."""
        places: tuple[Place, ...] = self._inner.places
        return places

    def renewed(self, inner: IKeyspace, clock: IReactorTime) -> "FaultyKeyspace":
        """Give the same way for another process.

        @param inner: where it leads
        @param clock: the clock of that
        """
        way = FaultyKeyspace(inner, clock, self.random, self._timeout)
        way.loss, way.doubling, way.slowest, way.is_cut = self.loss, self.doubling, self.slowest, self.is_cut
        return way

    def delay(self) -> float:
        """Give how long something takes, seconds."""
        return self.random.random() * self.slowest

    def _passes(self) -> bool:
        return not self.is_cut and self.random.random() >= self.loss

    def _ask(self, question: Callable[[], Deferred[Any]], timeout: float | None = None) -> Any:
        answered: Deferred[object] = Deferred()
        end = self.clock.callLater(self._timeout if timeout is None else timeout, self._late, answered)

        def give(result: object) -> None:
            if not answered.called and self._passes():
                end.cancel()
                answered.callback(result)

        def come_back(result: object) -> None:
            self.clock.callLater(self.delay(), give, result)

        def arrive() -> None:
            if self._passes():
                question().addBoth(come_back)

        self.clock.callLater(self.delay(), arrive)
        return answered

    def _late(self, answered: "Deferred[object]") -> None:
        answered.errback(AwayError("no answer in time"))

    def page(self, first: bytes, end: bytes, limit: int, revision: int = 0) -> "Deferred[Page]":
        """Read."""
        done: Deferred[Page] = self._ask(lambda: self._inner.page(first, end, limit, revision))
        return done

    def commit(
        self, conditions: Sequence[Condition], operations: Sequence[Operation], timeout: float | None = None
    ) -> "Deferred[int]":
        """Change."""
        done: Deferred[int] = self._ask(lambda: self._inner.commit(conditions, operations), timeout)
        return done

    def watch(self, first: bytes, end: bytes, revision: int) -> IWatch:
        """Follow."""
        return _FaultyWatch(self, self._inner.watch(first, end, revision))

    def grant(self, ttl: int) -> "Deferred[int]":
        """Make a lease."""
        done: Deferred[int] = self._ask(lambda: self._inner.grant(ttl))
        return done

    def keep(self, lease: int) -> "Deferred[None]":
        """Keep it."""
        done: Deferred[None] = self._ask(lambda: self._inner.keep(lease))
        return done

    def revoke(self, lease: int) -> "Deferred[None]":
        """End it."""
        done: Deferred[None] = self._ask(lambda: self._inner.revoke(lease))
        return done

    def close(self) -> "Deferred[None]":
        """What is behind it stays."""
        return succeed(None)
