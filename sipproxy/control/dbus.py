"""The server on a bus of D-Bus (directive DBus): asked there as on the control socket, and telling what happens.

L{sipproxy.control.dbus_interface} is what can be asked and what is told,
L{sipproxy.control.dbus_events} makes signals of what happens,
L{sipproxy.control.dbus_connection} is a connection. This keeps one: where the
bus is away it is tried again, after pauses that grow, and all else goes on.
Signals are sent while there is a bus that reads them, at most so many a second;
of the others the number is told, C{Lost}.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.endpoints import HostnameEndpoint, UNIXClientEndpoint
from twisted.internet.error import ConnectError, ConnectionClosed
from twisted.internet.interfaces import IDelayedCall, IStreamClientEndpoint
from twisted.internet.protocol import Factory
from twisted.internet.task import LoopingCall
from twisted.logger import Logger
from twisted.python.failure import Failure

from sipproxy.control.api import Api, Reply
from sipproxy.control.dbus_connection import PATIENCE, BusConnection, BusError
from sipproxy.control.dbus_events import BusEvents
from sipproxy.control.dbus_interface import NAME, PATH, SIGNALS, ServerObject, signature
from sipproxy.control.dbus_settings import BusAddressError, Place, UnixPlace, places
from sipproxy.control.openapi import PREFIX

log = Logger(namespace="mod_sip_control")

#: Seconds until the bus is tried again; each further time twice as long, up to L{LONGEST_PAUSE}.
PAUSE = 1.0
LONGEST_PAUSE = 60.0
#: Seconds between two looks at the backends.
LOOK_AGAIN = 2.0
#: Signals in one second: each costs some 0.07 ms, and calls come first.
MOST_SIGNALS = 200

_SIGNATURES = {signal.name: signature(signal.arguments) for signal in SIGNALS}
# The state of a bus, not a fault of ours.
_AWAY = (BusError, BusAddressError, ConnectError, ConnectionClosed, OSError)

#: Gives what leads to a place.
MakeEndpoint = Callable[[Place], IStreamClientEndpoint]


class DBusService(Service):
    """The server on a bus.

    @ivar away_since: since when the bus is away, seconds since 1970; None while it is there, or not yet tried
    @ivar away_reason: why
    @ivar lost: signals that were not sent and of which that has not been told yet
    """

    def __init__(
        self,
        find: Callable[[], Sequence[Place]],
        make_endpoint: MakeEndpoint,
        api: Api,
        events: BusEvents,
        clock: Any,
    ) -> None:
        """
        @param find: gives the places to look for the bus; may raise L{BusAddressError}
        @param api: what can be asked
        @param events: makes the signals that are sent
        @param clock: measures delays, and tells the time
        """
        self.setName("dbus")
        self.away_since: float | None = None
        self.away_reason = ""
        self.lost = 0
        events.emit = self.emit
        self._find = find
        self._make_endpoint = make_endpoint
        self._api = api
        self._events = events
        self._clock = clock
        self._object = ServerObject(api)
        self._connection: BusConnection | None = None
        self._attempt: Deferred[None] | None = None
        self._retry: IDelayedCall | None = None
        self._pause = PAUSE
        self._second = 0.0
        self._sent = 0
        self._looks = LoopingCall(self._look)
        self._looks.clock = clock

    def startService(self) -> None:
        """Look for the bus; nobody waits for it."""
        super().startService()
        self._try()

    def stopService(self) -> "Deferred[None] | None":
        """Leave the bus."""
        super().stopService()
        if self._retry is not None:
            self._retry.cancel()
            self._retry = None
        if self._attempt is not None:
            self._attempt.cancel()
        connection = self._connection
        if connection is None:
            return None
        connection.close()
        return connection.closed

    def emit(self, name: str, *values: object) -> None:
        """Send a signal, where there is a bus that reads it; a lost one is counted.

        @param name: one of L{SIGNALS}
        @param values: its arguments; texts have no NUL
        """
        connection = self._connection
        if connection is None:
            return
        second = self._clock.seconds() // 1
        if second != self._second:
            self._second, self._sent = second, 0
        if connection.is_paused or self._sent >= MOST_SIGNALS:
            self.lost += 1
            return
        self._sent += 1
        connection.emit(PATH, NAME, name, _SIGNATURES[name], values)

    # Being there.

    def _try(self) -> None:
        self._retry = None
        self._attempt = Deferred.fromCoroutine(self._join())
        self._attempt.addErrback(self._failed)

    async def _join(self) -> None:
        """Find the bus, and be on it."""
        connection = await self._reach()
        try:
            await connection.opened
            connection.export(self._object)
            await connection.own(NAME)
        except BaseException:
            connection.close()
            raise
        self._attempt = None
        self._connection = connection
        connection.closed.addCallback(self._left)
        self._came()

    async def _reach(self) -> BusConnection:
        """Connect to the first place that somebody is at.

        @raise BusAddressError: there is none to look at
        """
        error: Exception = BusError("there is no bus")
        for place in self._find():
            factory = Factory.forProtocol(lambda: BusConnection(self._clock))
            factory.noisy = False
            try:
                connection: Any = await self._make_endpoint(place).connect(factory)
            except ConnectError as failed:
                error = failed
            else:
                return connection  # type: ignore[no-any-return]
        raise error

    def _came(self) -> None:
        if self.away_since is not None:
            log.info("the bus of D-Bus is there again", severity="notice")
        else:
            log.info("on D-Bus as {name}", name=NAME)
        self.away_since, self.away_reason = None, ""
        self._pause = PAUSE
        self.lost = 0
        self._ask_status(self._events.learn)
        self._looks.start(LOOK_AGAIN, now=False)

    def _left(self, _: None) -> None:
        self._connection = None
        if self._looks.running:
            self._looks.stop()
        if self.running:
            self._away("the connection has ended")

    def _failed(self, failure: Failure) -> None:
        self._attempt = None
        if not self.running and failure.check(CancelledError):
            return
        if failure.check(*_AWAY):
            self._away(str(failure.value))
        else:
            log.failure("fault on the way to D-Bus", failure)
            self._away("a fault of the server, see its error log")

    def _away(self, reason: str) -> None:
        """Remember that the bus is away, and try again."""
        if self.away_since is None:
            self.away_since = self._clock.seconds()
            log.error("the bus of D-Bus is away: {reason}", reason=reason)
        self.away_reason = reason
        self._retry = self._clock.callLater(self._pause, self._try)
        self._pause = min(2 * self._pause, LONGEST_PAUSE)

    # Backends.

    def _look(self) -> None:
        self._ask_status(self._events.compare)
        if self.lost and self._connection is not None and not self._connection.is_paused:
            self._connection.emit(PATH, NAME, "Lost", _SIGNATURES["Lost"], (self.lost,))
            self.lost = 0

    def _ask_status(self, take: Callable[[Mapping[str, Any]], None]) -> None:
        def came(reply: Reply) -> None:
            if reply.status == 200:  # otherwise the log says what is wrong
                take(reply.content)

        self._api.handle("GET", f"{PREFIX}/status").addCallback(came)


def dbus_service(
    bus: str, api: Api, events: BusEvents, reactor: Any, environ: Mapping[str, str] = os.environ
) -> DBusService:
    """Give the service.

    @param bus: the value of the directive DBus
    @param api: what can be asked, C{/v1/status} among it
    @param events: makes the signals that are sent
    @param environ: says where the system's and the session's bus are
    """

    def make_endpoint(place: Place) -> IStreamClientEndpoint:
        if isinstance(place, UnixPlace):
            return UNIXClientEndpoint(reactor, place.path, timeout=PATIENCE)
        return HostnameEndpoint(reactor, place.host, place.port, timeout=PATIENCE)

    return DBusService(lambda: places(bus, environ), make_endpoint, api, events, reactor)
