"""Tests of what L{sipproxy.modules} finds where modules meet."""

from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from sipproxy.config import ConfigError, Settings
from sipproxy.modules import MODULES


class AccessTests(SynchronousTestCase):
    """Authentication and the backends that it may have."""

    def setUp(self) -> None:
        """Write a secret."""
        self.root = Path(self.mktemp()).resolve()
        self.root.mkdir()
        secret = self.root / "secret"
        secret.touch(0o600)
        secret.write_bytes(b"testing123\n")

    def settings(self, **values: str) -> Settings:
        """Read directives."""
        return Settings.of(MODULES, {"Authentication": "On", **values}, root=self.root)

    def test_chap(self) -> None:
        """AuthScheme CHAP, which has telephones send their passwords, is warned of; the other schemes are not."""
        server = f"auth 127.0.0.1 {self.root}/secret"
        (warning,) = self.settings(AuthScheme="CHAP", RadiusServer=server).warnings
        self.assertIn("every telephone sends its password", str(warning))
        for scheme in ("HTTP_Digest", "RADIUS_Digest"):
            self.assertEqual(len(self.settings(AuthScheme=scheme, RadiusServer=server).warnings), 0)

    def test_nobody_to_ask(self) -> None:
        """A scheme of RADIUS needs a RadiusServer auth; while Authentication is Off it does not."""
        for scheme in ("CHAP", "RADIUS_Digest"):
            error = self.assertRaises(ConfigError, self.settings, AuthScheme=scheme)
            self.assertIn("there is no RadiusServer auth", str(error))
            self.settings(AuthScheme=scheme, Authentication="Off")
