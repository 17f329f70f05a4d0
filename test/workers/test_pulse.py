"""A worker that is asked whether it still does anything, on virtual time."""

from twisted.internet.error import ConnectionDone
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from sipproxy.workers.pulse import INTERVAL, MOST_UNANSWERED, Pulse
from test.workers.wire import Wire

_LIMIT = INTERVAL * MOST_UNANSWERED


class PulseTests(SynchronousTestCase):
    """One worker."""

    def setUp(self) -> None:
        """Begin to ask."""
        self.clock, self.wire = Clock(), Wire()
        self.wire.serve({}, {"pulse": lambda: None})
        self.dead: list[float] = []
        self.pulse = Pulse(self.clock, self.wire.owner.ask, lambda: self.dead.append(self.clock.seconds()))
        self.pulse.start()

    def test_alive(self) -> None:
        """One that answers lives, also where two answers in a row are late; nothing is left when it is stopped."""
        for beat in range(100):
            if beat % MOST_UNANSWERED == 0:
                self.wire.pump()
            self.clock.advance(INTERVAL)
        self.assertEqual(self.dead, [])
        self.pulse.stop()
        self.pulse.stop()
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_hangs(self) -> None:
        """One that answers no more is given up once, and asked no more."""
        self.wire.pump()
        for _ in range(100):
            self.clock.advance(INTERVAL / 2)
        self.assertEqual(self.dead, [_LIMIT + INTERVAL])
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_clock_jumps(self) -> None:
        """A clock that jumps is no reason to give one up."""
        self.clock.advance(1000 * _LIMIT)
        self.assertEqual(self.dead, [])
        self.wire.pump()
        self.clock.advance(1000 * _LIMIT)
        self.assertEqual(self.dead, [])

    def test_no_way(self) -> None:
        """One that closes its way to the owner and goes on is given up."""
        self.wire.owner.connectionLost(Failure(ConnectionDone()))
        for _ in range(MOST_UNANSWERED):
            self.clock.advance(INTERVAL)
        self.assertEqual(self.dead, [_LIMIT])
