"""A worker process: C{python -m sipproxy.workers.main}, which only the owner starts.

It finds its channel to the owner at a descriptor, and its sockets behind it, and
does what it is told over the channel. It serves SIP as any server does; what it
has of databases is the owner's. Signals are the owner's business; when the owner
is gone it ends.
"""

import os
import signal
from collections.abc import Callable
from dataclasses import replace
from socket import AF_UNIX, socket
from typing import Any

from prometheus_client.registry import CollectorRegistry
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.protocol import Factory
from twisted.logger import Logger, globalLogBeginner

from sipproxy import directives
from sipproxy.app import Server, assemble, load_again
from sipproxy.chance import PooledSystemRandom
from sipproxy.control import ControlError, Operation
from sipproxy.control.watch_settings import METRICS_LISTEN
from sipproxy.databases import numbers, routes
from sipproxy.databases.subscribers import Subscribers
from sipproxy.errors import SipproxyError
from sipproxy.logs import parse_level
from sipproxy.oversight import make_resources, metrics_of
from sipproxy.parts import make_parts
from sipproxy.preview import preview
from sipproxy.process import settle_garbage_collector
from sipproxy.proxy.siblings import Siblings
from sipproxy.server import NoClaim
from sipproxy.workers.channel import Channel, Json
from sipproxy.workers.metrics import told
from sipproxy.workers.processes import CHANNEL
from sipproxy.workers.registry import WorkerRegistry
from sipproxy.workers.sockets import HandedNetwork
from sipproxy.workers.tables import WorkerTable

log = Logger(namespace="mod_sip")

#: Those that may reach a worker beside its owner, as of a terminal or of systemd.
_NOT_OURS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1)


class Work:
    """What the owner has done here.

    @ivar channel: the way to the owner
    """

    server: Server

    def __init__(self, reactor: Any) -> None:
        self._reactor = reactor
        self._operations: dict[tuple[str, str], Operation] = {}
        self._metrics: CollectorRegistry | None = None
        self._is_stopping = False
        self.channel = Channel({"begin": self.begin}, self._alone)

    def begin(
        self,
        lines: list[list[Any]],
        directory: str,
        started: Json,
        ports: list[list[Any]],
        via_ports: list[list[Any]],
        secret: str,
        levels: dict[str, str],
        draining: bool,
    ) -> None:
        """Begin to serve.

        @param lines: the configuration in force, and
        @param directory: where its relative paths start
        @param started: the configuration that the ports were opened by, likewise
        @param ports: host, port, and the port of this process alone, of each place that is listened at
        @param via_ports: the host, as above, and the port of each process at each place
        @param secret: of the keys by which requests that come back are known
        @param levels: of the error log, by module
        @param draining: whether new calls are refused
        """
        reactor, settings = self._reactor, load_again(**started)
        sockets = {}
        for at, (host, port, own) in enumerate(ports):
            sockets[host, port] = socket(fileno=CHANNEL + 1 + 2 * at)
            sockets[host, own] = socket(fileno=CHANNEL + 2 + 2 * at)
        network = HandedNetwork(reactor, settings[directives.RECEIVE_BUFFER], settings[directives.DSCP], sockets)
        made = make_parts(settings, reactor, network, PooledSystemRandom())
        ask = self.channel.ask
        parts = replace(
            made,
            registry=WorkerRegistry(ask, reactor, reactor.seconds),
            routes=WorkerTable("routing", routes.FORM, ask, reactor),
            numbers=WorkerTable("numbers", numbers.FORM, ask, reactor),
            guard=made.guard._replace(secret=bytes.fromhex(secret)),
            via_ports=frozenset(port for _, port in via_ports),
        )
        server = assemble(parts, claim=NoClaim(), via_ports={(host, port): own for host, port, own in ports})
        mine = {(host, own) for host, _, own in ports}
        others = [(host, port) for host, port in via_ports if (host, port) not in mine]
        server.sip.core.siblings = Siblings(others, self._tell_failure)
        self.server = server
        self._operations = {
            (operation.method, resource.path): operation
            for resource in make_resources(server, settings, reactor)
            for operation in resource.operations
        }
        self.channel.deeds = self._deeds()
        self._metrics = None if settings[METRICS_LISTEN] is None else metrics_of(server)
        server.when_serving.addCallback(self._serves)
        server.startService()
        if lines != started["lines"]:
            self.serve_by(lines, directory)
        self._set_levels(levels)
        server.sip.core.draining = draining

    def _deeds(self) -> dict[str, Callable[..., Any]]:
        parts = self.server.parts
        tables = {"routing": parts.routes, "numbers": parts.numbers}

        def table(table: str, deleted: Any = None, stored: Any = None) -> None:
            copy: Any = tables[table]
            if stored is None:
                copy.read_anew()
            else:
                copy.apply(deleted, stored)

        registry: Any = parts.registry
        return {
            "registration": registry.apply,
            "table": table,
            "forget_subscriber": self._forget_subscriber,
            "serve_by": self.serve_by,
            "preview": self._preview,
            "reopen_logs": self.server.reopen_logs,
            "failure": self._failure,
            "control": self._control,
            "metrics": self._tell_metrics,
            "pulse": lambda: None,
            "stop": self.stop,
        }

    def _tell_failure(self, port: int, datagram: bytes, reason: str) -> None:
        self.channel.tell("failure", port=port, datagram=datagram.decode("latin-1"), reason=reason)

    def _failure(self, datagram: str, reason: str) -> None:
        """Take the news of a datagram sent from here that another worker was told of."""
        self.server.sip.core.table.failed(datagram.encode("latin-1"), reason)

    def _serves(self, _: None) -> None:
        settle_garbage_collector()
        self.channel.tell("serving")

    def _forget_subscriber(self, key: str) -> None:
        subscribers = self.server.parts.subscribers
        if isinstance(subscribers, Subscribers):
            subscribers.forget(key)

    def _set_levels(self, levels: dict[str, str]) -> None:
        parsed = {module: parse_level(level) for module, level in levels.items()}
        self.server.logs.levels.replace(parsed.pop(""), parsed)

    def serve_by(self, lines: list[list[Any]], directory: str) -> None:
        """Serve by another configuration, which the owner has found right."""
        try:
            self.server.reload(load_again(lines, directory))
        except SipproxyError as error:
            log.error("not reloaded: {error}", error=error)

    def _preview(self, lines: list[list[Any]], directory: str) -> Deferred[Any]:
        server = self.server
        current = server.composition.settings
        return Deferred.fromCoroutine(preview(server.sip.core, server.parts, current, load_again(lines, directory)))

    def _control(self, method: str, path: str, arguments: Json) -> Any:
        """Do an operation of the control socket, whose arguments the owner has checked.

        @raise ControlError: it is refused
        """
        operation = self._operations.get((method, path))
        if operation is None:
            raise ControlError(404, f"there is no {path}")
        return operation.act(arguments)

    def _tell_metrics(self) -> Json:
        assert self._metrics is not None
        return told(os.getpid(), self._metrics)

    def stop(self) -> None:
        """Deal with what is here, then end."""
        if not self._is_stopping:
            self._is_stopping = True
            maybeDeferred(self.server.stopService).addBoth(lambda _: self._reactor.stop())

    def _alone(self) -> None:
        """End at once: nobody holds the registry, and another owner may want the ports."""
        if self._is_stopping:
            return
        self._is_stopping = True
        log.critical("the owner is gone, its worker ends")
        if hasattr(self, "server"):
            self.server.logs.close()
        if self._reactor.running:
            self._reactor.stop()


def main() -> None:
    """Serve until the owner ends it, or is gone."""
    from twisted.internet import reactor

    for number in _NOT_OURS:
        signal.signal(number, signal.SIG_IGN)
    # The server's own log is the only one.
    globalLogBeginner.beginLoggingTo([], discardBuffer=True, redirectStandardIO=False)
    work, running = Work(reactor), reactor
    adopting: Any = running
    adopting.adoptStreamConnection(CHANNEL, AF_UNIX, Factory.forProtocol(lambda: work.channel))
    adopting.run(installSignalHandlers=False)


if __name__ == "__main__":
    main()
