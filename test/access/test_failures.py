"""Tests of L{sipproxy.access.failures}."""

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from sipproxy.access.failures import MOST_WAITING, FailureLimit, Rate
from sipproxy.errors import SilenceError

from .fixtures import NOW


class FailureLimitTests(SynchronousTestCase):
    """L{FailureLimit} with 4 failures in 60 seconds."""

    def setUp(self) -> None:
        """Start at some time."""
        self.clock = Clock()
        self.clock.advance(NOW)
        self.limit = FailureLimit(Rate(4, 60.0), self.clock)

    def fail_often(self, times: int, host: str = "192.0.2.1", user: str = "bob") -> list[str]:
        """Fail some times at once, and tell how each is answered."""
        outcomes = []
        for _ in range(times):
            try:
                self.limit.check(host, user)
                outcomes.append("at once" if self.limit.failed(host, user) is None else "late")
            except SilenceError:
                outcomes.append("never")
        return outcomes

    def test_steps(self) -> None:
        """First at once, then late, then not at all."""
        self.assertEqual(self.fail_often(10), ["at once"] * 4 + ["late"] * 4 + ["never"] * 2)

    def test_long_run(self) -> None:
        """Whoever goes on has as many tries as the limit says, and is heard at once after a while of peace."""
        self.fail_often(8)
        tries = 0
        for _ in range(600):
            self.clock.advance(1)
            tries += self.fail_often(1) != ["never"]
        self.assertEqual(tries, 40)
        self.clock.advance(120)
        self.assertEqual(self.fail_often(1), ["at once"])

    def test_together(self) -> None:
        """Address and user count together."""
        self.fail_often(9)
        self.assertEqual(self.fail_often(1, host="192.0.2.2"), ["at once"])
        self.assertEqual(self.fail_often(1, user="alice"), ["at once"])
        self.assertEqual(self.fail_often(1, user="\udcff"), ["at once"])

    def test_delay(self) -> None:
        """A late answer waits two seconds, and leaves no timer."""
        self.fail_often(4)
        waited = self.limit.failed("192.0.2.1", "bob")
        assert waited is not None
        self.clock.advance(1.9)
        self.assertNoResult(waited)
        self.clock.advance(0.2)
        self.assertIsNone(self.successResultOf(waited))
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_off(self) -> None:
        """Without a limit all are answered at once."""
        self.limit = FailureLimit(None, self.clock)
        self.assertEqual(self.fail_often(100), ["at once"] * 100)
        self.assertEqual(len(self.limit), 0)

    def test_bounded(self) -> None:
        """Strangers cannot fill the memory; who failed last is remembered."""
        self.limit = FailureLimit(Rate(4, 60.0), self.clock, most_pairs=10)
        for at in range(100):
            self.fail_often(4, user=f"u{at}")
        self.assertEqual(len(self.limit), 10)
        self.assertEqual(self.fail_often(1, user="u99"), ["late"])
        self.assertEqual(self.fail_often(1, user="u1"), ["at once"])

    def test_waiting_bounded(self) -> None:
        """Only so many answers wait at a time; what is more is not answered."""
        self.limit = FailureLimit(Rate(1, 60.0), self.clock)
        outcomes = [self.fail_often(2, user=f"u{at}")[1] for at in range(MOST_WAITING + 5)]
        self.assertEqual((outcomes.count("late"), outcomes.count("never")), (MOST_WAITING, 5))
        self.clock.advance(2)
        self.assertEqual(self.fail_often(2, user="x"), ["at once", "late"])
