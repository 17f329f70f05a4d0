"""What systemd is told, read from a real socket of datagrams."""

import socket
from pathlib import Path
from tempfile import TemporaryDirectory

from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from sipproxy.notify import LOOK_AGAIN, Notifier, NotifyingService, notifier_of

PID = 4711


class Systemd:
    """Who started us.

    @ivar address: where it listens
    """

    def __init__(self, test: SynchronousTestCase, address: str = "") -> None:
        """
        @param address: an abstract one with an C{@} before it, by default a path
        """
        folder = TemporaryDirectory(prefix="sipproxy")
        test.addCleanup(folder.cleanup)
        self.address = address or str(Path(folder.name) / "notify")
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        test.addCleanup(self._socket.close)
        self._socket.bind(self.address.replace("@", "\0"))

    def told(self) -> list[str]:
        """Give the datagrams that have come, lines separated by a space."""
        found = []
        while True:
            try:
                found.append(self._socket.recv(4096).decode().replace("\n", " "))
            except BlockingIOError:
                return found


class SlowService(Service):
    """Something that takes its time to end.

    @ivar ended: what it waits for
    """

    def __init__(self) -> None:
        self.ended: Deferred[None] = Deferred()

    def stopService(self) -> "Deferred[None]":
        """End when told."""
        super().stopService()
        return self.ended


class EnvironmentTests(SynchronousTestCase):
    """What the environment says."""

    def test_watchdog(self) -> None:
        """A watchdog is heard of in microseconds; one of another process, or nonsense, is none."""
        for environ, period in (
            ({"WATCHDOG_USEC": "30000000"}, 30.0),
            ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(PID)}, 30.0),
            ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"}, None),
            ({"WATCHDOG_USEC": "0"}, None),
            ({"WATCHDOG_USEC": "-5"}, None),
            ({"WATCHDOG_USEC": "soon"}, None),
            ({}, None),
        ):
            self.assertEqual(notifier_of({"NOTIFY_SOCKET": "/x", **environ}, PID).watchdog, period, environ)
        self.assertIsNone(notifier_of({"WATCHDOG_USEC": "30000000"}, PID).watchdog)

    def test_sockets(self) -> None:
        """The socket is a path or abstract; what is neither, or nowhere, is told nothing."""
        for address in ("", "@sipproxy-test-notify"):
            systemd = Systemd(self, address)
            notifier = notifier_of({"NOTIFY_SOCKET": systemd.address}, PID)
            self.addCleanup(notifier.close)
            notifier.send(READY=1)
            self.assertEqual(systemd.told(), ["READY=1"])
        for environ in ({}, {"NOTIFY_SOCKET": ""}, {"NOTIFY_SOCKET": "vsock:2:1234"}):
            notifier_of(environ, PID).send(READY=1)


class NotifierTests(SynchronousTestCase):
    """Datagrams."""

    def test_lines(self) -> None:
        """A line end in a value makes no assignment of its own."""
        systemd = Systemd(self)
        notifier = Notifier(systemd.address)
        self.addCleanup(notifier.close)
        notifier.send(STATUS="all\nWATCHDOG=trigger", READY=1)
        self.assertEqual(systemd.told(), ["STATUS=all WATCHDOG=trigger READY=1"])

    def test_nobody(self) -> None:
        """Where nobody listens nothing happens, now or later."""
        notifier = Notifier(str(Path(self.mktemp()).resolve()))
        self.addCleanup(notifier.close)
        for _ in range(3):
            notifier.send(READY=1)

    def test_full(self) -> None:
        """A socket that is full holds nobody up."""
        systemd = Systemd(self)
        notifier = Notifier(systemd.address)
        self.addCleanup(notifier.close)
        for _ in range(2000):
            notifier.send(STATUS="x" * 1000)
        self.assertLess(len(systemd.told()), 2000)
        notifier.send(READY=1)
        self.assertEqual(systemd.told(), ["READY=1"])


class ServiceTests(SynchronousTestCase):
    """The life of a process."""

    def setUp(self) -> None:
        self.systemd, self.clock, self.part, self.line = Systemd(self), Clock(), SlowService(), "serving, 0 registered"
        self.service = self.make(10.0)

    def make(self, watchdog: float | None) -> NotifyingService:
        """Make one."""
        service = NotifyingService(Notifier(self.systemd.address, watchdog), self.clock, lambda: self.line)
        self.part.setServiceParent(service)
        return service

    def test_life(self) -> None:
        """Ready once it is told to be, with a sign of life each half period until the last part has ended."""
        self.service.startService()
        self.assertEqual(self.systemd.told(), ["WATCHDOG=1"])
        self.clock.advance(1)
        self.assertEqual(self.systemd.told(), [])
        self.service.is_ready()
        self.assertEqual(self.systemd.told(), ["READY=1 STATUS=serving, 0 registered"])
        self.clock.advance(4)
        self.assertEqual(self.systemd.told(), ["WATCHDOG=1"])
        ended = self.service.stopService()
        self.assertEqual(self.systemd.told(), ["STOPPING=1 STATUS=stopping"])
        self.clock.advance(5)
        self.assertEqual(self.systemd.told(), ["WATCHDOG=1"])
        self.part.ended.callback(None)
        self.successResultOf(ended)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_status(self) -> None:
        """Another line is told when it is another, and not more often."""
        service = self.make(None)
        service.startService()
        service.is_ready()
        self.systemd.told()
        self.clock.pump([LOOK_AGAIN] * 3)
        self.assertEqual(self.systemd.told(), [])
        self.line = "serving, 1 registered"
        self.clock.pump([LOOK_AGAIN] * 3)
        self.assertEqual(self.systemd.told(), ["STATUS=serving, 1 registered"])
        self.part.ended.callback(None)
        service.stopService()
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_reload(self) -> None:
        """A reload is told as it begins and as it ends; one before the server serves is not: it would be no end."""
        self.service.reloads()
        self.service.has_reloaded()
        self.assertEqual(self.systemd.told(), [])
        self.service.is_ready()
        self.systemd.told()
        self.service.reloads()
        self.service.has_reloaded()
        self.assertEqual(self.systemd.told(), ["RELOADING=1", "READY=1 STATUS=serving, 0 registered"])
        self.part.ended.callback(None)
        self.service.stopService()

    def test_nobody(self) -> None:
        """Where nobody wants to know no timer runs."""
        service = NotifyingService(Notifier(None), self.clock, lambda: self.line)
        service.startService()
        service.is_ready()
        self.assertEqual(self.clock.getDelayedCalls(), [])
        service.stopService()
