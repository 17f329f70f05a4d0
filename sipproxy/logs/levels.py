"""Which events are worth a line: Apache's levels, for all and for one module.

C{twisted.logger} has five levels, Apache has nine; an event that needs another
one says so under the key C{severity} (C{"notice"}, C{"trace"}, ...). A module's
events carry its name as their namespace (C{Logger(namespace="mod_sip_ras")});
all others, Twisted's own too, belong to C{core}.
"""

from collections.abc import Mapping
from enum import IntEnum

from twisted.logger import LogEvent, LogLevel

CORE = "core"


class Severity(IntEnum):
    """Apache's levels; a lower value is more severe, as in syslog (RFC 5424 6.2.1)."""

    EMERG = 0
    ALERT = 1
    CRIT = 2
    ERROR = 3
    WARN = 4
    NOTICE = 5
    INFO = 6
    DEBUG = 7
    TRACE = 8

    @property
    def label(self) -> str:
        """The name in directives and lines."""
        return self.name.lower()


LEVEL_NAMES = tuple(severity.label for severity in Severity)

_BY_NAME = {severity.label: severity for severity in Severity} | {
    f"trace{depth}": Severity.TRACE for depth in range(1, 9)
}
_BY_TWISTED = {
    LogLevel.critical: Severity.CRIT,
    LogLevel.error: Severity.ERROR,
    LogLevel.warn: Severity.WARN,
    LogLevel.info: Severity.INFO,
    LogLevel.debug: Severity.DEBUG,
}


def parse_level(name: str) -> Severity:
    """Read the name of a level; C{trace1} to C{trace8} are C{trace}.

    @raise ValueError: there is none of that name; the text says what was expected
    """
    severity = _BY_NAME.get(name.lower())
    if severity is None:
        raise ValueError(f"a level ({', '.join(LEVEL_NAMES)})")
    return severity


def module_name(text: str) -> str:
    """Give a module's name as the lines show it: lower case, without the C{.c} of C{<IfModule>}."""
    return text.lower().removesuffix(".c")


def module_of(event: LogEvent) -> str:
    """Tell the module of an event: the first part of a namespace that is a module's, else C{core}."""
    namespace = event.get("log_namespace")
    if isinstance(namespace, str) and namespace.startswith("mod_"):
        return namespace.partition(".")[0]
    return CORE


def severity_of(event: LogEvent) -> Severity:
    """Tell how severe an event is: its C{severity}, else what its C{log_level} maps to."""
    named = event.get("severity")
    if isinstance(named, str) and named in _BY_NAME:
        return _BY_NAME[named]
    level = event.get("log_level")
    if level is None:
        # twisted.python.log's events have no level of their own.
        return Severity.CRIT if event.get("isError") else Severity.INFO
    return _BY_TWISTED.get(level, Severity.INFO)


class Levels:
    """The level in force for each module; may be changed while the server runs.

    @param default: the level of modules that have none of their own
    @param by_module: levels of single modules
    """

    def __init__(self, default: Severity = Severity.INFO, by_module: Mapping[str, Severity] | None = None) -> None:
        self._default = default
        self._by_module = dict(by_module or {})

    def enabled(self, module: str, severity: Severity) -> bool:
        """Tell whether an event of this module and severity is written."""
        return severity <= self._by_module.get(module, self._default)

    def level(self, module: str) -> Severity:
        """Give the level in force for a module."""
        return self._by_module.get(module, self._default)

    def replace(self, default: Severity, by_module: Mapping[str, Severity]) -> None:
        """Change all of them."""
        self._default = default
        self._by_module = dict(by_module)

    def set_default(self, level: Severity) -> None:
        """Change the level of all modules that have none of their own."""
        self._default = level

    def set(self, module: str, level: Severity) -> None:
        """Give a module a level of its own."""
        self._by_module[module_name(module)] = level

    def unset(self, module: str) -> None:
        """Take a module's own level away: the default holds for it again."""
        self._by_module.pop(module_name(module), None)

    def by_name(self) -> dict[str, str]:
        """Give all that is set, by module; the default stands under C{""}."""
        own = {module: level.label for module, level in sorted(self._by_module.items())}
        return {"": self._default.label} | own
