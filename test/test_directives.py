"""The directives of the server itself."""

from twisted.trial.unittest import SynchronousTestCase

from sipproxy.config import ConfigError, Settings
from sipproxy.directives import ADVERTISED
from sipproxy.modules import MODULES


class AdvertisedTests(SynchronousTestCase):
    """AdvertisedAddress."""

    def test_places(self) -> None:
        """A name or an address, with a port or that of the Listen."""
        for word, place in (("nat.example.net", ("nat.example.net", 0)), ("[2001:db8::1]:5080", ("2001:db8::1", 5080))):
            self.assertEqual(Settings.of(MODULES, {"AdvertisedAddress": word})[ADVERTISED], place)

    def test_no_place(self) -> None:
        """Nobody can send to the address that stands for all, or to port 0."""
        for word, expected in (
            ("0.0.0.0", "a host that others can send to"),
            ("[::]:5060", "a host that others can send to"),
            ("nat.example.net:0", "host[:port] with a port from 1 to 65535"),
        ):
            error = self.assertRaises(ConfigError, Settings.of, MODULES, {"AdvertisedAddress": word})
            self.assertEqual(str(error), f"<settings>:1:19: expected {expected}, got {word}")
