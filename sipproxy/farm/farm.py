"""A member of the farm: keeps its copy true, tells the others that it is there, and says how all that is.

It reads what the farm has at one revision, then follows every change after it.
Where it loses the way it comes back to the last revision that it knows; where
the engine has forgotten the changes in between it reads all again. Until then
its databases go on with what they have.
"""

from collections.abc import Callable, Mapping
from random import Random
from typing import Any, NamedTuple, Protocol

from twisted.internet.defer import CancelledError, Deferred, TimeoutError
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall, deferLater
from twisted.logger import Logger
from twisted.python.failure import Failure

from sipproxy.errors import StoreError, UnavailableError
from sipproxy.farm.keyspace import (
    AwayError,
    Batch,
    ChangedError,
    CompactedError,
    HasRevision,
    IKeyspace,
    IWatch,
    KeyspaceError,
    Put,
    prefix_end,
)
from sipproxy.farm.layout import Keys, UnreadableError, read_object, write_object
from sipproxy.farm.link import Link
from sipproxy.farm.members import Members
from sipproxy.farm.notes import INotes, Membership
from sipproxy.farm.registry import SharedRegistry

_log = Logger(namespace="mod_sip_farm")

#: How long to wait before trying again, seconds; up to twice as long, lest all members come at once.
RETRY = 1.0
#: How often it is looked whether a database has been read, seconds.
_LOOK_AGAIN = 0.05
#: How often it is looked for what is pending, and what has run out, seconds.
_SWEEP = 1.0


class SharedDatabase(Protocol):
    """A database of which this member has a copy."""

    prefix: bytes
    is_stale: bool

    @property
    def is_loaded(self) -> bool:
        """Whether what is stored here has been read."""

    async def load(self, revision: int) -> None:
        """Take all that the farm has at a revision."""

    def apply(self, batch: Batch) -> Any:
        """Take changes; gives something to be awaited."""

    async def differences(self, revision: int) -> list[bytes]:
        """Give what is other here than in the farm at a revision."""

    def checksum(self) -> str:
        """Give a text that is the same at two members whose copies are equal."""


class SharedRows(SharedDatabase, Protocol):
    """One that the first member gives to the farm as a whole (L{sipproxy.farm.table.SharedTable})."""

    is_missing: bool

    async def publish(self) -> None:
        """Give the farm what is here, unless it has something."""


class Databases(NamedTuple):
    """What is shared.

    @ivar registry: None where it is not
    @ivar tables: by name
    """

    registry: SharedRegistry | None
    tables: Mapping[str, SharedRows]

    def all(self) -> dict[str, SharedDatabase]:
        """Give all by name."""
        registry: dict[str, SharedDatabase] = {} if self.registry is None else {"registry": self.registry}
        return {**registry, **self.tables}


class Farm:
    """One member.

    @ivar link: the state of the way to the engine
    @ivar members: who else is there
    """

    def __init__(
        self,
        clock: IReactorTime,
        random: Random,
        keyspace: IKeyspace,
        keys: Keys,
        link: Link,
        members: Members,
        notes: INotes,
        databases: Databases,
        ttl: int,
    ) -> None:
        """
        @param ttl: how long a member that has died is taken to be there, seconds
        """
        self.link = link
        self.members = members
        self.keyspace = keyspace
        self.databases = databases
        self._clock = clock
        self._random = random
        self._keys = keys
        self._notes = notes
        self._ttl = ttl
        self._membership = Membership("", 0)
        self._is_read = False
        self._is_stopping = False
        self._watch: IWatch | None = None
        self._running: Deferred[None] | None = None
        self._first: Deferred[None] | None = None
        self._sweeps = self._loop(self._sweep)
        self._renewals = self._loop(self._renew)
        link.when_down(self._leave_watch)

    def _loop(self, act: Callable[[], object]) -> LoopingCall:
        loop = LoopingCall(act)
        loop.clock = self._clock
        return loop

    @property
    def away_since(self) -> float | None:
        """Since when the farm cannot be reached, seconds since 1970; None while it can."""
        return self.link.away_since

    @property
    def away_reason(self) -> str:
        """Why."""
        return self.link.away_reason

    # Life

    def start(self) -> Deferred[None]:
        """Be a member.

        @return: fires with None once this member has what the others have
        @raise StoreError: in the Deferred: the farm cannot be reached now; it is tried again until it can
        """
        first: Deferred[None] = Deferred()
        self._first = first
        self._is_stopping = False
        self._running = Deferred.fromCoroutine(self._run())
        self._running.addErrback(self._ended)
        self._sweeps.start(_SWEEP, now=False)
        return first

    def _ended(self, failure: Failure) -> None:
        if failure.check(CancelledError) is None:  # type: ignore[no-untyped-call]
            _log.failure("This member follows the farm no more", failure)
            self.link.down("a fault of this server, see its error log")

    def stop(self) -> Deferred[None]:
        """Leave the farm; its databases are to be stopped before."""
        for loop in (self._sweeps, self._renewals):
            if loop.running:
                loop.stop()
        self._is_stopping = True
        if self._running is not None:
            self._running.cancel()
        self._leave_watch()
        left: Deferred[Any] = Deferred.fromCoroutine(self.members.leave()).addErrback(_leave)
        left.addCallback(lambda _: self._notes.join(self._membership._replace(revision=self.link.revision)))
        left.addErrback(_leave).addCallback(lambda _: self._notes.close())
        return left.addCallback(lambda _: self.keyspace.close())

    def _leave_watch(self) -> None:
        if self._watch is not None:
            watch, self._watch = self._watch, None
            watch.stop()

    async def _run(self) -> None:
        noted = await self._read_notes()
        self._membership = noted
        while True:
            try:
                await self._synchronize()
                self._renew_soon()
                await self._follow()
            except CompactedError:
                _log.info("The engine has forgotten changes: all is read again", severity="notice")
                self._is_read = False
                continue
            except (StoreError, UnavailableError) as error:
                self._lost(error)
            finally:
                self._leave_watch()
            if self._is_stopping:
                return  # not each step of a connection that is being made can be cancelled: some only fail
            await deferLater(self._clock, RETRY * (1 + self._random.random()))

    async def _read_notes(self) -> Membership:
        while True:
            try:
                noted = await self._notes.load()
            except StoreError as error:
                self._lost(error)
                await deferLater(self._clock, RETRY)
                continue
            if self.databases.registry is not None:
                self.databases.registry.take_notes(noted.pending)
            return noted.membership

    def _lost(self, error: Exception) -> None:
        self.link.down(str(error))
        if self._first is not None:
            first, self._first = self._first, None
            first.errback(error if isinstance(error, StoreError) else StoreError(str(error)))

    # Coming in

    async def _synchronize(self) -> None:
        """Make this member's copies true."""
        databases = self.databases.all()
        while not all(database.is_loaded for database in databases.values()):
            await deferLater(self._clock, _LOOK_AGAIN)
        id_ = await self._join()
        root = self._keys.root
        page = await self.keyspace.page(root, prefix_end(root), 1)
        known = max(self._membership.revision, self.link.revision)
        if id_ != self._membership.id or page.revision < known:
            if self._membership.id:
                _log.warn("The farm has lost its memory: it is told what is known here")
            await self._adopt(Membership(id_, page.revision))
        if not self._is_read or any(database.is_stale for database in databases.values()):
            await self._load(page.revision)
        self.link.up()

    async def _join(self) -> str:
        """Give the farm's own name, and found it where there is none.

        @raise KeyspaceError: it is one of a later release
        """
        mine = write_object({"id": f"{self._random.getrandbits(64):016x}"})
        try:
            await self.keyspace.commit([HasRevision(self._keys.schema, 0)], [Put(self._keys.schema, mine)])
            value = mine
        except ChangedError as changed:
            (found,) = changed.found
            if found is None:
                raise AwayError("the farm is being founded") from None
            value = found.value
        try:
            return str(read_object(value)["id"])
        except (UnreadableError, LookupError) as error:
            raise KeyspaceError(f"this release cannot be a member of the farm: it is {error}") from None

    async def _adopt(self, membership: Membership) -> None:
        """Belong to a farm that has never heard of what is here."""
        if self.databases.registry is not None:
            await self.databases.registry.adopt()
        await self._notes.join(membership)
        self._membership = membership
        self._is_read = False

    async def _load(self, revision: int) -> None:
        for database in self.databases.all().values():
            await database.load(revision)
        await self.members.load(revision)
        self.link.know(revision)
        self._is_read = True

    # Being there

    async def _follow(self) -> None:
        root = self._keys.root
        self._watch = watch = self.keyspace.watch(root, prefix_end(root), self.link.revision + 1)
        if self._first is not None:
            first, self._first = self._first, None
            first.callback(None)
        publishing = self._publish()
        try:
            while True:
                try:
                    # Each member's own record changes more often than that.
                    batch = await watch.next().addTimeout(self._ttl, self._clock)
                except TimeoutError:
                    raise AwayError("the engine says nothing") from None
                except AwayError:
                    if self._watch is watch:
                        raise
                    # It was left, as something else has found out more.
                    raise AwayError(self.link.away_reason) from None
                await self._apply(batch)
        finally:
            publishing.cancel()

    async def _apply(self, batch: Batch) -> None:
        if batch.revision <= self.link.revision:
            return  # told a second time
        self.members.apply(batch)
        for database in self.databases.all().values():
            events = tuple(event for event in batch.events if event.key.startswith(database.prefix))
            if events:
                await database.apply(Batch(batch.revision, events))
        if any(database.is_stale for database in self.databases.all().values()):
            raise StoreError("what the farm has could not be stored here")
        self.link.know(batch.revision)

    def _publish(self) -> Deferred[None]:
        """Give the farm the tables that it does not have."""
        return Deferred.fromCoroutine(self._publish_tables()).addErrback(self._not_published)

    async def _publish_tables(self) -> None:
        for name, table in self.databases.tables.items():
            if table.is_missing:
                await table.publish()
                _log.info("The farm has the {name} of this member now", name=name, severity="notice")

    def _not_published(self, failure: Failure) -> None:
        if failure.check(CancelledError) is None:  # type: ignore[no-untyped-call]
            failure.trap(StoreError)  # type: ignore[no-untyped-call]
            self.link.down(str(failure.value))

    def _renew_soon(self) -> None:
        if not self._renewals.running:
            self._renewals.start(self._ttl / 3)

    def _renew(self) -> Deferred[None]:
        renewed = Deferred.fromCoroutine(self.members.renew(self._told()))
        return renewed.addErrback(self._not_renewed)

    def _not_renewed(self, failure: Failure) -> None:
        failure.trap(KeyspaceError)  # type: ignore[no-untyped-call]
        if not self._is_stopping:
            self.link.down(str(failure.value))

    def _told(self) -> dict[str, Any]:
        """Give what the others are told of this member."""
        registry = self.databases.registry
        return {"revision": self.link.revision, "pending": 0 if registry is None else registry.pending}

    def _sweep(self) -> None:
        registry = self.databases.registry
        if registry is None or self.link.away_since is not None:
            return
        registry.push()
        if self.members.is_first():
            registry.sweep()

    # For the operator

    async def verify(self) -> dict[str, list[bytes]]:
        """Compare this member's copies with what the farm has; what changes meanwhile may be named.

        @return: by database what is different
        @raise StoreError: the farm cannot be read now
        """
        if self.link.away_since is not None:
            raise StoreError(f"the farm cannot be reached: {self.link.away_reason}")
        root = self._keys.root
        page = await self.keyspace.page(root, prefix_end(root), 1)
        revision = max(page.revision, self.link.revision)
        found = {}
        for name, database in self.databases.all().items():
            found[name] = await database.differences(revision)
        return found

    def checksums(self) -> dict[str, str]:
        """Give by database what must be the same at all members that know the same revision."""
        return {name: database.checksum() for name, database in self.databases.all().items()}

    def resynchronize(self) -> None:
        """Read all anew."""
        self._is_read = False
        self.link.down("all is read again, as the operator wishes")


def _leave(failure: Failure) -> None:
    """The engine is away: what it holds of us ends by itself. The notes cannot be written: the farm will be read."""
    failure.trap(StoreError)  # type: ignore[no-untyped-call]
