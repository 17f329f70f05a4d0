"""Gatekeepers on a network in memory, each with a script, and a client that asks them in virtual time."""

from collections.abc import Mapping, Sequence
from random import Random
from typing import Any

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from sipproxy.interfaces import Address, IDatagramUser, IPort
from sipproxy.net.ras import Answer, Manner, RasClient
from sipproxy.simulation.clock import VirtualClock
from sipproxy.simulation.names import Names
from sipproxy.simulation.network import Faults, Host, MemoryNetwork
from sipproxy.wire.h225.messages import (
    LocationConfirm,
    LocationReject,
    LocationRequest,
    Message,
    RequestInProgress,
    decode,
    encode,
)

OURS = "10.0.0.1"
STRANGER = "10.9.9.9"
REQUEST = LocationRequest(1, "14085551234", ("0.0.0.0", 0), hop_count=6, ttl=6)
SEQUENTIAL = Manner()
#: Seconds after the LRQ, and what is sent then: LCF, LRJ, RIP and its milliseconds, or octets as they are.
Script = Sequence[tuple[float, str | bytes]]


class Unshuffled(Random):
    """Draws the first gatekeeper of each cluster first."""

    def randrange(self, start: int, stop: int | None = None, step: int = 1) -> int:
        """Give 0."""
        return 0

    def randint(self, a: int, b: int) -> int:
        """Give what chance gives."""
        return a + int(self.random() * (b - a + 1))


@implementer(IDatagramUser)
class Peer:
    """A gatekeeper that does what its script says; its answers name its own address.

    @ivar asked: when and what it was asked
    """

    port: IPort

    def __init__(self, clock: VirtualClock, host: Host, script: Script, port: int = 1719) -> None:
        self.asked: list[tuple[float, LocationRequest]] = []
        self.script = script
        self._clock = clock
        self._host = host.addresses[0]
        host.listen(self._host, port, self)

    def makeConnection(self, port: IPort) -> None:
        """See IDatagramUser."""
        self.port = port

    def datagramReceived(self, datagram: bytes, addr: Address) -> None:
        """Take an LRQ."""
        request = decode(datagram)
        assert isinstance(request, LocationRequest)
        assert request.reply_address == addr
        self.asked.append((self._clock.seconds(), request))
        for delay, answer in self.script:
            self._clock.callLater(delay, self.say, request, answer)

    def datagramFailed(self, datagram: bytes, addr: Address, reason: str) -> None:
        """See IDatagramUser."""

    def say(self, request: LocationRequest, answer: str | bytes) -> None:
        """Send an answer."""
        data = answer if isinstance(answer, bytes) else encode(self.message(request.seq, answer))
        self.port.write(data, request.reply_address)

    def message(self, seq: int, answer: str) -> Message:
        """Make an answer."""
        if answer == "LCF":
            return LocationConfirm(seq, (self._host, 1720), (self._host, 1719))
        if answer == "nowhere":
            return LocationConfirm(seq, ("0.0.0.0", 1720), (self._host, 1719))
        if answer == "LRJ":
            return LocationReject(seq, "requestDenied")
        return RequestInProgress(seq, int(answer.partition(" ")[2]))


class RasTestCase(SynchronousTestCase):
    """A client, and gatekeepers 10.1.1.1, 10.1.1.2, ... of the first cluster, 10.1.2.1, ... of the second."""

    def use(
        self,
        *clusters: Sequence[Script | None],
        manner: Manner = SEQUENTIAL,
        random: Random | None = None,
        names: Mapping[str, list[str]] | None = None,
        is_started: bool = True,
        **options: Any,
    ) -> None:
        """Start a client of some gatekeepers.

        @param clusters: scripts of the gatekeepers of each; None for one that is not there
        @param names: what stands for a gatekeeper instead of its address, and its addresses
        """
        self.clock = VirtualClock()
        self.network = MemoryNetwork(self.clock, Random(1), Faults(latency=0.0))
        self.host = self.network.host(OURS)
        self.stranger = self.network.host(STRANGER)
        self.names = Names(self.clock)
        self.names.known.update(names or {})
        self.peers: dict[str, Peer] = {}
        places: list[tuple[int, list[Address]]] = []
        for number, scripts in enumerate(clusters, 1):
            places.append((number, []))
            for at, script in enumerate(scripts, 1):
                address = f"10.1.{number}.{at}"
                host = self.network.host(address)
                if script is not None:
                    self.peers[address] = Peer(self.clock, host, script)
                places[-1][1].append((self.named(address), 1719))
        self.client = RasClient(
            self.clock, self.host, self.names, reversed(places), random or Unshuffled(3), manner, **options
        )
        if is_started:
            self.client.startService()
            self.addCleanup(self.client.stopService)

    def named(self, address: str) -> str:
        """Give the name of an address, itself where it has none."""
        return next((name for name, found in self.names.known.items() if address in found), address)

    def ask(self, seconds: float = 40.0, request: LocationRequest = REQUEST) -> Answer:
        """Ask, and let time pass until the answer is there."""
        return self.finish(self.client.ask(request), seconds)

    def finish(self, asked: "Deferred[Answer]", seconds: float = 40.0) -> Answer:
        """Let time pass until an answer is there."""
        self.clock.run_until(lambda: asked.called, seconds)
        return self.successResultOf(asked)

    def asked(self) -> list[str]:
        """Give who was asked, in order."""
        times = [(time, address) for address, peer in self.peers.items() for time, _ in peer.asked]
        return [address for _, address in sorted(times)]

    def counts(self, address: str) -> dict[str, int]:
        """Give the counters of a gatekeeper that are not 0."""
        (state,) = [state for state in self.client.states if state.gatekeeper == f"{address}:1719"]
        return {name: count for name, count in state.counters.items() if count}

    def seq(self, address: str) -> int:
        """Give the number of the last LRQ that a gatekeeper has got."""
        return self.peers[address].asked[-1][1].seq

    def see_all_forgotten(self) -> None:
        """Check that no question leaves a timer or a count behind."""
        self.assertEqual((self.client.pending, sum(state.open_questions for state in self.client.states)), (0, 0))
        self.assertEqual(self.clock.getDelayedCalls(), [])
