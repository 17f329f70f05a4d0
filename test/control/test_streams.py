"""Services that accept connections, on a reactor that only takes notes, and on real sockets."""

import os
import socket
from pathlib import Path
from typing import Any

from twisted.internet.protocol import Factory, Protocol
from twisted.trial.unittest import SynchronousTestCase

from sipproxy.control import unix_socket
from sipproxy.control.streams import Place, StreamService
from sipproxy.errors import ListenError
from test.control.test_service import NotingReactor


class Adopting(NotingReactor):
    """Makes a protocol of each connection.

    @ivar families: of what families they were
    """

    def __init__(self) -> None:
        super().__init__()
        self.families: list[int] = []

    def adoptStreamConnection(self, descriptor: int, family: int, factory: Any) -> None:
        """See IReactorSocket."""
        self.families.append(family)
        assert not os.get_blocking(descriptor)
        protocol = factory.buildProtocol(None)
        protocol.makeConnection(Line(protocol))


class Line:
    """A connection that can only be closed."""

    def __init__(self, protocol: Any) -> None:
        self._protocol = protocol

    def abortConnection(self) -> None:
        """Close it."""
        self._protocol.connectionLost(None)


class StreamTests(SynchronousTestCase):
    """Their life."""

    def setUp(self) -> None:
        self.reactor = Adopting()

    def service(self, place: Place = ("127.0.0.1", 0), most: int = 2) -> StreamService:
        """Make one."""
        service = StreamService("metrics", place, Factory.forProtocol(Protocol), self.reactor, most)
        self.addCleanup(service.stopService)
        return service

    def connect(self, service: StreamService) -> None:
        """Connect to one."""
        place = service.place
        opened = unix_socket.connect(place, 1) if isinstance(place, Path) else socket.create_connection(place, 1)
        self.addCleanup(opened.close)

    def test_address(self) -> None:
        """It has its port before it is served; who connects meanwhile waits."""
        service = self.service()
        service.open()
        service.open()
        assert not isinstance(service.place, Path)
        self.assertEqual(service.place[0], "127.0.0.1")
        self.assertGreater(service.place[1], 0)
        self.connect(service)
        self.assertEqual(self.reactor.readers, [])
        service.startService()
        self.reactor.readers[0].doRead()
        self.assertEqual((self.reactor.families, len(service.connections)), ([socket.AF_INET], 1))
        self.reactor.readers[0].doRead()

    def test_path(self) -> None:
        """On a Unix socket likewise; its name goes with it, unless it is another's by then."""
        path = Path(self.mktemp()).resolve()
        service = self.service(path)
        service.startService()
        self.connect(service)
        self.reactor.readers[0].doRead()
        self.assertEqual((self.reactor.families, path.stat().st_mode & 0o777), ([socket.AF_UNIX], 0o600))
        service.stopService()
        self.assertFalse(path.exists())
        service.startService()
        path.unlink()
        path.write_text("another's")
        service.stopService()
        self.assertEqual(path.read_text(), "another's")

    def test_most(self) -> None:
        """Beyond the most there may be they are closed at once, and one that goes makes room."""
        service = self.service()
        service.startService()
        (door,) = self.reactor.readers
        for _ in range(3):
            self.connect(service)
            door.doRead()
        self.assertEqual(len(service.connections), 2)
        next(iter(service.connections)).transport.abortConnection()
        self.connect(service)
        door.doRead()
        self.assertEqual((len(service.connections), len(self.reactor.families)), (2, 3))

    def test_stop(self) -> None:
        """With its end all connections are closed, a second end does nothing, and the port is free."""
        service = self.service()
        service.startService()
        self.connect(service)
        self.reactor.readers[0].doRead()
        service.stopService()
        service.stopService()
        self.assertEqual((len(service.connections), self.reactor.readers), (0, []))
        self.service(service.place).startService()

    def test_taken(self) -> None:
        """A place that is taken, or not ours, is told in one line."""
        first = self.service()
        first.open()
        assert not isinstance(first.place, Path)
        for place, reason in (
            (first.place, "Address already in use"),
            (("192.0.2.1", 80), "Cannot assign requested address"),
        ):
            with self.assertRaises(ListenError) as caught:
                self.service(place).open()
            self.assertEqual(str(caught.exception), f"metrics: cannot listen at {place[0]} port {place[1]}: {reason}")
