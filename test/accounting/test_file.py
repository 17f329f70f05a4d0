"""AccountingFile: what is in it, and files that cannot be written."""

import json
import os
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from sipproxy.accounting.file import RETRY
from sipproxy.logs.appending import AppendFile
from test.accounting.fixtures import Accounts

START, INTERIM, STOP = "Start", "Interim-Update", "Stop"


class SmallFile(AppendFile):
    """A file on a disk of which little is left.

    @ivar room: octets that are left
    """

    room = 1_000_000

    def write(self, data: bytes) -> int:
        """Append as much as there is room for.

        @raise OSError: there is none
        """
        if not self.room:
            raise OSError(28, "No space left on device")
        written = super().write(data[: self.room])
        self.room -= written
        return written


class FileTests(SynchronousTestCase):
    """Accounting whose records go to a file."""

    def begin(self, has_radius: bool = False) -> None:
        """Begin."""
        folder = Path(self.mktemp())
        self.path = folder / "calls.json"
        self.file = SmallFile(str(self.path))
        self.accounts = Accounts(folder, file=self.file, has_radius=has_radius)
        self.addCleanup(lambda: self.accounts.service.stopService())

    def call(self, call_id: str = "c1") -> None:
        """Let a call happen."""
        self.accounts.answer(self.accounts.invite(call_id))
        self.accounts.bye(call_id)
        self.accounts.commit()

    def records(self, path: Path | None = None) -> list[tuple[str, str]]:
        """Give what is in the file, as Call-ID and type."""
        lines = [json.loads(line) for line in (path or self.path).read_text().splitlines()]
        return [(line["Acct-Session-Id"], line["Acct-Status-Type"]) for line in lines]

    def test_lines(self) -> None:
        """Each record is a line, and then leaves the spool."""
        self.begin()
        self.call()
        self.assertEqual(self.records(), [("c1", START), ("c1", INTERIM), ("c1", STOP)])
        self.assertEqual(self.accounts.service.waiting, 0)

    def test_with_radius(self) -> None:
        """File and servers do not wait for each other."""
        self.begin(has_radius=True)
        self.accounts.radius.mode = "away"
        self.call()
        self.assertEqual(len(self.records()), 3)
        self.assertEqual(self.accounts.service.waiting, 3)
        self.accounts.radius.mode = "answers"
        self.accounts.service.retry()
        self.assertEqual(self.accounts.service.waiting, 0)
        self.assertEqual(len(self.records()), 3)

    def test_full_disk(self) -> None:
        """A line that was begun goes on where it ended; nothing is lost, nothing doubled."""
        self.begin()
        self.file.room = 700
        self.call("c1")
        self.call("c2")
        state = self.accounts.service.states[-1]
        self.assertEqual(state.reason, f"{self.path}: No space left on device")
        self.assertIsNotNone(state.since)
        self.file.room = 10_000
        self.accounts.clock.advance(RETRY)
        self.assertEqual(self.records(), [(call, kind) for call in ("c1", "c2") for kind in (START, INTERIM, STOP)])
        self.assertEqual((self.accounts.service.waiting, self.accounts.service.states[-1].since), (0, None))

    def test_kill(self) -> None:
        """What was not in the file when the server ended is written by the next one."""
        self.begin()
        self.file.room = 0
        self.call()
        self.file.room = 10_000
        self.accounts.kill()
        self.accounts.commit()
        self.assertEqual(self.records(), [("c1", START), ("c1", INTERIM), ("c1", STOP)])

    def test_reopen(self) -> None:
        """After a rotation lines go to the new file."""
        self.begin()
        self.call("c1")
        old = self.path.with_suffix(".1")
        os.rename(self.path, old)
        self.call("c2")
        self.accounts.service.reopen()
        self.call("c3")
        self.assertEqual([len(self.records(old)), self.records()[0][0]], [6, "c3"])

    def test_no_folder(self) -> None:
        """A path that cannot be opened is tried again."""
        self.begin()
        self.path.mkdir()
        self.call()
        self.assertIn("Is a directory", self.accounts.service.states[-1].reason)
        self.path.rmdir()
        self.accounts.clock.advance(RETRY)
        self.assertEqual(len(self.records()), 3)
