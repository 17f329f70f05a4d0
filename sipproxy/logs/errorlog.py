"""The error log: events of C{twisted.logger} as lines like those of Apache httpd 2.4, or as JSON.

    [Wed Nov 25 18:00:36.123456 2026] [mod_sip_ras:warn] [pid 4711] [client 192.0.2.1:5060] [call-id a@b] text

Client and Call-ID stand where the event has the keys C{client} (host, port) and
C{call_id}. A failure's traceback follows on lines that begin with C{    | }.
An observer may never raise, as it is called by whoever had something to say:
an event that cannot be written as it should gets a line that says so.
"""

import json
import os
import time
from collections.abc import Callable
from contextlib import suppress

from twisted.logger import ILogObserver, LogEvent, formatEvent
from twisted.python.failure import Failure
from zope.interface import implementer

from sipproxy.logs.escape import decoded, escape_text, readable
from sipproxy.logs.levels import CORE, Levels, Severity, module_of, severity_of
from sipproxy.logs.targets import IErrorTarget
from sipproxy.logs.times import LocalTime, SecondText, error_time, rfc3339_time, split_time

TRACE_MARK = "    | "

Formatter = Callable[[LogEvent, str, Severity], str]


@implementer(ILogObserver)
class ErrorLog:
    """Writes the events that the levels let through.

    @ivar levels: the levels in force
    @param formatter: makes the lines of an event, its module and its severity
    @param target: takes the lines
    @param now: the time, for an event that has none
    """

    def __init__(
        self, levels: Levels, formatter: Formatter, target: IErrorTarget, now: Callable[[], float] = time.time
    ) -> None:
        self.levels = levels
        self._formatter = formatter
        self._target = target
        self._now = now

    def __call__(self, event: LogEvent) -> None:
        """Write one event; never raises."""
        try:
            module, severity = module_of(event), severity_of(event)
            if self.levels.enabled(module, severity):
                self._target.put(severity, self._formatter(event, module, severity))
        except Exception as error:  # noqa: BLE001 - whoever logs is not to blame for how
            # If this fails too there is nobody to tell: the observer that tells is this one.
            with suppress(Exception):
                self._put_broken(event, error)

    def _put_broken(self, event: LogEvent, error: Exception) -> None:
        described: LogEvent = {
            "log_time": self._now(),
            "log_format": "event {format!r} of {namespace} not written: {error!r}",
            "format": event.get("log_format"),
            "namespace": event.get("log_namespace"),
            "error": error,
        }
        self._target.put(Severity.ERROR, self._formatter(described, CORE, Severity.ERROR))


class TextLines:
    """Events as Apache's lines.

    @param local_time: C{time.localtime}, or C{time.gmtime}
    """

    def __init__(self, local_time: LocalTime = time.localtime) -> None:
        self._seconds = SecondText(error_time, local_time)

    def __call__(self, event: LogEvent, module: str, severity: Severity) -> str:
        """Make the lines of an event, with its time."""
        second, micros = split_time(event["log_time"])
        return f"[{self._seconds[second] % micros}] {syslog_lines(event, module, severity)}"


def syslog_lines(event: LogEvent, module: str, severity: Severity) -> str:
    """Make the lines of an event without its time, which syslog adds."""
    line = f"[{module}:{severity.label}] [pid {os.getpid()}] {_whose(event)}{escape_text(_message(event))}"
    return "\n".join([line, *(TRACE_MARK + escape_text(text) for text in _traceback(event).splitlines())])


class JsonLines:
    """Events as one JSON object each, ASCII only.

    @param local_time: C{time.localtime}, or C{time.gmtime}
    """

    def __init__(self, local_time: LocalTime = time.localtime) -> None:
        self._seconds = SecondText(rfc3339_time, local_time)

    def __call__(self, event: LogEvent, module: str, severity: Severity) -> str:
        """Make the line of an event; keys without a value are left out."""
        second, micros = split_time(event["log_time"])
        found: dict[str, str | int] = {
            "time": self._seconds[second] % micros,
            "module": module,
            "level": severity.label,
            "pid": os.getpid(),
        }
        further = {
            "client": _client(event),
            "call_id": _call_id(event),
            "message": _message(event),
            "traceback": _traceback(event),
        }
        return json.dumps(found | {name: readable(text) for name, text in further.items() if text})


def _whose(event: LogEvent) -> str:
    """Tell whom an event concerns; this must not be forged by a Call-ID, hence no space is left in it."""
    client, call_id = _client(event), _call_id(event)
    parts = ""
    if client:
        parts = f"[client {client}] "
    if call_id:
        written = escape_text(call_id).replace(" ", "\\x20")
        parts += f"[call-id {written}] "
    return parts


def _client(event: LogEvent) -> str:
    client = event.get("client")
    if client is None:
        return ""
    host, port = client
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _call_id(event: LogEvent) -> str:
    return decoded(event.get("call_id") or "")


def _message(event: LogEvent) -> str:
    """Give the text of an event; for a failure without one, its exception."""
    failure = _failure(event)
    if failure is None:
        return formatEvent(event)
    # twisted.python.log.err puts the traceback into the text, and what the caller said into "why".
    text = event.get("why") if "log_text" in event else formatEvent(event)
    return str(text or failure.getErrorMessage())


def _traceback(event: LogEvent) -> str:
    failure = _failure(event)
    return "" if failure is None else failure.getTraceback()


def _failure(event: LogEvent) -> Failure | None:
    """Give the failure of an event of C{twisted.logger}, or of C{twisted.python.log}."""
    failure = event.get("log_failure") or event.get("failure")
    return failure if isinstance(failure, Failure) else None
