"""A service that accepts connections, at an address or on a Unix socket, as many as it may and no more.

The socket is opened before it is served, when an operator still sees what is
wrong. What a connection speaks is its factory's affair.
"""

import os
import socket
from collections.abc import Mapping
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from twisted.application.service import Service
from twisted.internet.interfaces import IProtocolFactory, IReadDescriptor
from twisted.logger import Logger
from twisted.protocols.policies import WrappingFactory
from twisted.python.failure import Failure
from zope.interface import implementer

from sipproxy.control import unix_socket
from sipproxy.errors import ListenError

log = Logger(namespace="mod_sip_control")

#: Where connections are accepted: literal address and port, or the path of a Unix socket.
Place = tuple[str, int] | Path

_BACKLOG = 64
#: How long nothing is accepted after that has failed, as with too many open files; seconds.
_PAUSE = 1.0


# Not Twisted's own ports: they cannot be opened before twistd goes to the background, and those on Unix sockets
# let everybody in for a moment.
@implementer(IReadDescriptor)
class _Door:
    """A listening socket of the reactor."""

    def __init__(self, opened: socket.socket, reactor: Any, factory: Any, most: int) -> None:
        self._socket = opened
        self._reactor = reactor
        self._factory = factory
        self._most = most

    def fileno(self) -> int:
        """Give the descriptor of the socket."""
        return self._socket.fileno()

    def logPrefix(self) -> str:
        """Name it in Twisted's own messages."""
        return "control"

    def doRead(self) -> None:
        """Accept a connection; where there are too many it is closed at once."""
        try:
            connection, _ = self._socket.accept()
        except BlockingIOError:
            return  # it was given up meanwhile
        except OSError as error:
            log.error("connections cannot be accepted: {error}", error=error)
            self._reactor.removeReader(self)
            self._reactor.callLater(_PAUSE, self.open)
            return
        with connection:
            if len(self._factory.protocols) < self._most:
                connection.setblocking(False)
                self._reactor.adoptStreamConnection(connection.fileno(), self._socket.family, self._factory)

    def connectionLost(self, reason: Failure) -> None:
        """The reactor ends."""

    def open(self) -> None:
        """Accept connections from now on."""
        if self.fileno() >= 0:
            self._reactor.addReader(self)

    def close(self) -> None:
        """Accept no more."""
        self._reactor.removeReader(self)
        self._socket.close()


class StreamService(Service):
    """Accepts connections.

    @ivar place: where it does; once it is open, with the port that it has
    """

    def __init__(self, name: str, place: Place, factory: IProtocolFactory, reactor: Any, most: int) -> None:
        """
        @param name: its name as a service, and in errors
        @param factory: makes the protocol of a connection
        @param most: connections at one time
        """
        self.setName(name)
        self.place = place
        self._reactor = reactor
        self._factory: WrappingFactory[Any] = WrappingFactory(factory)
        self._factory.noisy = False
        self._most = most
        self._door: _Door | None = None
        self._inode = 0

    @property
    def connections(self) -> Mapping[Any, object]:
        """The connections that are open."""
        return self._factory.protocols

    def open(self) -> None:
        """Open the socket; whoever connects waits for L{startService}. A second call does nothing.

        @raise ListenError: it cannot be opened
        """
        if self._door is not None:
            return
        if isinstance(self.place, Path):
            opened = unix_socket.listen(self.place)
            self._inode = unix_socket.inode(self.place)
        else:
            opened = _listen(str(self.name), self.place)
            self.place = opened.getsockname()[:2]
        self._door = _Door(opened, self._reactor, self._factory, self._most)

    def startService(self) -> None:
        """Open the socket and serve.

        @raise ListenError: it cannot be opened
        """
        self.open()
        super().startService()
        self._factory.doStart()
        if self._door is not None:
            self._door.open()

    def stopService(self) -> None:
        """Close the socket and all connections at once; its name goes, unless it is another's by now."""
        super().stopService()
        if self._door is None:
            return
        self._door.close()
        self._door = None
        self._factory.doStop()
        for connection in list(self._factory.protocols):
            connection.transport.abortConnection()
        if isinstance(self.place, Path) and unix_socket.inode(self.place) == self._inode:
            os.unlink(self.place)


def _listen(name: str, place: tuple[str, int]) -> socket.socket:
    """Open a TCP socket.

    @raise ListenError: it cannot be opened
    """
    host, port = place
    family = socket.AF_INET6 if ip_address(host).version == 6 else socket.AF_INET
    opened = socket.socket(family, socket.SOCK_STREAM)
    try:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        opened.bind(place)
        opened.listen(_BACKLOG)
    except OSError as error:
        opened.close()
        raise ListenError(f"{name}: cannot listen at {host} port {port}: {error.strerror}") from None
    opened.setblocking(False)
    return opened
