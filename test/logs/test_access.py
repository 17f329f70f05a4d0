"""The access log as an observer of outcomes."""

import time
from pathlib import Path

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from sipproxy.interfaces import IOutcomeObserver
from sipproxy.logs import AccessLog, AppendFile, LogFile, Surroundings, parse_format, text_renderer
from test.logs.outcomes import Outcome


class AccessLogTests(SynchronousTestCase):
    """One line for each outcome."""

    def test_lines(self) -> None:
        """Outcomes are lines in the order in which they came."""
        path = Path(self.mktemp())
        clock = Clock()
        file = LogFile(AppendFile(str(path)), clock, lambda _: None)
        self.addCleanup(file.close)
        log = AccessLog(file, text_renderer(parse_format("%m %s"), Surroundings("x", time.gmtime)))
        verifyObject(IOutcomeObserver, log)
        for status in (200, 486, None):
            log.finished(Outcome(status=status))
        clock.advance(0.02)
        self.assertEqual(path.read_text(), "INVITE 200\nINVITE 486\nINVITE -\n")
