"""The sockets of a server with several processes: opened and held by the owner, read by the workers.

Of each port that is listened on there is one socket for each worker
(SO_REUSEPORT, socket(7)): the kernel chooses among them by the addresses and
ports of sender and receiver, so that all requests of one sender come to the
same. Beside it each worker has a port of its own that its Via names, for
responses: the first free ones above the port that is shared, so that who writes
rules for a firewall knows them.

As the owner holds the sockets their number never changes while it runs, and
with it the kernel's choice. What arrives while a worker is replaced waits in
them for the next one.
"""

from collections.abc import Iterator, Mapping
from socket import socket
from typing import Any, NamedTuple

from sipproxy.errors import ListenError
from sipproxy.interfaces import Address, IDatagramUser
from sipproxy.net.sockets import from_sockaddr, open_udp, set_dscp, set_receive_buffer
from sipproxy.net.udp import UdpNetwork, UdpPort

#: How far above the shared port a worker's own one may be.
REACH = 1000


class Held:
    """A socket that the owner only holds.

    @ivar address: what it is bound to
    """

    def __init__(self, opened: socket) -> None:
        self.socket = opened
        self.address: Address = from_sockaddr(opened.getsockname())

    def close(self) -> None:
        """Close it."""
        self.socket.close()


class Share(NamedTuple):
    """What one worker has of one port.

    @ivar shared: its socket at the port itself
    @ivar own: that of its own port
    """

    shared: Held
    own: Held


def open_shares(host: str, port: int, count: int, receive_buffer: int, dscp: int) -> list[Share]:
    """Open a port for some workers.

    @param host: literal address
    @return: one for each worker
    @raise ListenError: it cannot be opened; nothing is open then
    """
    # Another server of the same user that shares its ports would go unnoticed otherwise.
    open_udp((host, port)).close()
    opened: list[socket] = []
    try:
        for _ in range(count):
            opened.append(open_udp((host, port), reuse_port=True))
        above = _free_above(host, port)
        for _ in range(count):
            opened.append(next(above))
        for each in opened:
            set_receive_buffer(each, receive_buffer)
            set_dscp(each, dscp)
    except BaseException:
        for each in opened:
            each.close()
        raise
    return [Share(Held(opened[at]), Held(opened[count + at])) for at in range(count)]


def _free_above(host: str, port: int) -> Iterator[socket]:
    """Open one port after the other above a port.

    @raise ListenError: there are no more within reach
    """
    for own in range(port + 1, min(port + REACH, 65535) + 1):
        try:
            opened = open_udp((host, own))
        except ListenError:
            continue
        yield opened
    raise ListenError(f"cannot listen on {host}: no port above {port} is free for each worker's responses")


class HandedNetwork(UdpNetwork):
    """The network of a worker: some ports are sockets that the owner has opened, all else is as ever."""

    def __init__(self, reactor: Any, receive_buffer: int, dscp: int, handed: Mapping[Address, socket]) -> None:
        """
        @param handed: by address
        """
        super().__init__(reactor, receive_buffer, dscp)
        self._handed = dict(handed)

    def listen(self, host: str, port: int, user: IDatagramUser) -> UdpPort:
        """Read a socket that was handed over, or open one.

        @raise sipproxy.errors.ListenError: it cannot be opened
        """
        handed = self._handed.pop((host, port), None)
        if handed is None:
            return super().listen(host, port, user)
        listening = UdpPort(self._reactor, handed, user)
        listening.start()
        return listening
