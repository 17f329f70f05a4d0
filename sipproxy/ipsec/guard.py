"""What may pass the ports: nothing to or from a peer that must be protected and is not.

The kernel's policies are the first line (L{sipproxy.ipsec.policies}), this is
the second. It knows addresses only: it cannot tell a datagram that came in the
clear from one that was protected while the association is in place; the kernel
can, where it does the protection itself.
"""

from collections.abc import Callable
from ipaddress import ip_address
from typing import Any

from twisted.logger import Logger
from zope.interface import implementer

from sipproxy.interfaces import Address, IDatagramUser, INetwork, IPort
from sipproxy.ipsec.associations import Association, Associations

log = Logger(namespace="mod_sip_ipsec")

#: Seconds between two lines about datagrams of one peer.
QUIET = 1.0
REASON = "not protected by IPsec"


def canonical(host: str) -> str:
    """Give the one spelling of a literal address; only an IPv6 address has others."""
    if ":" not in host:
        return host
    try:
        return str(ip_address(host))
    except ValueError:
        return host


class PeerGuard:
    """Decides by the associations, counts what does not pass, and says so now and then.

    @ivar shut: by address the peers that nothing may pass to or from now
    """

    def __init__(self, associations: Associations, seconds: Callable[[], float]) -> None:
        """
        @param seconds: reactor time
        """
        self.shut = associations.shut
        self._required = associations.required
        self._seconds = seconds
        self._said: dict[str, float] = {}

    def protects(self, host: str) -> bool:
        """Tell whether an address is one that must be protected."""
        return canonical(host) in self._required

    def is_in_place(self, host: str) -> bool:
        """Tell whether the association with such an address is in place."""
        address = canonical(host)
        return address in self._required and address not in self.shut

    def drop(self, host: str) -> None:
        """Count a datagram that came from a peer that is shut."""
        entry = self.shut[host]
        entry.dropped += 1
        self._say(entry)

    def refuse(self, host: str) -> None:
        """Count a datagram that was to go to such a peer."""
        entry = self.shut[host]
        entry.refused += 1
        self._say(entry)

    def _say(self, entry: Association) -> None:
        name, now = entry.peer.name, self._seconds()
        if now - self._said.get(name, float("-inf")) < QUIET:
            return
        self._said[name] = now
        log.warn(
            "{peer} is not protected: {dropped} datagrams from it dropped and {refused} to it refused so far",
            peer=name,
            dropped=entry.dropped,
            refused=entry.refused,
        )


@implementer(IPort)
class _GuardedPort:
    """Writes what may go out; what may not has failed."""

    def __init__(self, port: IPort, user: IDatagramUser, guard: PeerGuard, clock: Any) -> None:
        self._port = port
        self._user = user
        self._guard = guard
        self._clock = clock
        self._shut = guard.shut
        self._write = port.write
        self._failures: list[tuple[bytes, Address]] = []

    def __getattr__(self, name: str) -> Any:
        # Address and counters are those of the port.
        return getattr(self._port, name)

    def write(self, data: bytes, destination: Address) -> None:
        """Send one datagram; a refusal comes to C{datagramFailed} from a later turn, as a failure to send does."""
        if not self._shut or canonical(destination[0]) not in self._shut:
            self._write(data, destination)
            return
        self._guard.refuse(canonical(destination[0]))
        self._failures.append((data, destination))
        if len(self._failures) == 1:
            self._clock.callLater(0, self._tell)

    def _tell(self) -> None:
        failures, self._failures = self._failures, []
        for data, destination in failures:
            self._user.datagramFailed(data, destination, REASON)

    def pause(self) -> None:
        """See IPort."""
        self._port.pause()

    def resume(self) -> None:
        """See IPort."""
        self._port.resume()

    def stop(self) -> None:
        """Close the port; refusals not yet told are forgotten."""
        self._failures.clear()
        self._port.stop()


@implementer(IDatagramUser)
class _GuardedUser:
    """Passes on to a user what may come in.

    @ivar port: the port as the user sees it
    """

    port: _GuardedPort

    def __init__(self, user: IDatagramUser, guard: PeerGuard, clock: Any) -> None:
        self._user = user
        self._guard = guard
        self._clock = clock
        self._shut = guard.shut
        self._deliver = user.datagramReceived

    def makeConnection(self, port: IPort) -> None:
        """Introduce the guarded port."""
        self.port = _GuardedPort(port, self._user, self._guard, self._clock)
        self._user.makeConnection(self.port)

    def datagramReceived(self, datagram: bytes, addr: Address) -> None:
        """Pass it on, or drop it."""
        if addr[0] in self._shut:
            self._guard.drop(addr[0])
        else:
            self._deliver(datagram, addr)

    def datagramFailed(self, datagram: bytes, addr: Address, reason: str) -> None:
        """Pass it on."""
        self._user.datagramFailed(datagram, addr, reason)


@implementer(INetwork)
class ProtectedNetwork:
    """A network whose ports heed a guard."""

    def __init__(self, network: INetwork, guard: PeerGuard, clock: Any) -> None:
        """
        @param clock: provider of IReactorTime
        """
        self._network = network
        self._guard = guard
        self._clock = clock

    def listen(self, host: str, port: int, user: IDatagramUser) -> IPort:
        """Open a UDP port.

        @raise sipproxy.errors.ListenError: it cannot be opened
        """
        guarded = _GuardedUser(user, self._guard, self._clock)
        self._network.listen(host, port, guarded)
        return guarded.port

    def local_addresses(self) -> list[str]:
        """Give all addresses of this machine."""
        return self._network.local_addresses()

    def local_address(self, destination: str) -> str:
        """Tell the local address that datagrams to an address leave from."""
        return self._network.local_address(destination)
