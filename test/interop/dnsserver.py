"""Name servers for tests: named and knotd with zones of the test, and one that answers as the test says.

Their addresses are on the loopback, their ports chosen by chance.
"""

import socket
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from shutil import rmtree
from typing import Any, Literal

from twisted.internet.protocol import DatagramProtocol, Factory
from twisted.names import dns
from twisted.protocols.basic import Int16StringReceiver
from twisted.trial.unittest import SynchronousTestCase, TestCase

from sipproxy.interfaces import Address
from sipproxy.net.resolver import Resolver, create_resolver
from test.interop.harness import LOOPBACK, Process, free_port, program, wait_until

_ANSWER_TIME = 0.2

HEAD = """$TTL 60
@ SOA ns.example.test. host.example.test. 1 60 60 3600 {negative_ttl}
@ NS ns.example.test.
"""

NAMED = """
options {{
    directory "{folder}";
    pid-file "{folder}/named.pid";
    session-keyfile "{folder}/session.key";
    listen-on port {port} {{ 127.0.0.1; }};
    listen-on-v6 {{ none; }};
    allow-query {{ 127.0.0.0/8; }};
    recursion no;
    notify no;
    dnssec-validation no;
    empty-zones-enable no;
}};
controls {{ }};
"""
NAMED_ZONE = 'zone "{domain}" {{ type primary; file "{folder}/{file}"; }};\n'

KNOT = """
server:
    rundir: "{folder}"
    listen: 127.0.0.1@{port}
    udp-workers: 1
    tcp-workers: 1
    background-workers: 1
database:
    storage: "{folder}"
log:
  - target: stderr
    any: warning
zone:
"""
KNOT_ZONE = '  - domain: "{domain}"\n    storage: "{folder}"\n    file: "{file}"\n    semantic-checks: off\n'


def resolver_for(reactor: Any, test: SynchronousTestCase, *servers: Address, **values: Any) -> Resolver:
    """Make a resolver that asks servers.

    @param values: arguments of L{create_resolver} that differ from these
    """
    usual = {
        "timeout": 2.0,
        "cache_size": 1000,
        "negative_ttl": 30.0,
        "serve_stale": 0.0,
        "hosts_file": test.mktemp(),
        "system_resolver": False,
    }
    return create_resolver(reactor, servers=servers, **{**usual, **values})


class ZoneServer(ABC):
    """An authoritative server with zones.

    @ivar address: where it listens
    """

    def __init__(self, test: SynchronousTestCase, zones: Mapping[str, str], negative_ttl: int = 60) -> None:
        """Start it and wait until it answers.

        @param zones: records by domain, in master file format, without SOA and NS
        @raise SkipTest: it is not installed
        """
        self.address: Address = (LOOPBACK, free_port())
        # Short, as the path of knotd's control socket has a limit.
        folder = Path(tempfile.mkdtemp(prefix="dns"))
        test.addCleanup(rmtree, folder)
        files = {domain: f"{number}.zone" for number, domain in enumerate(zones)}
        for domain, file in files.items():
            (folder / file).write_text(HEAD.format(negative_ttl=negative_ttl) + zones[domain])
        command = self.command(folder, files)
        process = Process(test, command, folder)
        for domain in zones:
            wait_until(partial(self._answers, process, domain), f"{command[0]} answers for {domain}")

    @abstractmethod
    def command(self, folder: Path, files: Mapping[str, str]) -> list[str]:
        """Write the configuration and give the command line.

        @param files: names of zone files by domain
        """

    def _answers(self, process: Process, domain: str) -> bool:
        process.see_alive()
        question = dns.Message(1)
        question.addQuery(domain.encode("ascii"), dns.SOA, dns.IN)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
            asking.settimeout(_ANSWER_TIME)
            try:
                asking.connect(self.address)
                asking.send(question.toStr())
                reply = dns.Message()
                reply.fromStr(asking.recv(4096))
            except OSError:
                return False
        return bool(reply.answers)


class Named(ZoneServer):
    """BIND."""

    def command(self, folder: Path, files: Mapping[str, str]) -> list[str]:
        """See ZoneServer."""
        text = NAMED.format(folder=folder, port=self.address[1])
        text += "".join(NAMED_ZONE.format(domain=domain, folder=folder, file=file) for domain, file in files.items())
        (folder / "named.conf").write_text(text)
        return [program("named", "bind9"), "-f", "-4", "-n", "1", "-c", str(folder / "named.conf")]


class Knot(ZoneServer):
    """Knot DNS."""

    def command(self, folder: Path, files: Mapping[str, str]) -> list[str]:
        """See ZoneServer."""
        text = KNOT.format(folder=folder, port=self.address[1])
        text += "".join(KNOT_ZONE.format(domain=domain, folder=folder, file=file) for domain, file in files.items())
        (folder / "knot.conf").write_text(text)
        return [program("knotd", "knot"), "-c", str(folder / "knot.conf")]


Question = tuple[str, int]
"""Name and record type."""

Behaviour = Callable[[dns.Message, str], Sequence[bytes]]
"""Gives the replies to a question that came by C{"udp"} or C{"tcp"}, none for silence."""


def record(name: str, payload: Any, ttl: int = 60) -> dns.RRHeader:
    """Make a record of a reply."""
    return dns.RRHeader(name.encode("ascii"), payload.TYPE, dns.IN, ttl, payload)


def soa(domain: str, minimum: int) -> dns.RRHeader:
    """Make the SOA record that says how long an absence may be believed."""
    return record(domain, dns.Record_SOA(b"ns.test", b"host.test", minimum=minimum), 3600)


def reply(
    question: dns.Message,
    *answers: dns.RRHeader,
    authority: Sequence[dns.RRHeader] = (),
    code: int = dns.OK,
    truncated: Literal["truncated", "whole"] = "whole",
    asked: Sequence[dns.Query] | None = None,
    number: int | None = None,
) -> bytes:
    """Write a reply.

    @param asked: what it says was asked, by default what was
    @param number: its id, by default that of the question
    """
    message = dns.Message(
        question.id if number is None else number, answer=1, rCode=code, trunc=int(truncated == "truncated"), maxSize=0
    )
    message.queries = list(question.queries if asked is None else asked)
    message.answers = list(answers)
    message.authority = list(authority)
    return message.toStr()


class LyingServer:
    """A name server, in this process, that answers as the test says; what it does not know is NXDOMAIN.

    @ivar address: where it listens
    @ivar behaviours: what it does about a question
    @ivar asked: the questions, and how they came
    """

    def __init__(self, reactor: Any, test: TestCase, tcp: Literal["open", "refused"] = "open") -> None:
        self.address: Address = (LOOPBACK, free_port())
        self.behaviours: dict[Question, Behaviour] = {}
        self.asked: list[tuple[str, int, str]] = []
        test.addCleanup(reactor.listenUDP(self.address[1], _Datagrams(self), LOOPBACK).stopListening)
        if tcp == "open":
            self._connections: list[_Connection] = []
            test.addCleanup(self._disconnect)
            test.addCleanup(reactor.listenTCP(self.address[1], _Connections(self), interface=LOOPBACK).stopListening)

    def says(self, name: str, *payloads: Any, ttl: int = 60) -> None:
        """Let a name have records, all of one type."""
        answers = [record(name, payload, ttl) for payload in payloads]
        self.behaviours[name, payloads[0].TYPE] = lambda question, transport: [reply(question, *answers)]

    def fails(self, name: str, record_type: int, code: int) -> None:
        """Let the server answer a question with an error."""
        self.behaviours[name, record_type] = lambda question, transport: [reply(question, code=code)]

    def is_silent(self, name: str, record_type: int) -> None:
        """Let the server not answer a question."""
        self.behaviours[name, record_type] = lambda question, transport: []

    def replies(self, data: bytes, transport: str) -> Sequence[bytes]:
        """Give the replies to what came."""
        question = dns.Message()
        question.fromStr(data)
        name, record_type = question.queries[0].name.name.decode("ascii").lower(), question.queries[0].type
        self.asked.append((name, record_type, transport))
        behaviour = self.behaviours.get((name, record_type))
        return [reply(question, code=dns.ENAME)] if behaviour is None else behaviour(question, transport)

    def connected(self, connection: "_Connection") -> None:
        """Remember a connection, to be closed in the end."""
        self._connections.append(connection)

    def _disconnect(self) -> None:
        for connection in self._connections:
            connection.transport.abortConnection()


class _Datagrams(DatagramProtocol):
    noisy = False
    transport: Any

    def __init__(self, server: LyingServer) -> None:
        self._server = server

    def datagramReceived(self, datagram: bytes, addr: Address) -> None:
        for data in self._server.replies(datagram, "udp"):
            self.transport.write(data, addr)


class _Connection(Int16StringReceiver):
    transport: Any

    def __init__(self, server: LyingServer) -> None:
        self._server = server

    def connectionMade(self) -> None:
        self._server.connected(self)

    def stringReceived(self, string: bytes) -> None:
        for data in self._server.replies(string, "tcp"):
            self.sendString(data)


class _Connections(Factory):
    noisy = False

    def __init__(self, server: LyingServer) -> None:
        self._server = server

    def buildProtocol(self, addr: object) -> _Connection:
        return _Connection(self._server)
