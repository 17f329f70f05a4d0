"""User and Group: the server is started as root and serves as somebody else."""

import os
import pwd
import shutil
import signal
import tempfile
from pathlib import Path
from unittest import SkipTest

from twisted.trial.unittest import SynchronousTestCase

from test.interop.control import listed
from test.interop.harness import wait_until
from test.interop.proxy import Proxy
from test.interop.telephone import Telephone

USER = "nobody"
STRANGER = "127.0.0.9"
SETTINGS = f"""
User {USER}
CustomLog logs/second_log short
StaticRegistration desk@example.test sip:desk@127.0.0.9
"""


class PrivilegesTests(SynchronousTestCase):
    """A server that root starts."""

    def setUp(self) -> None:
        """Write the configuration of one, in a folder that everybody may enter."""
        if os.geteuid():
            raise SkipTest("not possible here: only root can become somebody else")
        try:
            self.user = pwd.getpwnam(USER)
        except KeyError:
            raise SkipTest(f"not possible here: there is no user {USER}") from None
        self.proxy = Proxy(self, SETTINGS)
        self.move_to(Path(tempfile.mkdtemp(prefix="sipproxy")))

    def move_to(self, folder: Path) -> None:
        """Let the server have another ServerRoot: to trial's own folder only root finds its way."""
        self.addCleanup(shutil.rmtree, folder)
        folder.chmod(0o755)
        configuration = self.proxy.configuration.read_text()
        self.proxy.configuration = folder / "sipd.conf"
        self.proxy.configuration.write_text(configuration)
        self.proxy.folder = folder

    def status(self) -> dict[str, list[int]]:
        """Give the numbers that the kernel has for the process: real, effective, saved, of the file system."""
        lines = Path(f"/proc/{self.proxy.process.pid}/status").read_text().splitlines()
        split = (line.partition(":") for line in lines)
        return {name: list(map(int, value.split())) for name, _, value in split if name in ("Uid", "Gid", "Groups")}

    def see_dropped(self) -> None:
        """See that nothing of root is left in the process."""
        status = self.status()
        self.assertEqual(status["Uid"], [self.user.pw_uid] * 4)
        self.assertEqual(status["Gid"], [self.user.pw_gid] * 4)
        self.assertNotIn(0, status["Groups"])

    def test_dropped(self) -> None:
        """It serves as the user; what it has written belongs to the user; it can rotate, reload and end."""
        self.proxy.start()
        self.see_dropped()
        alice = Telephone(self, self.proxy.address)
        self.assertEqual(alice.register().status, 200)
        self.assertEqual(len(listed(self.proxy)), 2)
        log = self.proxy.folder / "logs" / "error_log"
        log.rename(log.with_name("error_log.1"))
        self.proxy.process.send_signal(signal.SIGUSR1)
        wait_until(log.exists, "the error log is opened again")
        self.proxy.configuration.write_text(self.proxy.configuration.read_text() + f"DenyFrom {STRANGER}\n")
        self.proxy.process.send_signal(signal.SIGHUP)
        stranger = Telephone(self, self.proxy.address, "stranger", STRANGER)
        wait_until(lambda: stranger.register().status == 403, "the configuration is read again")
        written = [path for path in self.proxy.folder.rglob("*") if path.parent.name in ("logs", "run", "data")]
        owners = {path.relative_to(self.proxy.folder).as_posix(): path.stat().st_uid for path in written}
        self.assertEqual(owners, dict.fromkeys(owners, self.user.pw_uid))
        self.assertLessEqual({"logs/error_log", "logs/second_log", "data/registry.db", "run/control.sock"}, set(owners))
        self.proxy.stop()
        left = ["logs/sipd.pid", "run/control.sock"]
        self.assertEqual([name for name in left if (self.proxy.folder / name).exists()], [])
        self.proxy.see_no_complaint()

    def test_next_start(self) -> None:
        """Files that root's own server has left behind are handed over; their folders are the operator's business."""
        settings = self.proxy.configuration.read_text()
        self.proxy.configuration.write_text(settings.replace(f"User {USER}\n", ""))
        self.proxy.start()
        self.assertEqual(Telephone(self, self.proxy.address).register().status, 200)
        self.proxy.stop()
        self.assertEqual((self.proxy.folder / "data" / "registry.db").stat().st_uid, 0)
        for name in ("logs", "run", "data"):
            shutil.chown(self.proxy.folder / name, USER)
        self.proxy.configuration.write_text(settings)
        self.proxy.start()
        self.see_dropped()
        self.assertEqual(len(Telephone(self, self.proxy.address).registered()), 1)
        self.assertEqual(Telephone(self, self.proxy.address, "bob").register().status, 200)
        self.proxy.stop()
        self.assertEqual(self.proxy.bindings_on_disk(), ["alice@example.test", "bob@example.test"])
        self.proxy.see_no_complaint()
