"""One connection to an LDAP server (RFC 4511): questions with numbers, and their answers in any order.

Each question has a time at which it ends. One that gets no answer by then is
abandoned; where the server has said nothing at all since it was asked, the
connection is given up too, with all that wait on it.

What a server sends is bounded in size and number, and nothing in it that is
wrong ends in anything but the loss of the connection.
"""

import typing
from itertools import count

from OpenSSL.SSL import Error as TlsError
from service_identity import VerificationError
from twisted.internet.defer import Deferred, fail
from twisted.internet.error import ConnectionAborted, ConnectionDone
from twisted.internet.interfaces import IDelayedCall, IOpenSSLClientConnectionCreator, IReactorTime
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure

from sipproxy.errors import StoreError
from sipproxy.net.ldap_messages import (
    SUCCESS,
    Abandon,
    Bind,
    Entry,
    MalformedError,
    Question,
    Result,
    StartTls,
    Unbind,
    message_length,
    read_message,
)

#: How long the other side may take to see a connection closed, seconds.
GRACE = 1.0

#: Why a question without an answer failed.
LATE = "no answer in time"

_ABORTED = "the connection was given up"


class LostError(StoreError):
    """The connection was lost before the answer came; another one may bring it."""


class SilentError(StoreError):
    """The server has not answered in time."""


class Answer(typing.NamedTuple):
    """What came for a question."""

    entries: list[Entry]
    result: Result


class ConnectionUser(typing.Protocol):
    """Who has connections."""

    def connection_heard(self) -> None:
        """The server has said something."""

    def connection_lost(self, connection: "LdapConnection", silent_since: float | None) -> None:
        """A connection can be asked no more.

        @param silent_since: where it was given up as nothing has come on it, since when; None otherwise
        """


class _Open:
    """A question that waits.

    @ivar asked: when it was asked
    @ivar most: entries that it may be answered with
    """

    __slots__ = ("answer", "asked", "entries", "expiry", "most")

    def __init__(self, answer: "Deferred[Answer]", asked: float, most: int, expiry: IDelayedCall) -> None:
        self.answer = answer
        self.asked = asked
        self.most = most
        self.entries: list[Entry] = []
        self.expiry = expiry


class LdapConnection(Protocol):
    """A connection.

    @ivar closed: fires with None once nothing of it is left
    """

    def __init__(self, clock: IReactorTime, user: ConnectionUser) -> None:
        self._clock = clock
        self._user = user
        self._buffer = bytearray()
        self._numbers = count(1)
        self._open: dict[int, _Open] = {}
        self._heard = clock.seconds()
        self._is_lost = False
        self._end: IDelayedCall | None = None
        self.closed: Deferred[None] = Deferred()

    @property
    def open_questions(self) -> int:
        """How many wait for an answer."""
        return len(self._open)

    # Asking

    def ask(self, question: Question, end: float, most: int = 0) -> "Deferred[Answer]":
        """Ask.

        @param end: when the answer must be here
        @param most: entries that it may have, at most
        @return: fires with the answer, whatever its result is
        @raise LostError: in the Deferred
        @raise SilentError: in the Deferred
        """
        if self._is_lost:
            return fail(LostError(_ABORTED))
        number = next(self._numbers)
        answer: Deferred[Answer] = Deferred(lambda _: self._abandon(number))
        now = self._clock.seconds()
        self._open[number] = _Open(answer, now, most, self._clock.callLater(max(0.0, end - now), self._expire, number))
        self._write(question.to_octets(number))
        return answer

    async def start(self, tls: IOpenSSLClientConnectionCreator | None, bind: Bind, end: float) -> None:
        """Make it of use.

        @param tls: where given, TLS begins first
        @param bind: who we are
        @param end: when all of that must be done
        @raise StoreError: the server refuses it, or is lost, or silent
        """
        if tls is not None:
            await self._ask_well(StartTls(), "StartTLS", end)
            if self._buffer:
                # What came in clear must not be taken for something that came under TLS.
                raise StoreError("StartTLS: octets behind the answer")
            self.transport.startTLS(tls)  # type: ignore[union-attr]
        await self._ask_well(bind, f"bind as {bind.name or 'nobody'}", end)

    async def _ask_well(self, question: Question, what: str, end: float) -> None:
        """Ask what must be answered with success."""
        _, result = await self.ask(question, end)
        if result.code != SUCCESS:
            raise StoreError(f"{what}: {result.text}")

    def _write(self, octets: bytes) -> None:
        self.transport.write(octets)  # type: ignore[union-attr]

    def _expire(self, number: int) -> None:
        question = self._open[number]
        self._abandon(number)
        if self._heard <= question.asked:
            self._lose(SilentError(LATE), question.asked)
        question.answer.errback(SilentError(LATE))

    def _abandon(self, number: int) -> None:
        """Wait for an answer no longer."""
        question = self._open.pop(number, None)
        if question is not None:
            if question.expiry.active():
                question.expiry.cancel()
            self._write(Abandon(number).to_octets(next(self._numbers)))

    # Answers

    def dataReceived(self, data: bytes) -> None:
        """Octets came: perhaps part of a message, perhaps several."""
        if self._is_lost:
            return
        self._heard = self._clock.seconds()
        self._user.connection_heard()
        self._buffer += data
        try:
            while not self._is_lost and self._receive():
                pass
        except MalformedError as error:
            self._lose(StoreError(str(error)), None)

    def _receive(self) -> int | None:
        """Take the first message, where it is whole; give its length.

        @raise MalformedError: it is none
        """
        length = message_length(self._buffer)
        if length is None or len(self._buffer) < length:
            return None
        octets = bytes(self._buffer[:length])
        del self._buffer[:length]
        self._received(*read_message(octets))
        return length

    def _received(self, number: int, received: Entry | Result | None) -> None:
        if number == 0:
            # RFC 4511 4.4.1, the notice of disconnection: nothing else is unasked for.
            said = received.text if isinstance(received, Result) else "without a reason"
            self._lose(LostError(f"the server disconnects: {said}"), None)
            return
        question = self._open.get(number)
        if question is None:
            return  # It was abandoned.
        if isinstance(received, Entry):
            question.entries.append(received)
            if len(question.entries) > question.most:
                raise MalformedError("more entries than were asked for")
        elif received is not None:
            del self._open[number]
            question.expiry.cancel()
            question.answer.callback(Answer(question.entries, received))

    # The end

    def close(self) -> None:
        """Say that we go, and close."""
        if self._is_lost:
            return
        self._write(Unbind().to_octets(next(self._numbers)))
        self._is_lost = True
        self._fail_all(LostError("closed"))
        self._end = self._clock.callLater(GRACE, self._abort)
        self.transport.loseConnection()  # type: ignore[union-attr]

    def give_up(self, reason: StoreError) -> None:
        """Close without a word; what is open fails for a reason."""
        self._lose(reason, None)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """It is closed."""
        if self._end is not None and self._end.active():
            self._end.cancel()
        if not self._is_lost:
            self._end_with(LostError(loss_text(reason.value)), None)
        self.closed.callback(None)

    def _lose(self, reason: StoreError, silent_since: float | None) -> None:
        """Give it up, from our side."""
        if self._is_lost:
            return
        self._abort()
        self._end_with(reason, silent_since)

    def _end_with(self, reason: StoreError, silent_since: float | None) -> None:
        """Be of no more use."""
        self._is_lost = True
        # First, so that who asks again because of the failure does not come here.
        self._user.connection_lost(self, silent_since)
        self._fail_all(reason)

    def _abort(self) -> None:
        self.transport.abortConnection()  # type: ignore[union-attr]

    def _fail_all(self, reason: StoreError) -> None:
        """Let all that wait fail."""
        waiting = list(self._open.values())
        self._open.clear()
        for question in waiting:
            question.expiry.cancel()
        for question in waiting:
            if not question.answer.called:  # Who hears of one may have cancelled the others.
                question.answer.errback(reason)


def loss_text(error: BaseException | None) -> str:
    """Say in a line why a connection was lost."""
    if isinstance(error, VerificationError):
        return "the certificate is for another host"
    if isinstance(error, TlsError):
        # Its argument is OpenSSL's queue of errors: library, function, reason.
        queue = error.args[0] if error.args else ()
        return f"TLS: {', '.join(str(each[-1]) for each in queue) or 'broken off'}"
    if isinstance(error, ConnectionDone):
        return "the server has closed the connection"
    if isinstance(error, ConnectionAborted):
        return _ABORTED
    return str(error)
