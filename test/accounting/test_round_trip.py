"""Records on their way to a RADIUS server that is far away, many at a time, on a virtual clock."""

import hashlib
import os
from pathlib import Path
from typing import NamedTuple

from sipproxy.accounting.calls import Rules
from sipproxy.accounting.journal import Journal
from sipproxy.accounting.rows import InlineFile
from sipproxy.accounting.service import AccountingService, Destinations, make_accounting
from sipproxy.accounting.spool import LINGER
from sipproxy.net.radius import RadiusClient
from sipproxy.simulation.network import Faults
from test.accounting.fixtures import HOP, NAS, Outcome, request, response
from test.net.radius_peers import SECRET, RadiusTestCase

RATE = int(os.environ.get("ACCOUNTED_RATE", "100"))
"""Calls that begin, and that end, in a second."""
ROUND_TRIP = 0.2
SECONDS = int(os.environ.get("ACCOUNTED_SECONDS", "4"))
_STEP = 0.05
_LENGTH = 1.0
"""Seconds for which a call lasts."""
_KINDS = 3
_ACKNOWLEDGEMENT = 5


class Sample(NamedTuple):
    """What is open at a moment.

    @ivar questions: records that were sent and not acknowledged
    @ivar waiting: records that were not acknowledged
    @ivar timers: of the client
    @ivar ports: of the client
    """

    questions: int
    waiting: int
    calls: int
    timers: int
    ports: int


class RoundTripTests(RadiusTestCase):
    """The real client, spool and calls; time and the network are virtual."""

    def begin(self) -> tuple[AccountingService, RadiusClient]:
        """Start accounting with a server behind the round trip."""
        server = self.server("192.0.2.1", "acct")

        def acknowledge(datagram: bytes) -> None:
            head = bytes((_ACKNOWLEDGEMENT, datagram[1], 0, 20))
            answer = head + hashlib.md5(head + datagram[4:20] + SECRET).digest()
            server.port.write(answer, server.received.pop()[1])
            self.told += 1

        self.told = 0
        server.react = acknowledge
        self.network.set_faults(Faults(ROUND_TRIP / 2, ROUND_TRIP / 2))
        client = self.client(server.configured())
        path = Path(self.mktemp())
        path.mkdir()
        file = path / "accounting.db"
        service = make_accounting(
            self.clock,
            self.clock.seconds,
            InlineFile(file),
            Journal(file),
            1_000_000,
            Rules(86_400.0, 1_000_000),
            Destinations(client),
            NAS,
        )
        service.startService()
        return service, client

    def call(self, service: AccountingService, number: int) -> None:
        """Let a call be answered."""
        outcome = Outcome(request(call_id=f"c{number}"), started=self.clock.seconds(), status=200)
        service.calls.forwarded(outcome, HOP, b"sip:bob@10.0.0.2")
        service.calls.answered(outcome, HOP, response())
        service.calls.finished(outcome)

    def hang_up(self, service: AccountingService, number: int) -> None:
        """Let it end."""
        sent = request("BYE", f"c{number}", 2, ("alice", "bob"))
        notes = {"next-hop": "10.0.0.2:5060"}
        service.calls.finished(Outcome(sent, started=self.clock.seconds(), status=200, notes=notes))

    def test_sustained(self) -> None:
        """What is open stays within what one round trip and one commit hold, however long it goes on."""
        service, client = self.begin()
        samples: list[Sample] = []
        at_once, talking = round(RATE * _STEP), round(RATE * _LENGTH)
        made = round(SECONDS / _STEP) * at_once
        for first in range(0, made, at_once):
            for number in range(first, first + at_once):
                self.call(service, number)
            for number in range(first - talking, first - talking + at_once):
                if number >= 0:
                    self.hang_up(service, number)
            self.clock.run(_STEP)
            open_calls = service.open_calls
            samples.append(Sample(client.pending, service.waiting, open_calls, client.timers, client.ports))
        settled = samples[round((_LENGTH + 1) / _STEP) :]
        most = Sample(*map(max, zip(*settled, strict=True)))
        # A record waits for two commits at most, its own and the one under way, and for those of its call before it.
        bound = _KINDS * RATE * (2 * LINGER + 2 * ROUND_TRIP + 2 * _STEP)
        self.assertLess(most.questions, bound)
        self.assertLess(most.waiting, bound)
        self.assertEqual(most.timers, most.questions)
        self.assertLessEqual(most.calls, RATE * (_LENGTH + _STEP))
        for number in range(made - talking, made):
            self.hang_up(service, number)
        self.clock.run(2.0)
        self.assertEqual((self.told, service.waiting, service.open_calls), (_KINDS * made, 0, 0))
        self.assertEqual((client.pending, client.timers), (0, 0))
        self.successResultOf(service.stopService())
        print(f"{made} calls, {RATE} a second, at most open: {most}")
