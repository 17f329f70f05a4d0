"""RADIUS servers in memory, and a client that asks them."""

from collections.abc import Callable
from random import Random
from typing import Any

from pyrad.packet import AcctPacket, AuthPacket  # type: ignore[import-untyped]
from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from sipproxy.interfaces import Address
from sipproxy.net.radius import MOST_PORTS, RadiusClient, RadiusServer, ServerState
from sipproxy.net.radius_server import Kind
from sipproxy.simulation.clock import VirtualClock
from sipproxy.simulation.names import Names
from sipproxy.simulation.network import Host, MemoryNetwork, MemoryPort
from sipproxy.wire.radius import ACCESS_REQUEST, Reply, load_dictionary
from test.net.fixtures import Recorder

DICT = load_dictionary()
SECRET = b"secret"


class Server(Recorder):
    """A RADIUS server.

    @ivar react: what it does with each datagram, by default L{accept}
    @ivar words: its Reply-Message
    """

    port: MemoryPort

    def __init__(self, host: Host, kind: Kind = "auth", priority: int = 1, secret: bytes = SECRET) -> None:
        super().__init__()
        self.host = host
        self.kind: Kind = kind
        self.priority = priority
        self.secret = secret
        self.words = ""
        self.address: Address = (host.addresses[0], 1812 if kind == "auth" else 1813)
        self.react = self.accept
        self.open()

    def open(self) -> None:
        """Listen."""
        self.host.listen(*self.address, self)

    def ignore(self, datagram: bytes) -> None:
        """Say nothing."""

    def accept(self, datagram: bytes) -> None:
        """Accept whatever is asked."""
        self.reply(self.packet(datagram), self.words)

    def packet(self, datagram: bytes) -> Any:
        """Read a request."""
        make: Callable[..., Any] = AuthPacket if self.kind == "auth" else AcctPacket
        return make(id=0, secret=self.secret, dict=DICT, packet=datagram)

    def reply(self, packet: Any, words: str = "", to: Address | None = None) -> bytes:
        """Answer a request, and give the answer's octets.

        @param to: where to, by default the source of the last request
        """
        answer = packet.CreateReply(**({"Reply_Message": words} if words else {}))
        data: bytes = answer.ReplyPacket()
        self.port.write(data, to or self.received[-1][1])
        return data

    @property
    def packets(self) -> list[bytes]:
        """What it was sent."""
        return [datagram for datagram, _ in self.received]

    def configured(self, host: str = "") -> RadiusServer:
        """Give it as the client's configuration does."""
        return RadiusServer(self.kind, host or self.address[0], self.address[1], SECRET, self.priority)


class RadiusTestCase(SynchronousTestCase):
    """Tests with a client at 192.0.2.100."""

    def setUp(self) -> None:
        """Make a network."""
        self.clock = VirtualClock()
        self.clock.run(1000.0)
        self.chance = Random(1)
        self.network = MemoryNetwork(self.clock, self.chance)
        self.names = Names(self.clock)
        self.own = self.network.host("192.0.2.100", "2001:db8::100")
        self.results: list[Any] = []

    def server(self, address: str, kind: Kind = "auth", priority: int = 1, secret: bytes = SECRET) -> Server:
        """Add a server on a machine of its own."""
        return Server(self.network.host(address), kind, priority, secret)

    def client(self, *servers: RadiusServer, most_ports: int = MOST_PORTS, retries: int = 2) -> RadiusClient:
        """Make a client that waits a second at first."""
        client = RadiusClient(
            self.clock, self.own, self.names, servers, DICT, Random(2), 1.0, retries, 30.0, most_ports
        )
        client.start()
        self.radius = client
        return client

    def ask(self, code: int = ACCESS_REQUEST, **attributes: object) -> "Deferred[Reply]":
        """Ask a question; its result is added to C{results}."""
        values = [(name.replace("_", "-"), value) for name, value in attributes.items()] or [("User-Name", "bob")]
        asked = self.radius.send(code, values)
        asked.addBoth(self.results.append)
        return asked

    def account(self, **attributes: Callable[[], object]) -> "Deferred[Reply]":
        """Send a record; its result is added to C{results}.

        @param attributes: give the values, at each sending
        """
        values = [(name.replace("_", "-"), value) for name, value in attributes.items()]
        asked = self.radius.account(lambda: self.radius.packer.pack([(name, value()) for name, value in values]))
        asked.addBoth(self.results.append)
        return asked

    def state(self, index: int = 0) -> ServerState:
        """Give the state of a server."""
        return self.radius.servers[index]

    def see_nothing_left(self) -> None:
        """See that neither questions nor timers are left."""
        self.assertEqual(self.radius.pending, 0)
        self.assertEqual([state.pending for state in self.radius.servers], [0] * len(self.radius.servers))
        self.assertEqual(self.radius.timers, 0)
