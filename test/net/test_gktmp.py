"""Tests of the GKTMP client in virtual time."""

from collections.abc import Mapping
from random import Random
from typing import Any, NamedTuple

from twisted.internet.defer import CancelledError, Deferred, fail, succeed
from twisted.internet.error import ConnectionDone, ConnectionRefusedError
from twisted.internet.testing import MemoryReactorClock, StringTransport
from twisted.logger import LogEvent, globalLogPublisher
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from sipproxy.errors import NameNotFoundError, UnavailableError
from sipproxy.interfaces import IAnswer, IResolver
from sipproxy.net.gktmp import Answer, GktmpClient, ServerState, Timing
from sipproxy.net.gktmp_connection import MOST_OPEN, MOST_UNREAD, TransactionIds
from sipproxy.wire.gktmp import Decoder, Message
from sipproxy.wire.gktmp_tags import Question, TagTable

QUESTION = Question("800", "18005551212", "4085559999")
TIMING = Timing(0.5, 30.0, 0.0)


class Server(NamedTuple):
    """Where a server is."""

    host: str
    port: int = 1751
    priority: int = 1
    identity: str = "NAM"


@implementer(IResolver)
class Resolver:
    """Names of a table; all others are literal addresses."""

    def __init__(self, names: Mapping[str, "list[str] | Exception"]) -> None:
        self._names = names

    def addresses(self, host: str) -> "list[str] | Deferred[list[str]]":
        """See IResolver."""
        found = self._names.get(host, [host])
        return fail(found) if isinstance(found, Exception) else succeed(found) if host in self._names else found

    def query(self, name: str, record_type: int) -> "IAnswer | Deferred[IAnswer]":
        """See IResolver."""
        raise NameNotFoundError(name)


class Wire(StringTransport):
    """A connection; the server's side of it, in the test's hands."""

    def __init__(self, protocol: Any) -> None:
        super().__init__()
        self.protocol = protocol
        self.aborted = False
        self._decoder = Decoder()
        protocol.makeConnection(self)

    def abortConnection(self) -> None:
        """See ITCPTransport."""
        self.aborted = True

    def requests(self) -> list[Message]:
        """Give what was asked since the last time."""
        self._decoder.feed(self.value())
        self.clear()
        found = []
        while (message := self._decoder.next_message()) is not None:
            found.append(message)
        return found

    def answer(self, request: Message, name: str, body: bytes = b"") -> None:
        """Answer a request."""
        transaction = request.header("Transaction-Id") or ""
        self.say(Message("RESPONSE", name, (("transaction-id", transaction),), body).encode())

    def say(self, octets: bytes) -> None:
        """Send octets."""
        self.protocol.dataReceived(octets)

    def block(self, is_blocked: bool) -> None:
        """Read no more, or again; what the transport then tells who writes."""
        producer: Any = self.producer
        if is_blocked:
            producer.pauseProducing()
        else:
            producer.resumeProducing()

    def lose(self) -> None:
        """Close the connection."""
        self.protocol.connectionLost(Failure(ConnectionDone()))


class ClientTests(SynchronousTestCase):
    """L{GktmpClient}."""

    def start(
        self, *servers: Server, timing: Timing = TIMING, names: "Mapping[str, list[str] | Exception] | None" = None
    ) -> None:
        """Start a client of servers, by default of one."""
        self.reactor = MemoryReactorClock()
        self.client = GktmpClient(
            self.reactor,
            Resolver(names or {}),
            servers or (Server("10.0.0.1"),),
            gatekeeper="sps1",
            timing=timing,
            table=TagTable(),
            random=Random(5),
        )
        self.client.startService()

    def connect(self, at: int = -1) -> Wire:
        """Let an attempt to connect succeed."""
        return Wire(self.reactor.tcpClients[at][2].buildProtocol(None))

    def refuse(self, at: int = -1) -> None:
        """Let an attempt to connect fail."""
        connector: Any = self.reactor.connectors[at]
        self.reactor.tcpClients[at][2].clientConnectionFailed(connector, Failure(ConnectionRefusedError()))

    def state(self, at: int = 0) -> ServerState:
        """Give how a server is."""
        return self.client.states[at]

    def counts(self, at: int = 0) -> dict[str, int]:
        """Give the counters of a server that are not 0."""
        return {name: count for name, count in self.state(at).counters.items() if count and name != "connections"}

    def reason(self, asked: "Deferred[Answer]") -> str:
        """Give why a question has failed."""
        return str(self.failureResultOf(asked, UnavailableError).value)

    def attempts(self, seconds: float) -> int:
        """Let every attempt to connect fail for a while, and count them."""
        before, end = len(self.reactor.tcpClients), self.reactor.seconds() + seconds
        while self.reactor.seconds() < end:
            seen = len(self.reactor.tcpClients)
            self.reactor.advance(0.01)
            if len(self.reactor.tcpClients) > seen:
                self.refuse()
        return len(self.reactor.tcpClients) - before

    def test_asks(self) -> None:
        """A question is a REQUEST LRQ, and its RESPONSE LCF the answer, with where and how long."""
        self.start()
        wire = self.connect()
        asked = self.client.ask(QUESTION)
        (request,) = wire.requests()
        self.assertEqual((request.word, request.name), ("REQUEST", "LRQ"))
        self.assertEqual([request.header(name) for name in ("Version-Id", "From", "To")], ["100", "sps1", "NAM"])
        self.assertEqual(request.body, b"S=800\r\ns=E:4085559999\r\nd=E:18005551212\r\nm=T\r\n")
        self.reactor.advance(0.2)
        self.assertNoResult(asked)
        wire.answer(request, "LCF", b"d=E:14085551234\r\n")
        answer = self.successResultOf(asked)
        self.assertEqual((str(answer.location), answer.server), ("LCF E:14085551234", "NAM"))
        self.assertAlmostEqual(answer.seconds, 0.2)
        self.assertEqual(self.counts(), {"asked": 1, "found": 1})
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_in_flight(self) -> None:
        """Answers in another order find their questions; LRJ and LRQ are answers."""
        self.start()
        wire = self.connect()
        asked = [self.client.ask(QUESTION) for _ in range(3)]
        requests = wire.requests()
        self.assertEqual(self.state().open_questions, 3)
        for request, name in zip(reversed(requests), ("LRJ", "LRQ", "LCF"), strict=True):
            wire.answer(request, name)
        self.assertEqual([self.successResultOf(one).location.name for one in asked], ["LCF", "LRQ", "LRJ"])
        self.assertEqual(self.counts(), {"asked": 3, "found": 1, "changed": 1, "rejected": 1})

    def test_deadline(self) -> None:
        """Without an answer a question fails at its deadline; the answer after it is counted, one never asked too."""
        self.start()
        wire = self.connect()
        asked = self.client.ask(QUESTION)
        self.reactor.advance(0.49)
        self.assertNoResult(asked)
        self.reactor.advance(0.02)
        self.assertEqual(self.reason(asked), "503 NAM: no answer in time")
        (request,) = wire.requests()
        wire.answer(request, "LCF")
        wire.answer(request, "RIP")
        for transaction in ("99999999", "x", "", "\u0661" * 8, "123456789"):
            wire.answer(Message("REQUEST", "LRQ", (("Transaction-Id", transaction),)), "LCF")
        wire.say(b"RESPONSE LCF\r\n\r\nREGISTER LRQ\r\n\r\n")
        self.assertEqual(self.counts(), {"asked": 1, "timed_out": 1, "late": 2, "unasked": 7})
        self.assertFalse(wire.aborted)

    def test_patience(self) -> None:
        """RIP sets the deadline anew, to its delay or to the usual time, and never beyond what a caller waits."""
        self.start()
        wire = self.connect()
        asked = self.client.ask(QUESTION)
        (request,) = wire.requests()
        self.reactor.advance(0.4)
        wire.answer(request, "RIP", b"D=2000\r\n")
        self.reactor.advance(1.9)
        wire.answer(request, "RIP")
        self.reactor.advance(0.4)
        self.assertNoResult(asked)
        for _ in range(4):
            wire.answer(request, "RIP", b"D=60000\r\n")
            self.reactor.advance(6.7)
        self.assertNoResult(asked)
        self.reactor.advance(0.6)
        self.assertEqual(self.reason(asked), "503 NAM: no answer in time")

    def test_bad_answer(self) -> None:
        """An answer that cannot be read fails its question, not the connection."""
        self.start()
        wire = self.connect()
        for name, body in (("LCF", b"d=E:x"), ("ARJ", b""), ("RIP", b"D=x"), ("LCF", b"\xff")):
            asked = self.client.ask(QUESTION)
            wire.answer(wire.requests()[0], name, body)
            self.assertIn(f"503 NAM: {name} cannot be read: ", self.reason(asked))
        self.assertEqual(self.counts(), {"asked": 4, "malformed": 4})
        self.assertEqual(self.state().state, "up")

    def test_not_gktmp(self) -> None:
        """Octets that are not GKTMP end the connection and what is open; it is made again at once."""
        for octets in (
            b"\x00\xff\r\n",
            b"HTTP/1.1 200 OK\r\n",
            b"R" * 5000,
            b"RESPONSE LCF\r\nContent-Length:99999\r\n",
        ):
            self.start()
            wire = self.connect()
            asked = self.client.ask(QUESTION)
            wire.say(octets)
            self.assertIn("what it sends is not GKTMP", self.reason(asked))
            self.assertEqual((wire.aborted, self.state().state), (True, "away"))
            wire.say(b"RESPONSE ALV\r\n\r\n")
            wire.lose()
            self.reactor.advance(0)
            self.assertEqual(len(self.reactor.tcpClients), 2)

    def test_priorities(self) -> None:
        """Lower priorities are asked first; a lost connection hands its questions on at once, in order."""
        self.start(Server("10.0.0.2", priority=2, identity="second"), Server("10.0.0.1", identity="first"))
        self.assertEqual([host for host, *_ in self.reactor.tcpClients], ["10.0.0.1", "10.0.0.2"])
        first, second = self.connect(0), self.connect(1)
        asked = [self.client.ask(QUESTION), self.client.ask(QUESTION)]
        self.assertEqual((len(first.requests()), second.requests()), (2, []))
        first.lose()
        handed = second.requests()
        self.assertEqual(len(handed), 2)
        for request in handed:
            second.answer(request, "LCF")
        self.assertEqual([self.successResultOf(one).server for one in asked], ["second", "second"])
        self.assertEqual((self.counts(0), self.counts(1)), ({"asked": 2, "lost": 2}, {"asked": 2, "found": 2}))
        self.assertIn("cleanly", self.state(0).reason)

    def test_next_after_the_deadline(self) -> None:
        """The next server has its own time; where none answers the reasons are told."""
        self.start(Server("10.0.0.1", identity="first"), Server("10.0.0.2", identity="second"))
        self.connect(0), self.connect(1)
        asked = self.client.ask(QUESTION)
        self.reactor.pump([0.4] * 2)
        self.assertNoResult(asked)
        self.reactor.pump([0.4] * 2)
        self.assertEqual(self.reason(asked), "503 first: no answer in time; second: no answer in time")

    def test_nobody(self) -> None:
        """With no server connected a question fails at once."""
        self.start()
        self.assertEqual(self.reason(self.client.ask(QUESTION)), "503 NAM is connecting")
        self.refuse()
        self.assertEqual(self.reason(self.client.ask(QUESTION)), "503 NAM is away")
        self.assertIn("cannot connect: Connection was refused", self.state().reason)

    def test_back_off(self) -> None:
        """Attempts to connect are made at once, then more and more seldom, at the configured pace in the end."""
        self.start()
        self.refuse()
        self.assertEqual(self.attempts(0.05), 1)
        self.assertEqual(self.attempts(0.5), 1)
        self.assertLessEqual(self.attempts(30.0), 8)
        self.assertIn(self.attempts(3000.0), range(100, 134))

    def test_again_at_once(self) -> None:
        """After a connection that was good the next one is made at once, after one that never spoke only at first."""
        self.start()
        for _ in range(5):
            wire = self.connect()
            wire.say(b"RESPONSE ALV\r\n\r\n")
            wire.lose()
            self.reactor.advance(0)
        self.assertEqual(len(self.reactor.tcpClients), 6)
        for attempts, longest in enumerate((0.5, 1.0, 2.0, 4.0), 6):
            self.connect().lose()
            self.reactor.advance(longest * 0.74)
            self.assertEqual(len(self.reactor.tcpClients), attempts)
            self.reactor.advance(longest * 0.26)
            self.assertEqual(len(self.reactor.tcpClients), attempts + 1)

    def test_silent(self) -> None:
        """Three unanswered questions in a row end a connection; the next one is on probation until it speaks."""
        self.start()
        wire = self.connect()
        for _ in range(3):
            self.client.ask(QUESTION).addErrback(lambda _: None)
        self.reactor.advance(0.6)
        self.assertTrue(wire.aborted)
        wire.lose()
        self.assertEqual(self.state().reason, "nothing heard, and questions not answered: 3")
        self.reactor.advance(0.3)
        self.assertEqual(len(self.reactor.tcpClients), 1)
        self.reactor.advance(0.3)
        wire = self.connect()
        self.assertEqual((self.state().state, [request.name for request in wire.requests()]), ("away", ["ALV"]))
        trial = self.client.ask(QUESTION)
        self.assertEqual(self.reason(self.client.ask(QUESTION)), "503 NAM is away")
        wire.answer(wire.requests()[0], "LCF")
        self.assertEqual((self.successResultOf(trial).server, self.state().state), ("NAM", "up"))
        self.client.ask(QUESTION), self.client.ask(QUESTION)
        self.assertEqual(len(wire.requests()), 2)

    def test_silent_again(self) -> None:
        """On probation the first unanswered question ends the connection; the state does not change meanwhile."""
        self.start()
        events: list[LogEvent] = []
        observer: Any = events.append
        globalLogPublisher.addObserver(observer)
        self.addCleanup(globalLogPublisher.removeObserver, observer)
        for count in (3, 1, 1):
            wire = self.connect()
            for _ in range(count):
                self.client.ask(QUESTION).addErrback(lambda _: None)
            self.reactor.advance(0.6)
            self.assertTrue(wire.aborted)
            wire.lose()
            self.reactor.advance(2.1)
        self.assertEqual(self.counts(), {"asked": 5, "timed_out": 5})
        lines = [event["log_format"] for event in events if event.get("log_namespace") == "mod_sip_gktmp"]
        self.assertEqual(lines, ["{server} is connected", "{server} is {state}: {reason}"])

    def test_answers_between(self) -> None:
        """Any octet from the server starts the count of unanswered questions anew."""
        self.start()
        wire = self.connect()
        for _ in range(10):
            self.client.ask(QUESTION).addErrback(lambda _: None)
            self.reactor.advance(0.6)
            wire.say(b"\r\n")
        self.assertFalse(wire.aborted)

    def test_keepalive(self) -> None:
        """REQUEST ALV goes out at its time; a connection on which nothing follows until the next one is given up."""
        self.start(timing=Timing(0.5, 30.0, 10.0))
        wire = self.connect()
        self.reactor.advance(10.0)
        (request,) = wire.requests()
        self.assertEqual((request.word, request.name), ("REQUEST", "ALV"))
        wire.answer(request, "ALV")
        self.reactor.advance(10.0)
        self.assertEqual(len(wire.requests()), 1)
        self.reactor.advance(10.0)
        self.assertTrue(wire.aborted)
        self.assertEqual(self.state().reason, "no answer to a keep-alive")

    def test_asked_alive(self) -> None:
        """A server that asks whether we are alive is answered, unless it only notifies."""
        self.start()
        wire = self.connect()
        wire.say(b"REQUEST ALV\r\nTransaction-ID:77\r\n\r\nREQUEST ALV\r\nNotification-Only\r\n\r\nREQUEST ALV\r\n\r\n")
        first, second = wire.requests()
        self.assertEqual((first.word, first.name, first.header("Transaction-Id")), ("RESPONSE", "ALV", "77"))
        self.assertIsNone(second.header("Transaction-Id"))

    def test_does_not_read(self) -> None:
        """What is written to a server that does not read is bounded; then questions fail at once, until it reads."""
        self.start(timing=Timing(20.0, 30.0, 10.0))
        wire = self.connect()
        wire.block(True)
        for _ in range(MOST_OPEN):
            self.client.ask(QUESTION).addErrback(lambda _: None)
        size = len(wire.value())
        self.assertIn(size, range(MOST_UNREAD, MOST_UNREAD + 300))
        self.assertEqual((self.state().state, self.state().reason), ("blocked", "it does not read"))
        self.assertEqual(self.reason(self.client.ask(QUESTION)), "503 NAM is blocked")
        wire.say(b"REQUEST ALV\r\n\r\n")
        self.assertEqual(len(wire.value()), size)
        wire.block(False)
        self.assertEqual(self.state().state, "up")
        self.client.ask(QUESTION).addErrback(lambda _: None)
        self.assertGreater(len(wire.value()), size)
        wire.block(True)
        self.reactor.advance(10.0)
        self.assertTrue(wire.aborted)
        self.assertEqual(self.state().open_questions, 0)

    def test_most_open(self) -> None:
        """The number of open questions is bounded."""
        self.start()
        self.connect()
        asked = [self.client.ask(QUESTION) for _ in range(MOST_OPEN + 1)]
        self.assertEqual(self.reason(asked.pop()), "503 NAM is busy")
        self.reactor.advance(0.6)
        for one in asked:
            self.failureResultOf(one, UnavailableError)

    def test_given_up(self) -> None:
        """Who cancels a question leaves nothing behind; its answer is late."""
        self.start()
        wire = self.connect()
        asked = self.client.ask(QUESTION)
        asked.cancel()
        self.failureResultOf(asked, CancelledError)
        self.assertEqual((self.state().open_questions, self.reactor.getDelayedCalls()), (0, []))
        wire.answer(wire.requests()[0], "LCF")
        self.assertEqual(self.counts(), {"asked": 1, "late": 1})

    def test_stop(self) -> None:
        """Stopping closes connections, ends attempts and fails what is open; nothing is left and it starts again."""
        self.start(Server("10.0.0.1", identity="up"), Server("10.0.0.2", identity="trying"), Server("10.0.0.3"))
        wire = self.connect(0)
        self.refuse(2)
        asked = self.client.ask(QUESTION)
        stopped = self.client.stopService()
        self.assertIn("up: connection lost: we stop", self.reason(asked))
        self.assertTrue(wire.aborted)
        self.assertNoResult(stopped)
        wire.lose()
        self.successResultOf(stopped)
        self.assertEqual([state.state for state in self.client.states], ["stopped"] * 3)
        self.assertEqual(self.reactor.getDelayedCalls(), [])
        self.client.startService()
        self.connect(3)
        self.assertEqual(self.state().state, "up")

    def test_names(self) -> None:
        """Names are looked up at each attempt; all addresses are tried in turn."""
        names: dict[str, list[str] | Exception] = {"nam": NameNotFoundError("nam has no address")}
        self.start(Server("nam"), names=names)
        self.assertEqual(self.state().reason, "cannot connect: nam has no address")
        names["nam"] = ["10.0.0.1", "2001:db8::1"]
        self.reactor.advance(0)
        self.refuse()
        self.assertEqual([host for host, *_ in self.reactor.tcpClients], ["10.0.0.1", "2001:db8::1"])
        self.connect()
        self.assertEqual(self.state().state, "up")

    def test_our_fault(self) -> None:
        """What is no failure of the network is told with its traceback."""
        self.start(Server("nam"), names={"nam": ValueError("a fault")})
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 1)
        self.assertEqual(self.state().state, "away")

    def test_state(self) -> None:
        """The state tells since when."""
        self.start()
        self.reactor.advance(5.0)
        self.connect()
        self.reactor.advance(5.0)
        state = self.state()
        self.assertEqual((state.server, state.address, state.priority), ("NAM", "10.0.0.1:1751", 1))
        self.assertEqual((state.state, state.since, state.reason), ("up", 5.0, ""))


class IdTests(SynchronousTestCase):
    """L{TransactionIds}."""

    def test_count(self) -> None:
        """They count up from their start, eight digits each, over the end; those given are known."""
        ids = TransactionIds(7 * 10**8 + 99999998)
        self.assertFalse(ids.has_given("99999997"))
        self.assertEqual([ids.take() for _ in range(3)], ["99999998", "99999999", "00000000"])
        self.assertEqual(
            [ids.has_given(text) for text in ("99999997", "99999998", "00000000", "00000001", "0", None)],
            [False, True, True, False, False, False],
        )
