"""Buffering, and what happens when a file cannot be written."""

import threading
from collections.abc import Callable
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from sipproxy.logs.files import LogFile
from test.logs.outcomes import WHEN, FailingFile

MEBIBYTE = 1024 * 1024


class LoggingFile(FailingFile):
    """A file during whose writes something happens."""

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self.events: list[Callable[[], None]] = []

    def write(self, data: bytes) -> int:
        """Let it happen, once, and write."""
        while self.events:
            self.events.pop()()
        return super().write(data)


class LogFileTests(SynchronousTestCase):
    """A LogFile over a file that can be told to fail."""

    def setUp(self) -> None:
        """Have a log file on a clock."""
        self.path = Path(self.mktemp()) / "access_log"
        self.clock = Clock()
        self.clock.advance(WHEN)
        self.file = FailingFile(str(self.path))
        self.reports: list[str] = []
        self.log = LogFile(self.file, self.clock, self.reports.append)

    def tearDown(self) -> None:
        """After closing no timer is left."""
        self.log.close()
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def contents(self) -> bytes:
        """Give what is in the file."""
        return self.path.read_bytes()

    def test_opened_at_once(self) -> None:
        """The file is there before the first line."""
        self.assertEqual(self.contents(), b"")

    def test_a_burst_is_one_call(self) -> None:
        """Lines are written together, 20 ms after the first."""
        for number in range(100):
            self.log.write(b"%d\n" % number)
            self.clock.advance(0.0001)
        self.assertEqual((self.contents(), self.file.calls), (b"", 0))
        self.clock.advance(0.02)
        self.assertEqual(self.contents(), b"".join(b"%d\n" % number for number in range(100)))
        self.assertEqual(self.file.calls, 1)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_many_octets_do_not_wait(self) -> None:
        """What is worth a system call of its own is written at once."""
        self.log.write(b"x" * 65535 + b"\n")
        self.assertEqual(len(self.contents()), 65536)

    def test_write_through(self) -> None:
        """A line that cannot wait is written at once, after those before it."""
        self.log.write(b"a\n")
        self.log.write_through(b"b\n")
        self.assertEqual(self.contents(), b"a\nb\n")

    def test_flush(self) -> None:
        """Flushing writes what waits."""
        self.log.write(b"a\n")
        self.log.flush()
        self.assertEqual(self.contents(), b"a\n")

    def test_short_writes(self) -> None:
        """Where the system takes a few octets at a time, all go in."""
        self.file.most = 3
        self.log.write_through(b"0123456789\n")
        self.assertEqual(self.contents(), b"0123456789\n")

    def test_reopen(self) -> None:
        """After reopening, lines go to the file that the path names; earlier ones went to the old file."""
        self.log.write(b"a\n")
        old = self.path.with_suffix(".1")
        self.path.rename(old)
        self.log.write(b"b\n")
        self.log.reopen()
        self.log.write_through(b"c\n")
        self.assertEqual((old.read_bytes(), self.contents()), (b"a\nb\n", b"c\n"))

    def test_failed_reopen(self) -> None:
        """Where the path cannot be opened, the old file takes the lines until it can."""
        old = self.path.with_suffix(".1")
        self.path.rename(old)
        self.path.mkdir()
        self.log.reopen()
        self.log.write_through(b"a\n")
        self.assertEqual(old.read_bytes(), b"a\n")
        self.assertEqual(self.log.problem, "cannot be opened or rotated: Is a directory")
        self.path.rmdir()
        self.log.write_through(b"b\n")
        self.assertEqual((old.read_bytes(), self.contents(), self.log.problem), (b"a\n", b"b\n", ""))

    def test_full_disk(self) -> None:
        """Lines wait while the disk is full, and are written when it is not, half a line completed."""
        self.file.room = 5
        self.log.write(b"abc\n")
        self.log.write(b"def\n")
        self.clock.advance(0.02)
        self.assertEqual(self.contents(), b"abc\nd")
        self.log.write(b"ghi\n")
        self.file.room = None
        self.clock.advance(1)
        self.assertEqual(self.contents(), b"abc\ndef\nghi\n")
        self.assertEqual((self.log.problem, self.log.lost), ("", 0))

    def test_full_disk_is_tried_once_a_second(self) -> None:
        """While the disk is full no line makes an attempt of its own."""
        self.file.room = 0
        for _ in range(1000):
            self.log.write_through(b"abc\n")
            self.clock.advance(0.01)
        self.assertLess(self.file.calls, 13)

    def test_what_waits_is_bounded(self) -> None:
        """Beyond a mebibyte lines are counted and dropped; those that waited are written later."""
        self.file.room = 0
        line = b"x" * 1023 + b"\n"
        for _ in range(1500):
            self.log.write(line)
        self.assertEqual(self.log.lost, 1500 - 1024)
        self.file.room = None
        self.clock.advance(1)
        self.assertEqual(len(self.contents()), MEBIBYTE)
        self.log.write_through(b"after\n")
        self.assertEqual(self.contents()[-6:], b"after\n")

    def test_reports(self) -> None:
        """The operator hears of it at once, then once a minute at most, and when it is over."""
        self.file.room = 0
        self.log.write_through(b"a\n")
        full = f"log {self.path}: cannot be written: No space left on device; 0 lines lost"
        self.assertEqual(self.reports, [full])
        for _ in range(2000):
            self.log.write(b"x" * 1023 + b"\n")
        self.clock.pump([1] * 59)
        self.assertEqual(self.reports, [full])
        self.clock.pump([1] * 120)
        self.assertEqual(self.reports, [full, full.replace("; 0", f"; {self.log.lost}")])
        self.file.room = None
        self.clock.advance(1)
        self.assertEqual(self.reports[2:], [f"log {self.path}: is written again; {self.log.lost} lines lost"])

    def test_short_trouble_is_not_repeated(self) -> None:
        """A disk that is full again and again gives no more than a line a minute."""
        for _ in range(60):
            self.file.room = 0
            self.log.write_through(b"a\n")
            self.file.room = None
            self.clock.advance(2)
        self.assertEqual(len(self.reports), 2)

    def test_close_counts_what_is_lost(self) -> None:
        """What cannot be written at the end is lost, and this is said."""
        self.file.room = 0
        self.log.write_through(b"a\nb\n")
        self.log.close()
        self.log.write(b"c\n")
        self.assertEqual(self.log.lost, 3)
        self.assertEqual(self.reports[-1][-13:], " 2 lines lost")

    def test_path_that_cannot_be_opened(self) -> None:
        """A file that cannot be opened at first is opened as soon as it can, and nothing is lost."""
        folder = Path(self.mktemp())
        folder.write_bytes(b"")
        log = LogFile(FailingFile(str(folder / "log")), self.clock, self.reports.append)
        self.addCleanup(log.close)
        self.assertEqual(log.problem, "cannot be opened or rotated: File exists")
        log.write_through(b"a\n")
        folder.unlink()
        self.clock.advance(1)
        self.assertEqual(((folder / "log").read_bytes(), log.problem), (b"a\n", ""))

    def test_real_full_device(self) -> None:
        """The kernel's own full device raises nothing into the caller."""
        log = LogFile(FailingFile("/dev/full"), self.clock, self.reports.append)
        log.write_through(b"a\n")
        log.close()
        self.assertEqual(log.lost, 1)
        self.assertIn("No space left on device", self.reports[0])

    def test_other_threads(self) -> None:
        """Another thread's lines are written at once: the reactor is not for it."""
        thread = threading.Thread(target=self.log.write, args=(b"a\n",))
        thread.start()
        thread.join()
        self.assertEqual(self.contents(), b"a\n")
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_logging_while_writing(self) -> None:
        """A line that comes while lines are written, from the garbage collector say, is not lost."""
        path = Path(self.mktemp())
        file = LoggingFile(str(path))
        log = LogFile(file, self.clock, self.reports.append)
        file.events.append(lambda: log.write_through(b"b\n"))
        log.write_through(b"a\n")
        self.clock.advance(0.02)
        self.assertEqual(path.read_bytes(), b"a\nb\n")

    @settings(max_examples=50)
    @given(st.lists(st.sampled_from(["write", "through", "full", "space", "flush", "reopen", "tick"]), max_size=40))
    def test_any_sequence(self, steps: list[str]) -> None:
        """Whatever happens in whatever order, lines are written once and in order, as there is space in the end."""
        path = Path(self.mktemp()) / "log"
        file = FailingFile(str(path))
        file.most = 3
        log = LogFile(file, self.clock, self.reports.append)
        lines = [b"%d\n" % number for number in range(len(steps))]
        expected = b""
        for step, line in zip(steps, lines, strict=True):
            if step in ("write", "through"):
                (log.write if step == "write" else log.write_through)(line)
                expected += line
            elif step in ("flush", "reopen"):
                getattr(log, step)()
            elif step == "tick":
                self.clock.advance(0.5)
            else:
                file.room = 2 if step == "full" else None
        file.room = None
        log.close()
        self.assertEqual((path.read_bytes(), log.lost), (expected, 0))
