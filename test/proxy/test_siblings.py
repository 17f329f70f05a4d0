"""What comes to one process and is another's."""

from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from sipproxy.interfaces import Address, IPort
from sipproxy.proxy.identity import Identity
from sipproxy.proxy.points import Point
from sipproxy.proxy.siblings import Siblings


@implementer(IPort)
class Port:
    """A port that sends nothing."""

    def __init__(self, address: Address) -> None:
        self.address = address

    def write(self, data: bytes, destination: Address) -> None:
        """Leave it."""

    def pause(self) -> None:
        """Do nothing."""

    def resume(self) -> None:
        """Do nothing."""

    def stop(self) -> None:
        """Do nothing."""


class SiblingTests(SynchronousTestCase):
    """Whose a message is."""

    def setUp(self) -> None:
        """Know of three."""
        self.told: list[tuple[int, bytes, str]] = []
        places = [("192.0.2.1", 5062), ("0.0.0.0", 5063), ("::", 5064)]
        self.siblings = Siblings(places, lambda *news: self.told.append(news))

    def test_homes(self) -> None:
        """One is reached at its own port, on a wildcard address over the loopback."""
        self.assertEqual(self.siblings.home("192.0.2.1", 5062), ("192.0.2.1", 5062))
        self.assertEqual(self.siblings.home("0.0.0.0", 5063), ("127.0.0.1", 5063))
        self.assertEqual(self.siblings.home("::", 5064), ("::1", 5064))
        self.assertIsNone(self.siblings.home("192.0.2.1", 5063))
        self.assertIsNone(self.siblings.home("192.0.2.1", None))

    def test_failures(self) -> None:
        """A failure is told to whom the datagram shows, though its end be missing."""
        datagram = b"INVITE sip:a@b SIP/2.0\r\nVia: SIP/2.0/UDP [2001:db8::1]:5064;branch=z9hG4"
        self.siblings.tell_failure(datagram, "refused")
        self.siblings.tell_failure(datagram.replace(b"5064", b"5060"), "refused")
        self.siblings.tell_failure(datagram[:40], "refused")
        self.assertEqual(self.told, [(5064, datagram, "refused")])


class NameTests(SynchronousTestCase):
    """What such a process writes of itself, and knows again."""

    def test_lines(self) -> None:
        """Via names its own port, Record-Route the one that all share."""

        def local_address(_: str) -> str:
            return "192.0.2.1"

        for host, advertised, name in (
            ("192.0.2.1", None, b"192.0.2.1"),
            ("0.0.0.0", None, b"192.0.2.1"),
            ("192.0.2.1", "proxy.example:5060", b"proxy.example"),
            ("2001:db8::1", None, b"[2001:db8::1]"),
        ):
            point = Point(Port((host, 5060)), advertised, local_address, 5062)
            via, record_route = point.lines("192.0.2.9")
            self.assertEqual(via, b"Via: SIP/2.0/UDP " + name + b":5062;branch=")
            self.assertEqual(record_route, b"Record-Route: <sip:" + name + b":5060;lr")

    def test_identity(self) -> None:
        """All ports of all processes are ours, under an advertised name too; others are not."""
        identity = Identity(["example.test"], ["192.0.2.1"], [5060], ("proxy.example", 5070), [5062, 5063])
        for host, port in ((b"192.0.2.1", 5062), (b"192.0.2.1", 5060), (b"proxy.example", 5063)):
            self.assertTrue(identity.is_host(host, port), (host, port))
        for host, port in ((b"192.0.2.1", 5064), (b"192.0.2.2", 5062), (b"proxy.example", 5064)):
            self.assertFalse(identity.is_host(host, port), (host, port))
