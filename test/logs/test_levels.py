"""Levels, for all and for one module."""

from twisted.logger import LogLevel
from twisted.trial.unittest import SynchronousTestCase

from sipproxy.logs.levels import LEVEL_NAMES, Levels, Severity, module_of, parse_level, severity_of


class LevelTests(SynchronousTestCase):
    """Names, events and what is in force."""

    def test_names(self) -> None:
        """All of Apache's names are known, in any case, and trace1 to trace8 are trace."""
        self.assertEqual(LEVEL_NAMES, ("emerg", "alert", "crit", "error", "warn", "notice", "info", "debug", "trace"))
        self.assertEqual([parse_level(name).value for name in LEVEL_NAMES], list(range(9)))
        self.assertEqual(parse_level("WARN"), Severity.WARN)
        self.assertEqual({parse_level(f"trace{depth}") for depth in range(1, 9)}, {Severity.TRACE})

    def test_unknown_name(self) -> None:
        """The error lists what there is."""
        for name in ("", "trace9", "warning"):
            error = self.assertRaises(ValueError, parse_level, name)
            self.assertIn("emerg, alert, crit", str(error))

    def test_severity_of_events(self) -> None:
        """An event's own severity counts, then its level, then whether it is an error of the old kind."""
        for event, expected in (
            ({"log_level": LogLevel.critical}, Severity.CRIT),
            ({"log_level": LogLevel.error}, Severity.ERROR),
            ({"log_level": LogLevel.warn}, Severity.WARN),
            ({"log_level": LogLevel.info}, Severity.INFO),
            ({"log_level": LogLevel.debug}, Severity.DEBUG),
            ({"log_level": LogLevel.info, "severity": "notice"}, Severity.NOTICE),
            ({"log_level": LogLevel.debug, "severity": "trace3"}, Severity.TRACE),
            ({"log_level": LogLevel.warn, "severity": "loud"}, Severity.WARN),
            ({"isError": 1}, Severity.CRIT),
            ({}, Severity.INFO),
        ):
            self.assertEqual(severity_of(event), expected)

    def test_module_of_events(self) -> None:
        """Namespaces of modules are modules, all others are core."""
        for namespace, expected in (
            ("mod_sip_ras", "mod_sip_ras"),
            ("mod_sip_ras.client", "mod_sip_ras"),
            ("sipproxy.net.udp", "core"),
            ("twisted.internet", "core"),
            (None, "core"),
        ):
            self.assertEqual(module_of({"log_namespace": namespace}), expected)

    def test_enabled(self) -> None:
        """A module has its own level, the others the default."""
        levels = Levels(Severity.WARN, {"mod_sip_ras": Severity.DEBUG})
        self.assertTrue(levels.enabled("mod_sip_ras", Severity.DEBUG))
        self.assertFalse(levels.enabled("mod_sip_ras", Severity.TRACE))
        self.assertTrue(levels.enabled("core", Severity.WARN))
        self.assertFalse(levels.enabled("core", Severity.NOTICE))

    def test_changed_at_run_time(self) -> None:
        """Levels are set and taken away while the server runs, and can be listed."""
        levels = Levels()
        levels.set("mod_sip_enum.c", Severity.TRACE)
        levels.set_default(Severity.ERROR)
        self.assertEqual(levels.by_name(), {"": "error", "mod_sip_enum": "trace"})
        self.assertTrue(levels.enabled("mod_sip_enum", Severity.TRACE))
        levels.unset("mod_sip_enum")
        levels.unset("mod_sip_enum")
        self.assertEqual(levels.level("mod_sip_enum"), Severity.ERROR)
