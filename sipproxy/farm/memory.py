"""A keyspace in this process: the farm of one machine, and of tests.

Nothing of it survives the process; each member keeps its own copy on disk.
"""

from bisect import bisect_left
from collections.abc import Iterable, Sequence

from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from zope.interface import implementer

from sipproxy.farm.keyspace import (
    AwayError,
    Batch,
    ChangedError,
    CompactedError,
    Condition,
    Delete,
    Event,
    HasValue,
    IKeyspace,
    Item,
    IWatch,
    LeaseLostError,
    Operation,
    Page,
    Place,
)


class _Lease:
    """A lease, and the keys that go with it."""

    def __init__(self, ttl: int, end: IDelayedCall) -> None:
        self.ttl = ttl
        self.end = end
        self.keys: set[bytes] = set()


@implementer(IWatch)
class MemoryWatch:
    """Follows a L{MemoryKeyspace}."""

    def __init__(self, keyspace: "MemoryKeyspace", first: bytes, end: bytes, revision: int) -> None:
        self._keyspace = keyspace
        self._first = first
        self._end = end
        self._next = revision
        self._asked: Deferred[Batch] | None = None
        self._is_over = False

    def next(self) -> Deferred[Batch]:
        """Give what has happened, or wait for it."""
        if self._is_over:
            return fail(AwayError("the watch was stopped"))
        asked: Deferred[Batch] = Deferred(self._cancelled)
        self._asked = asked
        self.look()
        return asked

    def _cancelled(self, _: Deferred[Batch]) -> None:
        self._asked = None

    def look(self) -> None:
        """Give what has happened to who waits for it."""
        if self._asked is None:
            return
        try:
            batch = self._keyspace.batch(self._first, self._end, self._next)
        except CompactedError as error:
            asked, self._asked = self._asked, None
            asked.errback(error)
            return
        if batch is not None:
            self._next = batch.revision + 1
            asked, self._asked = self._asked, None
            asked.callback(batch)

    def stop(self) -> None:
        """End it; who waits is told."""
        self._is_over = True
        self._keyspace.forget(self)
        if self._asked is not None:
            asked, self._asked = self._asked, None
            asked.errback(AwayError("the watch was stopped"))


@implementer(IKeyspace)
class MemoryKeyspace:
    """Keys and values, their history, and leases on a clock.

    @ivar revision: that of the last change
    """

    places: tuple[Place, ...] = (Place("memory", None, ""),)

    def __init__(self, clock: IReactorTime, history: int = 10_000) -> None:
        """
        @param history: how many changes are remembered, at least
        """
        self.revision = 1
        self._clock = clock
        self._longest = 2 * history
        self._forgotten = 0
        self._items: dict[bytes, Item] = {}
        self._history: list[Batch] = []
        self._leases: dict[int, _Lease] = {}
        self._last_lease = 0
        self._watches: list[MemoryWatch] = []

    # Reading

    def page(self, first: bytes, end: bytes, limit: int, revision: int = 0) -> Deferred[Page]:
        """Read some keys."""
        at = revision or self.revision
        try:
            items = self._items if at == self.revision else self._as_of(at)
        except CompactedError:
            return fail()
        found = [items[key] for key in sorted(items) if first <= key < end]
        follows = found[limit].key if len(found) > limit else b""
        return succeed(Page(at, tuple(found[:limit]), follows))

    def _as_of(self, revision: int) -> dict[bytes, Item]:
        """Give the items as they were.

        @raise CompactedError: that is forgotten
        """
        if revision < self._forgotten:
            raise CompactedError("compacted")
        # What was there before the history began was not changed since, or it would be in the history.
        later = {event.key for batch in self._history if batch.revision > revision for event in batch.events}
        items = {key: item for key, item in self._items.items() if key not in later}
        for batch in self._history:
            if batch.revision <= revision:
                for key, value in batch.events:
                    if value is None and key in later:
                        items.pop(key, None)
                    elif value is not None and key in later:
                        items[key] = Item(key, value, batch.revision)
        return items

    def batch(self, first: bytes, end: bytes, revision: int) -> Batch | None:
        """Give the changes from a revision on, None where there are none.

        @raise CompactedError: they are forgotten
        """
        if revision <= self._forgotten:
            raise CompactedError("compacted")
        at = bisect_left(self._history, (revision,))
        events = [event for batch in self._history[at:] for event in batch.events if first <= event.key < end]
        return Batch(self.revision, tuple(events)) if events else None

    def watch(self, first: bytes, end: bytes, revision: int) -> IWatch:
        """Follow."""
        watch = MemoryWatch(self, first, end, revision)
        self._watches.append(watch)
        return watch

    def forget(self, watch: MemoryWatch) -> None:
        """A watch has ended."""
        if watch in self._watches:
            self._watches.remove(watch)

    # Changing

    def commit(
        self, conditions: Sequence[Condition], operations: Sequence[Operation], timeout: float | None = None
    ) -> Deferred[int]:
        """Change keys at once."""
        if not all(map(self._holds, conditions)):
            return fail(ChangedError([self._items.get(condition.key) for condition in conditions]))
        for operation in operations:
            if not isinstance(operation, Delete) and operation.lease and operation.lease not in self._leases:
                return fail(LeaseLostError("the lease has run out"))
        self._change(operations)
        return succeed(self.revision)

    def _holds(self, condition: Condition) -> bool:
        item = self._items.get(condition.key)
        if isinstance(condition, HasValue):
            return item is not None and item.value == condition.value
        return condition.revision == (0 if item is None else item.revision)

    def _change(self, operations: Iterable[Operation]) -> None:
        revision = self.revision + 1
        events: list[Event] = []
        for operation in operations:
            if isinstance(operation, Delete):
                end = operation.end or operation.key + b"\0"
                for key in [key for key in self._items if operation.key <= key < end]:
                    del self._items[key]
                    self._attach(key, 0)
                    events.append(Event(key, None))
            else:
                self._items[operation.key] = Item(operation.key, operation.value, revision)
                self._attach(operation.key, operation.lease)
                events.append(Event(operation.key, operation.value))
        if events:
            self.revision = revision
            self._history.append(Batch(revision, tuple(events)))
            if len(self._history) > self._longest:
                self._forget(self._longest // 2)
            for watch in list(self._watches):
                watch.look()

    def _attach(self, key: bytes, lease: int) -> None:
        for number, other in self._leases.items():
            if number == lease:
                other.keys.add(key)
            else:
                other.keys.discard(key)

    def compact(self) -> None:
        """Forget all changes."""
        self._forget(len(self._history))

    def _forget(self, count: int) -> None:
        if count:
            self._forgotten = self._history[count - 1].revision
            del self._history[:count]

    # Leases

    def grant(self, ttl: int) -> Deferred[int]:
        """Make a lease."""
        self._last_lease = number = self._last_lease + 1
        self._leases[number] = _Lease(ttl, self._clock.callLater(ttl, self._end, number))
        return succeed(number)

    def keep(self, lease: int) -> Deferred[None]:
        """Start its time again."""
        if lease not in self._leases:
            return fail(LeaseLostError("the lease has run out"))
        self._leases[lease].end.reset(self._leases[lease].ttl)
        return succeed(None)

    def revoke(self, lease: int) -> Deferred[None]:
        """End it."""
        if lease in self._leases:
            self._leases[lease].end.cancel()
            self._end(lease)
        return succeed(None)

    def _end(self, number: int) -> None:
        lease = self._leases.pop(number)
        self._change([Delete(key) for key in sorted(lease.keys)])

    def close(self) -> Deferred[None]:
        """End all leases without a word, as the process ends."""
        for lease in self._leases.values():
            lease.end.cancel()
        self._leases.clear()
        return succeed(None)
