"""All logs of a configuration."""

import json
import os
import time
from pathlib import Path

from twisted.internet.task import Clock
from twisted.logger import ILogObserver, Logger
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from sipproxy.config import Settings
from sipproxy.logs import MODULE, Logs, Severity, open_logs
from test.logs.outcomes import WHEN, Outcome


class OpenLogsTests(SynchronousTestCase):
    """Logs in a folder of the test's own."""

    def setUp(self) -> None:
        """Have a root and a clock."""
        self.root = Path(self.mktemp()).absolute()
        self.clock = Clock()
        self.clock.advance(WHEN)

    def open(self, **values: str | list[str]) -> Logs:
        """Open the logs of some directives."""
        settings = Settings.of([MODULE], values, self.root)
        logs = open_logs(settings, self.clock, "proxy.example.com", time.gmtime)
        self.addCleanup(logs.close)
        return logs

    def logger(self, logs: Logs, namespace: str = "mod_sip_ras") -> Logger:
        """Give a logger that writes to them."""
        return Logger(namespace=namespace, observer=logs.error_observer)

    def lines(self, name: str) -> list[str]:
        """Give the lines of a file."""
        return (self.root / name).read_text().splitlines()

    def test_defaults(self) -> None:
        """Without a directive there are an error log and an access log."""
        logs = self.open()
        verifyObject(ILogObserver, logs.error_observer)
        self.logger(logs).error("no answer")
        (access,) = logs.access_observers
        access.finished(Outcome())
        logs.flush()
        self.assertTrue(self.lines("logs/error_log")[0].endswith(f"[mod_sip_ras:error] [pid {os.getpid()}] no answer"))
        self.assertTrue(self.lines("logs/access_log")[0].startswith("192.0.2.1 - - [25/Nov/2026:18:00:36 +0000] "))
        self.assertEqual((logs.problems, logs.lost), ((), 0))

    def test_levels(self) -> None:
        """The levels are those of the configuration, until they are changed."""
        logs = self.open(LogLevel="warn mod_sip_ras:debug")
        self.logger(logs).debug("one")
        self.logger(logs, "mod_sip_enum").info("two")
        logs.levels.set("mod_sip_enum", Severity.INFO)
        self.logger(logs, "mod_sip_enum").info("three")
        logs.flush()
        self.assertEqual([line.split()[-1] for line in self.lines("logs/error_log")], ["one", "three"])

    def test_several_access_logs(self) -> None:
        """Each CustomLog has its format; two of one path share the file."""
        logs = self.open(LogFormat=["%m one", "%v"], CustomLog=["a one", "a", 'b "%s"'])
        for observer in logs.access_observers:
            observer.finished(Outcome())
        logs.flush()
        self.assertEqual((self.lines("a"), self.lines("b")), (["INVITE", "proxy.example.com"], ["200"]))

    def test_json(self) -> None:
        """Both logs may be JSON."""
        logs = self.open(ErrorLogFormat="JSON", AccessLogFormat="JSON", CustomLog="a %m%s")
        self.logger(logs).warn("no answer", call_id=b"abc")
        logs.access_observers[0].finished(Outcome())
        logs.flush()
        error = json.loads(self.lines("logs/error_log")[0])
        self.assertEqual((error["level"], error["call_id"], error["message"]), ("warn", "abc", "no answer"))
        self.assertEqual(json.loads(self.lines("a")[0]), {"method": "INVITE", "status": 200})

    def test_reopen(self) -> None:
        """After logrotate has moved the files, reopening begins new ones."""
        logs = self.open()
        for name in ("logs/error_log", "logs/access_log"):
            (self.root / name).rename(self.root / f"{name}.1")
        logs.reopen()
        self.logger(logs).error("new")
        logs.access_observers[0].finished(Outcome())
        logs.flush()
        self.assertEqual((len(self.lines("logs/error_log")), len(self.lines("logs/access_log"))), (1, 1))
        self.assertEqual((self.lines("logs/error_log.1"), self.lines("logs/access_log.1")), ([], []))

    def test_rotation(self) -> None:
        """LogRotate holds for all files."""
        logs = self.open(LogRotate="10B 1", CustomLog='a "%m 12345"')
        for _ in range(2):
            logs.access_observers[0].finished(Outcome())
            self.logger(logs).error("text")
            logs.flush()
        for name in ("a", "a.1", "logs/error_log", "logs/error_log.1"):
            self.assertEqual(len(self.lines(name)), 1)

    def test_lost_access_lines_are_in_the_error_log(self) -> None:
        """What an access log cannot write is said in the error log, and can be asked for."""
        logs = self.open(CustomLog="/dev/full %m")
        logs.access_observers[0].finished(Outcome())
        logs.flush()
        (line,) = self.lines("logs/error_log")
        self.assertIn("[core:error]", line)
        self.assertIn("log /dev/full: cannot be written: No space left on device; 0 lines lost", line)
        self.assertEqual(logs.problems, ("/dev/full: cannot be written: No space left on device",))
        logs.close()
        self.assertEqual(logs.lost, 1)
        self.assertEqual(self.lines("logs/error_log")[1][-13:], " 1 lines lost")

    def test_close(self) -> None:
        """Closing writes what waits and leaves no timer."""
        logs = self.open()
        logs.access_observers[0].finished(Outcome())
        self.logger(logs).info("bye")
        logs.close()
        self.assertEqual((len(self.lines("logs/error_log")), len(self.lines("logs/access_log"))), (1, 1))
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_syslog_and_stderr(self) -> None:
        """Neither has a file."""
        for where in ("syslog", "stderr"):
            logs = self.open(ErrorLog=where, LogLevel="emerg")
            self.logger(logs).error("not written at this level")
            self.assertFalse((self.root / "logs/error_log").exists())
