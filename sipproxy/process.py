"""The server as a process of its own: it owns signals and the garbage collector.

An embedding application has its own ideas of both, so nothing here is done by
L{sipproxy.app.make_service}.
"""

import gc
import signal
from collections.abc import Callable
from typing import Any

from twisted.application.service import Service
from twisted.logger import Logger

from sipproxy.app import Server
from sipproxy.config import ConfigError, Settings
from sipproxy.errors import SipproxyError
from sipproxy.notify import NotifyingService

log = Logger(namespace="mod_sip")

#: Objects made before the young generation is looked at, and how often the older ones are. Requests free what they
#: made by themselves; rings of references are rare here. The first two bound a pause, all three say how seldom all
#: objects are looked at (bench/README.md).
THRESHOLDS = (25_000, 4, 1000)


def settle_garbage_collector() -> None:
    """Leave alone what lives from the start to the end, and look seldom for what does not."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*THRESHOLDS)


class ProcessService(Service):
    """Takes the signals of an operator, once the server has started."""

    def __init__(
        self,
        server: Server,
        reactor: Any,
        read: Callable[[], Settings],
        become: Callable[[], None] | None,
        notifying: NotifyingService,
    ) -> None:
        """
        @param read: reads the configuration file again
        @param become: makes the process somebody else's (User, Group), now that the ports are open
        @param notifying: tells who started the process
        """
        self.setName("process")
        self._become = become
        self._read = read
        self._notifying = notifying
        self._server = server
        self._reactor = reactor

    def privilegedStartService(self) -> None:
        """Become who serves, before anything else is opened."""
        super().privilegedStartService()
        if self._become is not None:
            self._become()

    def startService(self) -> None:
        """Reopen the logs on SIGUSR1, read the configuration on SIGHUP; let the garbage collector rest."""
        super().startService()
        signal.signal(signal.SIGHUP, self._hang_up)
        signal.signal(signal.SIGUSR1, self._reopen_logs)
        settle_garbage_collector()

    def stopService(self) -> None:
        """Take a second SIGTERM or SIGINT for impatience; Twisted would log it as a fault."""
        super().stopService()
        signal.signal(signal.SIGTERM, self._hurry)
        signal.signal(signal.SIGINT, self._hurry)

    def _hurry(self, *_: object) -> None:
        self._reactor.callFromThread(self._server.sip.hurry)

    def _reopen_logs(self, *_: object) -> None:
        self._reactor.callFromThread(self._server.reopen_logs)

    def _hang_up(self, *_: object) -> None:
        self._reactor.callFromThread(self._reload)

    def _reload(self) -> None:
        """Serve by what the configuration file says now; where it is wrong, the log says what, and nothing changes."""
        self._notifying.reloads()
        try:
            self._server.reload(self._read())
        except ConfigError as error:
            for problem in error.problems:
                log.error("not reloaded: {problem}", problem=problem)
        except SipproxyError as error:
            log.error("not reloaded: {error}", error=error)
        finally:
            self._notifying.has_reloaded()
