"""Group commit."""

from collections.abc import Sequence

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from sipproxy.databases.commit import Entry, GroupCommit


class DiskError(Exception):
    """A write failed."""


class GroupCommitTests(SynchronousTestCase):
    """L{GroupCommit} with writes that end when the test says so."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.writes: list[tuple[list[int], Deferred[None]]] = []
        self.dropped: list[int] = []
        self.commits: GroupCommit[int] = GroupCommit(self.clock, self.write, self.drop, linger=1, largest=3)

    def write(self, batch: Sequence[Entry[int]]) -> Deferred[None]:
        """Begin a write."""
        done: Deferred[None] = Deferred()
        self.writes.append(([entry.value for entry in batch], done))
        return done

    def drop(self, entries: Sequence[Entry[int]]) -> None:
        """Note what failed."""
        self.dropped += [entry.value for entry in entries]

    def add(self, key: bytes, value: int) -> Deferred[None]:
        """Add a change."""
        entry = Entry(key, value)
        self.commits.add(entry)
        return entry.done

    def written(self) -> list[list[int]]:
        """Give the batches that were begun."""
        return [values for values, _ in self.writes]

    def test_lingers(self) -> None:
        """Changes within the delay of the first are written together, and confirmed once they are written."""
        first = self.add(b"a", 1)
        self.clock.advance(0.75)
        second = self.add(b"b", 2)
        self.assertEqual(self.writes, [])
        self.clock.advance(0.25)
        self.assertEqual(self.written(), [[1, 2]])
        self.assertNoResult(first)
        self.writes[0][1].callback(None)
        self.successResultOf(first)
        self.successResultOf(second)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_one_batch_at_a_time(self) -> None:
        """What has lingered during a write is written right after it, what has not goes on gathering."""
        self.add(b"a", 1)
        self.clock.advance(1)
        self.add(b"b", 2)
        self.clock.advance(1)
        self.add(b"c", 3)
        self.assertEqual(self.written(), [[1]])
        self.writes[0][1].callback(None)
        self.assertEqual(self.written(), [[1], [2, 3]])
        self.add(b"d", 4)
        self.writes[1][1].callback(None)
        self.assertEqual(self.written(), [[1], [2, 3]])
        self.clock.advance(1)
        self.assertEqual(self.written(), [[1], [2, 3], [4]])

    def test_largest(self) -> None:
        """A batch has a limit; the rest follows at once."""
        for value in range(4):
            self.add(b"%d" % value, value)
        self.clock.advance(1)
        self.writes[0][1].callback(None)
        self.assertEqual(self.written(), [[0, 1, 2], [3]])

    def test_failure(self) -> None:
        """With a batch fail the waiting changes that build upon it; others are written."""
        first = self.add(b"a", 1)
        self.clock.advance(1)
        second, third = self.add(b"a", 2), self.add(b"b", 3)
        self.writes[0][1].errback(DiskError())
        self.failureResultOf(first, DiskError)
        self.failureResultOf(second, DiskError)
        self.assertEqual(self.dropped, [1, 2])
        self.clock.advance(1)
        self.assertEqual(self.written(), [[1], [3]])
        self.writes[1][1].callback(None)
        self.successResultOf(third)

    def test_failure_of_all(self) -> None:
        """Where nothing is left to wait for no timer is left, and later changes go on as ever."""
        failed = [self.add(b"a", 1)]
        self.clock.advance(1)
        failed.append(self.add(b"a", 2))
        self.writes[0][1].errback(DiskError())
        for done in failed:
            self.failureResultOf(done, DiskError)
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.add(b"a", 3)
        self.clock.advance(1)
        self.assertEqual(self.written(), [[1], [3]])

    def test_added_while_confirmed(self) -> None:
        """A change that is added because another is confirmed has its own batch."""

        def go_on(_: None) -> None:
            self.add(b"a", 2)

        self.add(b"a", 1).addCallback(go_on)
        self.clock.advance(1)
        self.writes[0][1].callback(None)
        self.clock.advance(1)
        self.assertEqual(self.written(), [[1], [2]])

    def test_flush(self) -> None:
        """To flush is not to linger, and to wait for all."""
        self.successResultOf(self.commits.flush())
        self.add(b"a", 1)
        self.clock.advance(1)
        self.add(b"b", 2)
        flushed = self.commits.flush()
        self.writes[0][1].callback(None)
        self.assertEqual(self.written(), [[1], [2]])
        self.assertNoResult(flushed)
        self.writes[1][1].callback(None)
        self.successResultOf(flushed)

    def test_flush_and_failure(self) -> None:
        """A flush ends also where what it waits for fails."""
        failed = self.add(b"a", 1)
        flushed = self.commits.flush()
        self.writes[0][1].errback(DiskError())
        self.failureResultOf(failed, DiskError)
        self.successResultOf(flushed)
