"""The lock of a table in the farm: one member at a time changes it, and one that dies lets go by itself."""

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall, deferLater
from twisted.python.failure import Failure

from sipproxy.farm.keyspace import ChangedError, HasRevision, IKeyspace, Item, KeyspaceError, Put
from sipproxy.farm.layout import UnreadableError, read_object, write_object

#: How long to wait before asking again for a lock that somebody holds, seconds.
_AGAIN = 0.2


class LockedError(KeyspaceError):
    """Another member holds the lock, and does not let go."""


class Held:
    """A lock that is held until it is released, or its lease is lost.

    @ivar condition: for each commit under it: that it is held still
    """

    def __init__(self, keyspace: IKeyspace, lease: int, condition: HasRevision, keeping: LoopingCall) -> None:
        self.condition = condition
        self._keyspace = keyspace
        self._lease = lease
        self._keeping = keeping

    def release(self) -> Deferred[None]:
        """Let go; where the engine is away the lease ends by itself."""
        if self._keeping.running:
            self._keeping.stop()
        return self._keyspace.revoke(self._lease).addErrback(_leave)


class Lock:
    """A lock.

    @param key: where it is in the keyspace
    @param member: our name, for others to see
    @param token: gives a text that nobody else has, for each time that it is taken
    @param ttl: how long it is held by a member that has died, seconds
    """

    def __init__(
        self, keyspace: IKeyspace, clock: IReactorTime, key: bytes, member: str, token: Callable[[], str], ttl: int
    ) -> None:
        self._keyspace = keyspace
        self._clock = clock
        self._key = key
        self._member = member
        self._token = token
        self._ttl = ttl

    async def take(self) -> Held:
        """Wait for the lock, at most twice as long as a dead member holds it.

        @raise LockedError: somebody else has it
        @raise AwayError: the engine is away
        """
        end = self._clock.seconds() + 2 * self._ttl
        value = write_object({"member": self._member, "token": self._token()})
        lease = await self._keyspace.grant(self._ttl)
        keeping = LoopingCall(self._keep, lease)
        keeping.clock = self._clock
        keeping.start(self._ttl / 3, now=False)
        try:
            while True:
                holder = await self._try(value, lease)
                if isinstance(holder, HasRevision):
                    return Held(self._keyspace, lease, holder, keeping)
                if self._clock.seconds() >= end:
                    raise LockedError(f"the farm is locked by {_member(holder)}")
                await deferLater(self._clock, _AGAIN)
        except BaseException:
            keeping.stop()
            self._keyspace.revoke(lease).addErrback(_leave)
            raise

    async def _try(self, value: bytes, lease: int) -> HasRevision | Item:
        """Give what holds while the lock is ours, or who has it."""
        while True:
            try:
                revision = await self._keyspace.commit([HasRevision(self._key, 0)], [Put(self._key, value, lease)])
                return HasRevision(self._key, revision)
            except ChangedError as changed:
                (found,) = changed.found
                if found is None:
                    continue  # it was released in this moment
                # An answer that was lost: it is ours already.
                return HasRevision(self._key, found.revision) if found.value == value else found

    def _keep(self, lease: int) -> Deferred[Any]:
        # Where it is lost, the next commit says so.
        return self._keyspace.keep(lease).addErrback(_leave)


def _member(item: Item) -> str:
    try:
        return str(read_object(item.value).get("member", "somebody"))
    except UnreadableError:
        return "somebody"


def _leave(failure: Failure) -> None:
    failure.trap(KeyspaceError)  # type: ignore[no-untyped-call]
