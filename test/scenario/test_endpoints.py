"""What telephones and gateways that are in use expect of a proxy and registrar, on the wire.

A test is named after the endpoint. What needs a connection (TCP, TLS,
WebSocket) has no test here.
"""

from test.scenario.stage import PROXY, PROXY_ADDRESS, WireTestCase

US = PROXY.encode()
DOMAIN = b"sip:example.com"
BOB = b"<sip:bob@example.com>"


class RegisteringTests(WireTestCase):
    """What they register, and what they look for in the 200."""

    def setUp(self) -> None:
        """Begin with a server that knows nobody."""
        super().setUp()
        self.begin()
        self.server = self.serve()
        self.caller, self.called = self.wire("alice", "bob")

    def register(self, contact: bytes, *headers: bytes, call_id: bytes = b"r") -> list[bytes]:
        """Register a contact of bob's; give the Contact values of the 200."""
        self.ask(b"REGISTER", b"Contact: " + contact, *headers, uri=DOMAIN, to=BOB, call_id=call_id)
        self.assertEqual(self.response.status, 200)
        return self.response.values("contact")

    def test_endpoint_linphone_large_contact(self) -> None:
        """Over 600 octets of Contact with pn-* parameters come back, and are called, octet for octet."""
        uri = b"sip:bob@10.0.0.2;pn-provider=apns;pn-prid=" + b"0a1B" * 150 + b";pn-param=x.y:voip"
        instance = b';+sip.instance="<urn:uuid:6f29cf7d>"'
        (value,) = self.register(b"<%b>%b" % (uri, instance), b"Supported: replaces, outbound, gruu")
        self.assertEqual(value, b"<%b>;expires=3600%b" % (uri, instance))
        self.ask(b"MESSAGE")
        self.assertEqual(self.forwarded.uri, uri)

    def test_endpoint_baresip_random_user(self) -> None:
        """A Contact whose user part is none of ours is as good as any."""
        self.register(b"<sip:166-0x120fa20@10.0.0.2>")
        self.ask(b"MESSAGE")
        self.assertEqual(self.forwarded.uri, b"sip:166-0x120fa20@10.0.0.2")

    def test_endpoint_pjsua_echo(self) -> None:
        """Every binding is in the 200 as it was registered, with its expires."""
        first, second = b"<sip:bob@10.0.0.2:5060;ob>", b"<sip:Bob@10.0.0.3:5060;transport=UDP;ob>"
        self.register(first)
        values = self.register(second)
        self.assertEqual(values, [second + b";expires=3600", first + b";expires=3600"])

    def test_endpoint_asterisk_line(self) -> None:
        """The line parameter of its Contact comes back in calls; it is known by that."""
        self.register(b"<sip:s@10.0.0.2:5060;line=abcdefg>")
        self.ask(b"INVITE")
        self.assertEqual(self.forwarded.uri, b"sip:s@10.0.0.2:5060;line=abcdefg")

    def test_endpoint_asterisk_qualify(self) -> None:
        """OPTIONS to ourselves is answered 200, one to a user goes to him."""
        self.register(b"<sip:bob@10.0.0.2>")
        self.ask(b"OPTIONS", uri=DOMAIN)
        self.assertEqual(self.response.status, 200)
        self.ask(b"OPTIONS")
        self.assertEqual(self.forwarded.method, b"OPTIONS")

    def test_endpoint_cisco_79xx_date(self) -> None:
        """It takes its clock from the Date of the 200, and its registration may be in compact form."""
        data = self.caller.make_request(b"REGISTER", DOMAIN, b"m: <sip:bob@10.0.0.2;user=phone>;expires=600", to=BOB)
        for name, short in (
            (b"Via", b"v"),
            (b"From", b"f"),
            (b"To", b"t"),
            (b"Call-ID", b"i"),
            (b"Content-Length", b"l"),
        ):
            data = data.replace(b"\r\n" + name + b":", b"\r\n" + short + b":")
        self.send(data)
        self.assertEqual((self.response.status, self.response.header("date")), (200, b"Thu, 01 Jan 1970 00:00:00 GMT"))

    def test_endpoint_grandstream_reboot(self) -> None:
        """It removes everything with Contact * when it starts, and registers anew under another Call-ID."""
        self.register(b"<sip:bob@10.0.0.2>", call_id=b"before")
        self.assertEqual(self.register(b"*", b"Expires: 0", call_id=b"after"), [])
        self.assertEqual(len(self.register(b"<sip:bob@10.0.0.2:5062>", call_id=b"after")), 1)

    def test_endpoint_mitel_contact(self) -> None:
        """A private Contact behind NAT is not rewritten in the 200."""
        contact = b"<sip:bob@192.168.1.7:5060;transport=udp>"
        self.assertEqual(self.register(contact), [contact + b";expires=3600"])

    def test_endpoint_jssip_own_first(self) -> None:
        """Its own contact is the first one of the 200, also when it only asks again."""
        self.register(b"<sip:one@10.0.0.2>", call_id=b"one")
        self.register(b"<sip:two@10.0.0.3>", call_id=b"two")
        values = self.register(b"<sip:one@10.0.0.2>", call_id=b"one")
        self.assertTrue(values[0].startswith(b"<sip:one@"), values)

    def test_endpoint_yealink_refused_server(self) -> None:
        """What it takes for a dead server is silence or ICMP: a server that stops says 503 as long as it can."""
        self.register(b"<sip:bob@10.0.0.2>")
        self.ask(b"INVITE", branch=b"z9hG4bK-1")
        self.server.stopService()
        self.ask(b"INVITE", branch=b"z9hG4bK-2", call_id=b"second")
        self.assertEqual((self.response.status, self.response.header("retry-after")), (503, b"60"))


class CallingTests(WireTestCase):
    """How they call, and are called."""

    def test_endpoint_cisco_ios_source_port(self) -> None:
        """It sends from port 57878 and wants the response at the port of its Via, as it asks for no rport."""
        self.open()
        gateway = self.simulation.endpoint("gateway", "10.0.0.5", 57878)
        listening = self.simulation.endpoint("listening", "10.0.0.5", 5060)
        gateway.send(
            gateway.make_request(b"INVITE", b"sip:bob@example.com", via=b"SIP/2.0/UDP 10.0.0.5:5060;branch=z9hG4bK1"),
            PROXY_ADDRESS,
        )
        self.simulation.run(0.1)
        self.answer(180)
        self.assertEqual((listening.statuses(), gateway.received), ([100, 180], []))

    def test_endpoint_cisco_ios_invite(self) -> None:
        """Its headers and a multipart body with gtd go through octet for octet; its Expires is obeyed."""
        self.open()
        headers = (
            b'Remote-Party-ID: "x" <sip:5551234@10.0.0.5>;party=calling;screen=yes;privacy=off',
            b"Cisco-Guid: 1234567890-1234567890-1234567890-1234567890",
            b"Supported: 100rel,timer,resource-priority,replaces",
            b"Min-SE:  1800",
            b"Expires: 180",
            b"Timestamp: 1424359423",
            b"Content-Type: multipart/mixed;boundary=uniqueBoundary",
            b"Content-Disposition: session;handling=required",
            b"CC-Diversion: <sip:5550000@example.com>;reason=unconditional",
        )
        body = b"--uniqueBoundary\r\nContent-Type: application/gtd\r\n\r\nIAM,\r\nPRN,isdn*,,\r\n--uniqueBoundary--\r\n"
        self.ask(b"INVITE", *headers, body=body)
        self.assertEqual([line for line in self.forwarded.lines if line in headers], list(headers))
        self.assertEqual(self.forwarded.body, body)
        self.answer(180)
        self.simulation.run(181)
        self.assertTrue(self.called.requests(b"CANCEL"))

    def test_endpoint_cisco_ios_route_elsewhere(self) -> None:
        """It looks for another route after 404 or 503: an overloaded callee's 503 is not told as ours."""
        self.open()
        self.ask(b"INVITE")
        self.answer(503)
        self.assertEqual(self.response.status, 500)
        self.ask(b"INVITE", uri=b"sip:nobody@example.com")
        self.assertIn(404, self.caller.statuses())

    def test_endpoint_cisco_cube_ping(self) -> None:
        """Its OPTIONS outside a dialog, with or without a user part of no meaning to us, is answered at once."""
        self.open(MaxTransactions="2")
        for uri in (b"sip:" + US, b"sip:%b:5060" % US, DOMAIN):
            self.ask(b"OPTIONS", uri=uri, max_forwards=0)
        self.assertEqual(self.caller.statuses()[:2], [200, 200])

    def test_endpoint_freeswitch_route_in_ack(self) -> None:
        """It repeats the Route in the ACK for a failure: the transaction absorbs it before any Route is read."""
        self.open()
        parts = {"branch": b"z9hG4bK-1", "call_id": b"c"}
        route = b"Route: <sip:%b;lr>, <sip:10.0.0.2;lr>" % US
        self.ask(b"INVITE", route, cseq=b"1 INVITE", **parts)
        self.answer(486)
        self.ask(b"ACK", route, cseq=b"1 ACK", to=self.response.required("to"), **parts)
        self.assertEqual(len(self.called.requests(b"ACK")), 1)
        self.simulation.run(5)
        self.assertEqual(self.caller.statuses(), [100, 486])

    def test_endpoint_polycom_transport(self) -> None:
        """It mirrors our Record-Route with transport=invalid added: that is ours all the same."""
        self.open(AddRecordRoute="On")
        self.ask(b"INVITE")
        ours = self.forwarded.required("record-route")
        route = b"Route: " + ours.replace(b";lr", b";lr;transport=invalid")
        self.ask(b"BYE", route, uri=self.called.uri, to=b"<sip:bob@example.com>;tag=bob")
        self.assertEqual((self.forwarded.method, self.forwarded.header("route")), (b"BYE", None))

    def test_endpoint_sipura_no_from_tag(self) -> None:
        """RFC 2543 telephones have neither a tag in From nor a branch, and are called back."""
        self.open()
        self.ask(b"INVITE", via=b"SIP/2.0/UDP 10.0.0.1:5060", from_=b"<sip:alice@10.0.0.1>")
        self.answer(200, b"Contact: <sip:bob@10.0.0.2>")
        self.assertEqual(self.caller.statuses(), [100, 200])
