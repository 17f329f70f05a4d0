"""Source ports of the RADIUS client: whose is what arrives."""

from twisted.trial.unittest import SynchronousTestCase

from sipproxy.interfaces import Address
from sipproxy.net.radius_ports import SourcePort

SERVER: Address = ("192.0.2.1", 1812)
REFUSED = "Connection refused"


class Waiter:
    """Somebody who waits for an answer.

    @ivar told: what it was told
    """

    def __init__(self, destination: Address, authenticator: bytes) -> None:
        self.destination = destination
        self.authenticator = authenticator
        self.told: list[bytes | str] = []

    def received(self, datagram: bytes) -> None:
        """See Waiting."""
        self.told.append(datagram)

    def refused(self, reason: str) -> None:
        """See Waiting."""
        self.told.append(reason)


class SourcePortTests(SynchronousTestCase):
    """SourcePort."""

    def setUp(self) -> None:
        """Let three wait, two of them for one server."""
        self.strays: list[Address] = []
        self.port = SourcePort(self)
        self.first, self.second = Waiter(SERVER, b"a" * 16), Waiter(SERVER, b"b" * 16)
        self.other = Waiter(("192.0.2.2", 1812), b"c" * 16)
        self.port.waiting = {1: self.first, 2: self.second, 3: self.other}

    def stray(self, source: Address) -> None:
        """See Strays."""
        self.strays.append(source)

    def told(self) -> list[list[bytes | str]]:
        """Give what each was told."""
        return [waiter.told for waiter in (self.first, self.second, self.other)]

    def test_received(self) -> None:
        """What arrives is for who waits for its identifier, from there; all else is nobody's."""
        for data, source in ((b"\x02\x01", SERVER), (b"\x02\x03", SERVER), (b"\x02\x09", SERVER), (b"\x02", SERVER)):
            self.port.datagramReceived(data, source)
        self.assertEqual(self.told(), [[b"\x02\x01"], [], []])
        self.assertEqual(self.strays, [SERVER] * 3)

    def test_refused(self) -> None:
        """A quotation tells whose request was refused, unless it is of an earlier one with the same identifier."""
        self.port.datagramFailed(b"\x01\x02\x00\x40" + b"b" * 16 + b"more", SERVER, REFUSED)
        self.port.datagramFailed(b"\x01\x01\x00\x40" + b"z" * 16, SERVER, REFUSED)
        self.port.datagramFailed(b"\x01\x03\x00\x40", SERVER, REFUSED)
        self.assertEqual(self.told(), [[], [REFUSED], []])
        self.port.datagramFailed(b"\x01\x01\x00\x40\x00", SERVER, REFUSED)
        self.assertEqual(self.told(), [[REFUSED], [REFUSED], []])

    def test_no_quotation(self) -> None:
        """Without a quotation all that went there was refused."""
        self.port.datagramFailed(b"", SERVER, REFUSED)
        self.assertEqual(self.told(), [[REFUSED], [REFUSED], []])
