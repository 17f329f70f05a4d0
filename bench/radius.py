"""A RADIUS server that holds what it is asked until it is told to accept all of it."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread

from pyrad.packet import AuthPacket  # type: ignore[import-untyped]

from sipproxy.wire.radius import load_dictionary

SECRET = b"secret"
_LONGEST = 4096


class HoldingServer:
    """Reads Access-Requests in a thread of its own; see L{holding_server}.

    @ivar port: its UDP port on 127.0.0.1
    """

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        # By source and identifier, as a request that is sent again is no further one.
        self._held: dict[tuple[tuple[str, int], int], bytes] = {}
        self._thread = Thread(target=self._read, daemon=True)
        self._thread.start()

    @property
    def held(self) -> int:
        """How many requests wait for their answer."""
        return len(self._held)

    def accept_all(self) -> None:
        """Answer what waits: Access-Accept."""
        dictionary = load_dictionary()
        while self._held:
            (source, _), datagram = self._held.popitem()
            request = AuthPacket(id=0, secret=SECRET, dict=dictionary, packet=datagram)
            self._socket.sendto(request.CreateReply().ReplyPacket(), source)

    def close(self) -> None:
        """End it."""
        self._socket.sendto(b"", self._socket.getsockname())
        self._thread.join()
        self._socket.close()

    def _read(self) -> None:
        while True:
            datagram, source = self._socket.recvfrom(_LONGEST)
            if not datagram:
                return  # our own, from L{close}
            self._held[source, datagram[1]] = datagram


@contextmanager
def holding_server() -> Iterator[HoldingServer]:
    """Run a server."""
    server = HoldingServer()
    try:
        yield server
    finally:
        server.close()
