"""The RAS client and gatekeepers over UDP, with tshark reading what passes between them."""

import signal
import socket
import subprocess
from collections.abc import Sequence
from pathlib import Path
from random import SystemRandom
from typing import Any
from unittest import SkipTest

from twisted.internet import reactor
from twisted.internet.task import deferLater
from twisted.trial.unittest import SynchronousTestCase, TestCase

from sipproxy.config import Settings
from sipproxy.interfaces import Address
from sipproxy.net.ras import Answer, Manner, RasClient
from sipproxy.net.udp import UdpNetwork
from sipproxy.simulation.clock import VirtualClock
from sipproxy.simulation.gatekeeper import GatekeeperService
from sipproxy.simulation.gatekeeper_settings import MODULE
from sipproxy.simulation.names import Names
from sipproxy.wire.h225.messages import LocationConfirm, LocationRequest, decode, encode
from sipproxy.wire.q931 import RedirectingNumber, encode_redirecting_number
from test.interop.harness import LOOPBACK, Process, free_port, make_folder, program, wait_until
from test.interop.proxy import environment, twistd

REQUEST = LocationRequest(1, "14085551234", ("0.0.0.0", 0), hop_count=6, ttl=6)
_FIELDS = ("h225.RasMessage", "h225.requestSeqNum", "_ws.malformed", "_ws.expert.message")
_NAMES = {"18": "LRQ", "19": "LCF", "20": "LRJ", "25": "RIP"}
#: A datagram that is no message, after all others.
_LAST = '"the last datagram of the test"'


class Capture:
    """All that passes on a few UDP ports."""

    def __init__(self, test: SynchronousTestCase, ports: Sequence[int]) -> None:
        """Start to capture.

        @raise SkipTest: this user may not
        """
        self._tshark = program("tshark", "tshark")
        self._ports = ports
        self._folder = make_folder(test, "capture")
        self._file = self._folder / "passed.pcap"
        self._file.touch(0o666)  # tshark gives up root before it writes
        selected = " or ".join(f"udp port {port}" for port in ports)
        self._process = Process(test, [self._tshark, "-l", "-i", "lo", "-f", selected, "-w", self._file], self._folder)
        wait_until(self._has_begun, "tshark captures")

    def _has_begun(self) -> bool:
        if self._process.status is not None and "permission" in self._process.text():
            raise SkipTest("not possible here: this user may not capture")
        self._process.see_alive()
        return "Capture started" in self._process.text()

    def finish(self) -> None:
        """Stop, once what was sent so far is in the file."""
        marker = _LAST.strip('"').encode()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as last:
            last.sendto(marker, (LOOPBACK, self._ports[0]))
        wait_until(lambda: marker in self._file.read_bytes(), "the last datagram is captured")
        self._process.send_signal(signal.SIGINT)
        self._process.wait()

    def read(self, *fields: str) -> list[list[str]]:
        """Give fields of each frame but the marker."""
        ports = [word for port in self._ports for word in ("-d", f"udp.port=={port},h225")]
        chosen = [word for field in fields for word in ("-e", field)]
        command = [
            self._tshark,
            "-n",
            "-r",
            str(self._file),
            *ports,
            "-Y",
            f"!(frame contains {_LAST})",
            "-T",
            "fields",
            *chosen,
        ]
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
        return [line.split("\t") for line in done.stdout.splitlines()]


class RasTests(TestCase):
    """One client, several gatekeepers, all on the loopback."""

    timeout = 60

    def setUp(self) -> None:
        real: Any = reactor
        self.network = UdpNetwork(real, 262_144, 0)

    def gatekeeper(self, *answers: str, **directives: Any) -> GatekeeperService:
        """Start a simulated gatekeeper."""
        values = {"Listen": f"{LOOPBACK}:0", "Answer": list(answers), **directives}
        service = GatekeeperService(Settings.of((MODULE,), values), reactor, self.network, SystemRandom())
        service.startService()
        self.addCleanup(service.stopService)
        return service

    def client(self, *clusters: Sequence[Address], manner: Manner, **options: Any) -> RasClient:
        """Start a client of gatekeepers at some addresses."""
        client = RasClient(
            reactor,
            self.network,
            Names(VirtualClock()),
            list(enumerate(clusters, 1)),
            SystemRandom(),
            manner,
            **options,
        )
        client.startService()
        self.addCleanup(client.stopService)
        return client

    def names(self, answer: Answer) -> list[str]:
        """Give what came of each LRQ."""
        return [exchange.outcome for exchange in answer.exchanges]

    async def test_sequential(self) -> None:
        """Timeout, the next one; refused, at once; LRJ, the next cluster; RIP, patience; tshark reads it all."""
        silent, rejecting = self.gatekeeper("1T LCF fault=silent"), self.gatekeeper("1T LRJ reason=requestDenied")
        slow = self.gatekeeper("1T LCF host=192.0.2.1:1720 patience=2000 delay=700")
        places = [silent.address, (LOOPBACK, free_port()), rejecting.address, slow.address]
        capture = Capture(self, [port for _, port in places])
        client = self.client([places[0]], [places[1]], [places[2]], [places[3]], manner=Manner(timeout=0.2))
        answer = await client.ask(REQUEST)
        capture.finish()
        self.assertEqual(self.names(answer), ["no answer in time", "Connection refused", "LRJ requestDenied", "LCF"])
        self.assertLess(answer.exchanges[1].seconds, 0.15)
        self.assertGreater(answer.exchanges[3].seconds, 0.69)
        assert answer.confirm is not None
        self.assertEqual(answer.confirm.signal_address, ("192.0.2.1", 1720))
        rows = capture.read(*_FIELDS)
        self.assertEqual([_NAMES[row[0]] for row in rows], ["LRQ", "LRQ", "LRQ", "LRJ", "LRQ", "RIP", "LCF"])
        self.assertEqual([row[2:] for row in rows], [["", ""]] * 7)
        self.assertEqual(len({row[1] for row in rows}), 4)

    async def test_blast_best(self) -> None:
        """All are asked at once, the better cluster is waited for; hops and Cisco's data are what tshark reads."""
        good = self.gatekeeper("1#14T LCF host=192.0.2.1:1720 delay=200 alternate=192.0.2.2:1720/3,192.0.2.3:1720/1")
        other = self.gatekeeper("1#14T LCF host=192.0.2.9:1720")
        capture = Capture(self, [good.address[1], other.address[1]])
        client = self.client([good.address], [other.address], manner=Manner("Blast", "Best"))
        pavo = LocationRequest(
            1,
            "1#14085551234",
            ("0.0.0.0", 0),
            can_map_alias=True,
            hop_count=6,
            ttl=6,
            call_identifier=bytes(range(16)),
            cisco_call_identifier=bytes(range(16)),
            redirect_ie=encode_redirecting_number(RedirectingNumber("4085550000", reason=15)),
            calling_octet_3a=0x81,
        )
        answer = await client.ask(pavo)
        capture.finish()
        self.assertEqual(answer.gatekeeper, f"{LOOPBACK}:{good.address[1]}")
        self.assertLess(answer.seconds, 1.0)
        fields = ("h225.dialledDigits", "h225.hopCount", "h225.manufacturerCode", "h225.canMapAlias", "h225.guid")
        rows = capture.read(*_FIELDS, *fields)
        guid = "00010203-0405-0607-0809-0a0b0c0d0e0f"
        asked = [row[4:] for row in rows if row[0] == "18"]
        self.assertEqual(asked, [["1#14085551234", "6", "18", "1", guid]] * 2)
        self.assertEqual({tuple(row[2:4]) for row in rows}, {("", "")})
        (request,) = good.asked
        self.assertEqual((request.ttl, request.calling_octet_3a), (6, 0x81))
        self.assertEqual(request.redirect_ie, pavo.redirect_ie)

    async def test_directory(self) -> None:
        """A directory gatekeeper passes the question on; the one that knows answers from its own address."""
        leaf = self.gatekeeper("44T LCF host=192.0.2.44:1720")
        directory = self.gatekeeper(Zone=f"44T {LOOPBACK}:{leaf.address[1]}")
        client = self.client([directory.address], manner=Manner())
        answer = await client.ask(LocationRequest(1, "442071", ("0.0.0.0", 0), hop_count=2, ttl=2))
        self.assertEqual(self.names(answer), [f"LCF from {LOOPBACK}:{leaf.address[1]}"])
        self.assertEqual(leaf.asked[0].hop_count, 1)
        spent = await client.ask(LocationRequest(1, "442071", ("0.0.0.0", 0), hop_count=1, ttl=1))
        self.assertEqual(self.names(spent), ["LRJ hopCountExceeded"])

    async def test_many(self) -> None:
        """A thousand questions in flight have each their own answer, whatever order they come in, with some lost."""
        good = self.gatekeeper(
            *(f"1{number:03d} LCF host=192.0.2.1:{1000 + number} delay={number % 50}" for number in range(1000)),
            LossInPercent="10",
        )
        client = self.client([good.address], manner=Manner(timeout=1.0, window=10.0, retransmissions=8))
        numbers = [LocationRequest(1, f"1{number:03d}", ("0.0.0.0", 0)) for number in range(1000)]
        answers = [await asked for asked in [client.ask(request) for request in numbers]]
        ports = [answer.confirm and answer.confirm.signal_address for answer in answers]
        self.assertEqual(ports, [("192.0.2.1", 1000 + number) for number in range(1000)])
        self.assertEqual(client.pending, 0)
        self.assertGreater(client.states[0].counters["retransmitted"], 20)

    async def test_hostile(self) -> None:
        """Octets that are no message, and other numbers, leave the question to the next gatekeeper."""
        bad = self.gatekeeper("1T LCF fault=garbage")
        worse = self.gatekeeper("1T LCF fault=wrong-seq")
        good = self.gatekeeper("1T LCF host=192.0.2.1:1720 fault=twice")
        client = self.client([bad.address], [worse.address], [good.address], manner=Manner(timeout=0.2))
        answer = await client.ask(REQUEST)
        self.assertEqual(self.names(answer), ["no answer in time", "no answer in time", "LCF"])
        await deferLater(reactor, 0.1)
        self.assertEqual(client.strays, {"forbidden": 0, "malformed": 1, "unasked": 1})
        self.assertEqual(client.states[2].counters["late"], 1)


class CommandTests(SynchronousTestCase):
    """C{twistd sipproxy-gatekeeper}."""

    def test_answers(self) -> None:
        """It reads its file, listens and answers."""
        folder, port = make_folder(self), free_port()
        (folder / "gk.conf").write_text(f"Listen {LOOPBACK}:{port}\nAnswer 1408T LCF host=192.0.2.1:1720\n")
        command: list[str | Path] = [twistd(), "--nodaemon", "--pidfile=", "sipproxy-gatekeeper", "-c", "gk.conf"]
        process = Process(self, command, folder, "gatekeeper", environment())
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
            asking.bind((LOOPBACK, 0))
            asking.settimeout(0.2)
            datagram = encode(LocationRequest(77, "14085551234", asking.getsockname()))

            def ask() -> bytes | None:
                process.see_alive()
                asking.sendto(datagram, (LOOPBACK, port))
                try:
                    return asking.recv(1000)
                except TimeoutError:
                    return None

            answer = wait_until(ask, "the gatekeeper answers")
        self.assertEqual(decode(answer), LocationConfirm(77, ("192.0.2.1", 1720), (LOOPBACK, port)))
