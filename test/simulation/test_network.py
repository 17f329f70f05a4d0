"""The memory network by itself."""

from random import Random

from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer
from zope.interface.verify import verifyObject

from sipproxy.errors import ListenError
from sipproxy.interfaces import Address, IDatagramUser, INetwork, IPort
from sipproxy.simulation import Faults, MemoryNetwork, VirtualClock


@implementer(IDatagramUser)
class User:
    """Keeps what its port tells it."""

    def __init__(self, clock: VirtualClock) -> None:
        self.clock = clock
        self.received: list[tuple[float, bytes, Address]] = []
        self.failures: list[tuple[bytes, Address, str]] = []

    def makeConnection(self, port: IPort) -> None:
        """See IDatagramUser."""
        self.port = port

    def datagramReceived(self, datagram: bytes, addr: Address) -> None:
        """See IDatagramUser."""
        self.received.append((self.clock.seconds(), datagram, addr))

    def datagramFailed(self, datagram: bytes, addr: Address, reason: str) -> None:
        """See IDatagramUser."""
        self.failures.append((datagram, addr, reason))


ONE, TWO = ("10.0.0.1", 5060), ("10.0.0.2", 5060)


class NetworkTests(SynchronousTestCase):
    """Two hosts with an open port each, and what lies between them."""

    def setUp(self) -> None:
        """Open them on a network without faults."""
        self.begin(Faults())

    def begin(self, faults: Faults, seed: int = 1) -> None:
        """Open them on a network with faults."""
        self.clock = VirtualClock()
        self.network = MemoryNetwork(self.clock, Random(seed), faults)
        self.hosts = [self.network.host(address) for address, _ in (ONE, TWO)]
        self.users = [User(self.clock), User(self.clock)]
        for host, user, address in zip(self.hosts, self.users, (ONE, TWO), strict=True):
            host.listen(*address, user)

    def send(self, count: int) -> list[bytes]:
        """Send numbered datagrams from one to two, a millisecond apart; give those that arrived."""
        for number in range(count):
            self.users[0].port.write(b"%d" % number, TWO)
            self.clock.run(0.001)
        self.clock.run(10)
        return [data for _, data, _ in self.users[1].received]

    def test_interfaces(self) -> None:
        """Host and port provide what the server asks for."""
        verifyObject(INetwork, self.hosts[0])
        verifyObject(IPort, self.users[0].port)

    def test_delivery(self) -> None:
        """A datagram arrives after the latency, with its source; who sent what when is in the transcript."""
        self.users[0].port.write(b"hello", TWO)
        self.clock.run(1)
        self.assertEqual(self.users[1].received, [(0.001, b"hello", ONE)])
        self.assertEqual(self.network.transcript, [(0.0, ONE, TWO, b"hello", (0.001,))])

    def test_loss(self) -> None:
        """Some are lost, as many as were asked for."""
        self.begin(Faults(loss=0.3))
        arrived = self.send(1000)
        self.assertTrue(640 < len(arrived) < 760, len(arrived))
        self.assertEqual(len(arrived), sum(len(sent.arrivals) for sent in self.network.transcript))

    def test_duplication(self) -> None:
        """Some arrive twice."""
        self.begin(Faults(duplication=0.2))
        self.assertTrue(1150 < len(self.send(1000)) < 1250)

    def test_jitter(self) -> None:
        """With more jitter than there is between two datagrams they overtake each other; without, they do not."""
        numbers = [b"%d" % number for number in range(100)]
        self.assertEqual(self.send(100), numbers)
        self.begin(Faults(jitter=0.05))
        arrived = self.send(100)
        self.assertNotEqual(arrived, numbers)
        self.assertEqual(sorted(arrived), sorted(numbers))

    def test_determinism(self) -> None:
        """The same seed gives the same transcript, another seed another one."""
        transcripts = []
        for seed in (1, 1, 2):
            self.begin(Faults(loss=0.3, duplication=0.2, jitter=0.1), seed)
            self.send(50)
            transcripts.append(self.network.transcript)
        self.assertEqual(transcripts[0], transcripts[1])
        self.assertNotEqual(transcripts[0], transcripts[2])

    def test_one_link(self) -> None:
        """Faults of one direction of one link do not touch the other; the most particular ones count."""
        self.network.set_faults(Faults(loss=1), destination=TWO[0])
        self.assertEqual(self.send(5), [])
        self.users[1].port.write(b"back", ONE)
        self.clock.run(1)
        self.assertEqual(len(self.users[0].received), 1)
        self.network.set_faults(Faults(), ONE[0], TWO[0])
        self.assertEqual(len(self.send(5)), 5)

    def test_partition(self) -> None:
        """Nothing passes between two parts until they are joined again."""
        self.network.partition([ONE[0]], [TWO[0]])
        self.assertEqual(self.send(3), [])
        self.network.heal()
        self.assertEqual(len(self.send(3)), 3)

    def test_refusal(self) -> None:
        """A closed port is told to the sender a moment later, with the beginning of the datagram."""
        self.users[0].port.write(b"x" * 600, ("10.0.0.2", 9))
        self.assertEqual(self.users[0].failures, [])
        self.clock.run(1)
        self.assertEqual(self.users[0].failures, [(b"x" * 500, ("10.0.0.2", 9), "Connection refused")])

    def test_silence(self) -> None:
        """A silent host refuses nothing, nor does an address that nobody has."""
        self.hosts[1].silent = True
        for destination in (("10.0.0.2", 9), ("10.0.0.99", 5060)):
            self.users[0].port.write(b"x", destination)
        self.clock.run(1)
        self.assertEqual(self.users[0].failures, [])

    def test_pause(self) -> None:
        """A paused port keeps what arrives, and gives it in order when it reads again."""
        self.users[1].port.pause()
        self.assertEqual(self.send(3), [])
        self.users[1].port.resume()
        self.clock.run(0)
        self.assertEqual([data for _, data, _ in self.users[1].received], [b"0", b"1", b"2"])

    def test_stop(self) -> None:
        """A stopped port neither sends nor receives, and its number is free again."""
        self.users[1].port.stop()
        self.users[1].port.write(b"x", ONE)
        self.assertEqual(self.send(1), [])
        self.assertEqual((len(self.users[0].failures), len(self.network.transcript)), (1, 1))
        self.hosts[1].listen(*TWO, self.users[1])
        self.assertEqual(self.send(1), [b"0"])

    def test_listen_errors(self) -> None:
        """A port in use and an address of another host cannot be opened."""
        self.assertRaises(ListenError, self.hosts[0].listen, *ONE, self.users[0])
        self.assertRaises(ListenError, self.hosts[0].listen, *TWO, self.users[0])
        self.assertRaises(ListenError, self.hosts[0].listen, "::", 5060, self.users[0])

    def test_free_port(self) -> None:
        """Port 0 is a free one."""
        first, second = (self.hosts[0].listen(ONE[0], 0, User(self.clock)).address for _ in range(2))
        self.assertEqual(first[0], ONE[0])
        self.assertTrue(49152 <= first[1] < second[1])

    def test_wildcard(self) -> None:
        """A wildcard port has all addresses of its family; what leaves it bears the host's first one."""
        host, user = self.network.host("192.0.2.1", "192.0.2.2", "2001:db8::1"), User(self.clock)
        port = host.listen("0.0.0.0", 5060, user)
        self.users[0].port.write(b"x", ("192.0.2.2", 5060))
        port.write(b"y", ONE)
        self.clock.run(1)
        self.assertEqual((len(user.received), self.users[0].received[0][2]), (1, ("192.0.2.1", 5060)))
        self.assertEqual(host.local_address("2001:db8::9"), "2001:db8::1")
        self.assertEqual(host.local_addresses(), ["192.0.2.1", "192.0.2.2", "2001:db8::1"])

    def test_refuses_what_it_cannot(self) -> None:
        """Names are no addresses; the other family and too long a datagram fail as they do in a kernel."""
        port = self.users[0].port
        self.assertRaises(ValueError, port.write, b"x", ("example.com", 5060))
        self.assertRaises(ValueError, port.write, b"x", ("10.0.0.2", 0))
        self.assertRaises(ValueError, self.network.host, ONE[0])
        self.assertRaises(ValueError, self.network.host, "localhost")
        port.write(b"x", ("2001:db8::1", 5060))
        port.write(b"x" * 65_508, TWO)
        self.clock.run(0)
        reasons = [reason for _, _, reason in self.users[0].failures]
        self.assertEqual(reasons, ["Address family not supported by protocol", "Message too long"])
