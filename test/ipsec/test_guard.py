"""What passes the ports, on a network in memory."""

from random import Random
from typing import Any

from twisted.internet.task import Clock
from twisted.logger import ILogObserver, globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from sipproxy.ipsec.associations import Associations
from sipproxy.ipsec.guard import REASON, PeerGuard, ProtectedNetwork
from sipproxy.simulation.network import Host, MemoryNetwork
from test.ipsec.fixtures import ike_peer
from test.net.fixtures import Recorder

US, PEER, OTHER, PEER6 = "198.51.100.1", "192.0.2.1", "192.0.2.9", "2001:db8::1"


class GuardTests(SynchronousTestCase):
    """A peer that must be protected, one that need not be, and others."""

    def setUp(self) -> None:
        """Open a port that is guarded."""
        self.clock = Clock()
        wire = MemoryNetwork(self.clock, Random(1))
        self.associations = Associations(self.clock.seconds)
        self.guard = PeerGuard(self.associations, self.clock.seconds)
        self.associations.serve([ike_peer(), ike_peer("free", "192.0.2.5", is_required=False), ike_peer("six", PEER6)])
        self.user = Recorder()
        ours = wire.host(US, "2001:db8::ff")
        self.network = ProtectedNetwork(ours, self.guard, self.clock)
        self.port = self.network.listen(US, 5060, self.user)
        self.users = {
            address: self._other(wire.host(address), address) for address in (PEER, OTHER, "192.0.2.5", PEER6)
        }

    @staticmethod
    def _other(host: Host, address: str) -> Recorder:
        user = Recorder()
        host.listen(address, 5060, user)
        return user

    def send(self, source: str) -> None:
        """Send from a host to us."""
        self.users[source].port.write(b"hello", (US, 5060))
        self.clock.advance(0.01)

    def test_shut(self) -> None:
        """Nothing passes to or from a peer without its association; what was to be sent has failed."""
        self.send(PEER)
        self.assertEqual(self.user.received, [])
        self.port.write(b"one", (PEER, 5060))
        self.port.write(b"two", (PEER, 5061))
        self.assertEqual(self.user.failed, [])
        self.clock.advance(0)
        expected = [(b"one", (PEER, 5060), REASON), (b"two", (PEER, 5061), REASON)]
        self.assertEqual(self.user.failed, expected)
        self.clock.advance(1)
        self.assertEqual(self.users[PEER].received, [])
        entry = self.associations.get("gw")
        assert entry is not None
        self.assertEqual((entry.dropped, entry.refused), (1, 2))
        self.assertEqual((self.guard.protects(PEER), self.guard.is_in_place(PEER)), (True, False))

    def test_open(self) -> None:
        """With the association both directions are open, until it is lost."""
        self.associations.up("gw", "tunnel")
        self.send(PEER)
        self.port.write(b"one", (PEER, 5060))
        self.clock.advance(0.01)
        self.assertEqual(self.user.received, [(b"hello", (PEER, 5060))])
        self.assertEqual(self.users[PEER].received, [(b"one", (US, 5060))])
        self.assertTrue(self.guard.is_in_place(PEER))
        self.associations.down("gw", "lost")
        self.send(PEER)
        self.assertEqual(len(self.user.received), 1)

    def test_others(self) -> None:
        """Others, and a peer that need not be protected, are not concerned."""
        for address in (OTHER, "192.0.2.5"):
            self.send(address)
            self.port.write(b"one", (address, 5060))
        self.clock.advance(0.01)
        self.assertEqual([source for _, source in self.user.received], [(OTHER, 5060), ("192.0.2.5", 5060)])
        self.assertEqual(len(self.users[OTHER].received), 1)
        self.assertEqual(self.user.failed, [])
        self.assertFalse(self.guard.protects(OTHER))
        self.assertFalse(self.guard.is_in_place(OTHER))

    def test_spelling(self) -> None:
        """An IPv6 address is known by any of its spellings."""
        port = self.network.listen("2001:db8::ff", 5060, Recorder())
        for spelling in (PEER6, "2001:DB8:0::1", "2001:db8:0:0:0:0:0:1"):
            self.assertTrue(self.guard.protects(spelling))
            port.write(b"one", (spelling, 5060))
        self.clock.advance(1)
        self.assertEqual(self.users[PEER6].received, [])
        entry = self.associations.get("six")
        assert entry is not None
        self.assertEqual(entry.refused, 3)

    def test_reload(self) -> None:
        """A reload takes effect on ports that are open."""
        self.associations.serve([ike_peer("late", OTHER)])
        self.send(PEER)
        self.send(OTHER)
        self.assertEqual([source for _, source in self.user.received], [(PEER, 5060)])

    def test_quiet(self) -> None:
        """Many datagrams give a line a second."""
        lines: list[Any] = []

        @implementer(ILogObserver)
        def observe(event: Any) -> None:
            lines.append(event)

        globalLogPublisher.addObserver(observe)
        self.addCleanup(globalLogPublisher.removeObserver, observe)
        for _ in range(310):
            self.send(PEER)
        mine = [event for event in lines if "dropped" in event]
        self.assertEqual(len(mine), 4)
        self.assertEqual([event["dropped"] for event in mine[:1]], [1])
        self.assertEqual({event["peer"] for event in mine}, {"gw"})

    def test_stop(self) -> None:
        """A port that was closed tells nothing any more."""
        self.port.write(b"one", (PEER, 5060))
        self.port.stop()
        self.clock.advance(1)
        self.assertEqual(self.user.failed, [])

    def test_port(self) -> None:
        """The port is the one that its user knows, and has what the one below has."""
        self.assertIs(self.user.port, self.port)
        self.assertEqual(self.port.address, (US, 5060))
        self.port.pause()
        self.send(OTHER)
        self.assertEqual(self.user.received, [])
        self.port.resume()
        self.clock.advance(0)
        self.assertEqual(len(self.user.received), 1)
        self.assertEqual(self.network.local_addresses(), [US, "2001:db8::ff"])
        self.assertEqual(self.network.local_address(PEER), US)
