"""The GKTMP client and servers over TCP: the simulated NAM, and servers that misbehave as only real ones can."""

import socket
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.task import deferLater
from twisted.trial.unittest import SynchronousTestCase, TestCase

from sipproxy.config import Settings
from sipproxy.errors import UnavailableError
from sipproxy.net.gktmp import Answer, GktmpClient, Timing
from sipproxy.net.gktmp_connection import MOST_OPEN
from sipproxy.net.resolver import create_resolver
from sipproxy.simulation.nam import NamService
from sipproxy.simulation.nam_settings import MODULE
from sipproxy.wire.gktmp_tags import Question, TagTable
from test.interop.harness import LEEWAY, LOOPBACK, Process, free_port, make_folder, wait_until
from test.interop.proxy import environment, twistd

ANSWERS = ("800 18005551212 LCF number=14085551234", "LCR 1T LCF host=192.0.2.1:5060,192.0.2.2")
TIMING = Timing(0.3, 2.0, 0.0)
QUESTION = Question("800", "18005551212", "4085559999")


class Server(NamedTuple):
    """Where a server is."""

    host: str
    port: int
    priority: int
    identity: str


class Silence(Protocol):
    """A server that accepts, and no more."""

    def connectionMade(self) -> None:
        """Do not even read."""
        transport: Any = self.transport
        transport.pauseProducing()


class SilenceFactory(Factory):
    """Holds on to its connections: the reactor does not hold one that nobody reads from."""

    noisy = False

    def __init__(self) -> None:
        self.connections: list[Silence] = []

    def buildProtocol(self, addr: Any) -> Silence:
        """See IProtocolFactory."""
        self.connections.append(Silence())
        return self.connections[-1]


class GktmpTests(TestCase):
    """One client, several servers."""

    timeout = 20

    def nam(self, *answers: str, **directives: str) -> NamService:
        """Start a simulated NAM on a port of its own."""
        values = {"Listen": "127.0.0.1:0", "Answer": list(answers), **directives}
        service = NamService(Settings.of((MODULE,), values), reactor)
        service.startService()
        self.addCleanup(service.stopService)
        return service

    def client(self, *servers: NamService | int, timing: Timing = TIMING) -> GktmpClient:
        """Start a client of servers, the first one first, in falling order of preference."""
        ports = [server if isinstance(server, int) else server.address[1] for server in servers]
        resolver = create_resolver(
            reactor,
            servers=[("127.0.0.1", 9)],
            timeout=1.0,
            cache_size=10,
            negative_ttl=1.0,
            serve_stale=0.0,
            hosts_file="/etc/hosts",
            system_resolver=False,
        )
        client = GktmpClient(
            reactor,
            resolver,
            [Server("127.0.0.1", port, order, f"NAM-{order}") for order, port in enumerate(ports, 1)],
            gatekeeper="sps1",
            timing=timing,
            table=TagTable(),
            random=Random(1),
        )
        client.startService()
        self.addCleanup(client.stopService)
        return client

    async def until(self, condition: Any, what: str) -> None:
        """Wait until something holds."""
        for _ in range(500):
            if condition():
                return
            await deferLater(reactor, 0.01)
        self.fail(f"not within 5 s: {what}")

    async def up(self, client: GktmpClient, count: int = 1) -> None:
        """Wait until a number of servers are connected."""
        await self.until(lambda: [state.state for state in client.states].count("up") == count, f"{count} up")

    async def failure(self, client: GktmpClient, called: str) -> str:
        """Ask in vain, and give the reason."""
        with self.assertRaises(UnavailableError) as caught:
            await client.ask(Question("800", called))
        return str(caught.exception)

    async def test_many_at_once(self) -> None:
        """A thousand questions in flight on one connection have each their own answer."""
        nam = self.nam(*(f"800 1800{number:07d} LCF number=1408{number:07d}" for number in range(1000)))
        client = self.client(nam, timing=Timing(5.0, 2.0, 0.0))
        await self.up(client)
        asked = [client.ask(Question("800", f"1800{number:07d}")) for number in range(1000)]
        answers = [await one for one in asked]
        self.assertEqual(
            [answer.location.destinations[0].text for answer in answers],
            [f"1408{number:07d}" for number in range(1000)],
        )
        self.assertEqual(client.states[0].counters["connections"], 1)
        self.assertEqual(client.states[0].open_questions, 0)

    async def test_dies_in_the_middle(self) -> None:
        """A server that dies in the middle of an answer is followed by the next one at once, then connected again."""
        dying, good = self.nam("800 18005551212 LCF number=1 fault=half delay=50"), self.nam(*ANSWERS)
        client = self.client(dying, good, timing=Timing(5.0, 2.0, 0.0))
        await self.up(client, 2)
        asked = [client.ask(QUESTION) for _ in range(20)]
        answers = [await one for one in asked]
        self.assertEqual({answer.server for answer in answers}, {"NAM-2"})
        self.assertLess(max(answer.seconds for answer in answers), LEEWAY)
        self.assertEqual(client.states[0].counters["lost"], 20)
        await self.up(client, 2)
        self.assertEqual(client.states[0].counters["connections"], 2)

    async def test_never_speaks(self) -> None:
        """A server that accepts and never speaks costs each early question its deadline, and later ones nothing."""
        mute, good = self.nam(Speaking="Off"), self.nam(*ANSWERS)
        client = self.client(mute, good)
        await self.up(client, 2)
        for _ in range(3):
            answer = await client.ask(QUESTION)
            self.assertEqual(answer.server, "NAM-2")
            self.assertGreaterEqual(answer.seconds, 0.25)
        self.assertEqual(client.states[0].state, "away")
        self.assertIn("nothing heard", client.states[0].reason)
        self.assertEqual((await client.ask(QUESTION)).server, "NAM-2")
        await self.until(lambda: client.states[0].counters["connections"] == 2, "it is connected again")
        self.assertEqual(client.states[0].state, "away")

    async def test_never_reads(self) -> None:
        """A server that never reads makes questions fail fast, with little kept; at the keep-alive it is given up."""
        real: Any = reactor
        port = real.listenTCP(0, SilenceFactory(), interface="127.0.0.1")
        port.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self.addCleanup(port.stopListening)
        client = self.client(port.getHost().port, timing=Timing(30.0, 2.0, 2.0))
        await self.up(client)
        failures: list[str] = []

        def ask() -> None:
            client.ask(QUESTION).addErrback(lambda failure: failures.append(str(failure.value)))

        for _ in range(100):
            for _ in range(50):
                ask()
            await deferLater(reactor, 0)
            if failures:
                break
        # Which bound is met first depends on how much the kernel takes.
        self.assertRegex(failures[0], "NAM-1 is (blocked|busy)")
        self.assertLessEqual(client.states[0].open_questions, MOST_OPEN)
        before = len(failures)
        for _ in range(1000):
            ask()
        self.assertEqual(len(failures), before + 1000)
        await self.until(lambda: client.states[0].counters["lost"], "the connection is given up")
        self.assertEqual(client.states[0].counters["lost"], client.states[0].counters["asked"])

    async def test_nobody_there(self) -> None:
        """With no server connected a question fails at once; when one appears it is found."""
        port = free_port()
        client = self.client(port)
        failed: Deferred[Answer] = client.ask(QUESTION)
        self.failureResultOf(failed, UnavailableError)
        await self.until(lambda: client.states[0].state == "away", "the server is away")
        service = NamService(Settings.of((MODULE,), {"Listen": f"127.0.0.1:{port}", "Answer": ANSWERS}), reactor)
        service.startService()
        self.addCleanup(service.stopService)
        await self.up(client)
        self.assertEqual((await client.ask(QUESTION)).location.destinations[0].text, "14085551234")

    async def test_hostile(self) -> None:
        """Binary octets and endless lines lose the connection, a wrong Transaction-Id nothing; all is counted."""
        nam = self.nam(
            "800 1 LCF fault=garbage", "800 2 LCF fault=long-line", "800 3 LCF fault=wrong-id", "800 4 LCF number=5"
        )
        client = self.client(nam)
        for called in ("1", "2"):
            await self.up(client)
            self.assertIn("not GKTMP", await self.failure(client, called))
        await self.up(client)
        self.assertIn("no answer in time", await self.failure(client, "3"))
        self.assertEqual((await client.ask(Question("800", "4"))).location.destinations[0].text, "5")
        counters = client.states[0].counters
        self.assertEqual((counters["malformed"], counters["unasked"], counters["connections"]), (2, 1, 3))


class CommandTests(SynchronousTestCase):
    """C{twistd sipproxy-nam}."""

    def test_answers(self) -> None:
        """It reads its file, listens and answers."""
        folder, port = make_folder(self), free_port()
        (folder / "nam.conf").write_text(f"Listen {LOOPBACK}:{port}\nAnswer 800 1800T LCF number=14085551234\n")
        command: list[str | Path] = [twistd(), "--nodaemon", "--pidfile=", "sipproxy-nam", "-c", folder / "nam.conf"]
        process = Process(self, command, folder, "nam", environment())

        def ask() -> bytes | None:
            process.see_alive()
            try:
                with socket.create_connection((LOOPBACK, port), 1.0) as opened:
                    opened.sendall(b"REQUEST LRQ\r\nTransaction-ID: 7\r\nContent-length: 17\r\n\r\nd=E:18005551212\r\n")
                    return opened.recv(1000)
            except ConnectionRefusedError:
                return None

        answer = wait_until(ask, "the NAM answers")
        self.assertEqual(answer.partition(b"\r\n")[0], b"RESPONSE LCF")
        self.assertIn(b"Transaction-Id:7\r\n", answer)
        self.assertEqual(answer.rpartition(b"\r\n\r\n")[2], b"d=E:14085551234\r\n")
