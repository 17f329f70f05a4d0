"""HEP3 with Kamailio at the other end: its siptrace writes what we write, its sipcapture reads what we send."""

import socket
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase, TestCase

from sipproxy.net.hep import HepSender
from sipproxy.net.tapped import TappedNetwork
from sipproxy.net.udp import UdpNetwork
from sipproxy.simulation import Names
from sipproxy.wire.hep import SIP, UDP, Encoder, decode
from test.interop.embedded import Embedded, aside, the_reactor, until
from test.interop.harness import LOOPBACK, PATIENCE, Process, free_port, make_folder, program, wait_until
from test.interop.telephone import Address, Telephone, host_port

_COMMON = """#!KAMAILIO
debug=1
log_stderror=yes
children=1
disable_tcp=yes
auto_aliases=no
listen=udp:{here}
loadmodule "pv.so"
"""
_SENDER = """loadmodule "sl.so"
loadmodule "siptrace.so"
modparam("siptrace", "duplicate_uri", "sip:{receiver}")
modparam("siptrace", "hep_mode_on", 1)
modparam("siptrace", "hep_version", 3)
modparam("siptrace", "hep_capture_id", 77)
modparam("siptrace", "auth_key", "secret")
modparam("siptrace", "trace_to_database", 0)
modparam("siptrace", "trace_on", 1)
modparam("siptrace", "trace_mode", 1)
request_route {{ sl_send_reply("200", "OK"); }}
"""
_RECEIVER = """loadmodule "xlog.so"
loadmodule "db_text.so"
loadmodule "sipcapture.so"
modparam("sipcapture", "db_url", "text://{folder}")
modparam("sipcapture", "insert_retries", 1)
modparam("sipcapture", "capture_on", 1)
modparam("sipcapture", "hep_capture_on", 1)
request_route {{ xlog("L_ERR", "SEEN $rm $ru from $si:$sp\\n"); drop; }}
onreply_route {{ xlog("L_ERR", "SEEN $rs from $si:$sp\\n"); drop; }}
"""


def start_kamailio(test: SynchronousTestCase, text: str, address: Address, **values: object) -> Process:
    """Start a Kamailio and wait until it has its port."""
    path = program("kamailio", "kamailio")
    folder = make_folder(test, "kamailio")
    configuration = folder / "kamailio.cfg"
    configuration.write_text((_COMMON + text).format(here=host_port(address), folder=folder, **values))
    options = ["-DD", "-E", "-m", "64", "-M", "8", "-w", str(folder), "-Y", str(folder), "-P", str(folder / "pid")]
    process = Process(test, [path, "-f", configuration, *options], folder)

    def listens() -> bool:
        process.see_alive()
        place = f"{int.from_bytes(socket.inet_aton(address[0]), 'little'):08X}:{address[1]:04X}"
        return place in Path("/proc/net/udp").read_text()

    wait_until(listens, "Kamailio has its port")
    return process


class FromKamailioTests(SynchronousTestCase):
    """What Kamailio writes."""

    def test_octets(self) -> None:
        """Its packets are read, and written again they are the same, octet by octet."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
            receiver.bind((LOOPBACK, 0))
            receiver.settimeout(PATIENCE)
            place = host_port(receiver.getsockname())
            address = (LOOPBACK, free_port())
            start_kamailio(self, _SENDER, address, receiver=place)
            alice = Telephone(self, address)
            self.assertEqual(alice.ask("OPTIONS", f"sip:{alice.domain}").status, 200)
            for source, destination, start in (
                (alice.address, address, b"OPTIONS "),
                (address, alice.address, b"SIP/2.0 200 "),
            ):
                packet = receiver.recv(65_535)
                found = decode(packet)
                self.assertEqual((found.source, found.destination), (source, destination))
                self.assertEqual((found.agent, found.key, found.protocol, found.captured), (77, b"secret", UDP, SIP))
                self.assertTrue(found.payload.startswith(start), found.payload)
                encoder = Encoder(found.agent, found.key)
                again = encoder.encode(found.source, found.destination, found.micros, found.payload)
                self.assertEqual(again, packet)


class ToKamailioTests(TestCase):
    """What a server of ours sends."""

    timeout = 30

    def setUp(self) -> None:
        self.receiver: Address = (LOOPBACK, free_port())
        self.kamailio = start_kamailio(self, _RECEIVER, self.receiver)
        reactor = the_reactor()
        network = UdpNetwork(reactor, 1_000_000, 0)
        self.hep = HepSender(self.receiver, 228, b"secret", network, Names(reactor), reactor)
        self.embedded = Embedded(self, network=TappedNetwork(network, self.hep))
        self.embedded.add(self.hep)
        self.embedded.start()

    async def test_messages(self) -> None:
        """Requests and responses arrive there as they went here, each with where it came from."""

        def use() -> Address:
            alice = Telephone(self, self.embedded.address)
            assert alice.register().status == 200
            return alice.address

        address = await aside(use)
        here = host_port(self.embedded.address)
        lines = (f"SEEN REGISTER sip:{here} from {host_port(address)}", f"SEEN 200 from {here}")
        await until(lambda: all(line in self.kamailio.text() for line in lines))
        self.assertEqual((self.hep.sent, self.hep.dropped, self.hep.refused), (2, 0, 0))

    async def test_receiver_dies(self) -> None:
        """Without the receiver the server goes on, and knows that the copies do not arrive."""
        await aside(self.kamailio.stop)

        def use() -> None:
            alice = Telephone(self, self.embedded.address)
            for _ in range(5):
                assert alice.register().status == 200

        await aside(use)
        await until(lambda: self.hep.refused > 0)
        self.assertEqual(self.hep.away_reason, "Connection refused")
        self.assertEqual(self.embedded.error_log().count("HEPServer 127.0.0.1: Connection refused"), 1)
