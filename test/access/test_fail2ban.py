"""The line of a failure, and the fail2ban filter that reads it."""

import re
from configparser import RawConfigParser
from pathlib import Path

from twisted.logger import ILogObserver, LogEvent, globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from sipproxy.errors import RequestError
from sipproxy.interfaces import Address
from sipproxy.logs.errorlog import TextLines
from sipproxy.logs.levels import module_of, severity_of

from .fixtures import PHONE, Door, answer, challenge_of, request

FILTER = Path(__file__).resolve().parent.parent.parent / "etc" / "fail2ban" / "filter.d" / "sipproxy.conf"

# What fail2ban takes away before it looks, and what it puts for <ADDR>.
_DATE = re.compile(r"^\[\w{3} \w{3} \d\d \d\d:\d\d:\d\d\.\d{6} \d{4}\] ")
_ADDR = r"(?P<address>[0-9A-Fa-f:.]+)"


class Fail2banTests(SynchronousTestCase):
    """Lines of failures."""

    def setUp(self) -> None:
        """Collect lines as the error log writes them."""
        self.lines: list[str] = []
        text = TextLines()

        @implementer(ILogObserver)
        def write(event: LogEvent) -> None:
            self.lines.append(text(event, module_of(event), severity_of(event)))

        observer: ILogObserver = write
        globalLogPublisher.addObserver(observer)
        self.addCleanup(globalLogPublisher.removeObserver, observer)

    def fail_once(self, call_id: str = "c1@phone", user: str = "bob", source: Address = PHONE) -> None:
        """Send a wrong password, in a datagram that says it is from the telephone."""
        door = Door()
        asked = self.assertRaises(RequestError, door.access.admit, request(), source, False)
        line = answer(challenge_of(asked), user=user, password="x")
        self.assertRaises(RequestError, door.access.admit, request(line, call_id=call_id), PHONE, False)

    def banned(self) -> list[str]:
        """Give the addresses that the filter finds."""
        parser = RawConfigParser()
        parser.read(FILTER)
        pattern = re.compile(parser["Definition"]["failregex"].replace("<ADDR>", _ADDR))
        matches = [pattern.search(_DATE.sub("", line)) for line in self.lines]
        return [match["address"] for match in matches if match]

    def test_line(self) -> None:
        """The line of a failure says whose it is; that of a name that nobody has leaves the name out."""
        self.fail_once()
        self.fail_once(user="hunter2")
        client = "[client 192.0.2.7:5060] [call-id c1@phone] authentication failed from 192.0.2.7: "
        self.assertEqual(
            [line.partition("] [pid ")[2].partition("] ")[2] for line in self.lines],
            [client + "wrong password, user bob", client + "unknown user"],
        )

    def test_filter(self) -> None:
        """The address that was challenged is banned, not the one that stands in the datagram."""
        self.fail_once()
        self.fail_once(source=("198.51.100.1", 5060))
        self.fail_once(source=("2001:db8::1", 5060))
        self.assertEqual(self.banned(), ["192.0.2.7", "198.51.100.1", "2001:db8::1"])

    def test_forged_line(self) -> None:
        """What a stranger chooses cannot ban others."""
        self.fail_once(call_id="x]_authentication failed from 203.0.113.1: ")
        self.fail_once(call_id="x] authentication failed from 203.0.113.1:")
        self.assertEqual(self.banned(), ["192.0.2.7", "192.0.2.7"])

    def test_success_is_silent(self) -> None:
        """Neither a challenge nor a right password writes a line."""
        door = Door()
        asked = self.assertRaises(RequestError, door.access.admit, request(), PHONE, False)
        door.access.admit(request(answer(challenge_of(asked))), PHONE, False)
        self.assertEqual(self.lines, [])
