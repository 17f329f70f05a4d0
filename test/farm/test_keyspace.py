"""Keyspaces in memory, and over a way that loses, delays and doubles; etcd is in L{test.interop.test_farm}."""

from random import Random
from typing import Any

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase, TestCase

from sipproxy.farm.keyspace import AwayError, Event, Put, prefix_end
from sipproxy.farm.memory import MemoryKeyspace
from sipproxy.simulation.clock import VirtualClock
from test.farm.faulty import FaultyKeyspace
from test.farm.keyspace_tests import END, FIRST, KeyspaceTests


class MemoryKeyspaceTests(KeyspaceTests, TestCase):
    """In memory."""

    def setUp(self) -> None:
        self.clock = VirtualClock()
        self.keyspace = self.memory = MemoryKeyspace(self.clock)

    async def settle(self, deferred: "Deferred[Any]") -> Any:
        """Let up to a minute pass."""
        self.clock.run_until(lambda: deferred.called, 60)
        return await deferred

    async def pause(self, seconds: float) -> None:
        """Let time pass."""
        self.clock.run(seconds)

    async def compact(self, revision: int) -> None:
        """Let it forget what was before."""
        self.memory.compact()


class SlowKeyspaceTests(MemoryKeyspaceTests):
    """Over a way that is slow."""

    def setUp(self) -> None:
        super().setUp()
        self.keyspace = FaultyKeyspace(self.memory, self.clock, Random(1))


class MemoryTests(SynchronousTestCase):
    """What is so in memory only."""

    def test_history_is_bounded(self) -> None:
        """So many changes are remembered, and at most twice as many."""
        keyspace = MemoryKeyspace(VirtualClock(), history=10)
        for number in range(100):
            keyspace.commit([], [Put(b"/t/a", b"%d" % number)])
        recent = keyspace.watch(FIRST, END, keyspace.revision - 9).next()
        self.assertEqual(self.successResultOf(recent).events[-1], Event(b"/t/a", b"99"))
        self.failureResultOf(keyspace.watch(FIRST, END, keyspace.revision - 20).next())

    def test_stopped_watch(self) -> None:
        """Who waits for a watch is told that it has ended."""
        watch = MemoryKeyspace(VirtualClock()).watch(FIRST, END, 2)
        waiting = watch.next()
        watch.stop()
        self.failureResultOf(waiting, AwayError)
        self.failureResultOf(watch.next(), AwayError)

    def test_prefix_end(self) -> None:
        """The end of a prefix stands behind all that begin with it."""
        self.assertEqual(prefix_end(b"/t/"), END)
