"""Where error lines go."""

import os
import syslog
from pathlib import Path

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from sipproxy.logs.files import LogFile
from sipproxy.logs.levels import Severity
from sipproxy.logs.targets import FileTarget, StderrTarget, SyslogTarget, write_line
from test.logs.outcomes import FailingFile


class TargetTests(SynchronousTestCase):
    """File, standard error, syslog."""

    def test_file(self) -> None:
        """Errors are in the file at once, a warning a moment later."""
        path = Path(self.mktemp())
        clock = Clock()
        target = FileTarget(LogFile(FailingFile(str(path)), clock, lambda _: None))
        target.put(Severity.WARN, "é warning")
        self.assertEqual(path.read_text(), "")
        target.put(Severity.ERROR, "an error\n    | traceback")
        self.assertEqual(path.read_text(), "é warning\nan error\n    | traceback\n")
        target.put(Severity.NOTICE, "a notice")
        clock.advance(0.02)
        self.assertEqual(path.read_text()[-9:], "a notice\n")

    def test_standard_error(self) -> None:
        """Lines go to the descriptor itself."""
        reader, writer = os.pipe()
        self.addCleanup(os.close, reader)
        StderrTarget(writer).put(Severity.INFO, "a line")
        os.close(writer)
        self.assertEqual(os.read(reader, 100), b"a line\n")

    def test_closed_standard_error(self) -> None:
        """A daemon that has none goes on."""
        reader, writer = os.pipe()
        os.close(reader)
        self.addCleanup(os.close, writer)
        write_line(writer, "a line")

    def test_syslog(self) -> None:
        """Each line is a record of facility daemon, with the priority of its severity."""
        sent: list[tuple[int, str]] = []
        target = SyslogTarget(lambda priority, line: sent.append((priority, line)))
        target.put(Severity.CRIT, "a\n    | b")
        target.put(Severity.TRACE, "c")
        self.assertEqual(
            sent,
            [
                (syslog.LOG_CRIT | syslog.LOG_DAEMON, "a"),
                (syslog.LOG_CRIT | syslog.LOG_DAEMON, "    | b"),
                (syslog.LOG_DEBUG | syslog.LOG_DAEMON, "c"),
            ],
        )

    def test_all_severities_have_a_priority(self) -> None:
        """Priorities are those of RFC 5424, and never more urgent as severity falls."""
        sent: list[int] = []
        target = SyslogTarget(lambda priority, line: sent.append(priority & 7))
        for severity in Severity:
            target.put(severity, "")
        self.assertEqual(sent, [0, 1, 2, 3, 4, 5, 6, 7, 7])
