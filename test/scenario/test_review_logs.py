"""The access log: which requests have a line, and what is in it."""

from pathlib import Path
from typing import Any

from sipproxy.app import settings_of
from sipproxy.message import parse_message
from sipproxy.proxy.settings import Policy
from test.scenario.stage import WireTestCase

INVITE = {"branch": b"z9hG4bK-1", "call_id": b"c", "cseq": b"1 INVITE"}
CANCEL = {**INVITE, "cseq": b"1 CANCEL"}


class AccessLogTests(WireTestCase):
    """Lines of logs/access_log."""

    def begin_log(self, *contacts: str, **directives: Any) -> None:
        """Start a server whose lines are short."""
        path = Path(self.mktemp()).absolute()
        self._path = path
        self.open(*contacts, CustomLog=f'{path} "%h %m %>s %{{next-hop}}n %b"', **directives)

    def lines(self) -> list[str]:
        """Give the lines so far."""
        self.simulation.run(1)
        return self._path.read_text(encoding="utf-8").splitlines() if self._path.exists() else []

    def test_cancel(self) -> None:
        """CANCEL has a line of its own with the size of its response, ACK none; each when it is over."""
        self.begin_log()
        self.ask(b"INVITE", **INVITE)
        self.answer(180)
        self.assertEqual(self.lines(), [])
        self.caller.received.clear()
        self.ask(b"CANCEL", **CANCEL)
        size = len(self.caller.received[0].data)
        self.assertEqual(self.lines(), [f"10.0.0.1 CANCEL 200 - {size}"])
        self.called.respond(self.called.requests(b"INVITE")[0], 487)
        self.simulation.run(0.1)
        self.ask(b"ACK", **{**INVITE, "cseq": b"1 ACK"})
        size = len(self.caller.received[1].data)
        self.assertEqual(self.lines()[1:], [f"10.0.0.1 INVITE 487 10.0.0.2:5060 {size}"])

    def test_unmatched_cancel(self) -> None:
        """So has one that matches nothing: without a status where it was forwarded, 481 from a redirect server."""
        self.begin_log()
        self.ask(b"CANCEL", **CANCEL)
        self.assertEqual(self.lines(), ["10.0.0.1 CANCEL - 10.0.0.2:5060 -"])
        self.begin_log(StatefulServer="Off")
        self.ask(b"INVITE", **INVITE)
        self.ask(b"CANCEL", **CANCEL)
        self.ask(b"ACK", **{**INVITE, "cseq": b"1 ACK"})
        self.assertEqual(self.lines(), ["10.0.0.1 INVITE - 10.0.0.2:5060 -", "10.0.0.1 CANCEL - 10.0.0.2:5060 -"])
        self.begin_log(SIPServerMode="Redirect")
        self.ask(b"CANCEL", **CANCEL)
        size = len(self.caller.received[-1].data)
        self.assertEqual((self.response.status, self.lines()), (481, [f"10.0.0.1 CANCEL 481 - {size}"]))

    def test_failed_call(self) -> None:
        """The next hop is in the line of a call that failed too: it is the one that the response came from."""
        self.begin_log("sip:bob@10.0.0.2", "sip:bob@10.0.0.3 q=0.5")
        second = self.simulation.endpoint("second", "10.0.0.3")
        self.ask(b"INVITE", **INVITE)
        self.answer(480)
        second.respond(second.requests()[0], 404)
        self.assertEqual([line.rpartition(" ")[0] for line in self.lines()], ["10.0.0.1 INVITE 480 10.0.0.2:5060"])

    def test_silent_hop(self) -> None:
        """A transaction that gives up: 408, with the hop that said nothing."""
        self.begin_log()
        self.ask(b"MESSAGE")
        self.simulation.run(40)
        self.assertEqual(self.lines(), ["10.0.0.1 MESSAGE 408 10.0.0.2:5060 -"])

    def test_server_stops(self) -> None:
        """A call that rings when the server ends has its line."""
        self.begin_log()
        self.ask(b"INVITE", **INVITE)
        self.server.stopService()
        self.simulation.run(10)
        self.assertEqual([line[:20] for line in self.lines()], ["10.0.0.1 INVITE 408 "])


class ErrorLogTests(WireTestCase):
    """Lines of logs/error_log."""

    def test_out_of_bounds(self) -> None:
        """MaxMessageSize, MaxHeaders and MaxVias: 513 or 400, and a line each."""
        path = Path(self.mktemp()).absolute()
        for directives, headers, status in (
            ({"MaxMessageSize": "1000"}, [b"X: " + b"y" * 1000], 513),
            ({"MaxHeaders": "20"}, [b"X: y"] * 20, 400),
            ({"MaxVias": "3"}, [b"Via: SIP/2.0/UDP a;branch=z9hG4bKa"] * 3, 400),
        ):
            self.open(ErrorLog=str(path), **directives)
            self.ask(b"MESSAGE", *headers)
            self.assertEqual(self.caller.statuses(), [status], directives)
            self.simulation.run(1)
            text = path.read_text(encoding="utf-8")
            self.assertEqual(text.count("out of bounds"), 1, (directives, text))
            path.unlink()

    def test_line_for_each_bound(self) -> None:
        """One bound that is passed does not hide another at the same moment; the line has the Call-ID."""
        path = Path(self.mktemp()).absolute()
        self.open(ErrorLog=str(path), MaxMessageSize="1000", MaxHeaders="20", MaxVias="3")
        for headers in (
            [b"X: " + b"y" * 1000],
            [b"X: y"] * 20,
            [b"X: y"] * 20,
            [b"Via: SIP/2.0/UDP a;branch=z9hG4bKa"] * 3,
        ):
            self.ask(b"MESSAGE", *headers)
        self.simulation.run(1)
        lines = [line for line in path.read_text(encoding="utf-8").splitlines() if "out of bounds" in line]
        found = [line.partition("out of bounds: ")[2] for line in lines]
        self.assertEqual(found, ["513 Message Too Large", "400 Too Many Headers", "400 Too Many Vias"])
        self.assertEqual(["[call-id " in line for line in lines], [True] * 3, lines)

    def test_wide_bounds(self) -> None:
        """Limits that were raised are not undercut by that of separators, above which nothing is answered."""
        for directives, line in (
            ({"MaxHeaders": "5000"}, b"X: y"),
            (
                {"MaxVias": "900", "MaxHeaders": "900"},
                b"Via: SIP/2.0/UDP a;branch=z9hG4bKa;received=10.0.0.1;rport=5060",
            ),
        ):
            limits = Policy.of(settings_of(directives)).limits
            lines = [b"Via: SIP/2.0/UDP a;branch=z9hG4bK1", *[line] * 890]
            message = parse_message(b"\r\n".join((b"OPTIONS sip:a SIP/2.0", *lines, b"", b"")), limits)
            self.assertEqual(len(message.lines), 891)
