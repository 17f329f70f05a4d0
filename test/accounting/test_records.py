"""Records and their attributes."""

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from pyrad.packet import Packet  # type: ignore[import-untyped]
from twisted.trial.unittest import SynchronousTestCase

from sipproxy.accounting.call import INTERIM, START, STOP, Branch, Call, End, Invite, call_of
from sipproxy.accounting.packets import RecordPacker
from sipproxy.accounting.records import (
    USER_REQUEST,
    as_json,
    cause_of,
    cisco_time,
    conf_id,
    fact,
    identity,
    octets,
    terminate_of,
    text_of,
)
from sipproxy.wire.radius import ACCOUNTING_REQUEST, Packer, make_request
from test.accounting.fixtures import DICTIONARY, NAS, NOW

PACKER = RecordPacker(Packer(DICTIONARY), NAS)


def invite(**parts: Any) -> Invite:
    """Give an INVITE."""
    usual = Invite(
        "c1", "alice", 1, "alice", "sip:bob@example.com", "sip:alice@example.com", "", "10.0.0.1", "sip:b@h", NOW
    )
    return usual._replace(**parts)


def ended(of: Invite) -> Call:
    """Give a call of 60 seconds."""
    call = Call(of, Branch("10.0.0.2", 5060, "sip:bob@10.0.0.2"))
    call.connected = NOW + 5.5
    call.end = End(NOW + 65.5, 16, USER_REQUEST, "BYE")
    return call


def attributes(call: Call, kind: int) -> dict[str, Any]:
    """Give what a record says, as another implementation reads it; of each name there is one attribute."""
    data = make_request(ACCOUNTING_REQUEST, 1, b"secret", PACKER.pack(call, kind, 7)).data
    packet = Packet(dict=DICTIONARY, packet=data)
    assert all(len(packet[name]) == 1 for name in packet.keys())  # noqa: SIM118 - without it these are numbers
    return {name: packet[name][0] for name in packet.keys()}  # noqa: SIM118


class ValueTests(SynchronousTestCase):
    """Single values."""

    def test_time(self) -> None:
        """Times have Cisco's form, with milliseconds, rounded, and the zone."""
        self.assertEqual(cisco_time(1_001_546_659.81), "23:24:19.810 UTC Wed Sep 26 2001")
        self.assertEqual(cisco_time(1_001_865_599.9996), "16:00:00.000 UTC Sun Sep 30 2001")
        self.assertEqual(cisco_time(0), "00:00:00.000 UTC Thu Jan 1 1970")

    def test_causes(self) -> None:
        """RFC 3398 8.2.6.1, and 31 for what is not there."""
        pairs = {404: 1, 486: 17, 480: 18, 408: 102, 483: 25, 410: 22, 500: 41, 501: 79, 502: 38, 504: 102, 603: 21}
        self.assertEqual({status: cause_of(status) for status in pairs}, pairs)
        self.assertEqual({cause_of(status) for status in (300, 302, 417, 487, 488, 599, 606, 699)}, {31})

    def test_terminate(self) -> None:
        """A timeout is the server's doing."""
        self.assertEqual([terminate_of(status) for status in (302, 408, 486, 503, 600)], [17, 10, 17, 17, 17])

    def test_conf_id(self) -> None:
        """What is no Cisco-Guid of four numbers stays as it is."""
        self.assertEqual(conf_id("3036466272-0-10-255"), "B4FCCC60 00000000 0000000A 000000FF")
        for text in ("", "1-2-3", "1-2-3-4294967296", "a-b-c-d", "1-2-3-99999999999999999999"):
            self.assertEqual(conf_id(text), text)

    @given(st.text(), st.integers(0, 300))
    def test_cut(self, text: str, more: int) -> None:
        """A text is cut at a character, and no sooner than needed."""
        value = text.encode("utf-8", "surrogatepass").replace(b"\xed", b"") + "\u20ac".encode() * more
        kept = octets(fact(value))
        self.assertTrue(value.startswith(kept))
        self.assertLessEqual(len(kept), 253)
        if len(value) > 253:
            self.assertGreater(len(kept), 249)
        try:
            value.decode("utf-8")
        except UnicodeDecodeError:
            return
        kept.decode("utf-8")

    @given(st.binary(max_size=600))
    def test_octets(self, value: bytes) -> None:
        """Any octets come back as they were; longer ones than fit tell calls apart by a hash."""
        self.assertEqual(octets(text_of(value)), value)
        self.assertEqual(octets(identity(value)) == value, len(value) <= 253)
        self.assertLessEqual(len(octets(identity(value))), 253)


class RecordTests(SynchronousTestCase):
    """Whole records."""

    def test_stop(self) -> None:
        """All attributes of a Stop."""
        found = attributes(ended(invite()), STOP)
        self.assertEqual(
            found,
            {
                "Acct-Status-Type": "Stop",
                "Acct-Session-Id": "c1",
                "User-Name": "alice",
                "Called-Station-Id": "sip:bob@example.com",
                "Calling-Station-Id": "sip:alice@example.com",
                "Event-Timestamp": int(NOW) + 65,
                "Acct-Session-Time": 60,
                "Acct-Terminate-Cause": "User-Request",
                "NAS-IP-Address": "192.0.2.1",
                "NAS-Port": 5,
                "Service-Type": "Login",
                "Acct-Delay-Time": 7,
                "h323-setup-time": "h323-setup-time=14:13:20.000 UTC Mon Sep 21 2026",
                "h323-call-origin": "h323-call-origin=proxy",
                "h323-connect-time": "h323-connect-time=14:13:25.500 UTC Mon Sep 21 2026",
                "h323-disconnect-time": "h323-disconnect-time=14:14:25.500 UTC Mon Sep 21 2026",
                "h323-disconnect-cause": "h323-disconnect-cause=10",
                "call-id": "call-id=c1",
                "session-protocol": "session-protocol=sipv2",
                "method": "method=BYE",
                "prev-hop-ip": "prev-hop-ip=10.0.0.1",
                "next-hop-ip": "next-hop-ip=10.0.0.2",
                "incoming-req-uri": "incoming-req-uri=sip:b@h",
                "outgoing-req-uri": "outgoing-req-uri=sip:bob@10.0.0.2",
                "Cisco-AVPair": "sip-attempt=c1;alice;1",
            },
        )

    def test_others(self) -> None:
        """A Start knows of no answer, an Interim-Update of no end."""
        call = ended(invite())
        start, interim = (attributes(call, kind) for kind in (START, INTERIM))
        self.assertNotIn("h323-connect-time", start)
        self.assertIn("h323-connect-time", interim)
        for record in (start, interim):
            self.assertNotIn("h323-disconnect-time", record)
            self.assertNotIn("Acct-Session-Time", record)
            self.assertEqual(record["method"], "method=INVITE")
        self.assertEqual([start["Event-Timestamp"], interim["Event-Timestamp"]], [int(NOW), int(NOW) + 5])

    def test_json(self) -> None:
        """A line of the file is the same, with values by themselves, and without what is empty."""
        found = json.loads(as_json(ended(invite(user="")), STOP, NAS))
        self.assertEqual(found["h323-disconnect-cause"], "10")
        self.assertEqual(found["sip-attempt"], "c1;alice;1")
        self.assertEqual(found["Acct-Status-Type"], "Stop")
        self.assertNotIn("User-Name", found)

    @given(st.lists(st.binary(max_size=400), min_size=7, max_size=7), st.integers(0, 2**31 - 1))
    def test_any_octets(self, values: list[bytes], cseq: int) -> None:
        """Whatever stands in an INVITE, its records can be sent, and come back from the spool as they were."""
        call_id, tag, *facts, guid = values
        user, called, calling, uri = map(fact, facts)
        call = ended(
            Invite(identity(call_id), identity(tag), cseq, user, called, calling, conf_id(fact(guid)), "h", uri, NOW)
        )
        call.branches.append(Branch("h", 1, uri))
        call.chosen = 1
        again = call_of(7, call.invite_text(), call.state_text(), 5, 0)
        for kind in (START, INTERIM, STOP):
            packed = PACKER.pack(call, kind, 7)
            make_request(ACCOUNTING_REQUEST, 1, b"secret", packed)
            self.assertEqual(PACKER.pack(again, kind, 7), packed)
            json.loads(as_json(call, kind, NAS))

    def test_damaged(self) -> None:
        """What is no call is a ValueError."""
        call = ended(invite())
        whole = call.state_text()
        for text in ("", "[]", "{}", "3", "[1]", whole[:-2] + "]", whole[:50]):
            self.assertRaises(ValueError, call_of, 1, call.invite_text(), text, 0, 0)
            self.assertRaises(ValueError, call_of, 1, text, whole, 0, 0)
