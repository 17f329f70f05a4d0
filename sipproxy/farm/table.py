"""A table of a farm's member: records that all members have, changed by one member at a time.

A change takes the farm's lock of the table and waits until this member knows
all earlier ones: so none is made from what is no more true. A few rows change
in one transaction. Many are written as a new generation beside the present one,
which one last transaction puts in its place: others see all of it or nothing,
and what a member leaves that dies before that is swept by the next import.

Without the farm nothing can be locked, so nothing is changed: a StoreError.
"""

from collections.abc import Callable, Iterable, Mapping
from itertools import islice
from typing import Any

from twisted.internet.defer import Deferred, TimeoutError, fail
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from sipproxy.databases.records import Change, I, Key, R, Record, Row
from sipproxy.databases.table import Form, IRowStore, Plan, Step, Table
from sipproxy.errors import StoreError
from sipproxy.farm.keyspace import (
    AwayError,
    Batch,
    ChangedError,
    Condition,
    Delete,
    HasRevision,
    HasValue,
    IKeyspace,
    Operation,
    Put,
    prefix_end,
)
from sipproxy.farm.layout import (
    UnreadableError,
    checksum,
    read_object,
    read_row,
    read_row_key,
    write_object,
    write_row,
    write_row_key,
)
from sipproxy.farm.link import Link
from sipproxy.farm.lock import Held, Lock

_log = Logger(namespace="mod_sip_farm")

#: Rows in one transaction of the engine.
AT_ONCE = 100
#: Keys that are read at once.
PAGE = 1000
#: How long this member may need to hear of what others have changed, seconds.
CATCH_UP = 5.0


class SharedTable(Table[R, I]):
    """A table that is a member's copy of the farm's.

    @ivar prefix: what its keys in the engine begin with
    @ivar is_loaded: whether what is stored here has been read
    @ivar is_missing: whether the farm has no such table yet
    @ivar is_stale: whether something that the farm has is not stored here, so that all must be read again
    """

    def __init__(
        self,
        form: Form[R, I],
        store: IRowStore,
        clock: IReactorTime,
        keyspace: IKeyspace,
        prefix: bytes,
        link: Link,
        lock: Lock,
    ) -> None:
        """
        @param store: where this member keeps its copy
        @param lock: the farm's lock of this table
        """
        super().__init__(form, store, clock)
        self.prefix = prefix
        self.is_loaded = False
        self.is_missing = False
        self.is_stale = False
        self._generation = 0
        self._keyspace = keyspace
        self._link = link
        self._farm_lock = lock
        self._head = prefix + b"head"
        self._rows = prefix + b"rows/"

    def _loaded(self, built: Any) -> None:
        super()._loaded(built)
        self.is_loaded = True

    # To the engine

    def _change(self, work: Callable[[], Step[R, I]]) -> Deferred[Change[R]]:
        """Do a change of this member's operator in the farm."""
        if self.is_unread:
            return super()._change(work)
        if self._link.away_since is not None:
            return fail(StoreError(f"nothing is changed without the farm: {self._link.away_reason}"))
        return Deferred.fromCoroutine(self._share(work))

    async def _share(self, work: Callable[[], Step[R, I]]) -> Change[R]:
        held = await self._farm_lock.take()
        try:
            await self._catch_up(held)
            step: Step[R, I] = await self._lock.run(self._store.change, lambda: Plan((), (), work()))
            await self._write(step, held)
            self.is_stale = True
            # Worked out anew: what was written may have come back already.
            await super()._change(work)
            self.is_stale = False
        except ChangedError:
            raise StoreError("the farm's lock was lost, nothing has changed") from None
        finally:
            held.release()
        return step.change

    async def _catch_up(self, held: Held) -> None:
        try:
            await self._link.known(held.condition.revision).addTimeout(CATCH_UP, self._clock)
        except TimeoutError:
            raise AwayError("this member does not hear of changes") from None

    async def _write(self, step: Step[R, I], held: Held) -> None:
        deleted, stored = step.change
        operations: list[Operation] = [Delete(self._key(record)) for record in deleted]
        operations += [self._put(record, self._generation) for record in stored]
        if len(operations) > AT_ONCE:
            await self._write_generation(_after(self.index, step), held)
        elif operations:
            await self._keyspace.commit([held.condition, self._head_is_known()], operations)

    async def publish(self) -> None:
        """Give the farm the table that is here, unless another member has been quicker.

        @raise StoreError: it cannot be done now
        """
        held = await self._farm_lock.take()
        try:
            await self._catch_up(held)
            if self.is_missing:
                await self._write_generation(self.index, held)
                self.is_missing = False
        finally:
            held.release()

    async def _write_generation(self, records: Iterable[R], held: Held) -> None:
        """Write all rows anew, then put them in the place of the present ones."""
        generation = self._generation + 1
        place = self._place(generation)
        # Whoever began one with this number has died.
        await self._keyspace.commit([held.condition], [Delete(place, prefix_end(place))])
        puts = (self._put(record, generation) for record in records)
        while part := list(islice(puts, AT_ONCE)):
            await self._keyspace.commit([held.condition], part)
        await self._commit_head(Put(self._head, write_object({"generation": generation})), held)
        self._generation = generation
        others: list[Operation] = [
            Delete(self._rows, place),
            Delete(prefix_end(place), prefix_end(self._rows)),
        ]
        try:
            await self._keyspace.commit([held.condition], others)
        except StoreError:
            # The generation counts as known here, but its rows are not, and who made it gives up.
            self.is_stale = True
            raise

    async def _commit_head(self, head: Put, held: Held) -> None:
        try:
            await self._keyspace.commit([held.condition, self._head_is_known()], [head])
        except ChangedError as changed:
            found = changed.found[1]
            if found is None or found.value != head.value:
                raise
            # It was done, and the answer lost.

    def _head_is_known(self) -> Condition:
        if not self._generation:
            return HasRevision(self._head, 0)
        return HasValue(self._head, write_object({"generation": self._generation}))

    def _place(self, generation: int) -> bytes:
        return self._rows + b"%010d/" % generation

    def _key(self, record: Record) -> bytes:
        return self._place(self._generation) + write_row_key(record.key)

    def _put(self, record: Record, generation: int) -> Put:
        key = self._place(generation) + write_row_key(record.key)
        return Put(key, write_row(record.row, self.form.layout.keys))

    # From the engine

    async def apply(self, batch: Batch) -> None:
        """Take changes of the farm, which this member may have made itself.

        @raise StoreError: they could not be stored, or not be read; all must be read again
        """
        if self._is_stopped:
            return
        last = {event.key: event.value for event in batch.events}
        head = last.get(self._head)
        if head is not None and _generation(head) != self._generation:
            await self._take_generation(_generation(head), batch.revision)
            return
        place = self._place(self._generation)
        changed = {key[len(place) :]: value for key, value in last.items() if key.startswith(place)}
        if changed:
            await self._take(changed)

    async def _take(self, changed: Mapping[bytes, bytes | None]) -> None:
        gone: set[Key] = set()
        records: list[R] = []
        for key, value in changed.items():
            if value is not None:
                records += self._readable([(key, value)])
            else:
                gone |= _readable_key(key)

        def work() -> Step[R, I]:
            deleted = [record for record in self.index if record.key in gone] if gone else []
            stored = [record for record in records if self.index.get(record) != record]
            return Step(Change(tuple(deleted), tuple(stored)), None)

        await super()._change(work)

    async def load(self, revision: int) -> None:
        """Take all that the farm has at a revision, instead of what is here.

        @raise AwayError: it cannot be read now
        @raise CompactedError: that revision is forgotten
        @raise StoreError: it cannot be stored
        """
        page = await self._keyspace.page(self._head, self._head + b"\0", 1, revision)
        self.is_missing = not page.items
        self.is_stale = False
        if self.is_missing:
            self._generation = 0
        else:
            await self._take_generation(_generation(page.items[0].value), revision)

    async def _take_generation(self, generation: int, revision: int) -> None:
        records = await self._read(generation, revision)

        def work() -> Step[R, I]:
            index, kept = self.form.index(), {record.key for record in records}
            index.update(sorted(records, key=_record_key))
            deleted = sorted([record for record in self.index if record.key not in kept], key=_record_key)
            stored = sorted([record for record in records if self.index.get(record) != record], key=_record_key)
            return Step(Change(tuple(deleted), tuple(stored)), index)

        await super()._change(work)
        self._generation = generation
        self.is_missing = False

    async def _read(self, generation: int, revision: int) -> list[R]:
        place = self._place(generation)
        records: list[R] = []
        first, end = place, prefix_end(place)
        while first:
            page = await self._keyspace.page(first, end, PAGE, revision)
            records += self._readable((item.key[len(place) :], item.value) for item in page.items)
            first = page.follows
        return records

    def _readable(self, pairs: Iterable[tuple[bytes, bytes]]) -> list[R]:
        """Give the records of keys and values; those that hold none are told of, and left out."""
        records = []
        for key, value in pairs:
            try:
                row: Row = read_row(key, value)
                records.append(self.form.read(row))
            except (UnreadableError, ValueError):
                _log.error(
                    "What the farm has in the {title} at {key} cannot be read", title=self.form.layout.title, key=key
                )
        return records

    async def differences(self, revision: int) -> list[bytes]:
        """Give the keys of the records of which this member has something else than the farm at a revision.

        @raise AwayError: the farm cannot be read now
        @raise CompactedError: that revision is forgotten
        """
        there = {record.key: record for record in await self._read(self._generation, revision)}
        here = {record.key: record for record in self.index}
        keys = {*there, *here}
        return sorted(write_row_key(key) for key in keys if there.get(key) != here.get(key))

    def checksum(self) -> str:
        """Give a text that is the same at members with the same records."""
        keys = self.form.layout.keys
        return checksum((write_row_key(record.key), write_row(record.row, keys)) for record in self.index)


def _after(index: I, step: Step[Any, I]) -> I:
    """Give the index that a step leads to."""
    if step.index is not None:
        return step.index
    changed: I = index.copy()
    changed.discard(step.change.deleted)
    changed.update(step.change.stored)
    return changed


def _readable_key(key: bytes) -> set[Key]:
    """Give the key of a row; one that is none has been no record either."""
    try:
        return {read_row_key(key)}
    except UnreadableError:
        return set()


def _generation(value: bytes) -> int:
    """Read a head.

    @raise StoreError: it is none
    """
    try:
        return int(read_object(value)["generation"])
    except (UnreadableError, LookupError, TypeError, ValueError):
        raise StoreError(f"the farm's table cannot be read: {value[:80]!r}") from None


def _record_key(record: Record) -> Key:
    return record.key
