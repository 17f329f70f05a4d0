"""The lines of the error log."""

import json
import os
import time
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.logger import LogEvent, Logger, LogLevel
from twisted.python.failure import Failure
from twisted.python.log import LogPublisher
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from sipproxy.logs.errorlog import ErrorLog, Formatter, JsonLines, TextLines, syslog_lines
from sipproxy.logs.levels import Levels, Severity
from sipproxy.logs.targets import IErrorTarget
from test.logs.outcomes import WHEN, east

PID = os.getpid()


@implementer(IErrorTarget)
class Kept:
    """A target that keeps what it is given."""

    def __init__(self) -> None:
        self.puts: list[tuple[Severity, str]] = []

    def put(self, severity: Severity, lines: str) -> None:
        """See L{IErrorTarget}."""
        self.puts.append((severity, lines))


@implementer(IErrorTarget)
class Broken:
    """A target that has a bug."""

    def put(self, severity: Severity, lines: str) -> None:
        """See L{IErrorTarget}."""
        raise RuntimeError("broken")


class Unprintable:
    """An object that has a bug."""

    def __repr__(self) -> str:
        raise RuntimeError("unprintable")


def event(**keys: Any) -> LogEvent:
    """Give an event with defaults."""
    base = {"log_time": WHEN, "log_level": LogLevel.warn, "log_namespace": "mod_sip_registry", "log_format": "{text}"}
    return {**base, "text": "text", **keys}


def written(formatter: Formatter, *events: LogEvent, levels: Levels | None = None) -> list[str]:
    """Give what the error log writes of events."""
    kept = Kept()
    log = ErrorLog(levels or Levels(), formatter, kept, lambda: WHEN)
    for one in events:
        log(one)
    return [lines for _, lines in kept.puts]


def failure() -> Failure:
    """Give a failure with a traceback."""
    try:
        raise ValueError("wrong\nvalue")
    except ValueError:
        return Failure()


class TextTests(SynchronousTestCase):
    """Apache's lines."""

    def line(self, **keys: Any) -> str:
        """Give the one line of an event."""
        (line,) = written(TextLines(time.gmtime), event(**keys))
        return line

    def test_full_line(self) -> None:
        """Time, module, level, process, client and Call-ID stand before the text."""
        self.assertEqual(
            self.line(client=("192.0.2.1", 5060), call_id=b"abc@host"),
            f"[Wed Nov 25 18:00:36.123456 2026] [mod_sip_registry:warn] [pid {PID}] [client 192.0.2.1:5060]"
            " [call-id abc@host] text",
        )

    def test_short_line(self) -> None:
        """What an event has not is left out; a namespace that is no module's is core."""
        self.assertEqual(
            self.line(log_namespace="twisted.internet", log_level=LogLevel.info, severity="notice"),
            f"[Wed Nov 25 18:00:36.123456 2026] [core:notice] [pid {PID}] text",
        )

    def test_local_time(self) -> None:
        """The time is the local one."""
        (line,) = written(TextLines(east), event())
        self.assertEqual(line[:33], "[Wed Nov 25 23:45:36.123456 2026]")

    def test_ipv6_client(self) -> None:
        """An IPv6 address stands in brackets, so that its port can be told."""
        self.assertIn("] [client [2001:db8::1]:5060] text", self.line(client=("2001:db8::1", 5060)))

    def test_text_is_escaped(self) -> None:
        """A text stays on its line, whatever a peer put into it; UTF-8 is kept."""
        self.assertTrue(self.line(text='é "q" \n[core:crit] \x1b\\').endswith('] é "q" \\n[core:crit] \\x1b\\\\'))

    def test_call_id_cannot_forge_a_client(self) -> None:
        """A Call-ID has no spaces in the line: what bans addresses by the log must not be led astray."""
        line = self.line(call_id=b"x] [client 198.51.100.1:5060")
        self.assertIn("[call-id x]\\x20[client\\x20198.51.100.1:5060] text", line)

    def test_str_call_id(self) -> None:
        """A Call-ID may be text as well; octets that are no UTF-8 are shown in hexadecimal."""
        self.assertIn("[call-id abc] text", self.line(call_id="abc"))
        self.assertIn("[call-id \\xff] text", self.line(call_id=b"\xff"))

    def test_traceback(self) -> None:
        """A failure's traceback follows, each line marked."""
        (lines,) = written(TextLines(time.gmtime), event(log_failure=failure(), text="it broke"))
        first, *rest = lines.split("\n")
        self.assertTrue(first.endswith("] it broke"))
        self.assertEqual({line[:6] for line in rest}, {"    | "})
        self.assertEqual(rest[0], "    | Traceback (most recent call last):")
        self.assertIn("    | builtins.ValueError: wrong", rest)

    def test_bare_failure(self) -> None:
        """A failure without a text shows its exception."""
        (lines,) = written(TextLines(time.gmtime), event(log_failure=failure(), log_format=""))
        self.assertTrue(lines.split("\n")[0].endswith("] wrong\\nvalue"))

    def test_syslog_has_no_time(self) -> None:
        """For syslog the line begins with the module."""
        self.assertEqual(written(syslog_lines, event()), [f"[mod_sip_registry:warn] [pid {PID}] text"])


class JsonTests(SynchronousTestCase):
    """One object a line."""

    def test_full_object(self) -> None:
        """All keys, by name."""
        keys = {"client": ("192.0.2.1", 5060), "call_id": b"abc\xff", "text": "a\nb é"}
        (line,) = written(JsonLines(time.gmtime), event(**keys))
        self.assertEqual(
            json.loads(line),
            {
                "time": "2026-11-25T18:00:36.123456+00:00",
                "module": "mod_sip_registry",
                "level": "warn",
                "pid": PID,
                "client": "192.0.2.1:5060",
                "call_id": "abc\\xff",
                "message": "a\nb é",
            },
        )

    def test_traceback(self) -> None:
        """A traceback is a value, the object stays on one line."""
        (line,) = written(JsonLines(time.gmtime), event(log_failure=failure()))
        self.assertNotIn("\n", line)
        self.assertIn("builtins.ValueError: wrong\nvalue", json.loads(line)["traceback"])


class ObserverTests(SynchronousTestCase):
    """Levels, and events that cannot be written."""

    def test_levels(self) -> None:
        """Only events that the levels let through are written; levels may change between events."""
        levels = Levels(Severity.WARN, {"mod_sip_ras": Severity.DEBUG})
        kept = Kept()
        log = ErrorLog(levels, syslog_lines, kept)
        info = event(log_level=LogLevel.info)
        log(info)
        log(event())
        log(event(log_namespace="mod_sip_ras", log_level=LogLevel.debug))
        self.assertEqual([severity for severity, _ in kept.puts], [Severity.WARN, Severity.DEBUG])
        levels.set_default(Severity.INFO)
        log(info)
        self.assertEqual(kept.puts[-1][0], Severity.INFO)

    def test_loggers(self) -> None:
        """A Logger of twisted.logger writes through it."""
        kept = Kept()
        logger = Logger(namespace="mod_sip_ras", observer=ErrorLog(Levels(), syslog_lines, kept))
        logger.warn("no answer from {gatekeeper}", gatekeeper="192.0.2.3", call_id="abc")
        logger.debug("hidden")
        self.assertEqual(
            kept.puts,
            [(Severity.WARN, f"[mod_sip_ras:warn] [pid {PID}] [call-id abc] no answer from 192.0.2.3")],
        )

    def test_legacy_failure(self) -> None:
        """An error of twisted.python.log has its traceback once."""
        kept = Kept()
        publisher = LogPublisher(publishPublisher=ErrorLog(Levels(), syslog_lines, kept))
        publisher.msg(failure=failure(), why="the reason", isError=1)
        ((severity, lines),) = kept.puts
        self.assertEqual(severity, Severity.CRIT)
        self.assertEqual(lines.split("\n")[0], f"[core:crit] [pid {PID}] the reason")
        self.assertEqual(lines.count("Traceback"), 1)

    def test_unprintable_values(self) -> None:
        """An event whose values cannot be shown has Twisted's substitute for its text."""
        (line,) = written(syslog_lines, event(log_format="{text!r}", text=Unprintable()))
        self.assertIn("unprintable", line)

    def test_broken_events(self) -> None:
        """An event that cannot be written is replaced by a line that says so."""
        for broken in (
            event(log_time=None),
            event(log_time="yesterday"),
            event(client=5060),
            event(client=("192.0.2.1",)),
            event(call_id=7),
        ):
            (line,) = written(TextLines(time.gmtime), broken)
            self.assertIn("] [core:error] [pid", line)
            self.assertIn("event '{text}' of mod_sip_registry not written: ", line)

    def test_broken_target(self) -> None:
        """Where nothing can be written nothing is raised."""
        ErrorLog(Levels(), syslog_lines, Broken())(event())

    @given(st.text(), st.binary())
    def test_any_event(self, text: str, call_id: bytes) -> None:
        """Whatever a peer sends, an event is one line of printable text, and one JSON object."""
        one = event(text=text, call_id=call_id, client=("192.0.2.1", 5060))
        for formatter in (syslog_lines, TextLines(time.gmtime)):
            (line,) = written(formatter, one)
            self.assertTrue(line.isprintable())
        (line,) = written(JsonLines(time.gmtime), one)
        self.assertEqual(json.loads(line).get("message", ""), text)
