"""The control socket as a service, on a reactor that only takes notes."""

import os
import resource
import socket
from pathlib import Path
from typing import Any

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from sipproxy.control import Api, ControlService, unix_socket
from sipproxy.control.version import version_resource


class NotingReactor(Clock):
    """Has readers and connections, and does nothing with them.

    @ivar readers: what is read now
    @ivar adopted: how many connections were handed over
    """

    def __init__(self) -> None:
        super().__init__()
        self.readers: list[Any] = []
        self.adopted = 0

    def addReader(self, reader: Any) -> None:
        """See IReactorFDSet."""
        self.readers.append(reader)

    def removeReader(self, reader: Any) -> None:
        """See IReactorFDSet."""
        if reader in self.readers:
            self.readers.remove(reader)

    def adoptStreamConnection(self, descriptor: int, family: int, factory: Any) -> None:
        """See IReactorSocket."""
        self.adopted += 1
        assert (family, os.get_blocking(descriptor)) == (socket.AF_UNIX, False)


class ServiceTests(SynchronousTestCase):
    """Its life."""

    def setUp(self) -> None:
        folder = Path(self.mktemp()).resolve()
        folder.mkdir()
        self.path = folder / "control.sock"
        self.reactor = NotingReactor()
        self.service = ControlService(self.path, Api([version_resource()]), self.reactor)

    def started(self) -> Any:
        """Start it, and give what the reactor reads."""
        self.service.startService()
        self.addCleanup(self.service.stopService)
        (reader,) = self.reactor.readers
        return reader

    def test_open_before_start(self) -> None:
        """Whoever connects to an open socket waits until the service starts."""
        self.service.open()
        with unix_socket.connect(self.path):
            self.assertEqual(self.reactor.readers, [])
            self.started().doRead()
        self.assertEqual(self.reactor.adopted, 1)

    def test_given_up(self) -> None:
        """A connection that is not there after all is no error."""
        self.started().doRead()
        self.assertEqual(self.reactor.adopted, 0)

    def test_cannot_accept(self) -> None:
        """With too many open files nothing is accepted for a while; then it is tried again."""
        reader = self.started()
        limits = resource.getrlimit(resource.RLIMIT_NOFILE)
        with unix_socket.connect(self.path):
            resource.setrlimit(resource.RLIMIT_NOFILE, (0, limits[1]))
            try:
                reader.doRead()
            finally:
                resource.setrlimit(resource.RLIMIT_NOFILE, limits)
            self.assertEqual((self.reactor.readers, self.reactor.adopted), ([], 0))
            self.reactor.advance(1)
            self.assertEqual(self.reactor.readers, [reader])
            reader.doRead()
        self.assertEqual(self.reactor.adopted, 1)

    def test_stop(self) -> None:
        """With its end the socket goes, a second end does nothing, and it can be started again."""
        for _ in range(2):
            self.service.startService()
            self.service.stopService()
            self.service.stopService()
            self.assertEqual((self.path.exists(), self.reactor.readers), (False, []))

    def test_not_its_own(self) -> None:
        """What has taken the name of the socket meanwhile stays."""
        self.started()
        self.path.unlink()
        self.path.write_text("another's")
        self.service.stopService()
        self.assertEqual(self.path.read_text(), "another's")
