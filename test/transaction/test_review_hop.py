"""What a transaction sends by itself, and where to: requests that are over the limits, Vias that lead nowhere."""

from twisted.trial.unittest import SynchronousTestCase

from sipproxy.message import Request, parse_message, parse_via
from sipproxy.message.message import Response
from sipproxy.transaction.hop import make_ack, make_cancel
from sipproxy.transaction.via import response_destination

BUSY = b"SIP/2.0 486 Busy\r\nTo: <sip:b>;tag=1\r\n\r\n"


class BigRequestTests(SynchronousTestCase):
    """What was within the limits when it came may be out of them with what we have added."""

    def request(self, *lines: bytes, body: bytes = b"") -> bytes:
        """Write a request that was sent."""
        head = (
            b"INVITE sip:b SIP/2.0",
            b"Via: SIP/2.0/UDP a;branch=z9hG4bK1",
            b"From: <sip:a>;tag=1",
            b"To: <sip:b>",
            b"Call-ID: 1",
            b"CSeq: 7 INVITE",
        )
        return b"\r\n".join((*head, *lines, b"Content-Length: %d" % len(body), b"", body))

    def test_each_limit(self) -> None:
        """Too many headers, Vias and separators, or too many octets: there are ACK and CANCEL all the same."""
        busy = parse_message(BUSY)
        assert isinstance(busy, Response)
        for sent in (
            self.request(*[b"X: y"] * 200),
            self.request(*[b"Via: SIP/2.0/UDP c"] * 70),
            self.request(b"X: " + b"," * 2000),
            self.request(body=b"y" * 65535),
        ):
            ack, cancel = parse_message(make_ack(sent, busy)), parse_message(make_cancel(sent))
            assert isinstance(ack, Request) and isinstance(cancel, Request)
            self.assertEqual((ack.method, ack.cseq, ack.to.tag), (b"ACK", (7, b"ACK"), b"1"))
            self.assertEqual((cancel.method, cancel.cseq, cancel.to.tag), (b"CANCEL", (7, b"CANCEL"), b""))


class DestinationTests(SynchronousTestCase):
    """Where responses go (RFC 3261 18.2.2)."""

    def test_maddr(self) -> None:
        """To a maddr that is a literal address; another one could only be looked up by blocking, or not at all."""
        source = ("10.0.0.1", 5070)
        for maddr, host in (
            (b"10.0.0.2", "10.0.0.2"),
            (b"1..2", "10.0.0.1"),
            (b"999.1.1.1", "10.0.0.1"),
            (b"1" * 70, "10.0.0.1"),
            (b"1.2.3.4.5", "10.0.0.1"),
            (b"7", "10.0.0.1"),
            (b"name.example.net", "10.0.0.1"),
        ):
            via = parse_via(b"SIP/2.0/UDP a:5080;branch=z9hG4bK1;maddr=" + maddr)
            self.assertEqual(response_destination(via, source), (host, 5080), maddr)
