"""The ports that LRQs leave from, and answers come to.

A port is opened for the first question. A configured one is closed a few
seconds after the last question: so the client of a new configuration soon gets
the port of the old one's. While it is taken any free port of the same address
serves.
"""

from typing import Any

from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger

from sipproxy.errors import ListenError
from sipproxy.interfaces import Address, IDatagramUser, INetwork, IPort
from sipproxy.net.sockets import address_text

log = Logger(namespace="mod_sip_ras")

#: Seconds for which a port is kept that no question needs.
LINGER = 5.0
_WILDCARDS = {4: "0.0.0.0", 6: "::"}


class RasPorts:
    """One port for each version of IP."""

    def __init__(self, clock: Any, network: INetwork, bind: Address, user: IDatagramUser) -> None:
        """
        @param clock: provider of IReactorTime
        @param bind: literal address and port; from an unspecified address both versions of IP can be used
        @param user: told of all that comes
        """
        self._clock = clock
        self._network = network
        self._host, self._port = bind
        self._user = user
        self._open: dict[int, IPort] = {}
        self._closing: IDelayedCall | None = None

    def choose(self, addresses: list[str]) -> str | None:
        """Give the first address that can be reached from here, None where there is none."""
        if self._host in _WILDCARDS.values():
            return next(iter(addresses), None)
        return next((address for address in addresses if _version(address) == _version(self._host)), None)

    def take(self, destination: str) -> tuple[IPort, str]:
        """Give the port for an address, and the address of ours that the answer is to come to.

        @raise ListenError: it cannot be opened, or no address of this machine leads there
        """
        if self._closing is not None:
            self._closing.cancel()
            self._closing = None
        version = _version(destination)
        port = self._open.get(version)
        if port is None:
            port = self._open[version] = self._listen(version)
        host = port.address[0]
        if host in _WILDCARDS.values():
            host = self._network.local_address(destination)
            if host in _WILDCARDS.values():
                raise ListenError(f"no address of this machine leads to {destination}")
        return port, host

    def _listen(self, version: int) -> IPort:
        host = _WILDCARDS[version] if self._host in _WILDCARDS.values() else self._host
        try:
            return self._network.listen(host, self._port, self._user)
        except ListenError as error:
            if not self._port:
                raise
            log.warn(
                "{place} cannot be had for RAS, a free port serves: {error}",
                place=address_text((host, self._port)),
                error=error,
            )
        return self._network.listen(host, 0, self._user)

    def release(self) -> None:
        """Nobody needs them now."""
        if self._port and self._closing is None and self._open:
            self._closing = self._clock.callLater(LINGER, self._close)

    def _close(self) -> None:
        self._closing = None
        for port in self._open.values():
            port.stop()
        self._open.clear()

    def stop(self) -> None:
        """Close them at once."""
        if self._closing is not None:
            self._closing.cancel()
        self._close()


def _version(address: str) -> int:
    return 6 if ":" in address else 4
