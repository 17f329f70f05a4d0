"""The server as a process of its own: it owns signals and the garbage collector.

An embedding application has its own ideas of both, so nothing here is done by
L{sipproxy.app.make_service}.
"""

import gc
import signal
from typing import Any

from twisted.application.service import Service

from sipproxy.app import Server

#: Objects made before the young generation is looked at, and how often the older ones are. Requests free what they
#: made by themselves; rings of references are rare here (bench/README.md).
THRESHOLDS = (50_000, 20, 100)


def settle_garbage_collector() -> None:
    """Leave alone what lives from the start to the end, and look seldom for what does not."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*THRESHOLDS)


class ProcessService(Service):
    """Takes the signals of an operator, once the server has started."""

    def __init__(self, server: Server, reactor: Any) -> None:
        self.setName("process")
        self._server = server
        self._reactor = reactor

    def startService(self) -> None:
        """Reopen the logs on SIGUSR1; let the garbage collector rest."""
        super().startService()
        signal.signal(signal.SIGUSR1, self._reopen_logs)
        settle_garbage_collector()

    def _reopen_logs(self, *_: object) -> None:
        self._reactor.callFromThread(self._server.logs.reopen)
