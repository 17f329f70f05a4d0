"""The connection to charon."""

import struct
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.defer import Deferred
from twisted.internet.epollreactor import EPollReactor
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.trial.unittest import SynchronousTestCase
from vici.protocol import Message, Packet  # type: ignore[import-untyped]

from sipproxy.ipsec.vici import DEADLINE, Connector, ViciConnection, ViciError, ViciLostError
from test.net.fixtures import close, spin


def framed(kind: int, content: bytes = b"") -> bytes:
    """Write a packet with its length."""
    return struct.pack("!IB", len(content) + 1, kind) + content


def event(name: str, **message: Any) -> bytes:
    """Write an event."""
    return framed(Packet.EVENT, bytes([len(name)]) + name.encode() + Message.serialize(message))


def response(**message: Any) -> bytes:
    """Write a response."""
    return framed(Packet.CMD_RESPONSE, bytes(Message.serialize(message)))


class ViciTests(SynchronousTestCase):
    """Requests, events, and what can go wrong with them."""

    def setUp(self) -> None:
        """Connect."""
        self.clock = Clock()
        self.events: list[tuple[str, object]] = []
        self.transport = StringTransport()
        self.connection = ViciConnection(self.clock, lambda name, message: self.events.append((name, message)))
        self.connection.makeConnection(self.transport)

    def written(self) -> bytes:
        """Give what was written since the last time."""
        found = bytes(self.transport.value())
        self.transport.clear()
        return found

    def test_request(self) -> None:
        """A request goes out as VICI has it, its response comes back as text."""
        answer = self.connection.request("unload-conn", {"name": "gw"})
        self.assertEqual(self.written(), b"\x00\x00\x00\x17\x00\x0bunload-conn" + b"\x03\x04name\x00\x02gw")
        self.connection.dataReceived(response(success="yes", more={"of": ["it", "all"]}))
        self.assertEqual(self.successResultOf(answer), {"success": "yes", "more": {"of": ["it", "all"]}})
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_split(self) -> None:
        """Octets come as they like."""
        answer = self.connection.request("stats")
        for octet in event("ike-updown", up="yes") + response(a="b"):
            self.connection.dataReceived(bytes([octet]))
        self.assertEqual(self.successResultOf(answer), {"a": "b"})
        self.assertEqual(self.events, [("ike-updown", {"up": "yes"})])

    def test_in_turn(self) -> None:
        """A request waits for the response to the one before."""
        first, second = self.connection.request("stats"), self.connection.follow("log")
        self.assertEqual(self.written(), b"\x00\x00\x00\x07\x00\x05stats")
        self.connection.dataReceived(response(n="1"))
        self.assertEqual(self.successResultOf(first), {"n": "1"})
        self.assertEqual(self.written(), b"\x00\x00\x00\x05\x03\x03log")
        self.connection.dataReceived(framed(Packet.EVENT_CONFIRM))
        self.assertIsNone(self.successResultOf(second))

    def test_refusals(self) -> None:
        """What charon refuses or does not know fails with its reason; the next request goes on."""
        for answer, reason in (
            (response(success="no", errmsg="a\nb"), "load-conn: a b"),
            (framed(Packet.CMD_UNKNOWN), "charon does not know load-conn"),
        ):
            asked = self.connection.request("load-conn")
            self.connection.dataReceived(answer)
            self.assertEqual(str(self.failureResultOf(asked, ViciError).value), reason)
        followed = self.connection.follow("nothing")
        self.connection.dataReceived(framed(Packet.EVENT_UNKNOWN))
        self.assertIn("nothing", str(self.failureResultOf(followed, ViciError).value))

    def test_deadline(self) -> None:
        """Without a response in time the connection ends, with all that waits."""
        asked = [self.connection.request("stats"), self.connection.request("version")]
        self.clock.advance(DEADLINE + 0.01)
        for answer in asked:
            self.failureResultOf(answer, ViciLostError)
        self.assertTrue(self.transport.disconnecting)
        self.assertEqual(self.successResultOf(self.connection.closed), "it does not answer")
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.failureResultOf(self.connection.request("stats"), ViciLostError)

    def test_bad(self) -> None:
        """What is no VICI, or was not asked, ends the connection and nothing else."""
        for bad in (
            b"\xff\xff\xff\xff",
            framed(Packet.EVENT),
            framed(Packet.CMD_RESPONSE, b"\x04\x01l\x07"),
            framed(Packet.CMD_RESPONSE, b"\x02"),
            framed(Packet.CMD_RESPONSE, b"\x01\x01s"),
            b"\x00\x00\x00\x00",
        ):
            self.setUp()
            asked = self.connection.request("stats")
            self.connection.dataReceived(bad)
            self.failureResultOf(asked, ViciLostError)
            self.assertTrue(self.transport.disconnecting, bad)
            self.assertEqual(self.clock.getDelayedCalls(), [])
        self.setUp()
        self.connection.dataReceived(response())
        self.assertEqual(self.successResultOf(self.connection.closed), "it answers what was not asked")

    @given(st.binary(max_size=60))
    @settings(max_examples=300, deadline=None)
    def test_any_octets(self, data: bytes) -> None:
        """Whatever a packet holds, it is an answer, an event or the end of the connection."""
        connection = ViciConnection(Clock(), lambda name, message: None)
        connection.makeConnection(StringTransport())
        asked = connection.request("stats")
        outcomes: list[object] = []
        asked.addBoth(outcomes.append)
        connection.dataReceived(struct.pack("!I", len(data)) + data)
        connection.close()
        self.assertEqual(len(outcomes), 1)

    def test_long_value(self) -> None:
        """A value that VICI has no room for is an error of its own."""
        self.assertRaises(ViciError, self.connection.request, "load-key", {"data": b"x" * 70_000})
        self.assertEqual(self.written(), b"")


class ConnectorTests(SynchronousTestCase):
    """The way to charon."""

    def test_nobody(self) -> None:
        """Without charon the reason says where it was looked for, and why it is not there."""
        reactor = EPollReactor()
        self.addCleanup(close, reactor)
        path = Path(self.mktemp())
        failed: list[object] = []
        Deferred.fromCoroutine(Connector(reactor, path).connect()).addErrback(failed.append)
        spin(reactor, lambda: failed)
        (failure,) = failed
        self.assertEqual(
            str(getattr(failure, "value", "")), f"charon cannot be reached at {path}: No such file or directory"
        )
