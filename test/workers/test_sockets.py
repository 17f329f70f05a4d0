"""Sockets that several processes read."""

from twisted.trial.unittest import SynchronousTestCase

from sipproxy.errors import ListenError
from sipproxy.net.sockets import open_udp
from sipproxy.workers.sockets import REACH, Share, open_shares

HOST = "127.0.0.1"


class ShareTests(SynchronousTestCase):
    """What is opened for each worker."""

    def free(self) -> int:
        """Give a port that is free, with room above it."""
        while True:
            opened = open_udp((HOST, 0))
            port: int = opened.getsockname()[1]
            opened.close()
            if port < 65535 - REACH:
                return port

    def open(self, port: int, count: int) -> list[Share]:
        """Open some, until the test ends."""
        shares = open_shares(HOST, port, count, 100_000, 0)
        for share in shares:
            for held in share:
                self.addCleanup(held.close)
        return shares

    def test_ports(self) -> None:
        """All have the port that is shared, each has one of its own near above it."""
        port = self.free()
        shares = self.open(port, 3)
        self.assertEqual([share.shared.address for share in shares], [(HOST, port)] * 3)
        own = [share.own.address[1] for share in shares]
        self.assertEqual(len(set(own)), 3)
        self.assertTrue(all(port < each <= port + REACH for each in own), own)

    def test_taken(self) -> None:
        """A port that somebody has is refused, even where he shares it."""
        port = self.free()
        self.open(port, 1)
        error = self.assertRaises(ListenError, open_shares, HOST, port, 1, 100_000, 0)
        self.assertIn("in use", str(error))

    def test_no_room(self) -> None:
        """Above the last port there is none."""
        try:
            self.assertRaises(ListenError, open_shares, HOST, 65535, 1, 100_000, 0)
            self.open(65534, 1)
        except ListenError as error:
            self.assertIn("in use", str(error))
