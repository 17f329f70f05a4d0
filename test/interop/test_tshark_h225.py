"""Wireshark reads what we send to gatekeepers, and what our own gatekeeper would send, as it is meant."""

import subprocess
from collections.abc import Sequence
from dataclasses import replace
from random import Random

from twisted.trial.unittest import SynchronousTestCase

from bench.ras_codec import messages
from sipproxy.wire.h225 import ras
from sipproxy.wire.h225.messages import LocationRequest, encode
from sipproxy.wire.h225.ras import RasMessage
from sipproxy.wire.h225.tokens import Signed, SignedToken
from sipproxy.wire.per import Chosen, Codec
from test.interop.harness import make_folder, program
from test.wire.values import Values

COUNT = 2000
# It shows productId as text, which octets by chance are not.
_AS_TEXT = "Trailing stray characters"
TYPES = {
    "locationRequest": ras.LocationRequest(),
    "locationConfirm": ras.LocationConfirm(),
    "locationReject": ras.LocationReject(),
    "requestInProgress": ras.RequestInProgress(),
}


class DissectorTests(SynchronousTestCase):
    """Datagrams in a capture file, each a frame."""

    def dissect(self, datagrams: Sequence[bytes], *fields: str) -> list[list[str]]:
        """Give fields of each datagram; those that occur more than once have commas."""
        folder = make_folder(self, "dissect")
        dump, capture = folder / "dump.txt", folder / "sent.pcap"
        dump.write_text("".join(f"0000 {datagram.hex(' ')}\n\n" for datagram in datagrams))
        text2pcap, tshark = program("text2pcap", "tshark"), program("tshark", "tshark")
        subprocess.run([text2pcap, "-q", "-u", "1719,1719", dump, capture], check=True, capture_output=True, timeout=60)
        chosen = [word for field in fields for word in ("-e", field)]
        command = [tshark, "-n", "-r", str(capture), "-T", "fields", *chosen]
        done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=120)
        read = [line.split("\t") for line in done.stdout.splitlines()]
        self.assertEqual(len(read), len(datagrams))
        return read

    def see(self, datagrams: Sequence[bytes], expected: Sequence[tuple[str, ...]], *fields: str) -> None:
        """Check fields, and that nothing is amiss."""
        read = self.dissect(datagrams, "_ws.malformed", "_ws.expert.message", *fields)
        for datagram, (malformed, expert, *found), wanted in zip(datagrams, read, expected, strict=True):
            amiss = {malformed, *expert.split(",")} - {"", _AS_TEXT}
            self.assertEqual((amiss, *found), (set(), *wanted), datagram.hex())

    def test_messages(self) -> None:
        """Every kind of message has its name and sequence number."""
        made = list(messages().values())
        kinds = {"LocationRequest": "18", "LocationConfirm": "19", "LocationReject": "20", "RequestInProgress": "25"}
        expected = [(kinds[type(message).__name__], str(message.seq)) for message in made]
        self.see([encode(message) for message in made], expected, "h225.RasMessage", "h225.requestSeqNum")

    def test_request(self) -> None:
        """An LRQ's numbers, addresses and identifiers are those that were put in."""
        request = messages()["LRQ, Cisco's data"]
        assert isinstance(request, LocationRequest)
        plain = replace(request, reply_address=("192.0.2.10", 1719), seq=1, can_map_alias=False)
        fields = {
            "h225.dialledDigits": "1#14085551234,4085559999",
            "h225.h323_ID": "sps1",
            "h225.url_ID": "sip:a@example.com",
            "h225.hopCount": "6",
            "h225.gatekeeperIdentifier": "gk1",
            "h225.guid": "00010203-0405-0607-0809-0a0b0c0d0e0f",
            "h225.manufacturerCode": "18",
        }
        both = tuple(fields.values())
        self.see(
            [encode(request), encode(plain)],
            [("2001:db8::1", "", *both), ("", "192.0.2.10", *both)],
            "h225.ipV6",
            "h225.ipV4",
            *fields,
        )

    def test_random_values(self) -> None:
        """Values of the four messages by chance, with all that they carry, are read to their end."""
        random, codec = Random(1719), Codec(RasMessage())
        # Wireshark reads numbers without bounds up to 32 bits, and does not know what is in a SIGNED.
        values = Values(random, far=(1 << 31) - 1, left_out=(Signed, SignedToken))
        made = []
        for number in range(COUNT):
            name = list(TYPES)[number % 4]
            made.append(Chosen(name, values.value(TYPES[name])))
        # The delay of a RIP stands behind its tokens, the last thing that is read.
        expected = [(str(value["requestSeqNum"]), str(value.get("delay", ""))) for _, value in made]
        self.see([codec.encode(value) for value in made], expected, "h225.requestSeqNum", "h225.delay")
