"""All logs of a configuration, opened: what the composition root uses of this package."""

import os
import syslog
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from twisted.internet.interfaces import IReactorTime
from twisted.logger import ILogObserver, Logger

from sipproxy.config import Settings
from sipproxy.interfaces import IOutcomeObserver
from sipproxy.logs.access import AccessLog
from sipproxy.logs.appending import AppendFile
from sipproxy.logs.directives import (
    ACCESS_LOG_FORMAT,
    CUSTOM_LOG,
    ERROR_LOG,
    ERROR_LOG_FORMAT,
    JSON,
    LOG_LEVEL,
    LOG_ROTATE,
    STDERR,
    SYSLOG,
    named_formats,
)
from sipproxy.logs.errorlog import ErrorLog, Formatter, JsonLines, TextLines, syslog_lines
from sipproxy.logs.fields import Surroundings
from sipproxy.logs.files import LogFile
from sipproxy.logs.format import json_renderer, text_renderer
from sipproxy.logs.levels import Levels
from sipproxy.logs.rotation import Rotation
from sipproxy.logs.targets import SYSLOG_IDENT, FileTarget, IErrorTarget, StderrTarget, SyslogTarget, write_line
from sipproxy.logs.times import LocalTime

_STDERR_DESCRIPTOR = 2


class Logs:
    """The logs of a server.

    @ivar levels: the levels of the error log, to be changed at will
    @ivar error_observer: takes events of C{twisted.logger}
    @ivar access_observers: each takes outcomes
    """

    def __init__(
        self,
        levels: Levels,
        error_observer: ILogObserver,
        access_observers: tuple[IOutcomeObserver, ...],
        files: Sequence[LogFile],
    ) -> None:
        self.levels = levels
        self.error_observer = error_observer
        self.access_observers = access_observers
        self._files = tuple(files)

    @property
    def problems(self) -> tuple[str, ...]:
        """What is wrong with the files now, one line each; empty while all can be written."""
        return tuple(f"{file.path}: {file.problem}" for file in self._files if file.problem)

    @property
    def lost(self) -> int:
        """Lines that were dropped, as there was nowhere to write them."""
        return sum(file.lost for file in self._files)

    def reopen(self) -> None:
        """Go over to the files that the paths name now."""
        for file in self._files:
            file.reopen()

    def flush(self) -> None:
        """Write what waits."""
        for file in self._files:
            file.flush()

    def close(self) -> None:
        """Write what waits and close the files; what comes later is lost, so this is the last thing to do."""
        # The error log was opened first and goes last: the others may have something to say in it.
        for file in reversed(self._files):
            file.close()


class _Files:
    """The files by path: logs that name the same one share it, or they would rotate it under each other."""

    def __init__(self, reactor: IReactorTime, rotation: Rotation | None, local_time: LocalTime) -> None:
        self._reactor = reactor
        self._rotation = rotation
        self._local_time = local_time
        self.by_path: dict[str, LogFile] = {}

    def at(self, path: Path, report: Callable[[str], None]) -> LogFile:
        """Give the file at a path, opened.

        @param report: takes a line for the operator if it is new
        """
        key = os.fspath(path)
        if key not in self.by_path:
            file = AppendFile(key, self._rotation, self._local_time)
            self.by_path[key] = LogFile(file, self._reactor, report)
        return self.by_path[key]


def open_logs(
    settings: Settings, reactor: IReactorTime, server_name: str, local_time: LocalTime = time.localtime
) -> Logs:
    """Open the logs; a file that cannot be opened is found in L{Logs.problems}, and tried again as lines come.

    @param server_name: this server's name, for C{%v}
    @param local_time: C{time.localtime}, or C{time.gmtime}
    """
    files = _Files(reactor, settings[LOG_ROTATE], local_time)
    chosen = settings[LOG_LEVEL]
    levels = Levels(chosen.default, chosen.by_module)
    target = _error_target(settings[ERROR_LOG], files)
    error_log = ErrorLog(levels, _formatter(settings, local_time), target, reactor.seconds)
    logger = Logger(namespace=__name__, observer=error_log)

    def report(line: str) -> None:
        logger.error("{line}", line=line)

    access_logs = _access_logs(settings, files, report, Surroundings(server_name, local_time))
    return Logs(levels, error_log, access_logs, tuple(files.by_path.values()))


def _error_target(where: Path | str, files: _Files) -> IErrorTarget:
    if where == STDERR:
        return StderrTarget(_STDERR_DESCRIPTOR)
    if where == SYSLOG:
        syslog.openlog(SYSLOG_IDENT, 0, syslog.LOG_DAEMON)
        return SyslogTarget(syslog.syslog)
    return FileTarget(files.at(Path(where), lambda line: write_line(_STDERR_DESCRIPTOR, f"sipproxy: {line}")))


def _formatter(settings: Settings, local_time: LocalTime) -> Formatter:
    if settings[ERROR_LOG_FORMAT] == JSON:
        return JsonLines(local_time)
    return syslog_lines if settings[ERROR_LOG] == SYSLOG else TextLines(local_time)


def _access_logs(
    settings: Settings, files: _Files, report: Callable[[str], None], surroundings: Surroundings
) -> tuple[IOutcomeObserver, ...]:
    formats = named_formats(settings)
    renderer = json_renderer if settings[ACCESS_LOG_FORMAT] == JSON else text_renderer
    return tuple(
        AccessLog(
            files.at(log.path, report),
            renderer(formats[log.chosen] if isinstance(log.chosen, str) else log.chosen, surroundings),
        )
        for log in settings[CUSTOM_LOG]
    )
