"""The control socket as a service: it accepts connections and gives them to the HTTP protocol."""

import os
import socket
from pathlib import Path
from typing import Any

from twisted.application.service import Service
from twisted.internet.interfaces import IReadDescriptor
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from sipproxy.control import unix_socket
from sipproxy.control.api import Api
from sipproxy.control.http import http_factory

log = Logger(namespace="mod_sip_control")

#: How long nothing is accepted after that has failed, as with too many open files; seconds.
_PAUSE = 1.0


# Not Twisted's own port: it sets the mode of the socket by a name of at most 107 octets, and cannot be
# opened before twistd goes to the background, when an operator still sees what is wrong.
@implementer(IReadDescriptor)
class _Door:
    """A listening socket of the reactor."""

    def __init__(self, opened: socket.socket, reactor: Any, factory: Any) -> None:
        self._socket = opened
        self._reactor = reactor
        self._factory = factory

    def fileno(self) -> int:
        """Give the descriptor of the socket."""
        return self._socket.fileno()

    def logPrefix(self) -> str:
        """Name it in Twisted's own messages."""
        return "control"

    def doRead(self) -> None:
        """Accept a connection."""
        try:
            connection, _ = self._socket.accept()
        except BlockingIOError:
            return  # it was given up meanwhile
        except OSError as error:
            log.error("control connections cannot be accepted: {error}", error=error)
            self._reactor.removeReader(self)
            self._reactor.callLater(_PAUSE, self.open)
            return
        with connection:
            connection.setblocking(False)
            self._reactor.adoptStreamConnection(connection.fileno(), socket.AF_UNIX, self._factory)

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


class ControlService(Service):
    """The control socket.

    @ivar path: where it is
    @ivar api: what can be asked
    """

    def __init__(self, path: Path, api: Api, reactor: Any) -> None:
        self.setName("control")
        self.path = path
        self.api = api
        self._reactor = reactor
        self._factory = http_factory(api, reactor)
        self._door: _Door | None = None
        self._inode = 0

    def open(self) -> None:
        """Open the socket; whoever connects waits for L{startService}. A second call does nothing.

        @raise sipproxy.errors.ListenError: it cannot be opened
        """
        if self._door is None:
            self._door = _Door(unix_socket.listen(self.path), self._reactor, self._factory)
            self._inode = unix_socket.inode(self.path)

    def startService(self) -> None:
        """Open the socket and serve.

        @raise sipproxy.errors.ListenError: it cannot be opened
        """
        self.open()
        super().startService()
        if self._door is not None:
            self._door.open()

    def stopService(self) -> None:
        """Close the socket and all connections at once; its name goes, unless it is another's by now."""
        super().stopService()
        if self._door is None:
            return
        self._door.close()
        self._door = None
        for connection in list(self._factory.protocols):
            connection.loseConnection()
        if unix_socket.inode(self.path) == self._inode:
            os.unlink(self.path)
