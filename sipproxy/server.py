"""The SIP service itself: ports, transactions, core; opened in order, closed in order."""

import fcntl
import os
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import LoopingCall
from twisted.logger import Logger

from sipproxy import directives
from sipproxy.config import Listen, Settings
from sipproxy.errors import ListenError
from sipproxy.interfaces import Address, INetwork, IPort
from sipproxy.proxy.core import Core
from sipproxy.proxy.listener import Listener
from sipproxy.proxy.points import Point, Points, sent_by
from sipproxy.proxy.probe import probe
from sipproxy.routing import NextHop
from sipproxy.transaction import TimerWheel

log = Logger(namespace="mod_sip")

_LOOK_AGAIN = 0.05  # seconds between two looks at what is still pending


class LockFile:
    """A file that one process at a time may hold; a dead one's file hinders none."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor: int | None = None

    def take(self) -> None:
        """Take it.

        @raise ListenError: another server has it
        """
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(descriptor)
            raise ListenError(f"another server runs on this ServerRoot: {self._path} is locked") from None
        self._descriptor = descriptor

    def release(self) -> None:
        """Let others have it."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


class Claim:
    """What shows others that a server runs: the lock of its ServerRoot, and the file with its process number."""

    def __init__(self, settings: Settings) -> None:
        self._lock = LockFile(settings[directives.LOCK_FILE])
        self._pid_file: Path = settings[directives.PID_FILE]

    def take(self) -> None:
        """Let no second server run on this ServerRoot.

        @raise ListenError: one does already
        """
        self._lock.take()

    def tell(self) -> None:
        """Write the number of this process."""
        self._pid_file.write_text(f"{os.getpid()}\n", encoding="ascii")

    def leave(self) -> None:
        """Nothing runs any more."""
        self._pid_file.unlink(missing_ok=True)
        self._lock.release()


class NoClaim(Claim):
    """That of a worker process: the process that has started it has made the claim."""

    def __init__(self) -> None:
        """Nothing is locked."""

    def take(self) -> None:
        """Do nothing."""

    def tell(self) -> None:
        """Do nothing."""

    def leave(self) -> None:
        """Do nothing."""


class SipService(Service):
    """Listens, and lets the core deal with what comes.

    @ivar core: the core
    @ivar listeners: one for each open port
    """

    def __init__(
        self,
        settings: Settings,
        reactor: Any,
        network: INetwork,
        core: Core,
        wheel: TimerWheel,
        points: Points,
        claim: Claim | None = None,
        via_ports: Mapping[Address, int] | None = None,
    ) -> None:
        """
        @param claim: by default that of the settings
        @param via_ports: by the address of a port that others share with this process, the port of this one alone,
            on the same host, that responses are to come to
        """
        self.setName("sip")
        self.core = core
        self.listeners: list[Listener] = []
        self._settings = settings
        self._reactor = reactor
        self._network = network
        self._wheel = wheel
        self._points = points
        self._ports: list[IPort] = []
        self._claim = claim or Claim(settings)
        self._via_ports = via_ports or {}
        self._is_hurried = False

    def open(self) -> None:
        """Open the ports; nothing is read before L{serve}. A second call does nothing.

        @raise ListenError: one cannot be opened, or another server holds the lock; none is open then
        """
        if self._ports:
            return
        self._claim.take()
        self.core.draining = False
        try:
            for place in self._settings[directives.LISTEN]:
                self._open_place(place)
        except ListenError:
            self._close()
            raise
        self._claim.tell()

    def _open_place(self, place: Listen) -> None:
        if place.host is not None:
            self._open_port(place.host, place.port)
            return
        self._open_port("0.0.0.0", place.port)
        try:
            self._open_port("::", place.port)
        except ListenError as error:
            log.info("IPv4 only: {error}", error=error)

    def _open_port(self, host: str, port: int) -> None:
        own = self._via_ports.get((host, port))
        shared = Listener(self.core, partial(self._make_point, own))
        self._listen(host, port, shared)
        if own is not None:
            # What comes in there is dealt with as if it had come to the port that others know.
            self._listen(host, own, Listener(self.core, lambda _: shared.point))

    def _listen(self, host: str, port: int, listener: Listener) -> None:
        opened = self._network.listen(host, port, listener)
        opened.pause()
        self._ports.append(opened)
        self.listeners.append(listener)

    def _make_point(self, via_port: int | None, port: IPort) -> Point:
        advertised = self._settings[directives.ADVERTISED]
        name = None
        if advertised is not None:
            name = sent_by(advertised[0], advertised[1] or port.address[1])
        point = Point(port, name, self._network.local_address, via_port)
        self._points.all.append(point)
        return point

    def probe(self, hop: NextHop) -> "Deferred[bool]":
        """Ask a gateway whether it lives; see L{sipproxy.proxy.probe}."""
        return probe(hop, self.core.table, self._points, self.core.random)

    def serve(self) -> "Deferred[None]":
        """Read what comes.

        @return: fires with None once it is read
        """
        # The process may have forked since the ports were opened.
        self._claim.tell()
        for port in self._ports:
            port.resume()
        return succeed(None)

    @property
    def calls(self) -> int | None:
        """How many calls are being set up: until an ACK can come no more. None where others than this process know."""
        return self.core.table.invites

    def serve_by(self, settings: Settings) -> None:
        """Take what concerns transactions from another configuration."""
        self.core.table.limit = most_transactions(settings)

    def stopService(self) -> Deferred[None]:
        """Take no new calls, wait for what is being dealt with, then close all."""
        super().stopService()
        self.core.draining = True
        return self._drained().addCallback(lambda _: self._close())

    def hurry(self) -> None:
        """Wait no longer for what is being dealt with, now or when it stops."""
        self._is_hurried = True

    def _drained(self) -> Deferred[None]:
        if not self.core.pending:
            return succeed(None)
        end = self._reactor.seconds() + self._settings[directives.GRACEFUL_STOP]

        def look() -> None:
            if not self.core.pending or self._is_hurried or self._reactor.seconds() >= end:
                looking.stop()

        looking = LoopingCall(look)
        looking.clock = self._reactor
        return looking.start(_LOOK_AGAIN).addCallback(lambda _: None)

    def _close(self) -> None:
        self.core.stop()
        self._wheel.stop()
        for port in self._ports:
            port.stop()
        self._ports.clear()
        self.listeners.clear()
        self._points.all.clear()
        self._claim.leave()


def most_transactions(settings: Settings) -> int:
    """Give how many transactions may be live in one process: its part of MaxTransactions."""
    return -(-settings[directives.MAX_TRANSACTIONS] // settings[directives.START_SERVERS])


def own_hosts(settings: Settings, network: INetwork, places: Sequence[Listen]) -> list[str]:
    """Give every name and address that is this server.

    @param places: where it listens
    """
    found = [settings[directives.SERVER_NAME], *settings[directives.SERVER_ALIAS]]
    for place in places:
        found.extend([place.host] if place.host not in (None, "0.0.0.0", "::") else network.local_addresses())
    return [host for host in found if host]


def make_folders(settings: Settings, paths: Sequence[Path | str]) -> list[Path]:
    """Create the folders of configured paths, and give those that were not there.

    @raise ListenError: one cannot be created
    """
    made: list[Path] = []
    for path in (settings[directives.SERVER_ROOT] / "x", *paths):
        if isinstance(path, Path):
            missing = [folder for folder in path.parents if not folder.exists()]
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise ListenError(f"cannot create {path.parent}: {error.strerror}") from None
            made += missing
    return made
