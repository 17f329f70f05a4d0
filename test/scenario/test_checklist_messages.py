"""The project's checklist of SIP as it is really used, rows 5 to 15: messages, Via, the way of a response.

A test is named after its row; RFC 3261 unless another one is named.
"""

from test.scenario.stage import PROXY, PROXY_ADDRESS, WireTestCase

INVITE = {"branch": b"z9hG4bK-1", "call_id": b"c", "cseq": b"1 INVITE"}


class MessageTests(WireTestCase):
    """What is read, and what is passed on."""

    def test_row_05_leading_line_ends(self) -> None:
        """Line ends before a request are ignored (7.5), also behind which there is nothing."""
        self.open()
        self.send(b"\r\n\r\n\r\n" + self.caller.make_request(b"OPTIONS", b"sip:example.com"))
        self.send(b"\r\n")
        self.assertEqual((self.caller.statuses(), len(self.caller.received)), ([200], 1))

    def test_row_05_ping(self) -> None:
        """CRLFCRLF is answered with CRLF (RFC 5626 4.4.1)."""
        self.open()
        self.send(b"\r\n\r\n")
        self.assertEqual([each.data for each in self.caller.received], [b"\r\n"])

    def test_row_07_untouched(self) -> None:
        """Unknown methods, headers, URI parameters and bodies go through octet for octet, in order and case."""
        self.open("sip:bob@10.0.0.2;Strange=%41;x")
        headers = (
            b"x-One:  1 ,2",
            b"X-Two: \xc3\xa9",
            b"x-one: 3",
            b"Content-Type: application/x",
            b'f-Oo: <a>;b="c,d"',
        )
        body = b"\x00\xff\r\n\r\nSIP/2.0"
        self.ask(b"FLY!", *headers, body=body)
        self.assertEqual(self.forwarded.start, b"FLY! sip:bob@10.0.0.2;Strange=%41;x SIP/2.0")
        self.assertEqual([line for line in self.forwarded.lines if line in headers], list(headers))
        self.assertEqual(self.forwarded.body, body)

    def test_row_07_405(self) -> None:
        """405 only where we are the UAS: a REGISTER to us without a registrar; another's goes through."""
        self.open(Registry="Off")
        self.ask(b"REGISTER", uri=b"sip:example.com")
        self.assertEqual(self.response.status, 405)
        self.assertNotIn(b"REGISTER", self.response.required("allow"))
        self.ask(b"REGISTER", uri=b"sip:10.0.0.2")
        self.assertEqual(self.forwarded.method, b"REGISTER")

    def test_row_07_ourselves(self) -> None:
        """A method that we do not know, for us and no user of ours: 405 (8.2.1)."""
        self.open()
        self.ask(b"FOO", uri=b"sip:example.com")
        self.assertEqual(self.response.status, 405)
        self.assertEqual(self.response.required("allow"), b"INVITE, ACK, CANCEL, BYE, OPTIONS, REGISTER")
        self.ask(b"FOO", uri=b"sip:nobody@example.com")
        self.assertEqual(self.response.status, 404)

    def test_row_09_telephone_numbers(self) -> None:
        """Visual separators and escapes are no difference; phone-context completes a local number (RFC 3966)."""
        self.begin()
        self.serve(StaticRegistration="+15551234@example.com sip:gw@10.0.0.2")
        self.caller, self.called = self.wire("alice", "bob")
        for uri in (
            b"tel:+1-(555).12-34",
            b"tel:1234;phone-context=+1555",
            b"sip:+1-555-1234@example.com;user=phone",
            b"sip:%2B15551234@example.com",
        ):
            self.ask(b"MESSAGE", uri=uri)
        self.assertEqual(len(self.called.requests()), 4)

    def test_row_09_unknown_scheme(self) -> None:
        """A scheme that we cannot resolve: 416 (16.3 item 2); with a Route it is not ours to resolve."""
        self.open()
        self.ask(b"MESSAGE", uri=b"mailto:bob@example.com")
        self.assertEqual(self.response.status, 416)
        self.ask(b"MESSAGE", b"Route: <sip:10.0.0.2;lr>", uri=b"mailto:bob@example.com")
        self.assertEqual(self.forwarded.uri, b"mailto:bob@example.com")


class ViaTests(WireTestCase):
    """Our Via, and what we write into others'."""

    def test_row_11_our_via(self) -> None:
        """Always one of ours on top, with a branch that was never used before (16.6 item 8)."""
        self.open()
        for _ in range(3):
            self.ask(b"MESSAGE")
        vias = [each.message.via for each in self.called.requests() if each.message]
        self.assertEqual(len({via.branch for via in vias}), 3)
        self.assertTrue(all(via.branch.startswith(b"z9hG4bK") and len(via.branch) > 20 for via in vias))
        self.assertEqual({(via.transport, via.host, via.port) for via in vias}, {(b"UDP", PROXY.encode(), 5060)})

    def test_row_11_advertised(self) -> None:
        """The sent-by is the address that others see of us, also in Record-Route; what comes back to it is ours."""
        self.open(AdvertisedAddress="203.0.113.5:5080", AddRecordRoute="On")
        self.ask(b"INVITE")
        self.assertEqual((self.forwarded.via.host, self.forwarded.via.port), (b"203.0.113.5", 5080))
        self.assertEqual(self.forwarded.header("record-route"), b"<sip:203.0.113.5:5080;lr>")
        self.answer(200, b"Contact: <sip:bob@10.0.0.2>")
        self.assertEqual(self.response.status, 200)
        route = b"Route: <sip:203.0.113.5:5080;lr>"
        self.ask(b"BYE", route, uri=b"sip:bob@10.0.0.2", to=b"<sip:bob@example.com>;tag=bob")
        self.assertEqual((self.forwarded.method, self.forwarded.header("route")), (b"BYE", None))

    def test_row_12_received(self) -> None:
        """received where the sent-by is not where it came from, or is a name (18.2.1)."""
        self.open()
        for host, received in ((b"10.0.0.1", None), (b"10.0.0.9", b"10.0.0.1"), (b"pc.example.net", b"10.0.0.1")):
            self.ask(b"MESSAGE", via=b"SIP/2.0/UDP %b:5060;branch=z9hG4bK-%b" % (host, host))
            below = self.forwarded.values("via")[1]
            self.assertEqual(below.partition(b";received=")[2] or None, received)

    def test_row_12_rport(self) -> None:
        """rport only where it is asked for, and then with received (RFC 3581 4); the response from the same socket."""
        self.open()
        self.ask(b"OPTIONS", uri=b"sip:example.com", via=b"SIP/2.0/UDP 10.0.0.1:6060;rport;branch=z9hG4bK-1")
        params = self.response.via.params
        self.assertEqual((params[b"received"], params[b"rport"]), (b"10.0.0.1", b"5060"))
        self.assertEqual(self.caller.received[-1].source, PROXY_ADDRESS)
        self.ask(b"OPTIONS", uri=b"sip:example.com")
        self.assertNotIn(b"rport", self.response.via.params)

    def test_row_13_sent_by_port(self) -> None:
        """Without rport the response goes to the source address and the port of the sent-by (18.2.2)."""
        self.open()
        other = self.simulation.endpoint("other", "10.0.0.1", 6060)
        self.ask(b"OPTIONS", uri=b"sip:example.com", via=b"SIP/2.0/UDP 10.9.9.9:6060;branch=z9hG4bK-1")
        self.assertEqual((other.statuses(), self.caller.received), ([200], []))

    def test_row_13_no_port(self) -> None:
        """A sent-by without a port means 5060."""
        self.open()
        self.simulation.endpoint("other", "10.0.0.1", 40000).send(
            self.caller.make_request(b"OPTIONS", b"sip:example.com", via=b"SIP/2.0/UDP 10.0.0.1;branch=z9hG4bK-1"),
            PROXY_ADDRESS,
        )
        self.simulation.run(0.1)
        self.assertEqual(self.caller.statuses(), [200])

    def test_row_15_not_ours(self) -> None:
        """A response whose topmost Via is not ours is dropped (18.1.2), one that has only ours too (16.7 item 3)."""
        self.open()
        self.ask(b"MESSAGE")
        ours, below = self.forwarded.values("via")
        for vias in (
            below,  # none of ours
            ours,  # only ours
            ours.replace(b"branch=", b"branch=x") + b", " + below,  # our address, a branch that is none of ours
        ):
            before = len(self.caller.received)
            data = self.called.make_request(b"MESSAGE", b"sip:x", via=vias, call_id=self.forwarded.call_id)
            self.called.send(data.replace(b"MESSAGE sip:x SIP/2.0", b"SIP/2.0 180 Ringing"), PROXY_ADDRESS)
            self.simulation.run(0.1)
            self.assertEqual(self.caller.received[before:], [], vias)
        self.answer(200)
        self.assertEqual(self.caller.statuses(), [200])

    def test_row_15_sent_by(self) -> None:
        """Our branch below a sent-by that is not ours is none of ours; another spelling of ours is (18.1.2)."""
        self.open()
        for sent_by, statuses in (
            (b"192.0.2.200:5060", []),
            (PROXY.encode() + b":5061", []),
            (PROXY.encode(), [200]),
            (PROXY.encode() + b" : 5060", [200]),
            (PROXY.encode() + b":05060", [200]),
        ):
            self.caller.received.clear()
            self.ask(b"MESSAGE")
            ours, below = self.forwarded.values("via")
            vias = ours.replace(PROXY.encode() + b":5060", sent_by) + b"\r\nVia: " + below
            data = self.called.make_request(b"MESSAGE", b"sip:x", via=vias, call_id=self.forwarded.call_id)
            self.called.send(data.replace(b"MESSAGE sip:x SIP/2.0", b"SIP/2.0 200 OK"), PROXY_ADDRESS)
            self.simulation.run(0.1)
            self.assertEqual(self.caller.statuses(), statuses, sent_by)

    def test_row_15_our_via_goes(self) -> None:
        """Exactly our Via is taken off; the caller's is as it was."""
        self.open()
        self.ask(b"INVITE", **INVITE)
        self.answer(180)
        self.assertEqual(self.response.values("via"), [b"SIP/2.0/UDP 10.0.0.1:5060;branch=z9hG4bK-1"])
