"""The worker processes as the owner sees them: started, told what changes, replaced when they die, ended.

A worker that ends by itself is replaced at once; one that ends soon after its
start only after a while that grows, lest the machine does nothing else. One that
hangs is killed. What the dead one was dealing with is lost but for what it had
answered: senders of requests retransmit, and the new one finds what is
registered with the owner.
"""

import os
import socket
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred, DeferredList
from twisted.internet.interfaces import IDelayedCall
from twisted.internet.protocol import Factory, ProcessProtocol
from twisted.logger import Logger
from twisted.python.failure import Failure

import sipproxy
from sipproxy.config import Settings
from sipproxy.databases.subscribers import Subscribers
from sipproxy.interfaces import Address
from sipproxy.logs.levels import Levels
from sipproxy.parts import Parts
from sipproxy.workers.channel import Channel, RefusedError, encoded
from sipproxy.workers.pulse import INTERVAL, MOST_UNANSWERED, Pulse
from sipproxy.workers.registry import RegistryFeed
from sipproxy.workers.sockets import Share
from sipproxy.workers.tables import TableFeed

log = Logger(namespace="mod_sip")

#: The descriptor that a worker finds its channel at; sockets follow.
CHANNEL = 3
#: A worker that has lived so long was well, seconds; and the longest wait before another try.
WELL, LONGEST_WAIT = 10.0, 30.0
#: How much longer than GracefulStopInS a worker may take to end, seconds.
PATIENCE = 5.0


@dataclass(frozen=True)
class Handover:
    """What a worker begins with.

    @ivar settings: gives the configuration in force
    @ivar shares: gives the sockets
    @ivar is_draining: whether new calls are refused
    """

    parts: Parts
    settings: Callable[[], Settings]
    shares: Callable[[], Mapping[Address, list[Share]]]
    levels: Levels
    is_draining: Callable[[], bool]

    @staticmethod
    def configuration(settings: Settings) -> dict[str, Any]:
        """Give what settings can be made of in another process."""
        return {"lines": settings.lines, "directory": str(settings.directory)}

    def sockets(self, number: int) -> list[int]:
        """Give the descriptors of a worker's sockets, in the order of L{told}."""
        return [each.socket.fileno() for shares in self.shares().values() for each in shares[number]]

    def told(self, number: int) -> dict[str, Any]:
        """Give what a worker is told."""
        shares = self.shares()
        return {
            **self.configuration(self.settings()),
            "started": self.configuration(self.parts.started),
            "ports": [[host, port, mine[number].own.address[1]] for (host, port), mine in shares.items()],
            "via_ports": [[host, share.own.address[1]] for (host, _), mine in shares.items() for share in mine],
            "secret": self.parts.guard.secret.hex(),
            "levels": self.levels.by_name(),
            "draining": self.is_draining(),
        }


class Worker(ProcessProtocol):
    """One worker process after the other, with the same sockets.

    @ivar number: which one it is, from 0
    @ivar pid: its process number, 0 while there is none
    @ivar since: when it was started, seconds since 1970
    @ivar channel: the way to it, None while there is none
    @ivar serves: whether it has said that it serves
    """

    def __init__(self, number: int, workers: "Workers") -> None:
        self.number = number
        self.pid = 0
        self.since = 0.0
        self.channel: Channel | None = None
        self.serves = False
        self._workers = workers
        self._wait = 0.0
        self._pulse: Pulse | None = None

    def start(self) -> None:
        """Start a process."""
        reactor, handover = self._workers.reactor, self._workers.handover
        self.serves, self.since = False, reactor.seconds()
        ours, theirs = socket.socketpair()
        descriptors = [theirs.fileno(), *handover.sockets(self.number)]
        inherited = {0: 0, 1: 1, 2: 2, **{CHANNEL + at: each for at, each in enumerate(descriptors)}}
        command = [sys.executable, "-P", "-m", "sipproxy.workers.main"]
        process = reactor.spawnProcess(self, command[0], command, environment(), childFDs=inherited)
        self.pid = process.pid
        channel = self.channel = Channel(self._workers.deeds(self), lambda: None)
        reactor.adoptStreamConnection(ours.fileno(), ours.family, Factory.forProtocol(lambda: channel))
        for each in (ours, theirs):
            each.close()
        channel.ask("begin", **handover.told(self.number)).addErrback(self._not_begun)

    def began(self) -> None:
        """It serves; from now on it must answer."""
        assert self.channel is not None
        self.serves = True
        self._pulse = Pulse(self._workers.reactor, self.channel.ask, self._hangs)
        self._pulse.start()

    def _hangs(self) -> None:
        log.error(
            "worker {number}, process {pid}, has not answered for {seconds:.0f} s and is killed",
            number=self.number,
            pid=self.pid,
            seconds=INTERVAL * MOST_UNANSWERED,
        )
        self.kill()

    def _not_begun(self, failure: Failure) -> None:
        """Say so, and have it replaced."""
        failure.trap(RefusedError)  # type: ignore[no-untyped-call]
        log.error("worker {number} cannot begin: {reason}", number=self.number, reason=failure.value)
        self.kill()

    def kill(self) -> None:
        """End it, whatever it does."""
        if self.transport is not None and self.pid:
            self.transport.signalProcess("KILL")

    def processEnded(self, reason: Failure) -> None:
        """Have another one take its place."""
        pid, self.pid, self.channel, self.serves = self.pid, 0, None, False
        if self._pulse is not None:
            self._pulse.stop()
            self._pulse = None
        well = self._workers.reactor.seconds() - self.since > WELL
        self._wait = 0.0 if well else min(max(1.0, 2 * self._wait), LONGEST_WAIT)
        self._workers.ended(self, pid, _how(reason.value), 0.0 if well or self._wait <= 1.0 else self._wait)


class Workers:
    """All workers of an owner.

    @ivar all: they
    """

    def __init__(self, reactor: Any, count: int, graceful_stop: float, handover: Handover) -> None:
        self.reactor = reactor
        self.handover = handover
        self.all = [Worker(number, self) for number in range(count)]
        self._graceful_stop = graceful_stop
        self._is_stopping = False
        self._waits: dict[Worker, IDelayedCall] = {}
        self._serving: Deferred[None] = Deferred()
        self._gone: Deferred[None] = Deferred()
        parts = handover.parts
        registry = RegistryFeed(parts.registry, self.tell_all, parts.reactor)
        tables = TableFeed({"routing": parts.routes, "numbers": parts.numbers}, self.tell_all)
        self._deeds = {**registry.deeds, **tables.deeds}
        if isinstance(parts.subscribers, Subscribers):
            parts.subscribers.subscribe(lambda key: self.tell_all("forget_subscriber", key=key))

    # Life

    def start(self) -> Deferred[None]:
        """Start all.

        @return: fires with None once all serve
        """
        self._is_stopping = False
        self._serving, self._gone = Deferred(), Deferred()
        for worker in self.all:
            worker.start()
        return self._serving

    def stop(self) -> Deferred[None]:
        """Let all deal with what they have, and end them.

        @return: fires with None once none is left
        """
        self._is_stopping = True
        for wait in self._waits.values():
            wait.cancel()
        self._waits.clear()
        self.tell_all("stop")
        late = self.reactor.callLater(self._graceful_stop + PATIENCE, self._kill)
        self._look_whether_gone()
        return self._gone.addCallback(lambda _: late.cancel() if late.active() else None)

    def _kill(self) -> None:
        for worker in self.all:
            worker.kill()

    def _look_whether_gone(self) -> None:
        if self._is_stopping and not any(worker.pid for worker in self.all) and not self._gone.called:
            self._gone.callback(None)

    def ended(self, worker: Worker, pid: int, how: str, wait: float) -> None:
        """One has ended."""
        if self._is_stopping:
            self._look_whether_gone()
            return
        log.error(
            "worker {number}, process {pid}, has ended ({how}) and is replaced",
            number=worker.number,
            pid=pid,
            how=how,
        )
        self._waits[worker] = self.reactor.callLater(wait, self._replace, worker)

    def _replace(self, worker: Worker) -> None:
        del self._waits[worker]
        worker.start()

    def deeds(self, worker: Worker) -> dict[str, Callable[..., Any]]:
        """Give what a worker may tell and ask."""

        def serving() -> None:
            worker.began()
            log.info("worker {number}, process {pid}, serves", number=worker.number, pid=worker.pid, severity="notice")
            if all(each.serves for each in self.all) and not self._serving.called:
                self._serving.callback(None)

        return {**self._deeds, "serving": serving, "failure": self._tell_failure}

    def _tell_failure(self, port: int, datagram: str, reason: str) -> None:
        """Tell the worker that has sent a datagram that it has not arrived."""
        for worker in self.all:
            own = [shares[worker.number].own.address[1] for shares in self.handover.shares().values()]
            if port in own and worker.channel is not None:
                worker.channel.tell("failure", datagram=datagram, reason=reason)

    # To the workers

    def tell_all(self, name: str, **content: Any) -> None:
        """Tell all that there are."""
        message = encoded(name, content)
        for worker in self.all:
            if worker.channel is not None:
                worker.channel.send(message)

    def ask_all(self, name: str, **content: Any) -> list[Deferred[Any]]:
        """Ask all that serve."""
        return [worker.channel.ask(name, **content) for worker in self.all if worker.channel and worker.serves]

    def answers(self, name: str, **content: Any) -> Deferred[list[Any]]:
        """Ask all that serve.

        @return: fires with the answer of each, a L{RefusedError} for one that has none
        """
        asked: Deferred[Any] = DeferredList(self.ask_all(name, **content), consumeErrors=True)
        return asked.addCallback(lambda found: [each if done else each.value for done, each in found])

    def serve_by(self, settings: Settings) -> None:
        """Let all serve by another configuration, which is known to be right."""
        self.tell_all("serve_by", **Handover.configuration(settings))


def environment() -> dict[str, str]:
    """Give the environment of a worker: ours, and where this package is."""
    package = str(Path(sipproxy.__file__).resolve().parent.parent)
    others = [each for each in os.environ.get("PYTHONPATH", "").split(os.pathsep) if each and each != package]
    return {**os.environ, "PYTHONPATH": os.pathsep.join([package, *others])}


def _how(error: Any) -> str:
    """Tell how a process has ended."""
    return f"signal {error.signal}" if error.signal else f"exit status {error.exitCode}"
