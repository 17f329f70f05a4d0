"""A registry database that cannot be written for a while: registrations are refused, calls go on."""

import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path
from unittest import SkipTest

from twisted.trial.unittest import SynchronousTestCase

from test.interop.harness import PATIENCE, make_folder, program, wait_until
from test.interop.proxy import Proxy, start_proxy
from test.interop.telephone import Telephone


class StoreTests(SynchronousTestCase):
    """Bob is registered before, alice tries to while nothing can be stored."""

    def begin(self, settings: str = "") -> Proxy:
        """Start a server whose error log may complain, and register bob."""
        proxy = start_proxy(self, settings, clean=False)
        self.alice = Telephone(self, proxy.address, "alice")
        self.bob = Telephone(self, proxy.address, "bob")
        self.assertEqual(self.bob.register().status, 200)
        return proxy

    def see_trouble(self, proxy: Proxy) -> None:
        """Check what can and what cannot be done now."""
        for _ in range(2):
            refused = self.alice.register()
            self.assertEqual(refused.status, 503, refused)
            self.assertGreater(int(refused["retry-after"]), 0)
            self.call_bob(proxy)
        self.assertEqual(self.alice.registered(), [])
        self.assertEqual(self.alice.ask("INVITE", f"sip:alice@{proxy.domain}").status, 404)

    def call_bob(self, proxy: Proxy) -> None:
        """Call bob, who is busy."""
        branch = self.alice.request("INVITE", f"sip:bob@{proxy.domain}")
        while True:
            invite, _ = self.bob.receive()
            if invite.start.startswith("INVITE "):  # else the ACK of the call before
                break
        self.assertEqual(len(invite.all("via")), 2)
        self.assertIn(branch, invite.all("via")[1])
        self.bob.answer(invite, "486 Busy Here", proxy.address)
        self.assertEqual(self.alice.final().status, 486)

    def see_recovery(self, proxy: Proxy) -> None:
        """Check that all is well again, and was said in the log, once each way."""
        self.assertEqual(self.alice.register().status, 200)
        self.assertEqual(proxy.bindings_on_disk(), ["alice@example.test", "bob@example.test"])
        again = "Registrations are stored again"
        wait_until(lambda: again in proxy.error_log(), "the error log has the recovery")
        log = proxy.error_log()
        self.assertEqual((log.count("Registrations cannot be stored"), log.count(again)), (1, 1), log)
        self.assertNotIn("Traceback", log)

    def test_locked(self) -> None:
        """Another process holds the lock of the database."""
        proxy = self.begin()
        with closing(sqlite3.connect(proxy.folder / "data" / "registry.db", isolation_level=None)) as other:
            other.execute("BEGIN EXCLUSIVE")
            self.see_trouble(proxy)
            other.execute("ROLLBACK")
        self.see_recovery(proxy)

    def test_locked_at_start(self) -> None:
        """What cannot be read at the start is read later, and nothing is written over before."""
        proxy = self.begin()
        proxy.stop()
        with closing(sqlite3.connect(proxy.folder / "data" / "registry.db", isolation_level=None)) as other:
            other.execute("BEGIN EXCLUSIVE")
            proxy.start()
            self.assertEqual(self.alice.register().status, 503)
            self.assertEqual(self.bob.register().status, 503)
            self.assertEqual(self.bob.registered(), [])
            other.execute("ROLLBACK")
        wait_until(lambda: self.bob.registered() == [self.bob.contact], "the registrations are read")
        self.call_bob(proxy)
        self.assertEqual(self.alice.register().status, 200)
        self.assertEqual(proxy.bindings_on_disk(), ["alice@example.test", "bob@example.test"])
        self.assertNotIn("Traceback", proxy.error_log())

    def test_disk_full(self) -> None:
        """The disk with the database is full."""
        disk = self.mount_disk()
        proxy = self.begin(f"RegistryDatabase {disk / 'registry.db'}")
        ballast = disk / "ballast"
        fill(ballast)
        self.see_trouble(proxy)
        ballast.unlink()
        registry = proxy.folder / "data" / "registry.db"
        for name in ("", "-wal", "-shm"):
            registry.with_name(registry.name + name).symlink_to(disk / f"registry.db{name}")
        self.see_recovery(proxy)

    def mount_disk(self) -> Path:
        """Mount a disk of a megabyte.

        @raise SkipTest: this may not be done here
        """
        folder = make_folder(self, "disk")
        command = [program("mount", "mount"), "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE)
        if done.returncode:
            raise SkipTest(f"not possible here: mounting a disk: {done.stderr.strip()}")
        # Lazily, as the server that is still on it ends after this.
        self.addCleanup(subprocess.run, [program("umount", "mount"), "--lazy", str(folder)], timeout=PATIENCE)
        return folder


def fill(ballast: Path) -> None:
    """Fill the disk that a file is on."""
    with open(ballast, "wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError:  # full
            return
