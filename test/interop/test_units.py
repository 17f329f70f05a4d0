"""The server as the files in etc/ run it: systemd's unit and protocol, its hardening, logrotate, the bus's policy."""

import os
import pwd
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from tempfile import TemporaryDirectory
from unittest import SkipTest

from twisted.trial.unittest import SynchronousTestCase, TestCase

from sipproxy.control import Api
from sipproxy.control.dbus import dbus_service
from sipproxy.control.dbus_events import BusEvents
from sipproxy.control.dbus_interface import NAME, PATH
from sipproxy.control.version import version_resource
from test.interop.dbus import Bus
from test.interop.embedded import Done, run, the_reactor
from test.interop.harness import PATIENCE, ROOT, make_folder, program, wait_until
from test.interop.proxy import Proxy, start_proxy
from test.interop.telephone import Telephone

ETC = ROOT / "etc"
UNIT = ETC / "systemd" / "sipproxy.service"
# What MemoryDenyWriteExecute does, as a program of its own: prctl(PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN).
_DENY = """
import ctypes, os, sys
if ctypes.CDLL(None).prctl(65, 1, 0, 0, 0):
    sys.exit(77)
os.execv(sys.argv[1], sys.argv[1:])
"""
_CANNOT = 77


def unit() -> dict[str, list[str]]:
    """Give what the unit says, by the names of its lines."""
    found: dict[str, list[str]] = {}
    for line in UNIT.read_text().splitlines():
        name, separator, value = line.partition("=")
        if separator and not line.startswith("#"):
            found.setdefault(name, []).append(value)
    return found


def user() -> str:
    """Give our own name."""
    return pwd.getpwuid(os.geteuid()).pw_name


@contextmanager
def environment(more: dict[str, str]) -> Iterator[None]:
    """Let the environment of what is started have something more."""
    os.environ.update(more)
    try:
        yield
    finally:
        for name in more:
            del os.environ[name]


class UnitTests(SynchronousTestCase):
    """systemd's unit."""

    def test_verify(self) -> None:
        """systemd has nothing to say against it."""
        analyze = program("systemd-analyze", "systemd")
        copy = make_folder(self) / UNIT.name
        text = re.sub(r"/usr/lib/sipproxy/bin/\w+", program("true", "coreutils"), UNIT.read_text())
        copy.write_text(text.replace("sipproxy\nGroup=sipproxy", f"{user()}\nGroup={user()}"))
        done = subprocess.run([analyze, "verify", "--man=no", copy], capture_output=True, text=True, timeout=30)
        # Other units of the machine may have faults of their own.
        ours = [line for line in done.stderr.splitlines() if UNIT.name in line]
        self.assertEqual((ours, done.returncode), ([], 0))

    def test_exposure(self) -> None:
        """By systemd's own measure, 0 to 10, little is exposed."""
        analyze = program("systemd-analyze", "systemd")
        command = [analyze, "security", "--offline=yes", "--threshold=20", str(UNIT)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=30)
        if "Unknown" in done.stderr or "unrecognized" in done.stderr:
            raise SkipTest("not possible here: systemd-analyze is too old to look at a file")
        self.assertEqual(done.returncode, 0, done.stdout[-300:])

    def test_commands(self) -> None:
        """What it runs are options that there are."""
        proxy = Proxy(self)
        for name in ("ExecStartPre", "ExecStart"):
            (command,) = unit()[name]
            words = command.replace("/etc/sipproxy/sipd.conf", str(proxy.configuration)).split()[1:]
            expected = [str(word) for word in proxy.command()[1:]]
            self.assertEqual([word for word in words if word != "--check"], expected)
        self.assertEqual(proxy.run("--check").returncode, 0)


class NotifyTests(SynchronousTestCase):
    """What the process tells systemd."""

    def setUp(self) -> None:
        short = TemporaryDirectory(prefix="sipproxy")
        self.addCleanup(short.cleanup)
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.addCleanup(self.socket.close)
        self.socket.bind(f"{short.name}/notify")
        self.socket.settimeout(PATIENCE)
        self.more = {"NOTIFY_SOCKET": f"{short.name}/notify", "WATCHDOG_USEC": "400000"}

    def told(self) -> str:
        """Give the next that is no sign of life."""
        while True:
            text = self.socket.recv(4096).decode().replace("\n", " ")
            if text != "WATCHDOG=1":
                return text

    def test_life(self) -> None:
        """Ready once it answers, signs of life, a reload with its end, and the stop."""
        proxy = Proxy(self)
        with environment(self.more):
            proxy.start()
        self.assertEqual(self.told(), "READY=1 STATUS=serving, 0 addresses of record registered, 0 requests pending")
        for _ in range(3):
            self.assertEqual(self.socket.recv(100), b"WATCHDOG=1")
        proxy.process.send_signal(signal.SIGHUP)
        self.assertEqual(self.told(), "RELOADING=1")
        self.assertEqual(self.told()[:7], "READY=1")
        proxy.configuration.write_text("Lisen 5060\n")
        proxy.process.send_signal(signal.SIGHUP)
        self.assertEqual((self.told(), self.told()[:7]), ("RELOADING=1", "READY=1"))
        proxy.stop()
        self.assertEqual(self.told(), "STOPPING=1 STATUS=stopping")

    def test_not_ready(self) -> None:
        """One that cannot start has told nothing."""
        proxy = Proxy(self)
        proxy.configure("Lisen 5060")
        with environment(self.more):
            self.assertEqual(proxy.run().returncode, 1)
        self.socket.setblocking(False)
        self.assertRaises(BlockingIOError, self.socket.recv, 100)


class HardeningTests(SynchronousTestCase):
    """What the unit forbids, and the server as it runs without it."""

    def test_no_new_code(self) -> None:
        """It runs where no memory may become code."""
        self.assertEqual(unit()["MemoryDenyWriteExecute"], ["yes"])
        proxy = Proxy(self, "AuthAlgorithms MD5 SHA-256")
        deny = make_folder(self) / "deny.py"
        deny.write_text(_DENY)
        twistd, *words = proxy.command()
        first = subprocess.run([sys.executable, deny, program("true", "coreutils")], timeout=PATIENCE)
        if first.returncode == _CANNOT:
            raise SkipTest("not possible here: the kernel does not know PR_SET_MDWE")
        proxy.command = lambda *_: [sys.executable, deny, sys.executable, twistd, *words]  # type: ignore[method-assign]
        proxy.start()
        alice = Telephone(self, proxy.address, "alice")
        self.assertEqual(alice.register().status, 200)
        proxy.stop()
        proxy.see_no_complaint()


class LogrotateTests(SynchronousTestCase):
    """logrotate's file."""

    def test_rotate(self) -> None:
        """No line is lost or doubled while logs are rotated under a server that is used."""
        logrotate = program("logrotate", "logrotate")
        proxy = start_proxy(self)
        logs, pid = proxy.folder / "logs", proxy.folder / "logs" / "sipd.pid"
        text = (ETC / "logrotate.d" / "sipproxy").read_text().replace("/var/log/sipproxy", str(logs))
        text = text.replace("/run/sipproxy/sipd.pid", str(pid)).replace("sipproxy sipproxy", f"{user()} {user()}")
        rules = proxy.folder / "rules"
        rules.write_text(text)
        rules.chmod(0o644)
        logs.chmod(0o750)
        alice = Telephone(self, proxy.address, "alice")
        for number in range(1, 4):
            for _ in range(number):
                self.assertEqual(alice.ask("OPTIONS", f"sip:{proxy.domain}").status, 200)
            wait_until(lambda: (logs / "access_log").read_text().strip(), "the requests are in the log")
            old = os.stat(logs / "access_log").st_ino
            command = [logrotate, "--force", "--state", str(proxy.folder / "state"), str(rules)]
            done = subprocess.run(command, capture_output=True, text=True, timeout=30)
            self.assertEqual((done.stdout, done.stderr, done.returncode), ("", "", 0))
            wait_until(lambda old=old: os.stat(logs / "access_log").st_ino != old, "the log is another")  # type: ignore[misc]
        alice.ask("OPTIONS", f"sip:{proxy.domain}")
        proxy.stop()
        lines = []
        for path in sorted(logs.glob("access_log*")):
            command = ["zcat", "--force", str(path)]
            lines.append(subprocess.run(command, capture_output=True, text=True, check=True).stdout.count("OPTIONS"))
        # The first OPTIONS is that of the one who waited for the server.
        self.assertEqual(sum(lines) - 1, 1 + 2 + 3 + 1, lines)


class PolicyTests(TestCase):
    """The bus's policy."""

    timeout = 30

    async def test_policy(self) -> None:
        """Root may call; others may only look at what there is to call."""
        if os.geteuid():
            raise SkipTest("not possible here: only root can be somebody else")
        folder = make_folder(self)
        policy = (ETC / "dbus" / f"{NAME}.conf").read_text().replace('user="sipproxy"', 'user="daemon"')
        (folder / "policy.conf").write_text(policy)
        # As the system's bus is: what is not allowed is denied.
        strict = f"""<policy context="default"><deny own="*"/><deny send_type="method_call"/>
            <allow user="*"/><allow send_destination="org.freedesktop.DBus"/></policy>
            <include>{folder / "policy.conf"}</include>"""
        self.bus = Bus(self, folder, strict)
        service = dbus_service(self.bus.address, Api([version_resource()]), BusEvents(), the_reactor(), {})
        service.startService()
        self.addCleanup(service.stopService)
        while (await self.bus.busctl("status", NAME))[2]:
            pass
        refused = "org.sipproxy.Error.NotFound"
        introspect = ("org.freedesktop.DBus.Introspectable", "Introspect")
        for name, member, expected in (
            ("root", (NAME, "Status"), refused),
            ("daemon", (NAME, "Status"), refused),
            ("nobody", (NAME, "Status"), "org.freedesktop.DBus.Error.AccessDenied"),
            ("nobody", introspect, "Tell how the server is."),
        ):
            printed, complaints, _ = await self.call_as(name, *member)
            self.assertIn(expected, printed + complaints, (name, member))

    async def call_as(self, name: str, interface: str, member: str) -> Done:
        """Call a method as a user."""
        number = str(pwd.getpwnam(name).pw_uid)
        words = ["--reuid", number, "--clear-groups", program("gdbus", "libglib2.0-bin"), "call"]
        target = [f"--address={self.bus.address}", f"--dest={NAME}", f"--object-path={PATH}"]
        return await run(program("setpriv", "util-linux"), [*words, *target, f"--method={interface}.{member}"])
