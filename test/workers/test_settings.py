"""What several processes cannot do yet."""

from twisted.trial.unittest import SynchronousTestCase

from sipproxy.app import load_again, settings_of
from sipproxy.config import ConfigError
from sipproxy.directives import START_SERVERS
from sipproxy.server import most_transactions


class SettingsTests(SynchronousTestCase):
    """StartServers and what it cannot be together with."""

    def test_refused(self) -> None:
        """Each is told, and only with more than one process."""
        others = {"DBus": "system"}
        settings_of(others)
        error = self.assertRaises(ConfigError, settings_of, {"StartServers": "2", **others})
        self.assertEqual(
            [str(problem).partition(": ")[2] for problem in error.problems],
            ["expected none with StartServers above 1, got system"],
        )

    def test_gatekeepers(self) -> None:
        """All processes cannot have one port for gatekeepers."""
        ras = {"RASModule": "On", "RASBindAddress": "192.0.2.2:1720"}
        settings_of(ras)
        error = self.assertRaises(ConfigError, settings_of, {"StartServers": "2", **ras})
        self.assertIn("expected port 0 with StartServers above 1, got 192.0.2.2:1720", str(error))

    def test_part(self) -> None:
        """MaxTransactions is that of all processes together."""
        self.assertEqual(most_transactions(settings_of({"MaxTransactions": "9"})), 9)
        self.assertEqual(most_transactions(settings_of({"MaxTransactions": "9", "StartServers": "2"})), 5)

    def test_again(self) -> None:
        """Another process reads the same settings from their lines."""
        settings = settings_of({"StartServers": "3"})
        again = load_again([list(line) for line in settings.lines], str(settings.directory))
        self.assertEqual(again[START_SERVERS], 3)
