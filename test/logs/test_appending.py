"""The file of several processes, and its rotation."""

import fcntl
import os
import stat
import time
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from sipproxy.logs.appending import AppendFile
from sipproxy.logs.rotation import Rotation
from test.logs.outcomes import WHEN

DAY = 86400


class AppendFileTests(SynchronousTestCase):
    """Two AppendFiles of one path stand for two processes."""

    def setUp(self) -> None:
        """Have a folder."""
        self.path = Path(self.mktemp()) / "logs" / "access_log"

    def file(self, rotation: Rotation | None = None) -> AppendFile:
        """Give a file, opened."""
        file = AppendFile(str(self.path), rotation, time.gmtime)
        file.open(WHEN)
        self.addCleanup(file.close)
        return file

    def write(self, file: AppendFile, data: bytes, now: float = WHEN) -> None:
        """Write after rotation, as L{sipproxy.logs.files.LogFile} does."""
        file.rotate_if_due(len(data), now)
        file.write(data)

    def contents(self) -> dict[str, bytes]:
        """Give all files by what follows the name."""
        return {path.name[len(self.path.name) :]: path.read_bytes() for path in self.path.parent.iterdir()}

    def test_creates_folders(self) -> None:
        """File and folders come into being, and others may not read the file."""
        self.file()
        self.assertEqual(stat.S_IMODE(self.path.stat().st_mode) & 0o007, 0)

    def test_appends(self) -> None:
        """What was there stays, and two writers do not overwrite each other."""
        self.file().write(b"a\n")
        first, second = self.file(), self.file()
        for file, data in ((first, b"b\n"), (second, b"c\n"), (first, b"d\n")):
            file.write(data)
        self.assertEqual(self.contents(), {"": b"a\nb\nc\nd\n"})

    def test_failed_open_keeps_the_old_file(self) -> None:
        """Where the path cannot be opened, the file open so far serves on."""
        file = self.file()
        self.path.rename(self.path.with_suffix(".moved"))
        self.path.mkdir()
        self.assertRaises(IsADirectoryError, file.open, WHEN)
        file.write(b"a\n")
        self.assertEqual(self.path.with_suffix(".moved").read_bytes(), b"a\n")

    def test_fifo_without_reader(self) -> None:
        """A FIFO that nobody reads is an error, it does not stop the server."""
        self.path.parent.mkdir(parents=True)
        os.mkfifo(self.path)
        file = AppendFile(str(self.path))
        self.assertRaises(OSError, file.open, WHEN)
        self.assertFalse(file.opened)

    def test_rotation_by_size(self) -> None:
        """Old files move up by one, the oldest goes."""
        file = self.file(Rotation(4, 0, 2))
        for data in (b"a\n", b"b\n", b"c\n", b"d\n", b"e\n", b"f\n", b"g\n", b"h\n"):
            self.write(file, data)
        self.assertEqual(self.contents(), {"": b"g\nh\n", ".1": b"e\nf\n", ".2": b"c\nd\n"})

    def test_rotation_by_interval(self) -> None:
        """The first line of a new day begins a new file."""
        file = self.file(Rotation(0, DAY, 3))
        self.write(file, b"a\n")
        self.write(file, b"b\n", WHEN + 3600)
        self.write(file, b"c\n", WHEN + DAY)
        self.write(file, b"d\n", WHEN + DAY)
        self.assertEqual(self.contents(), {"": b"c\nd\n", ".1": b"a\nb\n"})

    def existing(self, age: float) -> None:
        """Have a file from an earlier run, last written C{age} seconds ago."""
        self.path.parent.mkdir(parents=True)
        self.path.write_bytes(b"old\n")
        os.utime(self.path, (WHEN - age, WHEN - age))

    def test_earlier_run_of_yesterday(self) -> None:
        """A file that was last written yesterday is put aside."""
        self.existing(DAY)
        self.write(self.file(Rotation(0, DAY, 3)), b"new\n")
        self.assertEqual(self.contents(), {"": b"new\n", ".1": b"old\n"})

    def test_earlier_run_of_today(self) -> None:
        """A file that was last written today is continued."""
        self.existing(60)
        self.write(self.file(Rotation(0, DAY, 3)), b"new\n")
        self.assertEqual(self.contents(), {"": b"old\nnew\n"})

    def test_rotation_is_followed(self) -> None:
        """A process whose file was rotated by another goes over to the new one, and does not rotate again."""
        first, second = self.file(Rotation(0, DAY, 3)), self.file(Rotation(0, DAY, 3))
        self.write(first, b"a\n")
        self.write(second, b"b\n")
        os.utime(self.path, (WHEN, WHEN))
        self.write(first, b"c\n", WHEN + DAY)
        self.write(second, b"d\n", WHEN + DAY)
        self.write(first, b"e\n", WHEN + DAY)
        self.assertEqual(self.contents(), {"": b"c\nd\ne\n", ".1": b"a\nb\n"})

    def test_rotation_by_another_now(self) -> None:
        """While another process holds the lock, lines still go into the old file."""
        file = self.file(Rotation(4, 0, 2))
        self.write(file, b"aaa\n")
        with self.path.open("ab") as other:
            fcntl.flock(other, fcntl.LOCK_EX)
            self.write(file, b"b\n")
        self.assertEqual(self.contents(), {"": b"aaa\nb\n"})
        self.write(file, b"c\n")
        self.assertEqual(self.contents(), {"": b"c\n", ".1": b"aaa\nb\n"})

    def test_gap_is_filled_first(self) -> None:
        """Where a number is free, no old file is pushed over the end."""
        file = self.file(Rotation(2, 0, 3))
        Path(f"{self.path}.2").write_bytes(b"two\n")
        Path(f"{self.path}.3").write_bytes(b"three\n")
        self.write(file, b"a\n")
        self.write(file, b"b\n")
        self.assertEqual(self.contents(), {"": b"b\n", ".1": b"a\n", ".2": b"two\n", ".3": b"three\n"})

    def test_failed_rotation(self) -> None:
        """Where the old file cannot be moved away, writing goes on, and rotation is made up for."""
        file = self.file(Rotation(2, 0, 1))
        self.write(file, b"a\n")
        Path(f"{self.path}.1").mkdir()
        self.assertRaises(OSError, file.rotate_if_due, 2, WHEN)
        file.write(b"b\n")
        Path(f"{self.path}.1").rmdir()
        self.write(file, b"c\n")
        self.assertEqual(self.contents(), {"": b"c\n", ".1": b"a\nb\n"})

    def test_removed_file(self) -> None:
        """A file that was deleted comes back."""
        file = self.file(Rotation(100, 0, 1))
        self.path.unlink()
        self.write(file, b"a\n")
        self.assertEqual(self.contents(), {"": b"a\n"})

    def test_devices_are_not_rotated(self) -> None:
        """A device stays where it is."""
        file = AppendFile("/dev/null", Rotation(1, 0, 1))
        file.open(WHEN)
        self.addCleanup(file.close)
        self.write(file, b"aaa\n")
        self.write(file, b"aaa\n")
        self.assertFalse(os.path.exists("/dev/null.1"))
