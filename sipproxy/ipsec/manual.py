"""Peers with manual keys: two associations each, and the policies that lead traffic to them (RFC 4301 4.4).

Nothing is negotiated, so that an association is in place once the kernel has
taken all its entries; whether the peer has the same keys nobody can tell.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence

from twisted.internet.defer import Deferred, DeferredLock

from sipproxy.ipsec.associations import Associations
from sipproxy.ipsec.kernel import Kernel, KernelError, Request
from sipproxy.ipsec.peers import Manual, Peer

_NO_ADDRESS = ("", "0.0.0.0", "::")


class ManualPeers:
    """The peers with manual keys."""

    def __init__(
        self,
        kernel: Kernel,
        associations: Associations,
        ports: Sequence[int],
        own_address: Callable[[str], str],
    ) -> None:
        """
        @param ports: that the server listens on
        @param own_address: gives our address on the way to another
        """
        self._kernel = kernel
        self._associations = associations
        self._ports = ports
        self._own_address = own_address
        self._there: dict[Peer, list[Request]] = {}
        # One change after the other: what one removes the next may add.
        self._lock = DeferredLock()

    def serve(self, peers: Iterable[Peer]) -> "Deferred[None]":
        """Have the entries of these peers, and of no others."""
        wanted = [peer for peer in peers if isinstance(peer.keying, Manual)]
        return self._lock.run(lambda: Deferred.fromCoroutine(self._serve(wanted)))

    async def _serve(self, wanted: Sequence[Peer]) -> None:
        for peer in [peer for peer in self._there if peer not in wanted]:
            await self._remove(self._there.pop(peer))
        for peer in wanted:
            if peer not in self._there:
                await self._add(peer)

    def forget(self, reason: str) -> None:
        """All entries are gone, as the process that has added them is."""
        for peer in self._there:
            self._associations.down(peer.name, reason)
        self._there.clear()

    async def _add(self, peer: Peer) -> None:
        own = peer.own_address or self._own_address(peer.address)
        if own in _NO_ADDRESS:
            self._associations.down(peer.name, f"no way leads to {peer.address}")
            return
        added: list[Request] = []
        try:
            for request in entries(peer, own, self._ports):
                await self._kernel.add(request)
                added.append(request)
        except KernelError as error:
            self._associations.down(peer.name, f"{request['what']} refused by the kernel: {error}")
            await self._remove(added)
        else:
            self._there[peer] = added
            self._associations.up(peer.name, "manual keys")

    async def _remove(self, requests: Sequence[Request]) -> None:
        for request in reversed(requests):
            try:
                await self._kernel.remove(request)
            except KernelError:
                continue  # somebody else has removed it, or the process is gone and all with it


def entries(peer: Peer, own: str, ports: Sequence[int]) -> Iterator[Request]:
    """Give the entries of a peer, in the order in which they are added.

    @param own: our address
    @param ports: that the server listens on
    """
    keying = peer.keying
    assert isinstance(keying, Manual)
    mode = peer.method.lower()
    ways = {"in": (peer.address, own), "out": (own, peer.address)}
    for (source, destination), spi, keys in zip(
        ways.values(), (keying.spi_in, keying.spi_out), keying.keys, strict=True
    ):
        yield {
            "what": "association",
            "source": source,
            "destination": destination,
            "spi": spi,
            "mode": mode,
            "encryption": keying.encryption,
            "encryption_key": keys.encryption,
            "authentication": keying.authentication,
            "authentication_key": keys.authentication,
        }
    for port in (0,) if peer.selectors == "Host" else ports:
        for direction, (source, destination) in ways.items():
            yield {
                "what": "protection",
                "direction": direction,
                "source": source,
                "destination": destination,
                "port": port,
                "mode": mode,
            }
