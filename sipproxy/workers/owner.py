"""The owner: a server that opens ports for its workers, and has all that there is once.

It is a L{sipproxy.app.Server} like any other, so that databases, control socket,
reload and the rest are the same code; only that it reads no port itself, and
keeps no connection for translators and routers.
"""

from collections.abc import Sequence
from dataclasses import replace
from itertools import chain
from typing import Any

from twisted.internet.defer import Deferred, gatherResults

from sipproxy import directives
from sipproxy.app import Server, assemble, paths_of
from sipproxy.chance import PooledSystemRandom
from sipproxy.composition import Composition, compose
from sipproxy.config import Settings
from sipproxy.interfaces import Address, ICallObserver
from sipproxy.net.udp import UdpNetwork
from sipproxy.parts import Parts, make_parts
from sipproxy.preview import MOST_TOLD, Difference, Preview
from sipproxy.server import SipService, make_folders
from sipproxy.services import GenerationService
from sipproxy.workers.processes import Handover, Workers
from sipproxy.workers.sockets import Share, open_shares


def make_owner(settings: Settings, call_observers: Sequence[ICallObserver] = ()) -> "Owner":
    """Make the server that a configuration with several processes describes.

    Nothing is opened before C{startService}, but the folders of configured
    paths are created and the log files opened.

    @raise sipproxy.errors.ListenError: a folder cannot be created
    """
    from twisted.internet import reactor

    make_folders(settings, paths_of(settings))
    network = UdpNetwork(reactor, settings[directives.RECEIVE_BUFFER], settings[directives.DSCP])
    server = assemble(make_parts(settings, reactor, network, PooledSystemRandom()), (), call_observers, Owner)
    assert isinstance(server, Owner)
    return server


class OwnerSip(SipService):
    """Opens ports, and lets workers read them.

    @ivar shares: by the address of each port, as it is configured, what each worker has of it
    @ivar workers: the workers, which L{Owner} gives
    """

    workers: Workers

    def __init__(self, *arguments: Any) -> None:
        """
        @param arguments: those of L{SipService}
        """
        super().__init__(*arguments)
        self.shares: dict[Address, list[Share]] = {}

    def open(self) -> None:
        """Open the ports; a second call does nothing.

        @raise sipproxy.errors.ListenError: one cannot be opened, or another server holds the lock; none is open then
        """
        if not self.shares:
            super().open()

    def _open_port(self, host: str, port: int) -> None:
        settings = self._settings
        shares = open_shares(
            host,
            port,
            settings[directives.START_SERVERS],
            settings[directives.RECEIVE_BUFFER],
            settings[directives.DSCP],
        )
        self.shares[host, port] = shares

    def serve(self) -> "Deferred[None]":
        """Start the workers.

        @return: fires with None once all of them serve
        """
        super().serve()
        return self.workers.start()

    @property
    def calls(self) -> None:
        """The workers have them."""
        return None

    def serve_by(self, settings: Settings) -> None:
        """Let the workers serve by another configuration."""
        super().serve_by(settings)
        self.workers.serve_by(settings)

    def _drained(self) -> "Deferred[None]":
        return self.workers.stop()

    def _close(self) -> None:
        for shares in self.shares.values():
            for held in chain.from_iterable(shares):
                held.close()
        self.shares.clear()
        super()._close()


class Owner(Server):
    """A server whose work others do.

    @ivar workers: they
    """

    sip_service = OwnerSip

    def __init__(self, parts: Parts, composition: Composition, sip: SipService, *arguments: Any) -> None:
        """
        @param arguments: further ones of L{Server}
        """
        super().__init__(parts, composition, sip, *arguments)
        assert isinstance(sip, OwnerSip)
        self.workers = Workers(
            parts.reactor,
            parts.started[directives.START_SERVERS],
            parts.started[directives.GRACEFUL_STOP],
            Handover(
                parts,
                lambda: self.composition.settings,
                lambda: sip.shares,
                self.logs.levels,
                lambda: sip.core.draining,
            ),
        )
        sip.workers = self.workers

    @staticmethod
    def compose(settings: Settings, parts: Parts) -> Composition:
        """Make a configuration, so that what is wrong with it is known; its connections are the workers' business."""
        return replace(compose(settings, parts), service=GenerationService(()))

    async def preview(self, settings: Settings) -> Preview:
        """Tell which of the last calls would go elsewhere with another configuration.

        @raise sipproxy.errors.SipproxyError: it cannot be composed
        """
        compose(settings, self.parts)
        found = await gatherResults(self.workers.ask_all("preview", **Handover.configuration(settings)))
        told = [Difference(*difference) for _, _, differences in found for difference in differences]
        calls, differences = (sum(each[at] for each in found) for at in (0, 1))
        return Preview(calls, differences, told[:MOST_TOLD])

    def reopen_logs(self) -> None:
        """Open all log files anew, those of the workers too."""
        super().reopen_logs()
        self.workers.tell_all("reopen_logs")
