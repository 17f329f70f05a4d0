"""Where the lines of the error log go: a file, standard error, or syslog."""

import os
import syslog
from collections.abc import Callable

from zope.interface import Interface, implementer

from sipproxy.logs.files import LogFile
from sipproxy.logs.levels import Severity

SYSLOG_IDENT = "sipproxy"

_PRIORITIES = {
    Severity.EMERG: syslog.LOG_EMERG,
    Severity.ALERT: syslog.LOG_ALERT,
    Severity.CRIT: syslog.LOG_CRIT,
    Severity.ERROR: syslog.LOG_ERR,
    Severity.WARN: syslog.LOG_WARNING,
    Severity.NOTICE: syslog.LOG_NOTICE,
    Severity.INFO: syslog.LOG_INFO,
    Severity.DEBUG: syslog.LOG_DEBUG,
    Severity.TRACE: syslog.LOG_DEBUG,
}


class IErrorTarget(Interface):
    """Takes the error log's lines."""

    def put(severity: Severity, lines: str) -> None:
        """Take the lines of one event, without the last line's end; nothing is raised when they cannot be kept."""


@implementer(IErrorTarget)
class FileTarget:
    """Lines go to a file; errors and worse at once."""

    def __init__(self, file: LogFile) -> None:
        self._file = file

    def put(self, severity: Severity, lines: str) -> None:
        """See L{IErrorTarget}."""
        data = lines.encode() + b"\n"
        if severity <= Severity.ERROR:
            self._file.write_through(data)
        else:
            self._file.write(data)


@implementer(IErrorTarget)
class StderrTarget:
    """Lines go to standard error.

    @param descriptor: its file descriptor: C{sys.stderr} may be Twisted's, which would log what it is given
    """

    def __init__(self, descriptor: int = 2) -> None:
        self._descriptor = descriptor

    def put(self, severity: Severity, lines: str) -> None:
        """See L{IErrorTarget}."""
        write_line(self._descriptor, lines)


@implementer(IErrorTarget)
class SyslogTarget:
    """Lines go to syslog, facility daemon, ident C{sipproxy}.

    @param send: takes a priority and a line: C{syslog.syslog}
    """

    def __init__(self, send: Callable[[int, str], None]) -> None:
        self._send = send

    def put(self, severity: Severity, lines: str) -> None:
        """See L{IErrorTarget}; each line is a record."""
        priority = _PRIORITIES[severity] | syslog.LOG_DAEMON
        for line in lines.split("\n"):
            self._send(priority, line)


def write_line(descriptor: int, text: str) -> None:
    """Write lines to a descriptor as far as it takes them; there is nobody left to tell."""
    data = text.encode("utf-8", "backslashreplace") + b"\n"
    try:
        while data:
            data = data[os.write(descriptor, data) :]
    except OSError:
        return
