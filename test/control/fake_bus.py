"""A bus of D-Bus in memory: it lets in, gives names, carries calls, and can be away, or silent."""

from collections.abc import Iterable, Sequence
from typing import Any

from twisted.internet.defer import Deferred, fail
from twisted.internet.error import ConnectError, ConnectionLost
from twisted.internet.interfaces import IProtocolFactory, IStreamClientEndpoint
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure
from txdbus.message import (  # type: ignore[import-untyped]
    ErrorMessage,
    MethodCallMessage,
    MethodReturnMessage,
    SignalMessage,
    parseMessage,
)
from zope.interface import implementer

from sipproxy.control.dbus_connection import BUS
from sipproxy.control.dbus_interface import NAME, PATH


class _Wire(StringTransport):
    """The bus's end of a connection."""

    def __init__(self, bus: "FakeBus") -> None:
        super().__init__()
        self.bus = bus

    def write(self, data: bytes) -> None:
        """Take what the server sends."""
        super().write(data)
        self.bus.written()

    def writeSequence(self, data: Iterable[bytes]) -> None:
        """Take what the server sends."""
        self.write(b"".join(data))

    def abortConnection(self) -> None:
        """End."""
        self.bus.lose()


@implementer(IStreamClientEndpoint)
class FakeBus:
    """The bus, and the way to it.

    @ivar is_there: whether somebody listens
    @ivar speaks: whether it says anything
    @ivar name_reply: what it says to who wants a name (D-Bus Specification, RequestName), or the name of an error
    @ivar attempts: how often somebody came
    @ivar heard: signals, as (name, values)
    @ivar answers: values of method returns, or (name, message) of errors, by serial number of the call
    """

    def __init__(self) -> None:
        self.is_there = True
        self.speaks = True
        self.name_reply: int | str = 1
        self.attempts = 0
        self.heard: list[tuple[str, list[Any]]] = []
        self.answers: dict[int, Any] = {}
        self.wire: _Wire | None = None
        self._protocol: Any = None
        self._is_let_in = False
        self._is_busy = False

    def connect(self, factory: IProtocolFactory) -> "Deferred[Any]":
        """Let somebody connect."""
        self.attempts += 1
        if not self.is_there:
            return fail(ConnectError(string="nobody there"))
        self._is_let_in = False
        self._protocol = factory.buildProtocol(None)  # type: ignore[arg-type]
        self.wire = _Wire(self)
        done: Deferred[Any] = Deferred()
        self._protocol.makeConnection(self.wire)
        done.callback(self._protocol)
        return done

    def lose(self) -> None:
        """End the connection."""
        protocol, self._protocol, self.wire = self._protocol, None, None
        if protocol is not None:
            protocol.connectionLost(Failure(ConnectionLost()))

    def give(self, *messages: Any) -> None:
        """Send messages in one piece, as octets or as txdbus's objects."""
        self._protocol.dataReceived(b"".join(getattr(message, "rawMessage", message) for message in messages))

    def call(self, member: str, signature: str = "", values: Sequence[object] = ()) -> Any:
        """Make the call of a method of the server."""
        return MethodCallMessage(PATH, member, NAME, NAME, signature or None, list(values))

    def ask(self, member: str, signature: str = "", values: Sequence[object] = ()) -> Any:
        """Call a method, and give what is answered at once, None for nothing."""
        message = self.call(member, signature, values)
        self.give(message)
        return self.answers.get(message.serial)

    def written(self) -> None:
        """Answer what the server has sent; what it sends in between is answered after that, as on a wire."""
        if self._is_busy:
            return
        self._is_busy = True
        while self.speaks and self.wire is not None and self.wire.value():
            data = self.wire.value()
            self.wire.clear()
            if self._is_let_in:
                self._read(data)
            else:
                self._authenticate(data)
        self._is_busy = False

    def _authenticate(self, data: bytes) -> None:
        if data.startswith(b"BEGIN\r\n"):
            self._is_let_in = True
            self._read(data[7:])
        elif data == b"DATA\r\n":
            self._protocol.dataReceived(b"OK 0123456789abcdef0123456789abcdef\r\n")
        elif data.endswith(b"AUTH EXTERNAL\r\n"):
            self._protocol.dataReceived(b"DATA\r\n")

    def _read(self, data: bytes) -> None:
        while data:
            length = 16 + (int.from_bytes(data[12:16], "little") + 7) // 8 * 8 + int.from_bytes(data[4:8], "little")
            message, data = parseMessage(data[:length], []), data[length:]
            self._take(message)

    def _take(self, message: Any) -> None:
        if isinstance(message, SignalMessage):
            if message.interface == NAME:
                self.heard.append((message.member, message.body))
        elif isinstance(message, MethodReturnMessage):
            self.answers[message.reply_serial] = message.body
        elif isinstance(message, ErrorMessage):
            self.answers[message.reply_serial] = message.error_name, message.body[0]
        elif message.destination == BUS:
            self._serve(message)

    def _serve(self, message: Any) -> None:
        if message.member == "Hello":
            self.give(MethodReturnMessage(message.serial, [":1.1"], ":1.1", "s"))
        elif isinstance(self.name_reply, str):
            self.give(ErrorMessage(self.name_reply, message.serial, ":1.1", "s", ["not you"]))
        else:
            self.give(MethodReturnMessage(message.serial, [self.name_reply], ":1.1", "u"))
