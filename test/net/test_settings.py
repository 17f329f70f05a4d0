"""The directives about name servers."""

from twisted.trial.unittest import SynchronousTestCase

from sipproxy.config import ConfigError, Settings
from sipproxy.modules import MODULES
from sipproxy.net.settings import DNS_SERVERS


class NameServerTests(SynchronousTestCase):
    """DNSServers."""

    def test_addresses(self) -> None:
        """Several addresses, in several lines, with and without a port."""
        settings = Settings.of(MODULES, {"DNSServers": ["192.0.2.53 192.0.2.54:5353", "[2001:db8::53]:54 2001:db8::1"]})
        self.assertEqual(
            settings[DNS_SERVERS],
            (("192.0.2.53", 53), ("192.0.2.54", 5353), ("2001:db8::53", 54), ("2001:db8::1", 53)),
        )

    def test_name(self) -> None:
        """A name of a name server is refused: nobody could look it up."""
        for word in ("ns.example.com", "ns.example.com:53", "192.0.2.53:0"):
            error = self.assertRaises(ConfigError, Settings.of, MODULES, {"DNSServers": word})
            expected = "ip[:port] with a literal address and a port from 1 to 65535"
            self.assertEqual(str(error), f"<settings>:1:12: expected {expected}, got {word}")
