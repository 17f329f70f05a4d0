"""Tests of L{sipproxy.access.nonces}."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from random import Random

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from sipproxy.access.nonces import WINDOW, Issued, Nonces, Use

from .fixtures import NOW


class NonceTests(SynchronousTestCase):
    """L{Nonces}."""

    def setUp(self) -> None:
        """Start at some time."""
        self.clock = Clock()
        self.clock.advance(NOW)
        self.nonces = Nonces(Random(1), self.clock.seconds, 300)

    def issue(self, host: str = "192.0.2.1") -> Issued:
        """Make a nonce and read it."""
        issued = self.nonces.read(self.nonces.make(host))
        assert issued is not None
        return issued

    def test_read(self) -> None:
        """A nonce tells whom it was given to, is no other's, and costs no memory."""
        for host in ("192.0.2.1", "2001:db8::1"):
            nonce = self.nonces.make(host)
            self.assertRegex(nonce, rb"^[A-Za-z0-9_-]+$")
            self.assertNotEqual(nonce, self.nonces.make(host))
            issued = self.nonces.read(nonce)
            assert issued is not None
            self.assertEqual(issued.host, host)
        self.assertEqual(self.issue("fe80::1%eth0").host, "fe80::1")
        self.assertEqual(len(self.nonces), 0)

    def test_lifetime(self) -> None:
        """A nonce lasts its time, also where the clock is set back by less."""
        nonce = self.nonces.make("192.0.2.1")
        self.clock.advance(300)
        self.assertIsNotNone(self.nonces.read(nonce))
        self.clock.advance(1)
        self.assertIsNone(self.nonces.read(nonce))
        self.clock.rightNow = NOW - 200
        self.assertIsNotNone(self.nonces.read(nonce))
        self.clock.rightNow = NOW - 3600
        self.assertIsNone(self.nonces.read(nonce))

    def test_forged(self) -> None:
        """No octet of a nonce can be changed, and another server's is none."""
        nonce = self.nonces.make("192.0.2.1")
        octets = bytearray(urlsafe_b64decode(nonce))
        for at in range(len(octets)):
            octets[at] ^= 1
            self.assertIsNone(self.nonces.read(urlsafe_b64encode(bytes(octets))))
            octets[at] ^= 1
        self.assertIsNone(Nonces(Random(2), self.clock.seconds, 300).read(nonce))

    @given(st.binary(max_size=80))
    def test_any_octets(self, octets: bytes) -> None:
        """Nothing that strangers write is a nonce of ours, or a fault."""
        self.assertIsNone(self.nonces.read(octets))
        self.assertIsNone(self.nonces.read(urlsafe_b64encode(octets)))

    def test_counts(self) -> None:
        """Each count is good for one request, in any order within the window."""
        issued = self.issue()
        for count in (1, 3, 2, WINDOW + 3):
            self.assertIs(self.nonces.spend(issued, count, b"%d" % count), Use.NEW)
        self.assertIs(self.nonces.spend(issued, 3, b"3"), Use.RETRANSMISSION)
        self.assertIs(self.nonces.spend(issued, 4, b"new"), Use.NEW)
        for count in (3, WINDOW + 3):
            self.assertIs(self.nonces.spend(issued, count, b"other"), Use.REPLAY)
        self.assertIs(self.nonces.spend(self.issue(), 3, b"other"), Use.NEW)

    def test_window(self) -> None:
        """What has left the window is a replay, whether it was used or not, and takes no memory."""
        issued = self.issue()
        for count in range(2, 1000):
            self.nonces.spend(issued, count, b"x")
        self.assertIs(self.nonces.spend(issued, 1, b"x"), Use.REPLAY)
        self.assertIs(self.nonces.spend(issued, 2, b"x"), Use.REPLAY)
        self.assertIs(self.nonces.spend(issued, 999 - WINDOW + 5, b"x"), Use.RETRANSMISSION)
        self.assertIs(self.nonces.spend(issued, 0xFFFFFFFF, b"x"), Use.NEW)
        self.assertIs(self.nonces.spend(issued, 1000, b"x"), Use.REPLAY)

    def test_bounded(self) -> None:
        """However many nonces are used, few are remembered; what is forgotten is stale, never a second time new."""
        self.nonces = Nonces(Random(1), self.clock.seconds, 300, most=100)
        made = [self.nonces.make("192.0.2.1") for _ in range(1000)]
        for nonce in made:
            issued = self.nonces.read(nonce)
            assert issued is not None
            self.assertIs(self.nonces.spend(issued, 1, b"x"), Use.NEW)
            self.assertLessEqual(len(self.nonces), 101)
        for nonce in made:
            issued = self.nonces.read(nonce)
            if issued is not None:
                self.assertIs(self.nonces.spend(issued, 1, b"y"), Use.REPLAY)
        self.assertIsNone(self.nonces.read(made[0]))
        self.assertIsNotNone(self.nonces.read(made[-1]))

    def test_forgotten_meanwhile(self) -> None:
        """A nonce that is forgotten between reading and use is not new."""
        self.nonces = Nonces(Random(1), self.clock.seconds, 300, most=10)
        early = self.issue()
        for _ in range(20):
            self.nonces.spend(self.issue(), 1, b"x")
        self.assertIs(self.nonces.spend(early, 1, b"x"), Use.REPLAY)

    def test_time_frees(self) -> None:
        """Nonces that have run out are forgotten as others are used."""
        for _ in range(50):
            self.nonces.spend(self.issue(), 1, b"x")
        for _ in range(3):
            self.clock.advance(301)
            self.nonces.spend(self.issue(), 1, b"x")
        self.assertEqual(len(self.nonces), 1)
        self.assertIs(self.nonces.spend(self.issue(), 1, b"x"), Use.NEW)
