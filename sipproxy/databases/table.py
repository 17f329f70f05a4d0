"""Tables of records that operators change: read from memory, changed durably, each change whole or not at all.

The routing database and the number-services database are such tables. A record
has a key; all records are in an index in memory, which answers calls. Changes
come one at a time: each is written by the L{IRowStore}, then taken into the
index within one turn of the reactor, so that nobody sees half of it, then told
to the followers. What is large is worked out in the store's thread.

What stands in the configuration is laid over it by L{sipproxy.databases.configured}.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from heapq import nsmallest
from typing import Any, Generic, Literal, NamedTuple, TypeVar

from twisted.internet.defer import Deferred, DeferredLock, fail, maybeDeferred, succeed
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import Interface, implementer

from sipproxy.databases.records import Change, I, Key, Mode, R, Record, Row
from sipproxy.errors import StoreError

#: How long after a failed attempt it is tried again to read a store, seconds.
RETRY = 2.0

T = TypeVar("T")


@dataclass(frozen=True)
class Layout:
    """How the records of a table are kept.

    @ivar title: for messages, "routing database"
    @ivar name: of the table in SQL
    @ivar columns: the name and type of each column
    @ivar keys: how many of them, the first ones, are the key
    @ivar application_id: marks a file as one of these
    """

    title: str
    name: str
    columns: tuple[tuple[str, Literal["TEXT", "INTEGER"]], ...]
    keys: int
    application_id: int


@dataclass(frozen=True)
class Form(Generic[R, I]):
    """What makes a table the one of some records.

    @ivar module: whose it is, for the log
    @ivar index: gives an empty index
    @ivar read: gives the record of a row, or raises ValueError where a row holds none
    """

    layout: Layout
    module: str
    index: Callable[[], I]
    read: Callable[[Row], R]


class Plan(NamedTuple, Generic[T]):
    """What a store is to do.

    @ivar deleted: keys of the rows to delete
    @ivar stored: rows to write, in place of those with the same keys
    @ivar result: what the Deferred of the change fires with
    """

    deleted: Sequence[Key]
    stored: Sequence[Row]
    result: T


class IRowStore(Interface):
    """Where the rows of a table outlive the process."""

    def load(build: Callable[[Iterable[Row]], Any]) -> "Deferred[Any]":
        """Open the store and hand over all rows.

        @param build: called once with them in the order of their keys, maybe in another thread
        @return: fires with what C{build} gives
        @raise StoreError: in the Deferred
        """

    def change(plan: "Callable[[], Plan[Any]]") -> "Deferred[Any]":
        """Do what a plan says, all or nothing.

        @param plan: called once, maybe in another thread, never beside another one
        @return: fires with the result of the plan once all is durable
        @raise StoreError: in the Deferred: nothing has changed
        """

    def page(after: Key, limit: int) -> "Deferred[list[Row]]":
        """Give up to C{limit} rows behind a key, in the order of their keys; an empty one stands before all.

        @raise StoreError: in the Deferred
        """

    def close() -> "Deferred[None]":
        """Let go of what is held."""


@implementer(IRowStore)
class MemoryRows:
    """Keeps rows as long as the process lives: C{RoutingDatabase memory}."""

    def __init__(self, layout: Layout) -> None:
        self._keys = layout.keys
        self._rows: dict[Key, Row] = {}

    def load(self, build: Callable[[Iterable[Row]], T]) -> Deferred[T]:
        """Hand over what is there."""
        return succeed(build([self._rows[key] for key in sorted(self._rows)]))

    def change(self, plan: Callable[[], Plan[T]]) -> Deferred[T]:
        """Change it at once."""
        deleted, stored, result = plan()
        for key in deleted:
            self._rows.pop(key, None)
        for row in stored:
            self._rows[row[: self._keys]] = row
        return succeed(result)

    def page(self, after: Key, limit: int) -> Deferred[list[Row]]:
        """Look through all for the next few."""
        keys = nsmallest(limit, (key for key in self._rows if key > after))
        return succeed([self._rows[key] for key in keys])

    def close(self) -> Deferred[None]:
        """Nothing is held."""
        return succeed(None)


@dataclass(frozen=True)
class Step(Generic[R, I]):
    """A change that is worked out.

    @ivar index: the index after it, None where the present one is to be changed in place
    """

    change: Change[R]
    index: I | None


Follower = Callable[[Change[R]], object]


class Table(Generic[R, I]):
    """The records of a table.

    @ivar index: all records that are stored; another one after an import, so do not keep it
    @ivar away_since: since when it cannot be read, or changes cannot be stored, seconds since 1970; None while they can
    @ivar away_reason: why
    @ivar is_unread: whether nobody knows yet what is stored
    """

    def __init__(self, form: Form[R, I], store: IRowStore, clock: IReactorTime) -> None:
        """Make a table that is empty until it is started."""
        self.form = form
        self.index: I = form.index()
        self.away_since: float | None = None
        self.away_reason = ""
        self.is_unread = False
        self._store = store
        self._clock = clock
        self._log = Logger(namespace=form.module)
        self._lock = DeferredLock()
        self._followers: tuple[Follower[R], ...] = ()
        self._next_load: IDelayedCall | None = None
        self._is_stopped = False

    # Life

    def start(self) -> Deferred[None]:
        """Load what is stored.

        @return: fires with None once all is in memory
        @raise StoreError: in the Deferred: it cannot be read now; it is tried again until it can
        """
        return self._store.load(self._build).addCallbacks(self._loaded, self._not_loaded)

    def _build(self, rows: Iterable[Row]) -> tuple[I, list[Row]]:
        """Make an index; rows that hold no record, as only another program can have written them, are left out."""
        index = self.form.index()
        wrong: list[Row] = []
        index.update(_readable(self.form.read, rows, wrong))
        return index, wrong

    def _loaded(self, built: tuple[I, list[Row]]) -> None:
        self.index, wrong = built
        self.is_unread = False
        self.away_since, self.away_reason = None, ""
        for row in wrong[:10]:
            self._log.error("A row of the {title} is wrong and has no effect: {row}", title=self._title, row=row)
        if len(wrong) > 10:
            self._log.error("So are {count} more rows of the {title}", title=self._title, count=len(wrong) - 10)

    def _not_loaded(self, failure: Failure) -> Failure:
        failure.trap(StoreError)  # type: ignore[no-untyped-call]
        self.is_unread = True
        self.away_since = self._clock.seconds() if self.away_since is None else self.away_since
        self.away_reason = str(failure.value)
        if not self._is_stopped:
            self._next_load = self._clock.callLater(RETRY, self._load_again)
        return failure

    def _load_again(self) -> None:
        self._next_load = None
        self.start().addCallbacks(self._loaded_late, _leave)

    def _loaded_late(self, _: None) -> None:
        self._log.info(
            "The {title} is read after all: {count} entries",
            title=self._title,
            count=len(self.index),
            severity="notice",
        )

    def stop(self) -> Deferred[None]:
        """Store what is on its way and close the store; afterwards nothing may be changed."""
        self._is_stopped = True
        if self._next_load is not None:
            self._next_load.cancel()
            self._next_load = None
        return self._lock.run(self._store.close)

    @property
    def _title(self) -> str:
        return self.form.layout.title

    # Changing

    def add(self, record: R) -> Deferred[Change[R]]:
        """Add a record, or replace the one with the same key.

        @return: fires with the change, an empty one where the very same is there, once it is durable and in force
        @raise StoreError: in the Deferred: it could not be stored, nothing has changed
        """

        def work() -> Step[R, I]:
            return Step(Change((), () if self.index.get(record) == record else (record,)), None)

        return self._change(work)

    def delete(self, choose: Callable[[I], Sequence[R]]) -> Deferred[Change[R]]:
        """Delete some records.

        @param choose: gives them from the index
        @return: fires with the change
        @raise StoreError: in the Deferred, as for L{add}
        """
        return self._change(lambda: Step(Change(tuple(choose(self.index)), ()), None))

    def import_(self, records: Sequence[R], mode: Mode) -> Deferred[Change[R]]:
        """Take many records at once, all or none.

        @param records: each with a key of its own
        @param mode: C{replace} where these are to be all that there are
        @return: fires with the change
        @raise StoreError: in the Deferred, as for L{add}
        """

        def work() -> Step[R, I]:
            stored = sorted([record for record in records if self.index.get(record) != record], key=_key)
            if mode == "add":
                index, deleted = self.index.copy(), []
                index.update(stored)
            else:
                index, kept = self.form.index(), {record.key for record in records}
                index.update(sorted(records, key=_key))
                deleted = sorted([record for record in self.index if record.key not in kept], key=_key)
            return Step(Change(tuple(deleted), tuple(stored)), index)

        return self._change(work)

    def _change(self, work: Callable[[], Step[R, I]]) -> Deferred[Change[R]]:
        """Do one change after those that are on their way; they alone change the index, so C{work} may read it."""
        if self.is_unread:
            # What nobody has read must not be written over.
            return fail(StoreError(f"the {self._title} cannot be read: {self.away_reason}"))

        def plan() -> Plan[Step[R, I]]:
            step = work()
            deleted, stored = step.change
            return Plan([record.key for record in deleted], [record.row for record in stored], step)

        return self._lock.run(
            lambda: maybeDeferred(self._store.change, plan).addCallbacks(self._changed, self._not_changed)
        )

    def _changed(self, step: Step[R, I]) -> Change[R]:
        if self.away_since is not None:
            self._log.info("The {title} is written again", title=self._title, severity="notice")
            self.away_since, self.away_reason = None, ""
        change = step.change
        if step.index is not None:
            self.index = step.index
        else:
            self.index.discard(change.deleted)
            self.index.update(change.stored)
        if change.deleted or change.stored:
            self._publish(change)
        return change

    def _not_changed(self, failure: Failure) -> Failure:
        if isinstance(failure.value, StoreError):
            if self.away_since is None:
                self.away_since = self._clock.seconds()
                self._log.error("The {title} cannot be written: {reason}", title=self._title, reason=failure.value)
            self.away_reason = str(failure.value)
        return failure

    # For who follows, and for who looks

    def subscribe(self, follower: Follower[R]) -> None:
        """Call C{follower} with each change, in order, once it is durable and in force."""
        self._followers = (*self._followers, follower)

    def unsubscribe(self, follower: Follower[R]) -> None:
        """Call it no more."""
        self._followers = tuple(other for other in self._followers if other != follower)

    def _publish(self, change: Change[R]) -> None:
        for follower in self._followers:
            try:
                follower(change)
            except Exception:  # noqa: BLE001 - its mistake; the others go on
                self._log.failure("A follower of the {title} failed", title=self._title)

    def page(self, after: Key, limit: int) -> Deferred[list[R]]:
        """Give up to C{limit} records behind a key, in the order of their keys; an empty one stands before all."""
        return self._store.page(after, limit).addCallback(
            lambda rows: list(_readable(self.form.read, rows, []))  # those that are wrong were told of at the start
        )


def _readable(read: Callable[[Row], R], rows: Iterable[Row], wrong: list[Row]) -> Iterator[R]:
    """Give the records of rows, and put those that hold none aside."""
    for row in rows:
        try:
            record = read(row)
        except ValueError:
            wrong.append(row)
            continue
        yield record


def _key(record: Record) -> Key:
    return record.key


def _leave(failure: Failure) -> None:
    failure.trap(StoreError)  # type: ignore[no-untyped-call]
