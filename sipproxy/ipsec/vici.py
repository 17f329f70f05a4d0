"""VICI: the protocol of strongSwan's charon on its Unix socket.

Packets and messages are coded by strongSwan's own package C{vici}. Its session
is not used: that one blocks, and takes an event that comes before the response
for the response. Here requests wait for one another, so that each response
belongs to the first of them, and events go to who follows the connection.

Values are text here: a section is a dict, in it text, lists of text, sections.
"""

import os
import struct
from collections import deque
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.endpoints import UNIXClientEndpoint
from twisted.internet.error import ConnectError
from twisted.internet.interfaces import IStreamClientEndpoint
from twisted.internet.protocol import Factory, connectionDone
from twisted.protocols.basic import Int32StringReceiver
from twisted.python.failure import Failure
from vici.exception import DeserializationException  # type: ignore[import-untyped]
from vici.protocol import Message, Packet  # type: ignore[import-untyped]

from sipproxy.errors import SipproxyError

#: Octets of a packet, at most (vici.protocol.Transport has the same).
LONGEST_PACKET = 512 * 1024
#: Seconds that connecting may take, and that charon may take to answer, unless told otherwise.
CONNECT_TIMEOUT = 5.0
DEADLINE = 5.0

Section = dict[str, Any]
EventFollower = Callable[[str, Section], None]


class ViciError(SipproxyError):
    """Charon has refused something, or cannot be talked to; the text is one line."""


class ViciLostError(ViciError):
    """The connection is lost."""


class _Request:
    """What waits to be sent, or for its response.

    @ivar packet: the octets
    @ivar deadline: seconds that the response may take once it is sent
    """

    __slots__ = ("answer", "deadline", "packet")

    def __init__(self, packet: bytes, deadline: float) -> None:
        self.packet = packet
        self.deadline = deadline
        self.answer: Deferred[tuple[int, Section]] = Deferred()


class ViciConnection(Int32StringReceiver):
    """One connection to charon.

    @ivar closed: fires with the reason, a text, once it is lost
    """

    MAX_LENGTH = LONGEST_PACKET

    def __init__(self, clock: Any, follower: EventFollower | None = None) -> None:
        """
        @param clock: provider of IReactorTime
        @param follower: called with the name of each event and what it says
        """
        self.closed: Deferred[str] = Deferred()
        self._clock = clock
        self._follower = follower
        self._waiting: deque[_Request] = deque()
        self._sent: _Request | None = None
        self._expiry: Any = None
        self._lost = ""

    # For who uses it

    def follow(self, event: str) -> "Deferred[None]":
        """Ask for the events of a name.

        @raise ViciError: in the Deferred: there are none
        """
        return self._ask(Packet.register_event(event), DEADLINE).addCallback(_confirmed, event)

    def request(
        self, command: str, message: Mapping[str, Any] | None = None, deadline: float = DEADLINE
    ) -> "Deferred[Section]":
        """Let charon do something.

        @param deadline: seconds that its response may take; the connection is ended where it takes longer
        @return: fires with the response
        @raise ViciError: in the Deferred: it is refused, or there is no response
        """
        try:
            packet = Packet.request(command, Message.serialize(dict(message or {})))
        except struct.error as error:
            raise ViciError(f"{command}: a value is too long") from error
        return self._ask(packet, deadline).addCallback(_succeeded, command)

    def close(self) -> None:
        """End the connection; what waits fails."""
        self._lose("closed")

    # For Twisted

    def stringReceived(self, string: bytes) -> None:
        """Take one packet."""
        try:
            packet = Packet.parse(string)
            content = _as_text(Message.deserialize(packet.payload))
            name = packet.event_type.decode("ascii") if packet.response_type == Packet.EVENT else ""
        except (struct.error, ValueError, IndexError, DeserializationException):
            self._lose("what it says is not VICI")
            return
        if name:
            if self._follower is not None:
                self._follower(name, content)
            return
        request, self._sent = self._sent, None
        if request is None:
            self._lose("it answers what was not asked")
            return
        self._expiry.cancel()
        request.answer.callback((packet.response_type, content))
        self._send_next()

    def lengthLimitExceeded(self, length: int) -> None:
        """End the connection: it is no VICI."""
        self._lose("what it says is not VICI")

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Fail what waits."""
        self._lose("it has closed the connection")

    # Within

    def _ask(self, packet: bytes, deadline: float) -> "Deferred[tuple[int, Section]]":
        request = _Request(packet, deadline)
        if self._lost:
            request.answer.errback(ViciLostError(f"charon: {self._lost}"))
            return request.answer
        self._waiting.append(request)
        self._send_next()
        return request.answer

    def _send_next(self) -> None:
        if self._sent is not None or not self._waiting or self._lost:
            return
        self._sent = self._waiting.popleft()
        self._expiry = self._clock.callLater(self._sent.deadline, self._lose, "it does not answer")
        self.sendString(self._sent.packet)  # type: ignore[no-untyped-call]

    def _lose(self, reason: str) -> None:
        if self._lost:
            return
        self._lost = reason
        if self._expiry is not None and self._expiry.active():
            self._expiry.cancel()
        transport: Any = self.transport
        transport.abortConnection()
        failed = [*([self._sent] if self._sent is not None else []), *self._waiting]
        self._waiting.clear()
        self._sent = None
        for request in failed:
            request.answer.errback(ViciLostError(f"charon: {reason}"))
        self.closed.callback(reason)


def _confirmed(answer: tuple[int, Section], event: str) -> None:
    if answer[0] != Packet.EVENT_CONFIRM:
        raise ViciError(f"charon does not know the event {event}")


def _succeeded(answer: tuple[int, Section], command: str) -> Section:
    kind, content = answer
    if kind != Packet.CMD_RESPONSE:
        raise ViciError(f"charon does not know {command}")
    if content.get("success", "yes") != "yes":
        raise ViciError(f"{command}: {content.get('errmsg', 'refused')}")
    return content


def _as_text(value: Any) -> Any:
    """Give a message with text where octets were, one line each."""
    if isinstance(value, dict):
        return {key: _as_text(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_as_text(inner) for inner in value]
    return " ".join(value.decode("utf-8", "replace").split())


class Connector:
    """The way to charon."""

    def __init__(self, reactor: Any, socket: Path) -> None:
        """
        @param reactor: provider of IReactorUNIX and IReactorTime
        """
        self._reactor = reactor
        self._socket = socket

    async def connect(self, follower: EventFollower | None = None) -> ViciConnection:
        """Open a connection.

        @raise ViciError: there is none
        """
        endpoint: IStreamClientEndpoint = UNIXClientEndpoint(  # type: ignore[no-untyped-call]
            self._reactor, str(self._socket), timeout=CONNECT_TIMEOUT
        )
        connection = ViciConnection(self._reactor, follower)
        try:
            await endpoint.connect(_Quiet(connection))
        except ConnectError as error:
            reason = os.strerror(error.osError) if isinstance(error.osError, int) else str(error)
            raise ViciError(f"charon cannot be reached at {self._socket}: {reason}") from error
        return connection


class _Quiet(Factory):
    """Gives the one protocol that there is, and says nothing of itself in the log."""

    noisy = False

    def __init__(self, connection: ViciConnection) -> None:
        self._connection = connection

    def buildProtocol(self, addr: object) -> ViciConnection:
        """Give it."""
        return self._connection
