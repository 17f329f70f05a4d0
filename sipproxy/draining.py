"""A process that ends by itself once it is drained: when its calls are set up, or after DrainTimeoutInS.

What is drained takes no new calls (C{sipproxyctl drain}). It is not needed any
more when no INVITE is on its way: a call that is answered goes on without us,
but its ACK may still have to pass. Not before 64*T1 either, so that whoever
does not know yet gets a 503 and not silence. Registrations do not hold it up.
"""

from collections.abc import Callable

from twisted.application.service import Service
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall
from twisted.logger import Logger

from sipproxy.app import Server
from sipproxy.farm.settings import DRAIN_TIMEOUT

log = Logger(namespace="mod_sip")

#: How often it is looked, seconds.
_LOOK_AGAIN = 1.0


class DrainedService(Service):
    """Looks whether a server is drained, and ends the process when that is done."""

    def __init__(self, server: Server, clock: IReactorTime, end: Callable[[], object]) -> None:
        """
        @param end: ends the process; called once
        """
        self.setName("drained")
        self._server = server
        self._clock = clock
        self._end = end
        self._since: float | None = None
        self._looking = LoopingCall(self._look)
        self._looking.clock = clock

    def startService(self) -> None:
        """Begin to look."""
        super().startService()
        self._looking.start(_LOOK_AGAIN, now=False)

    def stopService(self) -> None:
        """Look no more."""
        super().stopService()
        if self._looking.running:
            self._looking.stop()

    def _look(self) -> None:
        sip = self._server.sip
        if not sip.core.draining:
            self._since = None
            return
        now = self._clock.seconds()
        if self._since is None:
            self._since = now
        waited = now - self._since
        is_done = sip.calls == 0 and waited >= sip.core.table.values.timeout
        if not is_done and waited < self._server.composition.settings[DRAIN_TIMEOUT]:
            return
        if is_done:
            log.info("drained: no call is being set up any more", severity="notice")
        else:
            log.warn("drained: DrainTimeoutInS is over, calls may be cut off as they are set up")
        self._looking.stop()
        self._end()
