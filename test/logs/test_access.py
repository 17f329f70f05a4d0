"""The access log as an observer of outcomes."""

import time
from pathlib import Path

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from sipproxy.interfaces import IOutcome, IOutcomeObserver
from sipproxy.logs import AccessLog, AppendFile, LogFile, Surroundings, parse_format, text_renderer
from test.logs.outcomes import Outcome


class AccessLogTests(SynchronousTestCase):
    """One line for each outcome."""

    def setUp(self) -> None:
        self.path = Path(self.mktemp())
        self.clock = Clock()
        self.file = LogFile(AppendFile(str(self.path)), self.clock, lambda _: None)
        self.addCleanup(self.file.close)
        self.log = AccessLog(self.file, text_renderer(parse_format("%m %s"), Surroundings("x", time.gmtime)))

    def test_lines(self) -> None:
        """Outcomes are lines in the order in which they came, 20 ms later."""
        verifyObject(IOutcomeObserver, self.log)
        for status in (200, 486, None):
            self.log.finished(Outcome(status=status))
        self.assertEqual(self.path.read_text(), "")
        self.clock.advance(0.02)
        self.assertEqual(self.path.read_text(), "INVITE 200\nINVITE 486\nINVITE -\n")
        self.log.finished(Outcome(status=404))
        self.clock.advance(0.02)
        self.assertEqual(self.path.read_text(), "INVITE 200\nINVITE 486\nINVITE -\nINVITE 404\n")

    def test_end(self) -> None:
        """What waits is written when the file is flushed, reopened or closed; what comes later is counted as lost."""
        for ended, status in ((self.file.flush, 200), (self.file.reopen, 486), (self.file.close, 404)):
            self.log.finished(Outcome(status=status))
            ended()
            self.assertTrue(self.path.read_text().endswith(f"INVITE {status}\n"))
        self.log.finished(Outcome())
        self.assertEqual(self.file.lost, 1)

    def test_many(self) -> None:
        """Of many at once none is lost, and they do not wait for the clock."""
        for number in range(7000):
            self.log.finished(Outcome(status=100 + number % 600))
        written = self.path.read_text().count("\n")
        self.assertGreater(written, 5000)
        self.file.flush()
        expected = "".join(f"INVITE {100 + number % 600}\n" for number in range(7000))
        self.assertEqual(self.path.read_text(), expected)

    def test_mistake(self) -> None:
        """A line that cannot be made is logged as a mistake of ours, and costs no other line."""

        def render(outcome: IOutcome) -> bytes:
            return b"%d\n" % (1000 // outcome.size)

        log = AccessLog(self.file, render)
        for size in (1, 0, 2):
            log.finished(Outcome(size=size))
        self.clock.advance(0.02)
        self.assertEqual(self.path.read_text(), "1000\n500\n")
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
