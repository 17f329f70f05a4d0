"""The server as a process: how it starts, refuses to, goes to the background and ends."""

import os
import re
import signal
import socket
import subprocess
import time
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from test.interop.harness import PATIENCE, is_alive, wait_until
from test.interop.proxy import Proxy, environment, start_proxy, twistd
from test.interop.telephone import Message, Telephone


class Daemon:
    """A server in the background; it ends with its test."""

    def __init__(self, test: SynchronousTestCase, proxy: Proxy) -> None:
        self._proxy = proxy
        self.twistd_pid_file = proxy.folder / "twistd.pid"
        self.pid_file = proxy.folder / "logs" / "sipd.pid"
        test.addCleanup(self.stop)

    def start(self) -> "subprocess.CompletedProcess[str]":
        """Start it, and give what its parent said."""
        options = [
            "--pidfile",
            str(self.twistd_pid_file),
            "--logfile",
            "twistd.log",
            "--rundir",
            str(self._proxy.folder),
        ]
        return subprocess.run(
            [twistd(), *options, "sipproxy", "--config", self._proxy.configuration],
            env={**os.environ, **environment()},
            capture_output=True,
            text=True,
            timeout=PATIENCE,
        )

    @property
    def pid(self) -> int:
        """Its number, 0 where it has not said."""
        return _number(self.twistd_pid_file) or _number(self.pid_file)

    def stop(self) -> None:
        """End it and wait until it has ended."""
        pid = self.pid
        if pid and is_alive(pid):
            os.kill(pid, signal.SIGTERM)
            wait_until(lambda: not is_alive(pid), "the daemon ends")


def _number(path: Path) -> int:
    return int(path.read_text()) if path.exists() else 0


def take_port(test: SynchronousTestCase, proxy: Proxy) -> None:
    """Be on a server's port before it is."""
    taken = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    test.addCleanup(taken.close)
    taken.bind(proxy.address)


class StartTests(SynchronousTestCase):
    """What keeps it from starting is one line on the standard error."""

    def see_refusal(self, done: "subprocess.CompletedProcess[str]", reason: str) -> None:
        """Check that it did not start, and said so in one line."""
        self.assertEqual((done.returncode, done.stdout), (1, ""), done)
        (line,) = done.stderr.splitlines()
        self.assertTrue(re.fullmatch(f"sipproxy: {reason}", line), line)

    def test_port_in_use(self) -> None:
        """Somebody else has the port."""
        proxy = Proxy(self)
        take_port(self, proxy)
        self.see_refusal(proxy.run(), rf".*{re.escape(proxy.domain)}.*[Aa]ddress already in use.*")
        self.assertFalse((proxy.folder / "logs" / "sipd.pid").exists())

    def test_port_in_use_daemon(self) -> None:
        """Somebody else has the port: the operator sees it, as nothing goes to the background before."""
        proxy = Proxy(self)
        take_port(self, proxy)
        daemon = Daemon(self, proxy)
        self.see_refusal(daemon.start(), rf".*{re.escape(proxy.domain)}.*[Aa]ddress already in use.*")
        self.assertEqual(daemon.pid, 0)

    def test_same_server_root(self) -> None:
        """A second server on the same ServerRoot does not start, and the first goes on."""
        first = start_proxy(self)
        second = Proxy(self)
        settings = second.configuration.read_text()
        second.configuration.write_text(settings.replace("ServerRoot .", f"ServerRoot {first.folder}"))
        self.see_refusal(second.run(), rf"another server runs on this ServerRoot: {first.folder}/logs/accept\.lock .*")
        first.wait_for_answer()
        self.assertEqual(_number(first.folder / "logs" / "sipd.pid"), first.process.pid)

    def test_lock_of_dead_server(self) -> None:
        """The files of a server that was killed hinder none."""
        proxy = start_proxy(self)
        telephone = Telephone(self, proxy.address, "alice")
        self.assertEqual(telephone.register().status, 200)
        proxy.kill()
        self.assertTrue((proxy.folder / "logs" / "accept.lock").exists())
        self.assertTrue((proxy.folder / "logs" / "sipd.pid").exists())
        proxy.start()
        self.assertEqual(_number(proxy.folder / "logs" / "sipd.pid"), proxy.process.pid)
        self.assertEqual(telephone.registered(), [telephone.contact])

    def test_same_line_once(self) -> None:
        """What happens before twistd's log begins is in the error log, once."""
        proxy = start_proxy(self)
        proxy.stop()
        lines = [line for line in proxy.error_log().splitlines() if "listening on" in line]
        self.assertEqual(len(lines), 1, lines)


class StopTests(SynchronousTestCase):
    """How it ends."""

    def test_pid_file(self) -> None:
        """PidFile is there while it runs, and gone when it has ended."""
        proxy = start_proxy(self, "PidFile run/this.pid")
        pid_file = proxy.folder / "run" / "this.pid"
        self.assertEqual(_number(pid_file), proxy.process.pid)
        proxy.stop()
        self.assertFalse(pid_file.exists())

    def test_daemon(self) -> None:
        """In the background it serves, both pid files tell its number, and SIGTERM ends it and removes them."""
        proxy = Proxy(self)
        daemon = Daemon(self, proxy)
        done = daemon.start()
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "", ""))
        proxy.wait_for_answer()
        self.assertEqual(_number(daemon.pid_file), _number(daemon.twistd_pid_file))
        self.assertTrue(is_alive(daemon.pid))
        telephone = Telephone(self, proxy.address, "alice")
        self.assertEqual(telephone.register().status, 200)
        daemon.stop()
        self.assertEqual((daemon.pid_file.exists(), daemon.twistd_pid_file.exists()), (False, False))
        self.assertEqual(proxy.bindings_on_disk(), ["alice@example.test"])
        proxy.see_no_complaint()

    def ring(self, proxy: Proxy) -> tuple[Telephone, Telephone, Message]:
        """Let alice call bob, whose telephone rings: both, and the INVITE as bob has it."""
        alice, bob = Telephone(self, proxy.address, "alice"), Telephone(self, proxy.address, "bob")
        self.assertEqual(bob.register().status, 200)
        alice.request("INVITE", f"sip:bob@{proxy.domain}", headers=[f"Contact: <{alice.contact}>"])
        invite, _ = bob.receive()
        bob.answer(invite, "180 Ringing", proxy.address)
        while alice.receive()[0].status != 180:
            pass
        return alice, bob, invite

    def test_call_in_progress(self) -> None:
        """A call that rings for longer than GracefulStopInS is left alone then."""
        proxy = start_proxy(self, "GracefulStopInS 1")
        self.ring(proxy)
        began = time.monotonic()
        proxy.stop()
        self.assertTrue(0.9 < time.monotonic() - began < 3, time.monotonic() - began)

    def test_call_is_answered(self) -> None:
        """A call that is answered meanwhile gets its answer, a new one 503; then the server ends at once."""
        proxy = start_proxy(self, "GracefulStopInS 8")
        alice, bob, invite = self.ring(proxy)
        proxy.process.send_signal(signal.SIGTERM)
        wait_until(lambda: "SIGTERM" in proxy.error_log(), "the server is told to end")
        carol = Telephone(self, proxy.address, "carol")
        refused = carol.ask("INVITE", f"sip:bob@{proxy.domain}")
        self.assertEqual((refused.status, int(refused["retry-after"]) > 0), (503, True))
        bob.answer(invite, "200 OK", proxy.address, [f"Contact: <{bob.contact}>"])
        self.assertEqual(alice.final().status, 200)
        self.assertEqual(proxy.process.wait(3), -signal.SIGTERM)

    def test_told_twice(self) -> None:
        """Who tells it again to end will not wait; that is no fault."""
        proxy = start_proxy(self, "GracefulStopInS 60")
        self.ring(proxy)
        for number in (signal.SIGTERM, signal.SIGINT):
            proxy.process.send_signal(number)
            wait_until(lambda: "SIGTERM" in proxy.error_log(), "the server is told to end")
        self.assertEqual(proxy.process.wait(), -signal.SIGTERM)
        self.assertNotIn("Traceback", proxy.error_log())

    def test_port_is_free_again(self) -> None:
        """After its end the port can be taken at once."""
        proxy = start_proxy(self)
        proxy.stop()
        take_port(self, proxy)
