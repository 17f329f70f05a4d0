"""Kernel policies that discard the SIP of a peer that must be protected and is not (RFC 4301 4.4.1, DISCARD).

They come after every policy that protects: where the kernel does the protection
they are there all the time, and take what no association takes. Where charon
does it itself (kernel-libipsec) the kernel sees what has been unwrapped once
more, in the clear; there they are taken away while the association is in place.

They concern UDP at the ports that the server listens on, whatever
IPSecSelectors says, so that IKE is never in their way.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from twisted.internet.defer import Deferred, DeferredList
from twisted.logger import Logger

from sipproxy.ipsec.associations import Association, Associations
from sipproxy.ipsec.kernel import Kernel, KernelError, Request

log = Logger(namespace="mod_sip_ipsec")


class BlockPolicies:
    """The policies of all peers that must be protected."""

    def __init__(self, kernel: Kernel, associations: Associations, ports: Sequence[int]) -> None:
        """
        @param ports: that the server listens on
        """
        self._kernel = kernel
        self._associations = associations
        self._ports = ports
        self._is_userspace = False
        self._there: set[str] = set()
        self._refused: dict[str, str] = {}
        associations.subscribe(self._changed)

    @property
    def reason(self) -> str:
        """Why some could not be added, empty where all could."""
        return next(iter(self._refused.values()), "")

    def serve(self) -> "Deferred[Any]":
        """Have those that the associations need now, and no others."""
        wanted = {
            entry.peer.address
            for entry in self._associations.required.values()
            if not (self._is_userspace and entry.is_in_place and entry.peer.mode == "IKE")
        }
        removed = [self._remove(address) for address in sorted(self._there - wanted)]
        return DeferredList(removed + [self._add(address) for address in sorted(wanted - self._there)])

    def set_userspace(self, is_userspace: bool) -> None:
        """Take the news whether charon protects by itself what its associations cover."""
        if is_userspace != self._is_userspace:
            self._is_userspace = is_userspace
            self.serve()

    def forget(self) -> None:
        """All of them are gone, as the process that has added them is."""
        self._there.clear()
        self._refused.clear()

    def _changed(self, entry: Association) -> None:
        self.serve()

    def _add(self, address: str) -> "Deferred[Any]":
        self._there.add(address)
        added = DeferredList([self._kernel.add(request) for request in self._requests(address)], consumeErrors=True)
        return added.addCallback(self._tried, address)

    def _remove(self, address: str) -> "Deferred[Any]":
        self._there.discard(address)
        self._refused.pop(address, None)
        return DeferredList([self._kernel.remove(request) for request in self._requests(address)], consumeErrors=True)

    def _tried(self, results: "list[tuple[bool, Any]]", address: str) -> None:
        for succeeded, result in results:
            if succeeded:
                continue
            error = result.trap(KernelError) and result.value
            self._refused[address] = f"no policy for {address} in the kernel: {error}"
        if address in self._refused:
            log.error("{reason}; the server alone looks at its datagrams", reason=self._refused[address])

    def _requests(self, address: str) -> Iterator[Request]:
        for port in self._ports:
            for direction in ("in", "out"):
                yield {"what": "block", "direction": direction, "peer": address, "port": port}
