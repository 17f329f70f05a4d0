"""IP security as one service: started before the ports are read, stopped after they are closed."""

from collections.abc import Callable, Iterable, Sequence
from random import Random
from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import Deferred

from sipproxy.config import Settings
from sipproxy.errors import SipproxyError
from sipproxy.interfaces import INetwork
from sipproxy.ipsec.associations import Associations
from sipproxy.ipsec.charon import Charon
from sipproxy.ipsec.guard import PeerGuard
from sipproxy.ipsec.initiations import IConnector
from sipproxy.ipsec.kernel import Kernel
from sipproxy.ipsec.manual import ManualPeers
from sipproxy.ipsec.peers import Peer, configured_peers
from sipproxy.ipsec.policies import BlockPolicies
from sipproxy.ipsec.settings import VICI_SOCKET
from sipproxy.ipsec.vici import Connector


class UnknownPeerError(SipproxyError):
    """There is no such peer, or not in the mode that is needed; the text is one line."""


class IPSecService(Service):
    """The protection of all peers.

    @ivar associations: whether the association with each peer is in place
    @ivar guard: what the ports ask
    """

    def __init__(
        self,
        reactor: Any,
        peers: Sequence[Peer],
        ports: Sequence[int],
        own_address: Callable[[str], str],
        connector: IConnector,
        kernel: Kernel,
        random: Random,
    ) -> None:
        """
        @param reactor: provider of IReactorTime
        @param ports: that the server listens on
        @param own_address: gives our address on the way to another
        @param connector: the way to charon
        @param random: of the times of initiations
        """
        self.setName("ipsec")  # type: ignore[no-untyped-call]
        self.associations = Associations(reactor.seconds)
        self.guard = PeerGuard(self.associations, reactor.seconds)
        self._kernel = kernel
        self._policies = BlockPolicies(kernel, self.associations, ports)
        self._manual = ManualPeers(kernel, self.associations, ports, own_address)
        self._charon = Charon(reactor, connector, self.associations, ports, random, self._policies.set_userspace)
        self._peers = tuple(peers)
        self.associations.serve(self._peers)
        kernel.subscribe(self._kernel_changed)

    def privilegedStartService(self) -> None:
        """Start the process that keeps the right to change the kernel's tables."""
        self._kernel.start()

    def startService(self) -> None:
        """Establish what is to be there."""
        super().startService()  # type: ignore[no-untyped-call]
        self._kernel.start()
        self.associations.serve(self._peers)
        self._serve()
        self._charon.start()

    def stopService(self) -> "Deferred[None]":
        """Remove all that was established."""
        super().stopService()  # type: ignore[no-untyped-call]
        stopped = self._charon.stop()
        # Its process removes all entries itself.
        return stopped.addCallback(lambda _: self._kernel.stop()).addCallback(self._forget)

    def _forget(self, _: None) -> None:
        self.associations.serve(())
        self._policies.forget()
        self._manual.forget("stopped")

    def serve_by(self, peers: Iterable[Peer]) -> None:
        """Protect these peers from now on, and no others; what has not changed stays up."""
        self._peers = tuple(peers)
        self.associations.serve(self._peers)
        if self.running:
            self._serve()

    def _serve(self) -> None:
        self._policies.serve()
        self._manual.serve(self._peers)
        self._charon.serve(self._peers)

    def _kernel_changed(self, reason: str) -> None:
        """The process with the kernel's tables has ended, or runs again where there is no reason."""
        self._policies.forget()
        self._manual.forget(f"the process for the kernel's tables: {reason}")
        if not reason:
            self._policies.serve()
            self._manual.serve(self._peers)

    # For the operator

    @property
    def away_since(self) -> float | None:
        """Since when a peer is not protected, seconds since 1970; None while all are."""
        return min((entry.since for entry in self.associations if not entry.is_in_place), default=None)

    @property
    def away_reason(self) -> str:
        """Which ones, and why."""
        down = [f"{entry.peer.name}: {entry.reason}" for entry in self.associations if not entry.is_in_place]
        return "; ".join(down)

    @property
    def kernel_reason(self) -> str:
        """Why the kernel does not discard what is not protected, empty where it does."""
        return self._policies.reason

    def initiate(self, name: str) -> "Deferred[None]":
        """Establish the association with a peer now.

        @raise UnknownPeerError: there is no such peer with IKE
        @raise sipproxy.ipsec.vici.ViciError: in the Deferred: it cannot be established
        """
        return Deferred.fromCoroutine(self._charon.initiate(self._with_ike(name)))

    def rekey(self, name: str) -> "Deferred[None]":
        """Give the association with a peer new keys.

        @raise UnknownPeerError: there is no such peer with IKE
        @raise sipproxy.ipsec.vici.ViciError: in the Deferred: it cannot be done
        """
        return Deferred.fromCoroutine(self._charon.rekey(self._with_ike(name)))

    def _with_ike(self, name: str) -> str:
        entry = self.associations.get(name)
        if entry is None:
            raise UnknownPeerError(f"there is no IPSecPeer {name}")
        if entry.peer.mode != "IKE":
            raise UnknownPeerError(f"{name} has manual keys")
        return name


def make_ipsec(
    settings: Settings, reactor: Any, network: INetwork, ports: Sequence[int], random: Random
) -> IPSecService:
    """Make the service that a configuration describes; nothing is started.

    @param reactor: a real reactor
    @param network: the one whose ports are to be protected
    @param ports: that the server listens on
    @raise sipproxy.config.ConfigError: a key file cannot be read any more
    """
    return IPSecService(
        reactor,
        configured_peers(settings),
        tuple(dict.fromkeys(ports)),
        network.local_address,
        Connector(reactor, settings[VICI_SOCKET]),
        Kernel(reactor),
        random,
    )
