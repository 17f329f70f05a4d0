"""What a keyspace does, whatever it is; the classes that run these give it one."""

from typing import Any

from twisted.internet.defer import Deferred
from zope.interface.verify import verifyObject

from sipproxy.farm.keyspace import (
    ChangedError,
    CompactedError,
    Delete,
    Event,
    HasRevision,
    HasValue,
    IKeyspace,
    Item,
    IWatch,
    LeaseLostError,
    Put,
)

FIRST, END = b"/t/", b"/t0"


class KeyspaceTests:
    """The same on memory, on etcd, and over a bad way."""

    keyspace: IKeyspace

    async def settle(self, deferred: "Deferred[Any]") -> Any:
        """Give what a Deferred fires with, and let time pass until it does."""
        raise NotImplementedError

    async def pause(self, seconds: float) -> None:
        """Let time pass."""
        raise NotImplementedError

    async def compact(self, revision: int) -> None:
        """Let it forget what was before."""
        raise NotImplementedError

    async def commit(self, *operations: Any, conditions: Any = ()) -> int:
        """Change."""
        revision: int = await self.settle(self.keyspace.commit(conditions, operations))
        return revision

    async def fails(self, error: type[Exception], deferred: "Deferred[Any]") -> Any:
        """Give the error that a Deferred fails with."""
        try:
            found = await self.settle(deferred)
        except error as raised:
            return raised
        raise AssertionError(f"no {error.__name__} but {found}")

    async def test_interfaces(self) -> None:
        """It does what the interfaces say."""
        assert verifyObject(IKeyspace, self.keyspace)
        watch = self.keyspace.watch(FIRST, END, 1)
        assert verifyObject(IWatch, watch)
        watch.stop()

    async def test_pages(self) -> None:
        """Keys are read in order, in pages, all of one state."""
        octets = bytes(range(256))
        first = await self.commit(Put(b"/t/a", b"1"), Put(b"/t/b", octets), Put(b"/t/c", b""))
        page = await self.settle(self.keyspace.page(FIRST, END, 2))
        assert page.items == (Item(b"/t/a", b"1", first), Item(b"/t/b", octets, first)), page
        second = await self.commit(Put(b"/t/c", b"new"), Delete(b"/t/a"))
        assert second > first
        rest = await self.settle(self.keyspace.page(page.follows, END, 2, page.revision))
        assert (rest.items, rest.follows) == ((Item(b"/t/c", b"", first),), b""), rest
        now = await self.settle(self.keyspace.page(FIRST, END, 9))
        assert now.revision == second
        assert [item.key for item in now.items] == [b"/t/b", b"/t/c"]

    async def test_past(self) -> None:
        """A state that is past is read as it was, whatever became of its keys before and after."""
        await self.commit(Put(b"/t/a", b"1"), Put(b"/t/b", b"1"), Put(b"/t/c", b"1"))
        await self.commit(Delete(b"/t/a"), Delete(b"/t/b"))
        past = await self.commit(Put(b"/t/a", b"2"), Put(b"/t/d", b"2"))
        await self.commit(Delete(b"/t/d"), Put(b"/t/c", b"3"), Put(b"/t/e", b"3"))
        page = await self.settle(self.keyspace.page(FIRST, END, 9, past))
        assert [item[:2] for item in page.items] == [(b"/t/a", b"2"), (b"/t/c", b"1"), (b"/t/d", b"2")], page

    async def test_conditions(self) -> None:
        """Nothing is done where a condition does not hold, and what is there is told."""
        revision = await self.commit(Put(b"/t/a", b"1"), conditions=[HasRevision(b"/t/a", 0)])
        error = await self.fails(
            ChangedError,
            self.keyspace.commit([HasValue(b"/t/a", b"1"), HasRevision(b"/t/b", 7)], [Put(b"/t/c", b"x")]),
        )
        assert error.found == (Item(b"/t/a", b"1", revision), None), error.found
        second = await self.commit(Put(b"/t/a", b"2"), conditions=[HasRevision(b"/t/a", revision)])
        await self.commit(Delete(b"/t/a"), conditions=[HasValue(b"/t/a", b"2"), HasRevision(b"/t/a", second)])
        await self.fails(ChangedError, self.keyspace.commit([HasValue(b"/t/a", b"2")], [Delete(b"/t/a")]))
        assert (await self.settle(self.keyspace.page(FIRST, END, 9))).items == ()

    async def test_watch(self) -> None:
        """Changes come in their order, from the revision on that is asked for, and of no other keys."""
        first = await self.commit(Put(b"/t/a", b"1"))
        second = await self.commit(Put(b"/t/a", b"2"), Put(b"/u/x", b"9"))
        watch = self.keyspace.watch(FIRST, END, second)
        third = await self.commit(Delete(b"/t/", b"/t0"), Put(b"/u/y", b"9"))
        events: list[Event] = []
        revision = first
        while revision < third:
            batch = await self.settle(watch.next())
            revision = batch.revision
            events += batch.events
        assert events == [Event(b"/t/a", b"2"), Event(b"/t/a", None)], events
        waiting = watch.next()
        waiting.addErrback(lambda _: None)
        waiting.cancel()
        fourth = await self.commit(Put(b"/t/b", b"3"))
        batch = await self.settle(watch.next())
        assert batch == (fourth, (Event(b"/t/b", b"3"),)), batch
        watch.stop()

    async def test_compacted(self) -> None:
        """A watch, or a state, of what is forgotten fails; what is there now can be read."""
        first = await self.commit(Put(b"/t/a", b"1"))
        await self.commit(Put(b"/t/a", b"2"))
        last = await self.commit(Put(b"/t/a", b"3"))
        await self.compact(last)
        watch = self.keyspace.watch(FIRST, END, first)
        await self.fails(CompactedError, watch.next())
        watch.stop()
        await self.fails(CompactedError, self.keyspace.page(FIRST, END, 9, first))
        page = await self.settle(self.keyspace.page(FIRST, END, 9))
        assert [item.value for item in page.items] == [b"3"]

    async def test_lease(self) -> None:
        """What was put with a lease lasts as long as that is kept, and no longer."""
        lease = await self.settle(self.keyspace.grant(2))
        await self.commit(Put(b"/t/l", b"me", lease), Put(b"/t/m", b"me"))
        for _ in range(3):
            await self.pause(1)
            await self.settle(self.keyspace.keep(lease))
        assert len((await self.settle(self.keyspace.page(FIRST, END, 9))).items) == 2
        await self.pause(4)
        page = await self.settle(self.keyspace.page(FIRST, END, 9))
        assert [item.key for item in page.items] == [b"/t/m"], page
        await self.fails(LeaseLostError, self.keyspace.keep(lease))

    async def test_revoke(self) -> None:
        """A lease that is ended takes its keys along at once."""
        lease = await self.settle(self.keyspace.grant(60))
        await self.commit(Put(b"/t/l", b"me", lease))
        await self.settle(self.keyspace.revoke(lease))
        assert (await self.settle(self.keyspace.page(FIRST, END, 9))).items == ()
