"""Commands without a server: what they do to the files of its databases."""

import sqlite3
import subprocess
import sys
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from sipproxy.databases import numbers, routes
from sipproxy.databases.table import Layout
from sipproxy.databases.table_sqlite import schema_of
from sipproxy.server import LockFile

ROOT = Path(__file__).resolve().parents[2]
# A process of its own: the way without a server runs the reactor, which a process can do once.
_RUN = """
import sys
from sipproxy.cli.numbers import numbers
from sipproxy.cli.routes import routes
from sipproxy.cli.session import Session
session = Session("sipd.conf", {})
try:
    {"routes": routes, "numbers": numbers}[sys.argv[1]].main(sys.argv[2:], obj=session)
finally:
    session.close()
"""


class DirectTests(SynchronousTestCase):
    """A server that is down."""

    def setUp(self) -> None:
        self.folder = Path(self.mktemp()).resolve()
        for name in ("data", "logs"):
            (self.folder / name).mkdir(parents=True)
        (self.folder / "sipd.conf").write_text("ServerName localhost\n")

    def make(self, layout: Layout, name: str) -> None:
        """Make an empty file of a database, as the server does."""
        with sqlite3.connect(self.folder / "data" / name) as database:
            for statement in (*schema_of(layout).migrations[0], f"PRAGMA application_id = {layout.application_id}",
                              "PRAGMA user_version = 1"):  # fmt: skip
                database.execute(statement)
        database.close()

    def run_command(self, *words: str) -> "subprocess.CompletedProcess[str]":
        """Run a command to its end."""
        return subprocess.run(
            [sys.executable, "-c", _RUN, *words],
            cwd=self.folder,
            env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"},
            capture_output=True,
            text=True,
            timeout=60,
        )

    def test_routes(self) -> None:
        """Routes are added, found, listed and deleted in the file; which way was taken is said."""
        self.make(routes.LAYOUT, "routing.db")
        done = self.run_command("routes", "add", "E164", "1408T", "--next-hop", "gw")
        self.assertEqual(
            (done.returncode, done.stderr.splitlines()),
            (
                0,
                [
                    "sipproxyctl: the server is down: working on the file of its routing database",
                    "sipproxyctl: added route E164 1408T to gw",
                ],
            ),
        )
        done = self.run_command("routes", "test", "1408")
        self.assertEqual((done.returncode, done.stdout.splitlines()[1].split()[:3]), (0, ["wins", "E164", "1408T"]))
        done = self.run_command("routes", "export")
        self.assertEqual(done.stdout.splitlines()[1:], ["E164,1408T,gw,0,udp,1,1,"])
        done = self.run_command("routes", "delete", "E164", "1408T")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(len(self.run_command("routes", "list").stdout.splitlines()), 1)

    def test_numbers(self) -> None:
        """So it is with number services."""
        self.make(numbers.LAYOUT, "numbers.db")
        (self.folder / "rows.csv").write_text("pattern,service\n1T,LNP\n")
        done = self.run_command("numbers", "import", "rows.csv")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("working on the file of its number-services database", done.stderr)
        self.assertEqual(self.run_command("numbers", "list").stdout.splitlines()[1].split(), ["1T", "LNP", "database"])

    def test_no_file(self) -> None:
        """A file that no server has made is not made."""
        done = self.run_command("routes", "list")
        path = self.folder / "data" / "routing.db"
        self.assertEqual(
            (done.returncode, done.stderr), (1, f"sipproxyctl: the server is down, and there is no {path} yet\n")
        )
        self.assertFalse(path.exists())

    def test_damaged(self) -> None:
        """A file that is none is told in one line, and left as it is."""
        path = self.folder / "data" / "routing.db"
        path.write_text("PidFile logs/sipd.pid\n" * 100)
        for words in (("add", "E164", "1T", "--next-hop", "gw"), ("list",)):
            done = self.run_command("routes", *words)
            self.assertEqual((done.returncode, done.stderr.splitlines()[-1]),
                             (1, f"sipproxyctl: {path}: file is not a database"))  # fmt: skip
        self.assertEqual(path.read_text(), "PidFile logs/sipd.pid\n" * 100)

    def test_server_runs(self) -> None:
        """While a server has the lock the file is left alone."""
        self.make(routes.LAYOUT, "routing.db")
        lock = LockFile(self.folder / "logs" / "accept.lock")
        lock.take()
        self.addCleanup(lock.release)
        done = self.run_command("routes", "list")
        self.assertEqual(done.returncode, 1)
        self.assertIn("the server runs, but nobody answers at its control socket", done.stderr)
