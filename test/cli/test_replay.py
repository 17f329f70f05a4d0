"""C{sipproxyctl replay}: two configurations and a log."""

import json
import subprocess
import sys
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from sipproxy.replay import read_line

HERE = Path(__file__).resolve().parents[2]
LINE = (
    '127.0.0.1 - - [25/Nov/2026:21:00:00 +0000] "INVITE sip:%s@example.com SIP/2.0" 200 500 1000 "c"'
    ' "\\"Alice \\xc3\\xa9\\" <sip:alice@example.com>;tag=1" "<sip:%s@example.com>%s" 127.0.0.1:7001 -\n'
)
CONFIGURATION = """
ServerRoot root
ServerName example.com
Listen 127.0.0.1:5999
StaticRegistration bob@example.com sip:bob@127.0.0.1:7001
"""
ROUTE = """
<StaticRoute E164 1408.......>
    Static_Route_NextHop 127.0.0.1
    Static_Route_NextHopPort 7002
</StaticRoute>
"""


class LineTests(SynchronousTestCase):
    """Lines of the access log."""

    def test_call(self) -> None:
        """A new call, with escapes undone."""
        logged = read_line((LINE % ("bob", "bob", "")).encode())
        assert logged is not None
        self.assertEqual((logged.source, logged.request.uri), (("127.0.0.1", 5060), b"sip:bob@example.com"))
        self.assertEqual(logged.request.header("from"), b'"Alice \xc3\xa9" <sip:alice@example.com>;tag=1')
        self.assertEqual(logged.when, "25/Nov/2026:21:00:00 +0000")

    def test_others(self) -> None:
        """What is no new call, and what cannot be read, is left out."""
        lines = [
            LINE % ("bob", "bob", ";tag=2"),
            (LINE % ("bob", "bob", "")).replace("INVITE", "BYE"),
            (LINE % ("bob", "bob", "")).replace("127.0.0.1 -", "nowhere -", 1),
            (LINE % ("bob", "bob", "")).replace("SIP/2.0", "SIP/3.0"),
            "rubbish\n",
            "\\\\\\\n",
            "",
        ]
        self.assertEqual([read_line(line.encode()) for line in lines], [None] * len(lines))


class CommandTests(SynchronousTestCase):
    """The command, in a process of its own, as it needs a reactor."""

    def setUp(self) -> None:
        """Write two configurations and a log of three calls."""
        self.folder = Path(self.mktemp()).resolve()
        self.folder.mkdir()
        (self.folder / "old.conf").write_text(CONFIGURATION)
        (self.folder / "new.conf").write_text(CONFIGURATION + ROUTE)
        users = ("bob", "14085550001", "14085550002", "carol")
        (self.folder / "log").write_text("".join(LINE % (user, user, "") for user in users))

    def replay(self, other: str, *options: str) -> "subprocess.CompletedProcess[str]":
        """Run the command."""
        main = "from sipproxy.cli.main import main; main()"
        words = ["-c", str(self.folder / "old.conf"), "replay", "--config", str(self.folder / other), *options]
        return subprocess.run(
            [sys.executable, "-c", main, *words, str(self.folder / "log")],
            cwd=HERE,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def test_differences(self) -> None:
        """Each call that differs, and a count of each kind; the files of the server are not made."""
        done = self.replay("new.conf", "--json")
        self.assertEqual(done.returncode, 1, done.stderr)
        found = json.loads(done.stdout)
        self.assertEqual([each["line"] for each in found], [2, 3])
        self.assertEqual((found[0]["current"], found[0]["other"][:33]), ("404", "sip:14085550001@example.com at 12"))
        self.assertIn("2 of 4 calls differ; 4 lines read", done.stderr)
        self.assertFalse((self.folder / "root" / "data").exists())
        table = self.replay("new.conf").stdout
        self.assertIn("now:  404", table)

    def test_same(self) -> None:
        """Nothing differs: exit status 0."""
        done = self.replay("old.conf")
        self.assertEqual((done.returncode, done.stdout), (0, ""), done.stderr)

    def test_wrong(self) -> None:
        """A configuration that is wrong is told, a line each."""
        (self.folder / "new.conf").write_text("ForkingMode Sometimes\n")
        done = self.replay("new.conf")
        self.assertEqual(done.returncode, 1)
        self.assertIn("new.conf:1:13: expected Parallel, Sequential or Off", done.stderr)
