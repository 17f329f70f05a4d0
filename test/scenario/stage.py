"""What scenarios have in common: a simulation that is brought to its end, and the places where its people live."""

from pathlib import Path
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from sipproxy.app import Server
from sipproxy.message import Request, Response
from sipproxy.simulation import Behaviour, Endpoint, Faults, OutgoingCall, Simulation, UserAgent

PROXY = "192.0.2.1"
PROXY_ADDRESS = (PROXY, 5060)
#: Where the callee of most scenarios lives; further ones follow.
BOB = "10.0.0.2"
GOOD_NETWORK = Faults()
BAD_NETWORK = Faults(latency=0.01, jitter=0.2, loss=0.3, duplication=0.2)


class ScenarioTestCase(SynchronousTestCase):
    """A test with a simulation, whose invariants must hold to its very end."""

    def setUp(self) -> None:
        """Begin on a network without faults."""
        self.simulation = Simulation(Path(self.mktemp()))
        self.addCleanup(self.end)

    def begin(self, seed: int = 1, faults: Faults = GOOD_NETWORK) -> Simulation:
        """End what there is and begin anew, from a seed, on a network with faults."""
        self.end()
        self.simulation = Simulation(Path(self.mktemp()), seed, faults)
        return self.simulation

    def end(self) -> None:
        """Let all that happened come to its end; nothing may be left of it."""
        if self.simulation.servers:
            self.simulation.finish()
        self.simulation.stop()

    def assert_time(self, seconds: float) -> None:
        """Some moment has come, give or take a few ticks of the timers and the way of a datagram."""
        self.assertTrue(seconds <= self.simulation.clock.seconds() < seconds + 0.1, self.simulation.clock.seconds())

    def serve(self, address: str = PROXY, **directives: Any) -> Server:
        """Start a server for example.com."""
        return self.simulation.server(address, {"ProxyDomain": "example.com", **directives})

    def serve_bob(self, *contacts: str, **directives: Any) -> Server:
        """Start a server for example.com that knows contacts of bob."""
        static = [f"bob@example.com {contact}" for contact in contacts or (f"sip:bob@{BOB}",)]
        return self.serve(StaticRegistration=static, **directives)

    def alice(self, proxy: str = PROXY) -> UserAgent:
        """Switch the caller's telephone on."""
        return self.simulation.agent(b"sip:alice@example.com", "10.0.0.1", proxy)

    def callee(self, number: int, behaviour: Behaviour | None = None) -> UserAgent:
        """Switch one of the callee's telephones on: number 0 at 10.0.0.2, 1 at 10.0.0.3, ..."""
        agent = self.simulation.agent(b"sip:bob@example.com", f"10.0.0.{2 + number}", PROXY)
        if behaviour is not None:
            agent.behaviour = behaviour
        return agent

    def wire(self, *names: str) -> list[Endpoint]:
        """Open ports for messages written by hand: the first at 10.0.0.1, then 10.0.0.2, ..."""
        return [self.simulation.endpoint(name, f"10.0.0.{1 + at}") for at, name in enumerate(names)]

    def call_bob(self, caller: UserAgent, *headers: bytes) -> OutgoingCall:
        """Call bob, and wait for the end of the INVITE."""
        call = caller.invite(b"sip:bob@example.com", *headers)
        self.simulation.run_until(lambda: call.is_over)
        return call


class WireTestCase(ScenarioTestCase):
    """A server between two endpoints whose messages are written by hand.

    @ivar server: the server, at 192.0.2.1
    @ivar caller: the endpoint at 10.0.0.1
    @ivar called: the endpoint at 10.0.0.2, which is bob's contact
    """

    server: Server
    caller: Endpoint
    called: Endpoint

    def open(self, *contacts: str, **directives: Any) -> None:
        """Start all three, anew."""
        self.begin()
        self.server = self.serve_bob(*contacts, **directives)
        self.caller, self.called = self.wire("alice", "bob")

    def send(self, data: bytes) -> None:
        """Send octets from the caller to the server, and let them have their effect."""
        self.caller.send(data, PROXY_ADDRESS)
        self.simulation.run(0.1)

    def ask(self, method: bytes, *headers: bytes, uri: bytes = b"sip:bob@example.com", **parts: Any) -> None:
        """Send a request of the caller's, to bob unless it says otherwise; see L{Endpoint.make_request}."""
        self.send(self.caller.make_request(method, uri, *headers, **parts))

    def answer(self, status: int, *headers: bytes, **parts: Any) -> None:
        """Let bob answer the last request that reached him, unless it was an ACK."""
        received = [each for each in self.called.requests() if not each.data.startswith(b"ACK")][-1]
        self.called.respond(received, status, *headers, **parts)
        self.simulation.run(0.1)

    @property
    def forwarded(self) -> Request:
        """The last request that reached bob."""
        message = self.called.requests()[-1].message
        assert isinstance(message, Request)
        return message

    @property
    def response(self) -> Response:
        """The last response that reached the caller."""
        return self.caller.responses()[-1]
