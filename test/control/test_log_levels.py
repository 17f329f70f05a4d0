"""Levels of the error log over the control socket."""

from sipproxy.control import Api
from sipproxy.control.log_levels import log_levels_resource
from sipproxy.logs.levels import Levels, Severity
from test.control.fixtures import ApiTestCase

PATH = "/log-levels"


class LogLevelTests(ApiTestCase):
    """Shown and changed."""

    def setUp(self) -> None:
        self.levels = Levels(Severity.INFO, {"mod_sip": Severity.WARN})
        self.api = Api([log_levels_resource(self.levels, ("core", "mod_sip.c", "mod_sip_ras.c"))])

    def test_show(self) -> None:
        """The default and the levels of single modules are told."""
        self.assertEqual(self.ask("GET", PATH), (200, {"default": "info", "modules": {"mod_sip": "warn"}}))

    def test_change(self) -> None:
        """A module, or all others, get a level; default takes that of a module away."""
        self.ask("PUT", PATH, {"module": "mod_sip_ras.c", "level": "trace"})
        self.ask("PUT", PATH, {"level": "error"})
        _, found = self.ask("PUT", PATH, {"module": "MOD_SIP", "level": "default"})
        self.assertEqual(found, {"default": "error", "modules": {"mod_sip_ras": "trace"}})
        self.assertEqual(self.levels.level("mod_sip_ras"), Severity.TRACE)
        self.assertEqual(self.levels.level("mod_sip"), Severity.ERROR)

    def test_wrong(self) -> None:
        """Modules and levels that there are not change nothing."""
        before = self.levels.by_name()
        self.assertEqual(
            self.refused("PUT", PATH, {"module": "mod_sipp", "level": "info"}),
            (404, "there is no module 'mod_sipp'; there are core, mod_sip, mod_sip_ras"),
        )
        self.assertEqual(self.refused("PUT", PATH, {"level": "default"}), (422, "default is for a module"))
        self.assertEqual(self.refused("PUT", PATH, {"level": "loud"})[0], 400)
        self.assertEqual(self.levels.by_name(), before)
