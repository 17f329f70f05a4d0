"""The directives of the logs: their words, their places, their defaults."""

from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from sipproxy.config import ConfigError, Settings, WrongValueError, manual
from sipproxy.config.directives import Directive
from sipproxy.logs.directives import (
    ACCESS_LOG_FORMAT,
    CUSTOM_LOG,
    ERROR_LOG,
    ERROR_LOG_FORMAT,
    LOG_FORMAT,
    LOG_LEVEL,
    LOG_ROTATE,
    MODULE,
    CustomLog,
    NamedFormat,
    named_formats,
    parse_custom_log,
    parse_levels,
    parse_named_format,
)
from sipproxy.logs.format import parse_format
from sipproxy.logs.levels import Severity
from sipproxy.logs.rotation import Rotation

ROOT = Path("/srv/sip")


def settings(**values: str | list[str]) -> Settings:
    """Read directives."""
    return Settings.of([MODULE], values, ROOT)


class WordsTests(SynchronousTestCase):
    """What the words of a directive become."""

    def wrong(self, parser: object, words: list[str]) -> tuple[str, int]:
        """Give what was expected, and of which word."""
        error = self.assertRaises(WrongValueError, parser, words)
        return error.expected, error.index

    def test_levels(self) -> None:
        """A level for all, levels for modules, in any order; info where none is for all."""
        value = parse_levels(["warn", "mod_sip_ras:debug", "mod_sip_enum.c:trace4"])
        self.assertEqual(value.default, Severity.WARN)
        self.assertEqual(dict(value.by_module), {"mod_sip_ras": Severity.DEBUG, "mod_sip_enum": Severity.TRACE})
        self.assertEqual(parse_levels(["mod_sip_ras:debug"]).default, Severity.INFO)
        self.assertEqual(str(value), "warn mod_sip_ras:debug mod_sip_enum:trace")

    def test_wrong_levels(self) -> None:
        """The word that is wrong is named."""
        self.assertEqual(self.wrong(parse_levels, ["info", "loud"])[1], 1)
        self.assertEqual(self.wrong(parse_levels, ["info", "mod_sip_ras:loud"])[1], 1)
        self.assertEqual(self.wrong(parse_levels, ["info", "warn"]), ("module:level", 1))
        self.assertEqual(self.wrong(parse_levels, [":warn"]), ("module:level", 0))

    def test_named_format(self) -> None:
        """A format and its name, which may be left out."""
        self.assertEqual(parse_named_format(["%h", "short"]), NamedFormat("short", parse_format("%h")))
        self.assertEqual(parse_named_format(["%h"]).name, "")

    def test_wrong_named_format(self) -> None:
        """A wrong format, a name like a format, a word too many."""
        self.assertEqual(self.wrong(parse_named_format, ["%h %Z", "x"])[1], 0)
        self.assertEqual(self.wrong(parse_named_format, ["%h", "%x"]), ("a name without %", 1))
        self.assertEqual(self.wrong(parse_named_format, ["%h", ""]), ("a name without %", 1))
        self.assertEqual(self.wrong(parse_named_format, ["%h", "x", "y"]), ("end of line", 2))

    def test_custom_log(self) -> None:
        """A path, and a name or a format."""
        self.assertEqual(parse_custom_log(["a"]), CustomLog(Path("a"), ""))
        self.assertEqual(parse_custom_log(["a", "short"]), CustomLog(Path("a"), "short"))
        self.assertEqual(parse_custom_log(["a", "%h"]), CustomLog(Path("a"), parse_format("%h")))

    def test_wrong_custom_log(self) -> None:
        """A wrong format, no path, a word too many."""
        self.assertEqual(self.wrong(parse_custom_log, ["a", "%Z"])[1], 1)
        self.assertEqual(self.wrong(parse_custom_log, [""])[1], 0)
        self.assertEqual(self.wrong(parse_custom_log, ["a", "b", "c"]), ("end of line", 2))


class SettingsTests(SynchronousTestCase):
    """The directives in a configuration."""

    def test_defaults(self) -> None:
        """What holds where nothing is written."""
        found = settings()
        self.assertEqual(found[ERROR_LOG], ROOT / "logs/error_log")
        self.assertEqual(found[LOG_LEVEL].default, Severity.INFO)
        self.assertEqual(found[CUSTOM_LOG], (CustomLog(ROOT / "logs/access_log", "combined-sip"),))
        self.assertEqual(found[LOG_FORMAT], ())
        self.assertIsNone(found[LOG_ROTATE])
        self.assertEqual((found[ERROR_LOG_FORMAT], found[ACCESS_LOG_FORMAT]), ("Text", "Text"))

    def test_written(self) -> None:
        """Paths start at ServerRoot; CustomLog and LogFormat may stand several times."""
        found = settings(
            ErrorLog="Syslog",
            LogFormat=['"%h \\"%r\\"" short', "%m"],
            CustomLog=["logs/a short", "/var/log/b", "c common-sip", 'd "%h %s"'],
            LogRotate="10M 3",
            AccessLogFormat="json",
        )
        self.assertEqual(found[ERROR_LOG], "syslog")
        self.assertEqual(
            [log.path for log in found[CUSTOM_LOG]],
            [ROOT / "logs/a", Path("/var/log/b"), ROOT / "c", ROOT / "d"],
        )
        self.assertEqual(found[LOG_ROTATE], Rotation(10 * 1024**2, 0, 3))
        self.assertEqual(found[ACCESS_LOG_FORMAT], "JSON")
        formats = named_formats(found)
        self.assertEqual(formats["short"], parse_format('%h "%r"'))
        self.assertEqual(formats[""], parse_format("%m"))
        self.assertEqual(set(formats), {"", "short", "common-sip", "combined-sip"})

    def test_unknown_format_name(self) -> None:
        """A CustomLog that names no format is an error at its own line."""
        error = self.assertRaises(ConfigError, settings, CustomLog=["a combined-sip", "b shrot"])
        self.assertEqual(
            str(error),
            "<settings>:2:1: expected a format with %, or the name of one (common-sip, combined-sip), got shrot",
        )

    def test_wrong_values(self) -> None:
        """Wrong words are reported where they stand."""
        for name, value, expected in (
            ("LogLevel", "info loud", ":1:15: expected a level (emerg, alert,"),
            ("LogFormat", '"%h %Z"', ":1:11: expected one of %A %a"),
            ("LogRotate", "10m", ":1:11: expected off, or a size"),
            ("ErrorLogFormat", "XML", ":1:16: expected Text or JSON"),
        ):
            error = self.assertRaises(ConfigError, settings, **{name: value})
            self.assertIn(expected, str(error))

    def test_manual(self) -> None:
        """Every directive has its place in the manual page, its default shown as it would be written."""
        page = manual([MODULE])
        for directive in MODULE.directives:
            self.assertIsInstance(directive, Directive)
            self.assertIn(directive.name, page)
        self.assertIn("logs/access_log combined", page.replace("\\", ""))
