"""Tests of the random numbers."""

import os

from twisted.trial.unittest import SynchronousTestCase

from sipproxy.chance import PooledSystemRandom


class PooledSystemRandomTests(SynchronousTestCase):
    """L{PooledSystemRandom}."""

    def test_no_repetition(self) -> None:
        """64-bit numbers do not repeat, also where the pool is drawn anew, and fill their range."""
        random = PooledSystemRandom()
        numbers = [random.getrandbits(64) for _ in range(2000)]
        self.assertEqual(len(set(numbers)), 2000)
        self.assertTrue(2**63 < max(numbers) < 2**64)

    def test_other_sizes(self) -> None:
        """Other sizes are the system's."""
        self.assertLess(PooledSystemRandom().getrandbits(3), 8)

    def test_child_process(self) -> None:
        """A child does not continue its parent's pool."""
        random = PooledSystemRandom()
        random.getrandbits(64)
        reading, writing = os.pipe()
        child = os.fork()
        if not child:
            os.write(writing, b"%d" % random.getrandbits(64))
            os._exit(0)
        os.waitpid(child, 0)
        self.addCleanup(os.close, reading)
        self.addCleanup(os.close, writing)
        self.assertNotEqual(int(os.read(reading, 100)), random.getrandbits(64))
