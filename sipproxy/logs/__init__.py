"""Error log and access logs, as Apache httpd keeps them.

Events of C{twisted.logger} become lines of the error log, outcomes of requests
lines of the access logs. L{open_logs} makes all of it from a configuration;
the names below are also usable one by one, in another application.
"""

from sipproxy.logs.access import AccessLog
from sipproxy.logs.appending import AppendFile
from sipproxy.logs.directives import MODULE
from sipproxy.logs.errorlog import ErrorLog, JsonLines, TextLines
from sipproxy.logs.fields import Surroundings
from sipproxy.logs.files import LogFile
from sipproxy.logs.format import LineFormat, json_renderer, parse_format, text_renderer
from sipproxy.logs.levels import LEVEL_NAMES, Levels, Severity, parse_level
from sipproxy.logs.opening import Logs, open_logs
from sipproxy.logs.rotation import Rotation
from sipproxy.logs.targets import FileTarget, IErrorTarget, StderrTarget, SyslogTarget

__all__ = [
    "LEVEL_NAMES",
    "MODULE",
    "AccessLog",
    "AppendFile",
    "ErrorLog",
    "FileTarget",
    "IErrorTarget",
    "JsonLines",
    "Levels",
    "LineFormat",
    "LogFile",
    "Logs",
    "Rotation",
    "Severity",
    "StderrTarget",
    "Surroundings",
    "SyslogTarget",
    "TextLines",
    "json_renderer",
    "open_logs",
    "parse_format",
    "parse_level",
    "text_renderer",
]
