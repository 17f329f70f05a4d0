"""The directives of metrics, manhole and HEP."""

from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from twisted.conch.ssh.keys import Key
from twisted.trial.unittest import SynchronousTestCase

from sipproxy.config import ConfigError, Module, Settings
from sipproxy.control.watch_settings import (
    DIRECTIVES,
    HEP_CAPTURE_ID,
    HEP_SERVER,
    MANHOLE_KEYS,
    MANHOLE_LISTEN,
    METRICS_LISTEN,
    check,
    hep_password,
)

MODULES = (Module("mod_sip_control.c", DIRECTIVES, check=check),)


class DirectiveTests(SynchronousTestCase):
    """What is written and what is read."""

    def setUp(self) -> None:
        self.folder = Path(self.mktemp()).resolve()
        self.folder.mkdir()
        self.keys = self.folder / "keys"
        self.keys.write_bytes(Key(Ed25519PrivateKey.generate()).public().toString("openssh"))
        self.keys.chmod(0o600)

    def settings(self, **values: str) -> Settings:
        """Read directives."""
        return Settings.of(MODULES, values, self.folder)

    def wrong(self, **values: str) -> str:
        """Give what is wrong with directives."""
        with self.assertRaises(ConfigError) as caught:
            self.settings(**values)
        return str(caught.exception)

    def test_defaults(self) -> None:
        """Nothing is open, and nobody is told anything."""
        settings = self.settings()
        found = [settings[directive] for directive in DIRECTIVES]
        self.assertEqual(found, [None, None, None, None, 1, None])
        self.assertEqual((settings.warnings, hep_password(settings)), ((), b""))

    def test_places(self) -> None:
        """Addresses are literal; whatever has a slash, or no colon, is a path."""
        settings = self.settings(MetricsListen="[::1]:9100")
        self.assertEqual(settings[METRICS_LISTEN], ("::1", 9100))
        for word, place in (
            ("127.0.0.1:2222", ("127.0.0.1", 2222)),
            ("run/manhole.sock", self.folder / "run/manhole.sock"),
            ("manhole.sock", self.folder / "manhole.sock"),
            ("/run/a:1", Path("/run/a:1")),
        ):
            settings = self.settings(ManholeListen=word, ManholeAuthorizedKeys="keys")
            self.assertEqual((settings[MANHOLE_LISTEN], settings.warnings), (place, ()), word)
        self.assertEqual(settings[MANHOLE_KEYS], self.keys)

    def test_no_places(self) -> None:
        """Names, ports alone and wrong ports are none."""
        expected = "expected address:port with a literal address and a port from 1 to 65535"
        for word in ("localhost:80", "127.0.0.1", "9100", "127.0.0.1:0", "127.0.0.1:65536", "run/x", '""'):
            self.assertIn(expected, self.wrong(MetricsListen=word), word)
        for word in ("localhost:80", "2222", "127.0.0.1:0", '""'):
            self.assertIn(f"{expected}, or the path of a socket", self.wrong(ManholeListen=word), word)

    def test_manhole_keys(self) -> None:
        """A manhole has keys, in a file that can be read."""
        place = "127.0.0.1:2222"
        self.assertIn("ManholeAuthorizedKeys beside it", self.wrong(ManholeListen=place))
        text = self.wrong(ManholeListen=place, ManholeAuthorizedKeys="none")
        self.assertIn(f"a file of public keys ({self.folder / 'none'} cannot be read: No such file or directory)", text)
        self.keys.chmod(0o622)
        self.assertIn("may be written by others", self.wrong(ManholeListen=place, ManholeAuthorizedKeys="keys"))
        # Without a manhole the file does not matter.
        self.settings(ManholeAuthorizedKeys="none")

    def test_open_manhole(self) -> None:
        """A manhole for the whole network deserves a second look."""
        settings = self.settings(ManholeListen="192.0.2.1:22", ManholeAuthorizedKeys="keys")
        (warning,) = settings.warnings
        self.assertEqual(warning.expected, "a loopback address, or the path of a socket")

    def test_hep(self) -> None:
        """The receiver may have a name; the password is a file's."""
        (self.folder / "password").write_text("secret\n")
        settings = self.settings(HEPServer="homer.test:9060", HEPCaptureId="228", HEPPasswordFile="password")
        self.assertEqual((settings[HEP_SERVER], settings[HEP_CAPTURE_ID]), (("homer.test", 9060), 228))
        self.assertEqual(hep_password(settings), b"secret")
        self.assertIn("expected host:port", self.wrong(HEPServer="homer.test"))
        self.assertIn("from 0 to 4294967295", self.wrong(HEPCaptureId="4294967296"))
        self.assertIn("a secret file that can be read", self.wrong(HEPPasswordFile="none"))
