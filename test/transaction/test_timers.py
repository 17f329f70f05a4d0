"""Tests of the timer wheel."""

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from sipproxy.transaction.timers import TimerValues, TimerWheel


class TimerWheelTests(SynchronousTestCase):
    """L{TimerWheel} on a virtual clock."""

    def setUp(self) -> None:
        """Make a wheel that records what fires."""
        self.clock = Clock()
        self.wheel = TimerWheel(self.clock)
        self.fired: list[tuple[float, object]] = []

    def start(self, delay: float, name: object) -> object:
        """Start a timer that records its time and name."""
        return self.wheel.start(delay, lambda what: self.fired.append((round(self.clock.seconds(), 3), what)), name)

    def test_order(self) -> None:
        """Timers fire at their time, those of one moment in the order in which they were started."""
        for delay, name in ((0.5, "a"), (0.25, "b"), (0.5, "c"), (0.001, "d")):
            self.start(delay, name)
        self.clock.pump([0.01] * 60)
        self.assertEqual(self.fired, [(0.01, "d"), (0.25, "b"), (0.5, "a"), (0.5, "c")])

    def test_never_early(self) -> None:
        """A timer that falls between two ticks waits for the second one."""
        self.start(0.0151, "x")
        self.clock.advance(0.0152)
        self.assertEqual(self.fired, [])
        self.clock.advance(0.005)
        self.assertEqual([name for _, name in self.fired], ["x"])

    def test_cancel(self) -> None:
        """A timer that is stopped does not fire and leaves nothing behind; stopping it again does nothing."""
        timer = self.start(0.5, "x")
        timer.cancel()  # type: ignore[attr-defined]
        timer.cancel()  # type: ignore[attr-defined]
        self.assertEqual(len(self.wheel), 0)
        self.clock.advance(1)
        self.assertEqual(self.fired, [])

    def test_cancel_in_the_same_tick(self) -> None:
        """A timer that one of the same tick stops does not fire."""
        victim = None
        self.wheel.start(0.5, lambda _: victim.cancel(), None)  # type: ignore[attr-defined]
        victim = self.start(0.5, "victim")
        self.clock.advance(0.5)
        self.assertEqual(self.fired, [])

    def test_start_while_firing(self) -> None:
        """A timer that is started by one that fires is not lost, also where its delay is nothing."""
        self.wheel.start(0.1, lambda _: self.start(0, "now"), None)
        self.wheel.start(0.1, lambda _: self.start(0.2, "later"), None)
        self.clock.pump([0.1, 0.01, 0.2])
        self.assertEqual(self.fired, [(0.1, "now"), (0.31, "later")])

    def test_fault(self) -> None:
        """A timer whose call fails is logged and does not stop the others."""
        self.wheel.start(0.1, lambda _: 1 / 0, None)
        self.start(0.1, "other")
        self.clock.advance(0.1)
        self.assertEqual(self.fired, [(0.1, "other")])
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    def test_stop(self) -> None:
        """A wheel that is stopped leaves nothing with the clock."""
        timer = self.start(0.1, "x")
        self.wheel.stop()
        timer.cancel()  # type: ignore[attr-defined]
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_one_delayed_call(self) -> None:
        """However many timers run, the clock has one call."""
        for number in range(1000):
            self.start(0.5 + number / 1000, number)
        self.assertEqual(len(self.clock.getDelayedCalls()), 1)


class TimerValuesTests(SynchronousTestCase):
    """L{TimerValues}."""

    def test_defaults(self) -> None:
        """RFC 3261 table 4: 64*T1 is 32 s."""
        self.assertEqual((TimerValues().timeout, TimerValues().timer_d), (32.0, 32.0))

    def test_timer_d_has_a_least_value(self) -> None:
        """RFC 6026 8.4: timer D is at least 32 s whatever T1 is, and follows a larger one."""
        self.assertEqual((TimerValues(t1=0.1).timer_d, TimerValues(t1=1.0).timer_d), (32.0, 64.0))
