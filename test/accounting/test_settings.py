"""The directives of accounting."""

from collections.abc import Mapping
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from sipproxy.accounting import settings as accounting
from sipproxy.config import ConfigError, Module, Settings
from sipproxy.net.radius_settings import RADIUS_SERVER
from sipproxy.proxy.settings import RECORD_ROUTE, STATEFUL

MODULE = Module(
    "mod_sip_radius.c",
    (*accounting.DIRECTIVES, RADIUS_SERVER, RECORD_ROUTE, STATEFUL),
    check=accounting.check_accounting(RADIUS_SERVER, RECORD_ROUTE, STATEFUL),
)


def read(values: Mapping[str, str]) -> Settings:
    """Read directives."""
    return Settings.of([MODULE], values, Path("/srv"))


class SettingsTests(SynchronousTestCase):
    """Values, and conditions between them."""

    def test_defaults(self) -> None:
        """Accounting is off unless it is asked for."""
        settings = read({})
        self.assertEqual(
            [settings[directive] for directive in accounting.DIRECTIVES],
            [False, Path("/srv/data/accounting.db"), 1_000_000, None, 86_400.0],
        )
        self.assertEqual(settings.warnings, ())

    def test_destinations(self) -> None:
        """Records must go somewhere."""
        error = self.assertRaises(ConfigError, read, {"Accounting": "On", "AddRecordRoute": "On"})
        self.assertIn("a RadiusServer acct or an AccountingFile", str(error))
        for name, value in (("AccountingFile", "logs/calls"), ("RadiusServer", "acct 192.0.2.9 secret")):
            self.assertEqual(read({"Accounting": "On", "AddRecordRoute": "On", name: value}).warnings, ())
        self.assertRaises(ConfigError, read, {"Accounting": "On", "RadiusServer": "auth 192.0.2.9 secret"})

    def test_record_route(self) -> None:
        """Without Record-Route no BYE is seen: a warning."""
        (warning,) = read({"Accounting": "On", "AccountingFile": "calls"}).warnings
        self.assertIn("else no BYE passes here", str(warning))

    def test_stateful(self) -> None:
        """Without state nothing is seen at all: an error."""
        values = {"Accounting": "On", "AccountingFile": "calls", "AddRecordRoute": "On", "StatefulServer": "Off"}
        error = self.assertRaises(ConfigError, read, values)
        self.assertIn("On where Accounting is On", str(error))
