"""Tests of the simulated gatekeeper in virtual time, and of its command's options."""

import io
from contextlib import redirect_stderr
from pathlib import Path
from random import Random
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from sipproxy import gatekeeper_tap
from sipproxy.config import ConfigError, Settings
from sipproxy.errors import ListenError
from sipproxy.simulation.clock import VirtualClock
from sipproxy.simulation.gatekeeper import MOST_WAITING, GatekeeperService
from sipproxy.simulation.gatekeeper_settings import FAULTS, MODULE
from sipproxy.simulation.network import Faults, MemoryNetwork
from sipproxy.wire.h225.messages import (
    DIALLED_DIGITS,
    H323_ID,
    REASONS,
    Alias,
    Alternate,
    DecodeError,
    LocationConfirm,
    LocationReject,
    LocationRequest,
    RequestInProgress,
    decode,
    encode,
)
from test.net.fixtures import Recorder

ASKS = ("10.0.0.1", 2000)
GATEKEEPER = ("10.0.0.2", 1719)


class GatekeeperTests(SynchronousTestCase):
    """L{GatekeeperService}."""

    def start(self, *answers: str, **directives: Any) -> None:
        """Start a gatekeeper, and somebody who asks it."""
        self.clock = VirtualClock()
        self.network = MemoryNetwork(self.clock, Random(1), Faults(latency=0.0))
        self.asking = Recorder()
        self.network.host(ASKS[0]).listen(*ASKS, self.asking)
        self.service = self.gatekeeper(GATEKEEPER[0], *answers, **directives)

    def gatekeeper(self, host: str, *answers: str, **directives: Any) -> GatekeeperService:
        """Start a gatekeeper on a host of its own."""
        settings = Settings.of((MODULE,), {"Listen": f"{host}:1719", "Answer": list(answers), **directives})
        service = GatekeeperService(settings, self.clock, self.network.host(host), Random(2))
        service.startService()
        self.addCleanup(service.stopService)
        return service

    def ask(self, number: str, seconds: float = 0.0, **members: Any) -> list[Any]:
        """Ask, and give the messages that come within a time; octets where they are none."""
        self.asking.received.clear()
        self.asking.port.write(encode(LocationRequest(7, number, ASKS, **members)), GATEKEEPER)
        self.clock.run(seconds)
        found: list[Any] = []
        for datagram, _ in self.asking.received:
            try:
                found.append(decode(datagram))
            except DecodeError:
                found.append(datagram)
        return found

    def test_confirm(self) -> None:
        """The most specific pattern answers, with address, alternates, prefixes and names."""
        self.start(
            "14T LCF host=192.0.2.1:1720",
            "1408T LCF host=192.0.2.2:1721 alternate=192.0.2.3:1720/5,[2001:db8::1]:1720 prefix=1#,2# name=gw1",
            "1#14T LCF host=192.0.2.4:1720",
        )
        self.assertEqual(self.ask("1415"), [LocationConfirm(7, ("192.0.2.1", 1720), GATEKEEPER)])
        self.assertEqual(self.ask("1#1415"), [LocationConfirm(7, ("192.0.2.4", 1720), GATEKEEPER)])
        alternates = (Alternate(5, (("192.0.2.3", 1720),)), Alternate(None, (("2001:db8::1", 1720),)))
        self.assertEqual(
            self.ask("1408"),
            [
                LocationConfirm(
                    7, ("192.0.2.2", 1721), GATEKEEPER, (Alias(H323_ID, "gw1"),), alternates, prefixes=("1#", "2#")
                )
            ],
        )
        self.assertEqual([request.number for request in self.service.asked], ["1415", "1#1415", "1408"])

    def test_rejects(self) -> None:
        """It rejects with every reason, and numbers that it does not know."""
        self.start(*(f"9{at:02d} LRJ reason={reason.upper()}" for at, reason in enumerate(REASONS)))
        for at, reason in enumerate(REASONS):
            self.assertEqual(self.ask(f"9{at:02d}"), [LocationReject(7, reason)])
        self.assertEqual(self.ask("8"), [LocationReject(7, "unallocatedNumber")])

    def test_translation(self) -> None:
        """It replaces a number where it may, and rejects where it may not; one too short for the template stays."""
        self.start("1800T LCF number=1408.......")
        alias = Alias(DIALLED_DIGITS, "14085551212")
        (answer,) = self.ask("18005551212", can_map_alias=True)
        self.assertEqual(answer.aliases, (alias,))
        self.assertEqual(self.ask("18005551212"), [LocationReject(7, "aliasesInconsistent")])
        (answer,) = self.ask("1800")
        self.assertEqual(answer.aliases, ())

    def test_delays(self) -> None:
        """An answer waits for its delay and the general one; a RIP comes first where it asks for patience."""
        self.start("1 LCF delay=500 patience=2000", DelayInMs="100")
        self.assertEqual(self.ask("1", 0.59), [RequestInProgress(7, 2000)])
        self.clock.run(0.02)
        self.assertEqual(len(self.asking.received), 2)

    def test_faults(self) -> None:
        """Each fault does to an answer what it says."""
        self.start(*(f"{at} LCF fault={fault}" for at, fault in enumerate(FAULTS)))
        answers = {fault: self.ask(str(at)) for at, fault in enumerate(FAULTS)}
        confirm = LocationConfirm(7, ("127.0.0.1", 1720), GATEKEEPER)
        self.assertEqual(answers["silent"], [])
        self.assertEqual(answers["garbage"], [b"\xff" * 20])
        self.assertEqual([answer.seq for answer in answers["wrong-seq"]], [8])
        self.assertEqual(answers["twice"], [confirm, confirm])
        self.assertEqual(answers["nowhere"][0].signal_address, ("0.0.0.0", 1720))
        self.assertEqual(self.ask(str(FAULTS.index("other-port"))), [confirm])
        self.assertNotEqual(self.asking.received[0][1], GATEKEEPER)

    def test_zones(self) -> None:
        """A question about another zone goes on with a hop less, and that gatekeeper answers; without hops it ends."""
        self.start("1T LCF", Zone="44T 10.0.0.3:1719")
        other = self.gatekeeper("10.0.0.3", "44T LCF host=192.0.2.9:1720")
        (answer,) = self.ask("441", hop_count=6, ttl=5)
        self.assertEqual((answer.signal_address, self.asking.received[0][1]), (("192.0.2.9", 1720), ("10.0.0.3", 1719)))
        (request,) = other.asked
        self.assertEqual((request.hop_count, request.ttl, request.seq), (5, 4, 7))
        self.assertEqual(len(self.ask("441")), 1)
        for members in ({"hop_count": 1}, {"ttl": 1}, {"hop_count": 6, "ttl": 1}):
            self.assertEqual(self.ask("441", **members), [LocationReject(7, "hopCountExceeded")])

    def test_loss(self) -> None:
        """It loses as many questions as it is told to."""
        self.start("1 LCF", LossInPercent="30")
        answered = sum(len(self.ask("1")) for _ in range(1000))
        self.assertIn(answered, range(650, 750))

    def test_hostile(self) -> None:
        """What is no question is counted, and nothing more; an answer to nowhere is not sent."""
        self.start("1 LCF")
        for datagram in (b"", b"\xff" * 50, encode(LocationReject(1, "requestDenied"))):
            self.asking.port.write(datagram, GATEKEEPER)
        for address in (("2001:db8::1", 1719), ("10.0.0.1", 0)):
            self.asking.port.write(encode(LocationRequest(1, "1", address)), GATEKEEPER)
        self.clock.run(1.0)
        self.assertEqual((self.service.malformed, self.asking.received), (3, []))

    def test_bounded(self) -> None:
        """Only so many answers wait."""
        self.start("1 LCF delay=60000")
        datagram = encode(LocationRequest(1, "1", ASKS))
        for _ in range(50):
            self.service.datagramReceived(datagram, ASKS)
        self.assertEqual(len(self.clock.getDelayedCalls()), 50)
        self.assertGreater(MOST_WAITING, 50)
        self.service.stopService()
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_listen(self) -> None:
        """A port that is in use is told of; everywhere it names the address that it is reached at."""
        self.start(Listen="0.0.0.0:1719", Answer="1 LCF")
        self.service.open()
        (answer,) = self.ask("1")
        self.assertEqual(answer.ras_address, GATEKEEPER)
        self.assertRaises(ListenError, self.gatekeeper, "10.0.0.7", Listen="10.0.0.2:1719")


class SettingsTests(SynchronousTestCase):
    """The file, and the options of the command."""

    def test_wrong(self) -> None:
        """What is wrong is told."""
        for name, value, expected in (
            ("Answer", "1", "expected a pattern, LCF or LRJ, and options"),
            ("Answer", "x LCF", "expected a pattern of digits"),
            ("Answer", "1 LRQ", "expected LCF or LRJ"),
            ("Answer", "1 LCF what=1", "expected host=, alternate=,"),
            ("Answer", "1 LCF alternate=192.0.2.1:1 alternate=192.0.2.1:1", "each once"),
            ("Answer", "1 LCF alternate=192.0.2.1:1/200", "from 0 to 127"),
            ("Answer", "1 LCF host=gw.example.org:1720", "expected a literal address and a port"),
            ("Answer", "1 LCF number=x", "expected a number"),
            ("Answer", "1 LRJ reason=x", "expected one of notRegistered,"),
            ("Answer", "1 LCF fault=x", "expected one of silent,"),
            ("Answer", "1 LCF delay=-1", "expected a whole number of milliseconds"),
            ("Zone", "1T", "expected a pattern, and a literal address and port"),
            ("Zone", "x 192.0.2.1:1719", "expected a pattern of digits"),
            ("Zone", "1T gk:1719", "expected a literal address and a port"),
        ):
            error = self.assertRaises(ConfigError, Settings.of, (MODULE,), {name: value})
            self.assertIn(expected, str(error), value)

    def options(self, *arguments: str) -> tuple[object, str]:
        """Give the exit status of the command's options, None where they are right, and what they say."""
        said = io.StringIO()
        with redirect_stderr(said):
            try:
                gatekeeper_tap.Options().parseOptions(list(arguments))
            except SystemExit as end:
                return end.code, said.getvalue()
        return None, said.getvalue()

    def test_options(self) -> None:
        """A right file is taken, a wrong one is told of and ends the command."""
        right, wrong = Path(self.mktemp()), Path(self.mktemp())
        right.write_text("Listen 127.0.0.1:0\nAnswer 1T LCF host=192.0.2.1:1720\n")
        wrong.write_text("Answer 1T\n")
        self.assertEqual(self.options("-c", str(right)), (None, ""))
        self.assertEqual(self.options("-c", str(right), "--check"), (0, f"{right}: configuration is right\n"))
        status, said = self.options("-c", str(wrong))
        self.assertEqual(status, 1)
        self.assertIn(f"{wrong}:1:10: expected a pattern, LCF or LRJ, and options", said)
