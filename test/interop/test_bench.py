"""The telephones that bench/ measures with call through the real server."""

from twisted.trial.unittest import SynchronousTestCase

from bench.ends import STEPS, Ends
from test.interop.proxy import Proxy


class EndsTests(SynchronousTestCase):
    """bench/ends.py."""

    def test_calls(self) -> None:
        """Each call ends as it should, and each of its messages was in the server for some time."""
        proxy = Proxy(self)
        proxy.start()
        ends = Ends(proxy.address[1])
        self.addCleanup(ends.close)
        ends.call(20, range(3))
        self.assertEqual(ends.done, 3)
        for step in STEPS:
            self.assertEqual([time > 0 for time in ends.times[step]], [True] * 3, step)
        proxy.stop()
