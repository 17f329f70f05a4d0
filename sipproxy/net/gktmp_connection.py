"""One TCP connection to a GKTMP server: questions out, answers in, each matched by its Transaction-Id.

A question is open until it is answered, its deadline has passed, or the
connection is lost. What the server may make us keep is bounded: the decoder by
its limits, what it does not read by L{MOST_UNREAD}, open questions by
L{MOST_OPEN}; beyond these a question is not accepted (L{Connection.is_ready}).

A server that says nothing is found out in two ways: L{MOST_UNHEARD} questions
in a row without an octet from it, or a keep-alive (REQUEST ALV) that nothing
has followed when the next one is due. Either ends the connection. The next one
is then on probation: it begins with a keep-alive, has one question at a time,
and the first that is not answered ends it.
"""

import typing
from dataclasses import dataclass
from typing import Any, NamedTuple

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IPushProducer, ITCPTransport
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from zope.interface import implementer

from sipproxy.errors import UnavailableError
from sipproxy.wire.gktmp import VERSION, Decoder, GktmpError, Message
from sipproxy.wire.gktmp_tags import Location, Question, TagTable, read_delay, read_location, write_question

#: Questions open at one time on a connection.
MOST_OPEN = 4096
#: Octets that wait for a server to read, beyond those that its transport takes without complaint.
MOST_UNREAD = 262_144
#: Unanswered questions in a row, with nothing else heard meanwhile, after which a server is held for dead.
MOST_UNHEARD = 3
#: Seconds that a question may take, however often the server asks for patience (RIP). No caller waits longer.
LONGEST_QUESTION = 30.0
#: Transaction-Ids have eight digits.
_MODULUS = 10**8


class Timing(NamedTuple):
    """Seconds.

    @ivar timeout: that an answer may take
    @ivar retry: the longest between two attempts to connect
    @ivar keepalive: between two keep-alives, 0 for none
    """

    timeout: float = 0.5
    retry: float = 30.0
    keepalive: float = 30.0


@dataclass(slots=True)
class Counters:
    """What has happened with a server.

    @ivar found: LCF
    @ivar changed: LRQ back
    @ivar rejected: LRJ
    @ivar late: answers after their deadline
    @ivar unasked: answers to what was never asked, and requests that we do not serve
    @ivar malformed: messages that could not be read
    @ivar lost: questions that were open when a connection was lost
    """

    connections: int = 0
    asked: int = 0
    found: int = 0
    changed: int = 0
    rejected: int = 0
    timed_out: int = 0
    late: int = 0
    unasked: int = 0
    malformed: int = 0
    lost: int = 0


_COUNTER_OF = {"LCF": "found", "LRQ": "changed", "LRJ": "rejected"}


class Dialect(NamedTuple):
    """How messages to a server are written.

    @ivar gatekeeper: we, in the From of requests
    @ivar server: it, in the To
    """

    gatekeeper: str
    server: str
    table: TagTable = TagTable()

    def request(self, name: str, transaction: str, body: bytes = b"") -> Message:
        """Make a request."""
        return self._message("REQUEST", name, (("Transaction-Id", transaction),), body)

    def response(self, request: Message) -> Message:
        """Make the response to a request, without a body."""
        transaction = request.header("Transaction-Id")
        return self._message("RESPONSE", request.name, (("Transaction-Id", transaction),) if transaction else ())

    def _message(self, word: str, name: str, headers: tuple[tuple[str, str], ...], body: bytes = b"") -> Message:
        own = (("Version-Id", VERSION), ("From", self.gatekeeper), ("To", self.server))
        return Message(word, name, own + headers, body)


class TransactionIds:
    """Transaction-Ids: counted, from a start that nobody can guess."""

    def __init__(self, start: int) -> None:
        """
        @param start: any number
        """
        self._next = start % _MODULUS
        self._given = 0

    def take(self) -> str:
        """Give the next one."""
        taken = f"{self._next:08d}"
        self._next = (self._next + 1) % _MODULUS
        self._given += 1
        return taken

    def has_given(self, text: str | None) -> bool:
        """Tell whether an identifier is one of those."""
        if text is None or len(text) != 8 or not (text.isascii() and text.isdigit()):
            return False
        return 0 < (self._next - int(text)) % _MODULUS <= self._given


class ConnectionUser(typing.Protocol):
    """What a connection tells of itself to."""

    def connection_made(self, connection: "Connection") -> None:
        """It can be used."""

    def connection_heard(self) -> None:
        """A message has come."""

    def connection_blocked(self, is_blocked: bool) -> None:
        """The server has stopped to read what we write, or reads again."""

    def connection_lost(self, reason: str, is_silent: bool) -> None:
        """It can be used no more; its questions fail after this.

        @param is_silent: whether that is for having heard nothing
        """


class _Open:
    """A question that waits for its answer.

    @ivar expiry: the delayed call of its deadline
    @ivar latest: reactor time beyond which no RIP moves it
    """

    __slots__ = ("answer", "expiry", "latest")

    def __init__(self, answer: "Deferred[Location]", expiry: Any, latest: float) -> None:
        self.answer = answer
        self.expiry = expiry
        self.latest = latest


@implementer(IPushProducer)
class Connection(Protocol):
    """The connection.

    It registers itself as producer of its own transport, which so tells it when the server does not read.

    @ivar closed: fires with None when the transport is closed
    """

    def __init__(
        self,
        clock: Any,
        user: ConnectionUser,
        dialect: Dialect,
        timing: Timing,
        ids: TransactionIds,
        counters: Counters,
        on_probation: bool = False,
    ) -> None:
        """
        @param clock: provider of IReactorTime
        """
        self.closed: Deferred[None] = Deferred()
        self._clock = clock
        self._user = user
        self._dialect = dialect
        self._timing = timing
        self._ids = ids
        self._counters = counters
        self._decoder = Decoder()
        self._open: dict[str, _Open] = {}
        self._on_probation = on_probation
        self._unheard = 0
        self._unread = 0
        self._is_probed = False
        self._is_paused = False
        self._is_blocked = False
        self._is_lost = False
        self._keepalive: Any = None

    # Twisted's side

    def connectionMade(self) -> None:
        """Begin."""
        transport: Any = self.transport
        if ITCPTransport.providedBy(transport):
            transport.setTcpNoDelay(True)
        transport.registerProducer(self, True)
        self._counters.connections += 1
        self._user.connection_made(self)
        if self._on_probation and not self._is_lost:
            self._probe()
        self._await_keepalive()

    def dataReceived(self, data: bytes) -> None:
        """Take what has come apart and deal with it."""
        if self._is_lost:
            return
        self._unheard = 0
        self._is_probed = self._on_probation = False
        self._decoder.feed(data)
        while not self._is_lost:
            try:
                message = self._decoder.next_message()
            except GktmpError as error:
                self._counters.malformed += 1
                self.abort(f"what it sends is not GKTMP: {error}")
                return
            if message is None:
                return
            self._user.connection_heard()
            self._received(message)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Fail what is open."""
        self._lose(reason.getErrorMessage())
        self.closed.callback(None)

    def pauseProducing(self) -> None:
        """The transport's buffer is full."""
        self._is_paused = True

    def resumeProducing(self) -> None:
        """It is empty."""
        self._is_paused = False
        self._unread = 0
        if self._is_blocked and not self._is_lost:
            self._is_blocked = False
            self._user.connection_blocked(False)

    def stopProducing(self) -> None:
        """The transport is closing; C{connectionLost} follows."""

    # Our side

    @property
    def is_ready(self) -> bool:
        """Whether a question can be asked now."""
        most = 1 if self._on_probation else MOST_OPEN
        return not self._is_lost and not self._is_blocked and len(self._open) < most

    @property
    def open_questions(self) -> int:
        """How many questions wait for their answers."""
        return len(self._open)

    def ask(self, question: Question) -> "Deferred[Location]":
        """Ask; only while L{is_ready}.

        @return: fires with the answer
        @raise UnavailableError: in the Deferred: there was none
        """
        transaction = self._ids.take()
        answer: Deferred[Location] = Deferred(lambda _: self._forget(transaction))
        now = self._clock.seconds()
        expiry = self._clock.callLater(self._timing.timeout, self._expire, transaction)
        self._open[transaction] = _Open(answer, expiry, now + max(LONGEST_QUESTION, self._timing.timeout))
        self._counters.asked += 1
        self._send(self._dialect.request("LRQ", transaction, write_question(question, self._dialect.table)))
        return answer

    def abort(self, reason: str, is_silent: bool = False) -> None:
        """End the connection at once, whatever waits to be written."""
        if not self._is_lost:
            self._lose(reason, is_silent)
            transport: Any = self.transport
            transport.abortConnection()

    def _send(self, message: Message) -> None:
        octets = message.encode()
        transport: Any = self.transport
        transport.write(octets)
        if self._is_paused:
            self._unread += len(octets)
            if self._unread >= MOST_UNREAD and not self._is_blocked:
                self._is_blocked = True
                self._user.connection_blocked(True)

    def _lose(self, reason: str, is_silent: bool = False) -> None:
        if self._is_lost:
            return
        self._is_lost = True
        if self._keepalive is not None:
            self._keepalive.cancel()
        # First the user, so that nobody asks here again; then those who wait, who will ask elsewhere.
        self._user.connection_lost(reason, is_silent)
        for transaction in list(self._open):
            self._counters.lost += 1
            self._fail(transaction, f"connection lost: {reason}")

    def _take(self, transaction: str | None) -> "_Open | None":
        """Give a question that is open, which it is no longer."""
        found = self._open.pop(transaction, None) if transaction is not None else None
        if found is not None and found.expiry.active():
            found.expiry.cancel()
        return found

    def _forget(self, transaction: str) -> None:
        """The asker has given up."""
        self._take(transaction)

    def _fail(self, transaction: str | None, reason: str) -> None:
        found = self._take(transaction)
        if found is not None:
            found.answer.errback(UnavailableError(reason.encode()))

    def _expire(self, transaction: str) -> None:
        self._counters.timed_out += 1
        self._unheard += 1
        found = self._open.pop(transaction)
        if self._unheard >= MOST_UNHEARD or self._on_probation:
            self.abort(f"nothing heard, and questions not answered: {self._unheard}", is_silent=True)
        found.answer.errback(UnavailableError(b"no answer in time"))

    # Messages

    def _received(self, message: Message) -> None:
        if message.word == "REQUEST" and message.name == "ALV":
            if message.header("Notification-Only") is None and not self._is_blocked:
                self._send(self._dialect.response(message))
        elif message.word != "RESPONSE":
            self._counters.unasked += 1
        elif message.name != "ALV":
            self._answered(message)

    def _answered(self, message: Message) -> None:
        transaction = message.header("Transaction-Id")
        if transaction not in self._open:
            if self._ids.has_given(transaction):
                self._counters.late += 1
            else:
                self._counters.unasked += 1
            return
        try:
            if message.name == "RIP":
                self._stretch(self._open[transaction], read_delay(message, self._dialect.table))
                return
            location = read_location(message, self._dialect.table)
        except GktmpError as error:
            self._counters.malformed += 1
            self._fail(transaction, f"{message.name} cannot be read: {error}")
            return
        counter = _COUNTER_OF[location.name]
        setattr(self._counters, counter, getattr(self._counters, counter) + 1)
        found = self._take(transaction)
        assert found is not None  # it was open a few lines above
        found.answer.callback(location)

    def _stretch(self, question: _Open, delay: float | None) -> None:
        now = self._clock.seconds()
        wanted = self._timing.timeout if delay is None else delay
        question.expiry.reset(max(0.0, min(wanted, question.latest - now)))

    # Keep-alive

    def _await_keepalive(self) -> None:
        if self._timing.keepalive and not self._is_lost:
            self._keepalive = self._clock.callLater(self._timing.keepalive, self._keep_alive)

    def _keep_alive(self) -> None:
        self._keepalive = None
        if self._is_paused:
            self.abort("it does not read", is_silent=True)
        elif self._is_probed:
            self.abort("no answer to a keep-alive", is_silent=True)
        else:
            self._probe()
            self._await_keepalive()

    def _probe(self) -> None:
        self._is_probed = True
        self._send(self._dialect.request("ALV", self._ids.take()))
