"""The registry of a farm's member: bindings that all members have, each change decided by the engine.

A change is written to the engine under the condition that it still has what the
change was made from; only then it is stored here and its REGISTER answered.
Where another member was quicker the two are merged and it is tried again. What
others have changed comes in by L{SharedRegistry.apply}, and is stored like any
change, but not told to the engine again.

Without the engine, changes are stored here and noted as pending
(C{FarmAcknowledge Majority}), or refused (C{Strict}). What is pending is not
changed from outside: L{SharedRegistry.push} merges it with what the farm has.

Bindings that run out are hidden by each member at once, as by any registry;
that they are gone is decided by one member for all.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from math import inf
from typing import Any

from twisted.internet.defer import Deferred, fail, gatherResults, succeed
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from sipproxy.databases.registry import AsInterface, Registry
from sipproxy.databases.registry_store import IRegistryStore
from sipproxy.errors import StoreError, UnavailableError
from sipproxy.farm.entry import Entry, is_met, read_item
from sipproxy.farm.keyspace import AwayError, Batch, ChangedError, IKeyspace, Item, prefix_end
from sipproxy.farm.layout import UnreadableError, checksum, read_bindings, write_bindings
from sipproxy.farm.link import Link
from sipproxy.farm.notes import INotes
from sipproxy.registrar.bindings import Bindings

_log = Logger(namespace="mod_sip_farm")

#: How long a change waits for others to be written to the engine with it, seconds.
LINGER = 0.015
#: And then to be stored here with those: they come together already.
LOCAL_LINGER = 0.002
#: Changes in one transaction of the engine.
AT_ONCE = 100
#: Keys that are read at once.
PAGE = 1000
# Addresses of record that are told to the farm at once, after it was away.
_PUSHED_AT_ONCE = 2000
# Addresses of record that are swept at once.
_SWEPT_AT_ONCE = 1000


@dataclass(frozen=True)
class Writing:
    """How changes are written to the farm.

    @ivar timeout: how long it may take, seconds
    @ivar is_strict: whether a change that the farm does not take is refused
    """

    timeout: float
    is_strict: bool


class SharedRegistry(Registry):
    """A registry that is a member's copy of the farm's.

    @ivar prefix: what its keys in the engine begin with
    @ivar is_stale: whether something that the farm has could not be stored here, so that all must be read again
    """

    def __init__(
        self,
        store: IRegistryStore,
        clock: IReactorTime,
        now: Callable[[], float],
        keyspace: IKeyspace,
        prefix: bytes,
        link: Link,
        notes: INotes,
        writing: Writing,
    ) -> None:
        """
        @param store: where this member keeps its copy
        @param now: gives the time in seconds since 1970
        @param notes: where it is noted what the farm has not heard of
        """
        super().__init__(store, clock, now, LOCAL_LINGER)
        self.prefix = prefix
        self.is_stale = False
        self._is_stopping = False
        self._keyspace = keyspace
        self._link = link
        self._notes = notes
        self._how = writing
        self._queue: dict[bytes, Entry] = {}
        self._sent: dict[bytes, Entry] = {}
        self._timer: IDelayedCall | None = None
        self._is_sending = False
        self._idle: list[Deferred[None]] = []
        self._alone: dict[bytes, Bindings] = {}
        # What was written from here, and at which revision, until the watch is past it: oldest first.
        self._own: dict[bytes, int] = {}
        # What the watch has told of those that are on their way or pending, and at which revision.
        self._later: dict[bytes, tuple[int, Bindings]] = {}
        self._due: dict[bytes, None] = {}  # in the order in which they ran out

    @property
    def pending(self) -> int:
        """How many addresses of record were changed without the farm."""
        return len(self._alone)

    @property
    def is_loaded(self) -> bool:
        """Whether what is stored here has been read."""
        return self._ticks.running

    def take_notes(self, pending: Mapping[bytes, Bindings]) -> None:
        """Take what was pending when the server ended."""
        self._alone.update(pending)

    def stop(self) -> Deferred[None]:
        """Write what is on its way, then store it and close the store; what others change is not taken any more."""
        self._is_stopping = True
        return self._written_out().addCallback(lambda _: super(SharedRegistry, self).stop())

    def _written_out(self) -> Deferred[None]:
        if not self._queue and not self._is_sending:
            return succeed(None)
        idle: Deferred[None] = Deferred()
        self._idle.append(idle)
        if self._timer is not None:
            self._timer.cancel()
            self._lingered()
        return idle

    # IRegistry

    def current(self, aor: bytes, now: float) -> AsInterface:
        """Give the unexpired bindings, with changes that are on their way."""
        entry = self._queue.get(aor) or self._sent.get(aor)
        if entry is None:
            return super().current(aor, now)
        return tuple([binding for binding in entry.value if binding.expires > now])

    def store(self, aor: bytes, bindings: AsInterface) -> Deferred[None]:
        """Replace the bindings of an address of record, in the farm.

        @return: fires with None once the farm has it, or it is pending, and it is stored here
        @raise UnavailableError: in the Deferred: nothing has changed, as far as is known
        """
        if self._unread:
            return fail(UnavailableError(b"Registry Unavailable"))
        if aor not in self._queue and aor not in self._sent and bindings == super().current(aor, -inf):
            return super().store(aor, bindings)
        done: Deferred[None] = Deferred()
        self._enqueue(aor, bindings).waiting.append(done)
        return done

    def _enqueue(self, aor: bytes, value: Bindings) -> Entry:
        entry = self._queue.get(aor)
        if entry is None:
            entry = self._queue[aor] = Entry(aor, self.current(aor, -inf), value)
            if self._timer is None and not self._is_sending:
                self._linger(LINGER)
        entry.value = value
        return entry

    # To the engine

    def _linger(self, delay: float) -> None:
        self._timer = self._clock.callLater(delay, self._lingered)

    def _lingered(self) -> None:
        self._timer = None
        self._is_sending = True
        aors = list(self._queue)[:AT_ONCE]
        self._sent = {aor: self._queue.pop(aor) for aor in aors}
        writing = Deferred.fromCoroutine(self._send(list(self._sent.values())))
        writing.addErrback(self._mistake).addCallback(self._go_on)

    def _go_on(self, _: object) -> None:
        self._sent.clear()
        self._is_sending = False
        if self._queue:
            self._linger(0 if self._idle or len(self._queue) >= AT_ONCE else LINGER)
            return
        idle, self._idle = self._idle, []
        for deferred in idle:
            deferred.callback(None)

    def _mistake(self, failure: Failure) -> None:
        """Ours: who waits is told, and the next batch goes on."""
        _log.failure("Changes could not be written to the farm", failure)
        for entry in self._sent.values():
            entry.finish(failure)

    async def _send(self, entries: Sequence[Entry]) -> None:
        for entry in entries:
            # What the farm has not heard of is part of the change.
            entry.base = self._alone.get(entry.aor, entry.base)
        if self._link.away_since is None:
            try:
                await self._commit(entries)
                return
            except AwayError as error:
                self._link.down(str(error))
        await self._keep(list(self._sent.values()))

    async def _commit(self, entries: Sequence[Entry]) -> None:
        """Write changes; those that are decided leave C{_sent} at once.

        @raise AwayError: the rest is not, or nobody knows
        """
        end = self._clock.seconds() + self._how.timeout
        batches: list[Sequence[Entry]] = [entries]
        while batches:
            batch = batches.pop()
            left = end - self._clock.seconds()
            if left <= 0:
                raise AwayError("no answer in time")
            try:
                revision = await self._keyspace.commit(
                    [entry.condition(self.prefix) for entry in batch],
                    [entry.operation(self.prefix) for entry in batch],
                    left,
                )
            except ChangedError as changed:
                batches += self._split(batch, changed.found)
            else:
                for entry in batch:
                    self._decided(entry, revision)

    def _split(self, batch: Iterable[Entry], found: Iterable[Item | None]) -> list[list[Entry]]:
        """Part those that nobody else has changed from those that somebody has, each of which goes by itself."""
        unchanged: list[Entry] = []
        batches: list[list[Entry]] = []
        for entry, item in zip(batch, found, strict=True):
            if is_met(entry.condition(self.prefix), item):
                unchanged.append(entry)
                continue
            entry.meet(item)
            if entry.value == entry.base:
                self._decided(entry, entry.revision or 0)
            else:
                batches.append([entry])
        return [unchanged, *batches] if unchanged else batches

    def _decided(self, entry: Entry, revision: int) -> None:
        """The farm has it."""
        if self._sent.get(entry.aor) is entry:
            del self._sent[entry.aor]
        if revision:
            self._own.pop(entry.aor, None)
            self._own[entry.aor] = revision
        self._due.pop(entry.aor, None)
        was_alone = self._alone.pop(entry.aor, None) is not None
        later, value = self._later.pop(entry.aor, (0, ()))
        # The watch may be quicker than the answer.
        stored = super().store(entry.aor, value if later > revision else entry.value).addErrback(self._not_stored)
        if was_alone:
            stored.addCallback(self._forget, entry.aor)
        stored.addBoth(entry.finish)

    def _forget(self, _: None, aor: bytes) -> None:
        if aor not in self._alone:  # it may be so once more
            self._notes.remove([aor]).addErrback(_leave)

    def _not_stored(self, failure: Failure) -> Failure:
        self.is_stale = True
        return failure

    async def _keep(self, entries: Sequence[Entry]) -> None:
        """Store changes without the farm."""
        refused: Failure | None = Failure(UnavailableError(b"Farm Unavailable"))  # type: ignore[no-untyped-call]
        if not self._how.is_strict:
            new = [(entry.aor, entry.base) for entry in entries if entry.aor not in self._alone]
            try:
                await self._notes.add(new)
            except StoreError as error:
                _log.error("It cannot be noted what the farm has not heard of: {reason}", reason=error)
            else:
                self._alone.update(new)
                refused = None
        for entry in entries:
            self._sent.pop(entry.aor, None)
            if refused is not None:
                self._later.pop(entry.aor, None)
                entry.finish(refused)
            else:
                super().store(entry.aor, entry.value).addBoth(entry.finish)

    # From the engine

    def apply(self, batch: Batch) -> Deferred[Any]:
        """Take changes of the farm, which this member may have made itself.

        @return: fires once they are stored
        @raise UnavailableError: in the Deferred: they could not be; all must be read again
        """
        stored = [
            self._take(event.key, event.value, batch.revision)
            for event in {event.key: event for event in batch.events}.values()
        ]
        while self._own:
            oldest = next(iter(self._own))
            if self._own[oldest] > batch.revision:
                break
            del self._own[oldest]
        return gatherResults(stored, consumeErrors=True).addErrback(_first_error)

    def _take(self, key: bytes, value: bytes | None, revision: int) -> Deferred[None]:
        """Take one, unless what is here is later, or pending."""
        aor = key[len(self.prefix) :]
        if self._is_stopping or self._own.get(aor, 0) > revision:
            return succeed(None)
        try:
            bindings = () if value is None else read_bindings(value)
        except UnreadableError as error:
            _log.error("What the farm has for {aor} cannot be read: {reason}", aor=aor, reason=error)
            return succeed(None)
        if aor in self._alone or aor in self._sent:
            self._later[aor] = (revision, bindings)
        if aor in self._alone:
            return succeed(None)
        self._due.pop(aor, None)
        on_its_way = self._pending.get(aor)
        if on_its_way is not None and on_its_way.value == bindings:
            return succeed(None)  # our own change comes back; who began to store it learns how that ends
        return super().store(aor, bindings).addErrback(self._not_stored)

    async def load(self, revision: int) -> None:
        """Take all that the farm has at a revision, instead of what is here; not where that is pending.

        @raise AwayError: it cannot be read now
        @raise CompactedError: that revision is forgotten
        @raise UnavailableError: it cannot be stored
        """
        self.is_stale = False
        seen: set[bytes] = set()
        first, end = self.prefix, prefix_end(self.prefix)
        while first:
            page = await self._keyspace.page(first, end, PAGE, revision)
            seen.update(item.key[len(self.prefix) :] for item in page.items)
            await gatherResults(
                [self._take(item.key, item.value, revision) for item in page.items], consumeErrors=True
            ).addErrback(_first_error)
            first = page.follows
        _, rows = self.snapshot()
        known = {*(aor for aor, _ in rows), *self._alone, *self._sent}
        gone = [self._take(self.prefix + aor, None, revision) for aor in known - seen]
        await gatherResults(gone, consumeErrors=True).addErrback(_first_error)

    async def adopt(self) -> None:
        """Let all that is here be pending: the farm is a new one, or has lost its memory, and counts anew.

        @raise StoreError: that cannot be noted
        """
        self._own.clear()
        self._later.clear()
        _, rows = self.snapshot()
        new = [(aor, ()) for aor, _ in rows if aor not in self._alone]
        await self._notes.add(new)
        self._alone.update(new)

    def push(self) -> None:
        """Tell the farm of some that are pending; to be called until none is."""
        for aor in list(islice(self._alone, _PUSHED_AT_ONCE)):
            if aor not in self._queue and aor not in self._sent:
                self._enqueue(aor, super().current(aor, -inf))

    async def differences(self, revision: int) -> list[bytes]:
        """Give the addresses of record of which this member has something else than the farm at a revision.

        @raise AwayError: the farm cannot be read now
        @raise CompactedError: that revision is forgotten
        """
        now = self._now()
        _, rows = self.snapshot()
        here = {aor: _lasting(bindings, now) for aor, bindings in rows}
        different: list[bytes] = []
        first, end = self.prefix, prefix_end(self.prefix)
        while first:
            page = await self._keyspace.page(first, end, PAGE, revision)
            for item in page.items:
                aor = item.key[len(self.prefix) :]
                if here.pop(aor, ()) != _lasting(read_item(item), now):
                    different.append(aor)
            first = page.follows
        return sorted([*different, *(aor for aor, bindings in here.items() if bindings)])

    def checksum(self) -> str:
        """Give a text that is the same at members with the same bindings, those that have run out among them."""
        _, rows = self.snapshot()
        return checksum((aor, write_bindings(bindings)) for aor, bindings in rows if bindings)

    # Expiry

    def _expire(self, aor: bytes, now: float) -> None:
        self._due[aor] = None

    def sweep(self) -> None:
        """Remove what has run out from the farm; to be called at one member, every now and then."""
        now = self._now()
        for aor in list(islice(self._due, _SWEPT_AT_ONCE)):
            self._due.pop(aor, None)
            if aor in self._alone or aor in self._queue or aor in self._sent:
                self._expect_again(aor)
                continue
            newest = super().current(aor, -inf)
            kept = tuple(binding for binding in newest if binding.expires > now)
            if len(kept) < len(newest):
                self._enqueue(aor, kept).waiting.append(Deferred().addErrback(self._not_swept, aor))
            else:
                self._expect_again(aor)

    def _not_swept(self, failure: Failure, aor: bytes) -> None:
        failure.trap(UnavailableError)  # type: ignore[no-untyped-call]
        self._expect_again(aor)

    def _expect_again(self, aor: bytes) -> None:
        if aor in self._index:
            self._expect(aor, self._index[aor])


def _lasting(bindings: Bindings, now: float) -> Bindings:
    return tuple(binding for binding in bindings if binding.expires > now)


def _first_error(failure: Failure) -> Failure:
    """Give what one of several failed with."""
    first: Failure = failure.value.subFailure  # type: ignore[union-attr]
    return first


def _leave(failure: Failure) -> None:
    """It is noted as pending once more: to push it again changes nothing."""
    failure.trap(StoreError)  # type: ignore[no-untyped-call]
