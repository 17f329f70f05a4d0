"""What the farm needs of the engine that replicates it: keys and values with one order of all changes.

Each change has a revision, higher than that of all before. Whoever read a
prefix at some revision, and hears of all changes after it, has a true copy.
L{sipproxy.farm.etcd} asks etcd; L{sipproxy.farm.memory} keeps all in this
process, for one machine and for tests.
"""

from collections.abc import Sequence
from typing import NamedTuple

from twisted.internet.defer import Deferred
from zope.interface import Attribute, Interface

from sipproxy.errors import StoreError

#: Operations, and conditions, that one commit may have: what etcd takes unless it is told otherwise.
LARGEST = 128


class KeyspaceError(StoreError):
    """The engine does not do what is asked."""


class AwayError(KeyspaceError):
    """It does not answer, or has no majority. What was asked may have been done, or may still be."""


class ChangedError(KeyspaceError):
    """A condition of a commit does not hold; nothing was done.

    @ivar found: what is there now, for each condition; None where there is nothing
    """

    def __init__(self, found: "Sequence[Item | None]") -> None:
        super().__init__("changed by another member")
        self.found = tuple(found)


class CompactedError(KeyspaceError):
    """The changes after a revision, or the state at it, are forgotten: all has to be read anew."""


class LeaseLostError(KeyspaceError):
    """A lease has run out; what was put with it is gone."""


class Item(NamedTuple):
    """A key and its value.

    @ivar revision: that of the change that made it so
    """

    key: bytes
    value: bytes
    revision: int


class Page(NamedTuple):
    """Some of the keys of a range, in the order of their octets.

    @ivar revision: the state of the keyspace that they belong to
    @ivar follows: where the rest begins; empty where there is none
    """

    revision: int
    items: tuple[Item, ...]
    follows: bytes


class Event(NamedTuple):
    """A key has changed.

    @ivar value: what it has now, None where it is gone
    """

    key: bytes
    value: bytes | None


class Batch(NamedTuple):
    """The changes of one revision, or of several that came together.

    @ivar revision: the last of them
    """

    revision: int
    events: tuple[Event, ...]


class HasValue(NamedTuple):
    """A condition: a key has this value."""

    key: bytes
    value: bytes


class HasRevision(NamedTuple):
    """A condition: a key was changed last at this revision; 0: it is not there."""

    key: bytes
    revision: int


Condition = HasValue | HasRevision


class Put(NamedTuple):
    """Set a key.

    @ivar lease: it goes when that runs out; 0 for never
    """

    key: bytes
    value: bytes
    lease: int = 0


class Delete(NamedTuple):
    """Remove a key, or all keys up to C{end} (without it)."""

    key: bytes
    end: bytes = b""


Operation = Put | Delete


class Place(NamedTuple):
    """One server of the engine.

    @ivar since: since when it does not answer, seconds since 1970; None while it does
    @ivar reason: why
    """

    name: str
    since: float | None
    reason: str


class IWatch(Interface):
    """Changes, one batch after the other."""

    def next() -> "Deferred[Batch]":
        """Give the next changes; asked once at a time. A cancelled question takes none.

        @raise AwayError: in the Deferred: the watch has ended; another one may begin after the last batch
        @raise CompactedError: in the Deferred
        """

    def stop() -> None:
        """End it."""


class IKeyspace(Interface):
    """The engine. All that it cannot do is a L{KeyspaceError} in the Deferred; each question has a deadline."""

    places = Attribute("tuple of L{Place}, the servers behind it")

    def page(first: bytes, end: bytes, limit: int, revision: int = 0) -> "Deferred[Page]":
        """Read from a key up to another one (without it).

        @param revision: the state that is wanted, 0 for the present one
        """

    def commit(
        conditions: Sequence[Condition], operations: Sequence[Operation], timeout: float | None = None
    ) -> "Deferred[int]":
        """Change keys, all or none, where all conditions hold; no key twice.

        @param timeout: how long it may take, seconds
        @return: fires with the revision
        @raise ChangedError: in the Deferred
        """

    def watch(first: bytes, end: bytes, revision: int) -> IWatch:
        """Follow the changes of keys from a key up to another one (without it), from a revision on (with it)."""

    def grant(ttl: int) -> "Deferred[int]":
        """Make a lease that runs out unless it is kept.

        @param ttl: seconds
        @return: fires with its number
        """

    def keep(lease: int) -> "Deferred[None]":
        """Let a lease last from now on.

        @raise LeaseLostError: in the Deferred
        """

    def revoke(lease: int) -> "Deferred[None]":
        """End a lease."""

    def close() -> "Deferred[None]":
        """Let go of what is held."""


def prefix_end(prefix: bytes) -> bytes:
    """Give the first key behind all that begin with a prefix, which does not end in octet 255."""
    return prefix[:-1] + bytes([prefix[-1] + 1])
