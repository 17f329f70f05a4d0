"""Log files that are moved away under a running server, by hand and by logrotate."""

import os
import signal
import subprocess
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from test.interop.harness import PATIENCE, program, wait_until
from test.interop.proxy import start_proxy
from test.interop.telephone import Telephone

_ROTATE = """
{logs}/access_log {logs}/error_log {{
    rotate 3
    create 0640
    sharedscripts
    postrotate
        kill -USR1 $(cat {logs}/sipd.pid)
    endscript
}}
"""


class LogTests(SynchronousTestCase):
    """Nothing is lost, nothing is written to the old file."""

    def setUp(self) -> None:
        """Start the server."""
        self.proxy = start_proxy(self)
        self.telephone = Telephone(self, self.proxy.address, "alice")
        self.logs = self.proxy.folder / "logs"

    def ask(self, user: str) -> None:
        """Make a line with a name in it, and wait until it is in some file."""
        self.assertEqual(self.telephone.ask("INVITE", f"sip:{user}@{self.proxy.domain}").status, 404)
        wait_until(lambda: self.find(user), f"{user} is in an access log")

    def find(self, user: str) -> list[str]:
        """Give the names of the access logs with a user, each as often as it has the user."""
        found = []
        for path in sorted(self.logs.glob("access_log*")):
            found += [path.name] * path.read_text().count(f"sip:{user}@")
        return found

    def test_reopen(self) -> None:
        """After a move and SIGUSR1 the new file has all that comes."""
        self.ask("before")
        (self.logs / "access_log").rename(self.logs / "access_log.old")
        self.ask("between")
        self.proxy.process.send_signal(signal.SIGUSR1)
        wait_until((self.logs / "access_log").exists, "there is a new access log")
        self.ask("after")
        self.assertEqual(
            [self.find(user) for user in ("before", "between", "after")],
            [["access_log.old"], ["access_log.old"], ["access_log"]],
        )

    def test_logrotate(self) -> None:
        """logrotate with C{create} and a signal, twice: each line is in the file of its time, in order."""
        logrotate = program("logrotate", "logrotate")
        configuration = self.proxy.folder / "logrotate.conf"
        configuration.write_text(_ROTATE.format(logs=self.logs))
        configuration.chmod(0o644)
        self.logs.chmod(0o755)
        for user in ("first", "second"):
            self.ask(user)
            self.rotate(logrotate, configuration)
        self.ask("third")
        self.assertEqual(
            [self.find(user) for user in ("first", "second", "third")],
            [["access_log.2"], ["access_log.1"], ["access_log"]],
        )
        self.assertIn("listening on", (self.logs / "error_log.2").read_text())
        self.proxy.stop()
        self.assertIn("SIGTERM", self.proxy.error_log())

    def rotate(self, logrotate: str, configuration: Path) -> None:
        """Rotate, and wait until the server has gone over to the new files."""
        command = [logrotate, "--force", "--state", str(self.proxy.folder / "state"), str(configuration)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        wait_until(self.is_on_new_files, "the server has the new files open")

    def is_on_new_files(self) -> bool:
        """Tell whether the files that the server has open are those that the paths name."""
        descriptors = Path(f"/proc/{self.proxy.process.pid}/fd")
        opened = {os.path.realpath(path) for path in descriptors.iterdir()}
        return {str(self.logs / "access_log"), str(self.logs / "error_log")} <= opened
