"""A simulated NAM: answers GKTMP questions about numbers from tables, late or wrongly where it is told to.

It is configured by a file of its own, in the form of C{sipd.conf}::

    Listen   127.0.0.1:1751
    Identity NAM-1
    #        service pattern      answer
    Answer   800     18005551212  LCF number=14085551234
    Answer   800     1800T        LRJ reason=unallocatedNumber
    Answer   LNP     1408555....  LCF number=1408544....
    Answer   LCR     1T           LCF host=192.0.2.1:5060,192.0.2.2 delay=20
    Answer   900     1900T        LCF number=14085550900 patience=400 delay=600
    Answer   900     19005550199  LCF fault=garbage

C{twistd sipproxy-nam -c FILE} runs it. In tests it takes any reactor, so that
its delays pass in virtual time.

It does not register triggers, and it asks nothing by itself.
"""

from collections import deque
from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.error import CannotListenError
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.logger import Logger
from twisted.python.failure import Failure

from sipproxy.config import Settings
from sipproxy.dialplan import NumberTable, parse_pattern
from sipproxy.errors import ListenError
from sipproxy.interfaces import Address
from sipproxy.net.sockets import address_text
from sipproxy.simulation.nam_settings import (
    ANSWER,
    DELAY,
    IDENTITY,
    LISTEN,
    READING,
    SERVICES,
    SPEAKING,
    TAG_TABLE,
    Row,
)
from sipproxy.translation.gktmp_settings import read_tag_table
from sipproxy.wire.gktmp import VERSION, Decoder, GktmpError, Message
from sipproxy.wire.gktmp_tags import Location, Question, read_question, write_delay, write_location

log = Logger(namespace="sipproxy_nam")

#: Answers that may wait for their delay on a connection.
MOST_WAITING = 2000
#: Questions that are remembered.
MOST_REMEMBERED = 1000
#: The answer about numbers that are in no table.
_UNKNOWN = Row("", parse_pattern(".T"), Location("LRJ", reason="unallocatedNumber"))


class NamConnection(Protocol):
    """A proxy's connection to the simulated NAM."""

    def __init__(self, nam: "SimulatedNam") -> None:
        self._nam = nam
        self._decoder = Decoder()
        self._waiting: set[Any] = set()
        self.closed: Deferred[None] = Deferred()

    def connectionMade(self) -> None:
        """Begin to read, or not."""
        transport: Any = self.transport
        self._nam.connections.add(self)
        if self._nam.is_reading:
            # Who does not read our answers is not read either.
            transport.registerProducer(transport, True)
        else:
            transport.pauseProducing()

    def dataReceived(self, data: bytes) -> None:
        """Answer what has come."""
        self._decoder.feed(data)
        try:
            while (message := self._decoder.next_message()) is not None:
                self._received(message)
        except GktmpError as error:
            log.warn("a proxy sends what is not GKTMP: {error}", error=error)
            self.abort()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Forget what waits."""
        for call in self._waiting:
            call.cancel()
        self._waiting.clear()
        self._nam.connections.discard(self)
        self.closed.callback(None)

    def abort(self) -> None:
        """Close at once."""
        transport: Any = self.transport
        transport.abortConnection()

    def _received(self, message: Message) -> None:
        if message.word != "REQUEST" or message.header("Notification-Only") is not None or not self._nam.is_speaking:
            return
        if message.name == "LRQ":
            self._answer(message)
        elif message.name == "ALV":
            self._write(self._nam.response(message, "ALV"))

    def _answer(self, message: Message) -> None:
        question, row = self._nam.look_up(message)
        if row.patience:
            self._write(self._nam.response(message, "RIP", write_delay(row.patience, self._nam.table)))
        response = self._nam.response(message, row.location.name, self._nam.body(row, question))
        delay = row.delay + self._nam.delay
        if delay:
            self._later(delay, response, row.fault)
        else:
            self._give(response, row.fault)

    def _later(self, delay: float, response: Message, fault: str) -> None:
        if len(self._waiting) >= MOST_WAITING:
            self.abort()
            return

        def give() -> None:
            self._waiting.discard(call)
            self._give(response, fault)

        call = self._nam.clock.callLater(delay, give)
        self._waiting.add(call)

    def _give(self, response: Message, fault: str) -> None:
        """Give an answer, with what is wrong with it."""
        octets = response.encode()
        broken = {
            "silent": b"",
            "close": b"",
            "half": octets[: len(octets) // 2],
            "garbage": b"\x00\xff\xfe\x80\r\n",
            "wrong-id": response._replace(headers=(("Transaction-Id", "not-yours"),)).encode(),
            "twice": octets + octets,
            "long-line": b"RESPONSE " + b"L" * 100_000,
            "wrong-length": octets.replace(b"\r\n\r\n", b"\r\nContent-Length:9999999\r\n\r\n", 1),
        }
        self._write_octets(broken[fault] if fault else octets)
        if fault in {"close", "half"}:
            transport: Any = self.transport
            transport.unregisterProducer()
            transport.loseConnection()

    def _write(self, message: Message) -> None:
        self._write_octets(message.encode())

    def _write_octets(self, octets: bytes) -> None:
        transport: Any = self.transport
        transport.write(octets)


class SimulatedNam(Factory):
    """The NAM, without its port.

    @ivar asked: the last questions, in order
    @ivar connections: those that are open
    """

    noisy = False

    def __init__(self, settings: Settings, clock: Any) -> None:
        """
        @param settings: of L{sipproxy.simulation.nam_settings.MODULE}
        @param clock: provider of IReactorTime
        @raise GktmpError: the table of tags cannot be read
        """
        self.clock = clock
        self.table = read_tag_table(settings[TAG_TABLE])
        self.delay = settings[DELAY]
        self.is_reading = settings[READING]
        self.is_speaking = settings[SPEAKING]
        self.asked: deque[Question] = deque(maxlen=MOST_REMEMBERED)
        self.connections: set[NamConnection] = set()
        self._identity = settings[IDENTITY]
        rows = settings[ANSWER]
        self._tables = {
            service: NumberTable((row.pattern, row) for row in rows if row.service == service) for service in SERVICES
        }

    def buildProtocol(self, addr: Any) -> NamConnection:
        """Take a connection."""
        return NamConnection(self)

    def look_up(self, message: Message) -> tuple[Question, Row]:
        """Give what is asked, and the row that answers it: LRJ where there is none.

        @raise GktmpError: it asks about no number
        """
        question = read_question(message, self.table)
        self.asked.append(question)
        services = (question.service,) if question.service else SERVICES
        for service in services:
            found = self._tables[service].find(question.called) if service in self._tables else []
            if found:
                return question, found[0]
        return question, _UNKNOWN

    def body(self, row: Row, question: Question) -> bytes:
        """Write the body of an answer."""
        return write_location(row.located(question.called), self.table)

    def response(self, request: Message, name: str, body: bytes = b"") -> Message:
        """Make the response to a request."""
        transaction = request.header("Transaction-Id")
        headers = [("Version-Id", VERSION), ("From", self._identity), ("To", request.header("From") or "")]
        if transaction is not None:
            headers.append(("Transaction-Id", transaction))
        return Message("RESPONSE", name, tuple(headers), body)


class NamService(Service):
    """The NAM at a TCP port.

    @ivar nam: what answers there
    """

    def __init__(self, settings: Settings, reactor: Any) -> None:
        """
        @param reactor: provider of IReactorTCP and IReactorTime
        @raise GktmpError: the table of tags cannot be read
        """
        self.nam = SimulatedNam(settings, reactor)
        self._reactor = reactor
        self._place: Address = settings[LISTEN]
        self._port: Any = None

    @property
    def address(self) -> Address:
        """Where it listens, once it does."""
        host = self._port.getHost()
        return host.host, host.port

    def open(self) -> None:
        """Listen; a second call does nothing.

        @raise ListenError: the port cannot be opened
        """
        if self._port is not None:
            return
        host, port = self._place
        try:
            self._port = self._reactor.listenTCP(port, self.nam, interface=host)
        except CannotListenError as error:
            raise ListenError(f"cannot listen on {address_text(self._place)}/tcp: {error.socketError}") from error

    def startService(self) -> None:
        """Listen."""
        super().startService()  # type: ignore[no-untyped-call]
        self.open()
        log.info("simulated NAM at {place}", place=address_text(self.address))

    async def _close(self) -> None:
        port, self._port = self._port, None
        if port is not None:
            await maybeDeferred(port.stopListening)
        for connection in list(self.nam.connections):
            connection.abort()
            await connection.closed

    def stopService(self) -> "Deferred[None]":
        """Close the port and all connections.

        @return: fires with None when they are closed
        """
        super().stopService()  # type: ignore[no-untyped-call]
        return Deferred.fromCoroutine(self._close())
