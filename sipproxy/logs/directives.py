"""The directives of the logs: ErrorLog, LogLevel, ErrorLogFormat, LogFormat, CustomLog, AccessLogFormat, LogRotate."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from sipproxy.config import Directive, Module, Problem, Settings, WrongValueError, one_of, path, repeated, words
from sipproxy.config.kinds import absolute
from sipproxy.config.problems import quotation
from sipproxy.logs.format import PREDEFINED, LineFormat, parse_format
from sipproxy.logs.levels import LEVEL_NAMES, Severity, module_name, parse_level
from sipproxy.logs.rotation import EXPECTED as ROTATION_EXPECTED
from sipproxy.logs.rotation import parse_rotation

SYSLOG = "syslog"
STDERR = "stderr"
TEXT = "Text"
JSON = "JSON"

_DEFAULT_FORMAT = "combined-sip"
_LEVELS_EXPECTED = f"a level ({', '.join(LEVEL_NAMES)}), module:level, or both"
_FORMAT_EXPECTED = 'a format in quotes ("%h %r"), and a name for it'
_CUSTOM_LOG_EXPECTED = 'a path, and a format in quotes ("%h %r") or the name of one'


@dataclass(frozen=True, slots=True)
class LevelWords:
    """The value of C{LogLevel}.

    @ivar default: the level of all modules but those named
    @ivar by_module: the levels of the modules named
    """

    default: Severity = Severity.INFO
    by_module: Mapping[str, Severity] = field(default_factory=lambda: MappingProxyType({}))

    def __str__(self) -> str:
        own = (f"{module}:{level.label}" for module, level in self.by_module.items())
        return " ".join((self.default.label, *own))


class NamedFormat(NamedTuple):
    """The value of one C{LogFormat}; the name is empty where none was given."""

    name: str
    line_format: LineFormat


class CustomLog(NamedTuple):
    """The value of one C{CustomLog}.

    @ivar path: where the file is
    @ivar chosen: a format's name, or a format; an empty name is the nameless C{LogFormat}
    """

    path: Path
    chosen: str | LineFormat

    def __str__(self) -> str:
        return f"{self.path} {self.chosen}"


def parse_levels(given: Sequence[str]) -> LevelWords:
    """Read the words of C{LogLevel}: C{info mod_sip_ras:debug}.

    @raise WrongValueError: one is wrong
    """
    default: Severity | None = None
    by_module = {}
    for index, word in enumerate(given):
        module, colon, level = word.rpartition(":")
        try:
            severity = parse_level(level)
        except ValueError as error:
            raise WrongValueError(str(error), index) from None
        if module:
            by_module[module_name(module)] = severity
        elif colon or default is not None:
            raise WrongValueError("module:level", index)
        else:
            default = severity
    return LevelWords(Severity.INFO if default is None else default, MappingProxyType(by_module))


def parse_named_format(given: Sequence[str]) -> NamedFormat:
    """Read the words of C{LogFormat}: a format, and a name for it.

    @raise WrongValueError: one is wrong
    """
    line_format = _format_at(given, 0)
    name = given[1] if len(given) > 1 else ""
    if "%" in name or (len(given) > 1 and not name):
        raise WrongValueError("a name without %", 1)
    _see_end(given, 2)
    return NamedFormat(name, line_format)


def parse_custom_log(given: Sequence[str]) -> CustomLog:
    """Read the words of C{CustomLog}: a path, and a format or the name of one.

    @raise WrongValueError: one is wrong
    """
    if not given[0]:
        raise WrongValueError(_CUSTOM_LOG_EXPECTED, 0)
    _see_end(given, 2)
    if len(given) == 1:
        return CustomLog(Path(given[0]), "")
    chosen = _format_at(given, 1) if "%" in given[1] else given[1]
    return CustomLog(Path(given[0]), chosen)


def _format_at(given: Sequence[str], index: int) -> LineFormat:
    try:
        return parse_format(given[index])
    except ValueError as error:
        raise WrongValueError(str(error), index) from None


def _see_end(given: Sequence[str], count: int) -> None:
    if len(given) > count:
        raise WrongValueError("end of line", count)


def _resolve(log: CustomLog, root: Path) -> CustomLog:
    return log._replace(path=absolute(log.path, root))


ERROR_LOG: Directive[Path | str] = Directive(
    "ErrorLog",
    path((SYSLOG, STDERR)),
    Path("logs/error_log"),
    "Where errors and events are logged; syslog has facility daemon and ident sipproxy.",
)
LOG_LEVEL = Directive(
    "LogLevel",
    words(parse_levels, _LEVELS_EXPECTED, "level [module:level ...]"),
    LevelWords(),
    "Which events are logged: those of this level and more severe ones, for all modules and for single ones.",
)
ERROR_LOG_FORMAT = Directive(
    "ErrorLogFormat", one_of(TEXT, JSON), TEXT, "Lines as Apache writes them, or one JSON object a line."
)
LOG_FORMAT: Directive[tuple[NamedFormat, ...]] = Directive(
    "LogFormat",
    repeated(words(parse_named_format, _FORMAT_EXPECTED, '"format" [name]')),
    (),
    "A format for CustomLog; without a name it serves those that name none. "
    f"Known from the start: {', '.join(PREDEFINED)}.",
)
CUSTOM_LOG = Directive(
    "CustomLog",
    repeated(words(parse_custom_log, _CUSTOM_LOG_EXPECTED, 'path [name | "format"]', resolve=_resolve)),
    (CustomLog(Path("logs/access_log"), _DEFAULT_FORMAT),),
    "An access log: one line for each finished server transaction, or for each request forwarded statelessly.",
)
ACCESS_LOG_FORMAT = Directive(
    "AccessLogFormat",
    one_of(TEXT, JSON),
    TEXT,
    "Lines as the format says, or one JSON object a line with the same fields.",
)
LOG_ROTATE = Directive(
    "LogRotate",
    words(parse_rotation, ROTATION_EXPECTED, "off | size | interval [keep]"),
    None,
    "When log files are put aside: at a size (10M), or when an interval ends (1d); "
    "the newest old file is .1, and as many as the second word says (7) are kept. Without it, or with off, files grow.",
)


def named_formats(settings: Settings) -> dict[str, LineFormat]:
    """Give the formats that a C{CustomLog} may name; the last one of a name holds, as in Apache."""
    formats = {name: parse_format(text) for name, text in PREDEFINED.items()}
    formats[""] = formats[_DEFAULT_FORMAT]
    return formats | dict(settings[LOG_FORMAT])


def check_formats(settings: Settings) -> Iterator[Problem]:
    """Find the C{CustomLog}s that name a format which there is not."""
    known = named_formats(settings)
    for log, position in zip(settings[CUSTOM_LOG], settings.positions(CUSTOM_LOG), strict=False):
        if isinstance(log.chosen, str) and log.chosen not in known:
            names = ", ".join(name for name in known if name)
            yield Problem(position, f"a format with %, or the name of one ({names})", quotation(log.chosen))


MODULE = Module(
    "mod_log_config.c",
    directives=(ERROR_LOG, LOG_LEVEL, ERROR_LOG_FORMAT, LOG_FORMAT, CUSTOM_LOG, ACCESS_LOG_FORMAT, LOG_ROTATE),
    check=check_formats,
)
