"""One connection to a bus of D-Bus: txdbus's protocol with what a server needs beyond it.

txdbus's own client (C{txdbus.client}) imports the reactor, keeps silent where it
is not let in, has no bound for what it reads, and takes file descriptors that
nobody closes. So this stands in its place, upon the same protocol and objects.
It keeps to what a server does: it calls the bus, not other servers.
"""

import struct
from collections.abc import Sequence
from functools import partial
from typing import Any

from twisted.internet.defer import Deferred, fail
from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IProtocol, IPushProducer, IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure
from txdbus.authentication import ClientAuthenticator  # type: ignore[import-untyped]
from txdbus.error import MarshallingError  # type: ignore[import-untyped]
from txdbus.message import DBusMessage, MethodCallMessage, SignalMessage  # type: ignore[import-untyped]
from txdbus.objects import DBusObjectHandler  # type: ignore[import-untyped]
from txdbus.protocol import BasicDBusProtocol  # type: ignore[import-untyped]
from zope.interface import implementer

from sipproxy.errors import SipproxyError

log = Logger(namespace="mod_sip_control")

BUS = "org.freedesktop.DBus"
BUS_PATH = "/org/freedesktop/DBus"
#: Seconds that the bus has for an answer.
PATIENCE = 10.0
#: Octets of the longest message that is read; D-Bus would allow 128 MiB.
LONGEST = 1 << 20

_HEADER = 16  # octets, up to the length of the header fields
_PRIMARY_OWNER, _ALREADY_OWNER = 1, 4
_DO_NOT_QUEUE = 4


class BusError(SipproxyError):
    """The bus does not do what it is asked for; the text is one line for the operator."""


class _Authenticator(ClientAuthenticator):  # type: ignore[misc]
    """Says who we are: the bus sees it at the socket; one on a TCP port may let in anybody."""

    preference = [b"EXTERNAL", b"ANONYMOUS"]

    def _usesUnixSocketTransport(self, protocol: object) -> bool:
        """Take no file descriptors."""
        return False


@implementer(IProtocol, IPushProducer)
class BusConnection(BasicDBusProtocol):  # type: ignore[misc]
    """A connection to a bus.

    @ivar opened: fires with None once the bus has let us in and given us a name; fails where the connection ends first
    @ivar closed: fires with None once the connection is gone
    @ivar is_paused: whether the bus does not read what we send
    """

    authenticator = _Authenticator
    _buffer: bytes

    def __init__(self, clock: IReactorTime) -> None:
        """
        @param clock: measures delays
        """
        self.opened: Deferred[None] = Deferred()
        self.closed: Deferred[None] = Deferred()
        self.is_paused = False
        self._clock = clock
        self._waiting: dict[int, Deferred[Any]] = {}
        self._objects = DBusObjectHandler(self)
        self._is_gone = False

    # For the service.

    def call(self, member: str, signature: str = "", *values: object) -> Deferred[Any]:
        """Call a method of the bus.

        @return: fires with what it gives, alone where that is one value; fails with a BusError where it refuses or
            says nothing, or as the connection ends
        """
        if self._is_gone:
            return fail(ConnectionDone())
        message = MethodCallMessage(BUS_PATH, member, BUS, BUS, signature or None, list(values))
        serial: int = message.serial
        answer: Deferred[Any] = Deferred()
        self._waiting[serial] = answer
        self.sendMessage(message)

        def end(result: Any) -> Any:
            self._waiting.pop(serial, None)
            return result

        return answer.addBoth(end).addTimeout(PATIENCE, self._clock, partial(_no_answer, member))

    async def own(self, name: str) -> None:
        """Take a name on the bus.

        @raise BusError: it is another's, or not to be had
        """
        got = await self.call("RequestName", "su", name, _DO_NOT_QUEUE)
        if got not in (_PRIMARY_OWNER, _ALREADY_OWNER):
            raise BusError(f"the name {name} is another's")

    def export(self, thing: object) -> None:
        """Let an object be called."""
        self._objects.exportObject(thing)

    def emit(self, path: str, interface: str, name: str, signature: str, values: Sequence[object]) -> None:
        """Send a signal.

        @param values: texts have no NUL
        """
        self.sendMessage(SignalMessage(path, name, interface, signature=signature, body=list(values)))

    def close(self) -> None:
        """End it at once."""
        self.transport.abortConnection()

    # BasicDBusProtocol.

    def connectionMade(self) -> None:
        """Authenticate."""
        self.transport.registerProducer(self, True)
        self.opened.addTimeout(PATIENCE, self._clock, partial(_no_answer, "AUTH"))
        super().connectionMade()

    def connectionAuthenticated(self) -> None:
        """Say hello: nothing else may be said before."""
        self.call("Hello").addCallbacks(lambda _: self.opened.callback(None), self.opened.errback)

    def dataReceived(self, data: bytes) -> None:
        """Read what comes; a message that is too long ends the connection, as what follows cannot be found."""
        if not self._authenticated:
            super().dataReceived(data)
            return
        # In a loop of our own, as txdbus calls itself for each message that came with others.
        buffer, at = self._buffer + data, 0
        while (length := _length(buffer, at)) <= min(len(buffer) - at, LONGEST):
            message, at = buffer[at : at + length], at + length
            self.rawDBusMessageReceived(message)
        self._buffer = buffer[at:]
        if length > LONGEST and len(self._buffer) >= _HEADER:
            log.error("D-Bus: a message of {octets} octets is too long", octets=length)
            self._buffer = b""
            self.close()

    def rawDBusMessageReceived(self, raw: bytes) -> None:
        """Take a message; one that cannot be read is passed over, and whoever has sent it waits in vain."""
        try:
            super().rawDBusMessageReceived(raw)
        except (MarshallingError, IndexError, UnicodeDecodeError) as error:
            log.warn("D-Bus: a message cannot be read: {error!r}", error=error)

    def methodCallReceived(self, message: DBusMessage) -> None:
        """Let an object do it."""
        self._objects.handleMethodCallMessage(message)

    def methodReturnReceived(self, message: DBusMessage) -> None:
        """Take the bus's answer."""
        answer = self._waiting.get(message.reply_serial)
        if answer is not None:
            values = message.body or [None]
            answer.callback(values[0] if len(values) == 1 else values)

    def errorReceived(self, message: DBusMessage) -> None:
        """Take the bus's refusal."""
        answer = self._waiting.get(message.reply_serial)
        if answer is not None:
            words = [message.error_name, *(value for value in message.body or () if isinstance(value, str))]
            answer.errback(BusError(": ".join(words)))

    def connectionLost(self, reason: Failure) -> None:
        """Let nobody wait for it."""
        self._is_gone = True
        for answer in list(self._waiting.values()):
            answer.errback(reason)
        if not self.opened.called:
            self.opened.errback(BusError("the bus does not let us in"))
        self.closed.callback(None)

    # IPushProducer.

    def pauseProducing(self) -> None:
        """Send no signals: the bus does not read them."""
        self.is_paused = True

    def resumeProducing(self) -> None:
        """Send them again."""
        self.is_paused = False

    def stopProducing(self) -> None:
        """The connection ends."""
        self.is_paused = True


def _length(buffer: bytes, at: int) -> int:
    """Give the length of the message that begins there (D-Bus Specification, "Message Format"); endless if unknown."""
    if len(buffer) - at < _HEADER:
        return 2**63
    order = "<" if buffer[at : at + 1] == b"l" else ">"
    body, fields = map(int, struct.unpack_from(f"{order}4xI4xI", buffer, at))
    return _HEADER + (fields + 7) // 8 * 8 + body


def _no_answer(member: str, failure: object, timeout: float) -> None:
    """Tell of a bus that says nothing.

    @raise BusError: always
    """
    raise BusError(f"no answer to {member} within {timeout:g} s")
