"""A network whose datagrams somebody watches: a decorator of any L{INetwork}.

Ports and users below and above know nothing of it; where nobody watches it is
not there, and costs nothing. Who watches cannot change, hold or refuse what
passes, and a fault of his reaches nobody.
"""

from typing import Any, Protocol

from twisted.logger import Logger
from zope.interface import implementer

from sipproxy.interfaces import Address, IDatagramUser, INetwork, IPort

log = Logger(namespace="mod_sip_control")

_WILDCARDS = ("0.0.0.0", "::")


class Tap(Protocol):
    """Somebody who watches."""

    def seen(self, datagram: bytes, source: Address, destination: Address) -> None:
        """A datagram has come, or was sent."""


@implementer(INetwork)
class TappedNetwork:
    """A network and who watches all of its ports.

    @param network: where the ports come from
    @param tap: who is shown each datagram, those that come before they are dealt with
    """

    def __init__(self, network: INetwork, tap: Tap) -> None:
        self._network = network
        self._tap = tap

    def listen(self, host: str, port: int, user: IDatagramUser) -> IPort:
        """Open a UDP port that is watched.

        @raise sipproxy.errors.ListenError: it cannot be opened
        """
        watched = _TappedUser(self._network, self._tap, user)
        self._network.listen(host, port, watched)
        return watched.port

    def local_addresses(self) -> list[str]:
        """Give all addresses of this machine."""
        found: list[str] = self._network.local_addresses()
        return found

    def local_address(self, destination: str) -> str:
        """Tell the local address that datagrams to C{destination} leave from."""
        found: str = self._network.local_address(destination)
        return found


class _Watch:
    """What a port and its user share: the port's own address, as a peer sees it, and who watches."""

    def __init__(self, network: INetwork, tap: Tap, bound: Address) -> None:
        self._network = network
        self._tap = tap
        self._bound = bound
        self._is_wildcard = bound[0] in _WILDCARDS

    def came(self, datagram: bytes, source: Address) -> None:
        """Show what came."""
        self._show(datagram, source, source, self._local(source))

    def left(self, datagram: bytes, destination: Address) -> None:
        """Show what was sent."""
        self._show(datagram, destination, self._local(destination), destination)

    def _local(self, peer: Address) -> Address:
        # Of what came the kernel does not say which of our addresses it came to: the one we answer from.
        return (self._network.local_address(peer[0]), self._bound[1]) if self._is_wildcard else self._bound

    def _show(self, datagram: bytes, peer: Address, source: Address, destination: Address) -> None:
        try:
            self._tap.seen(datagram, source, destination)
        except Exception:  # noqa: BLE001 - a fault of who watches must not reach calls
            log.failure("a datagram from or to {peer} could not be shown", peer=peer)


@implementer(IPort)
class _TappedPort:
    """A port that shows what is sent; all else that is asked of it is the port's own."""

    def __init__(self, port: IPort, watch: _Watch) -> None:
        self._port: Any = port
        self._write = port.write
        self._left = watch.left
        self.address: Address = port.address

    def __getattr__(self, name: str) -> Any:
        # What a port counts is no part of IPort, and differs between networks.
        return getattr(self._port, name)

    def write(self, data: bytes, destination: Address) -> None:
        """Send one datagram, then show it."""
        self._write(data, destination)
        self._left(data, destination)

    def pause(self) -> None:
        """Leave what arrives in the receive buffer."""
        self._port.pause()

    def resume(self) -> None:
        """Read again."""
        self._port.resume()

    def stop(self) -> None:
        """Close the port at once."""
        self._port.stop()


@implementer(IDatagramUser)
class _TappedUser:
    """A user of a port who is told of a datagram once it was shown."""

    port: _TappedPort

    def __init__(self, network: INetwork, tap: Tap, user: IDatagramUser) -> None:
        self._network = network
        self._tap = tap
        self._user = user
        self._deliver = user.datagramReceived
        self._watch: _Watch

    def makeConnection(self, port: IPort) -> None:
        """Introduce the watched port to the user."""
        self._watch = _Watch(self._network, self._tap, port.address)
        self.port = _TappedPort(port, self._watch)
        self._user.makeConnection(self.port)

    def datagramReceived(self, datagram: bytes, addr: Address) -> None:
        """Show what came, then deliver it."""
        self._watch.came(datagram, addr)
        self._deliver(datagram, addr)

    def datagramFailed(self, datagram: bytes, addr: Address, reason: str) -> None:
        """Tell the user of a failure."""
        self._user.datagramFailed(datagram, addr, reason)
