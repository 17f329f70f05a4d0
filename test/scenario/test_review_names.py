"""Who we are, in every spelling: behaviour of AdvertisedAddress, ProxyDomain, ServerAlias, Listen and maddr."""

from typing import Any

from test.scenario.stage import PROXY, PROXY_ADDRESS, WireTestCase

INVITE = {"branch": b"z9hG4bK-1", "call_id": b"c", "cseq": b"1 INVITE"}
DIALOG = b"<sip:bob@example.com>;tag=1"


class NamesTests(WireTestCase):
    """Request-URIs and Route values that are ours, or not."""

    def is_ours(self, route: bytes) -> bool:
        """Tell whether a Route value is taken for ours: the request then goes where its Request-URI says."""
        self.called.script = lambda received: self.called.respond(received, 200)
        self.called.received.clear()
        self.ask(b"BYE", b"Route: <" + route + b">", uri=b"sip:bob@10.0.0.2", to=DIALOG)
        return bool(self.called.received) and "route" not in self.forwarded.names

    def test_routes(self) -> None:
        """By address, name, alias, domain and advertised address; with parameters of whatever kind."""
        self.open(
            ServerName="sip1.example.com",
            ServerAlias="alias.example.net",
            ProxyDomain="example.com example.org",
            AdvertisedAddress="203.0.113.7:5099",
        )
        for route in (
            b"sip:192.0.2.1;lr",
            b"sip:192.0.2.1:5060;lr;transport=udp",
            b"sip:192.0.2.1:5060;transport=invalid;lr",
            b"sip:192.0.2.1;lr=on",
            b"sip:192.0.2.1;lr=true;ftag=x;did=7",
            b"sip:anybody@192.0.2.1;lr",
            b"sip:sip1.example.com;lr",
            b"sip:SIP1.Example.COM:5060;lr",
            b"sip:alias.example.net;lr",
            b"sip:example.com;lr",
            b"sip:example.org:5060;lr",
            b"sip:203.0.113.7:5099;lr",
        ):
            self.assertTrue(self.is_ours(route), route)
        for route in (
            b"sip:192.0.2.1:6000;lr",
            b"sip:sip1.example.com:5061;lr",
            b"sip:example.org:5070;lr",
            b"sip:203.0.113.7;lr",
        ):
            self.assertFalse(self.is_ours(route), route)

    def test_advertised_of_each_listen(self) -> None:
        """AdvertisedAddress without a port stands for the port of each Listen, not of the first alone."""
        self.open(Listen=["192.0.2.1:5060", "192.0.2.1:5070"], AdvertisedAddress="nat.example.net", AddRecordRoute="On")
        self.caller.send(self.caller.make_request(b"INVITE", b"sip:bob@example.com"), (PROXY, 5070))
        self.simulation.run(0.1)
        route = self.forwarded.required("record-route")
        self.assertEqual(route, b"<sip:nat.example.net:5070;lr>")
        self.assertTrue(self.is_ours(route.strip(b"<>")))
        self.assertTrue(self.is_ours(b"sip:nat.example.net;lr"))
        self.assertFalse(self.is_ours(b"sip:nat.example.net:5080;lr"))

    def test_address_in_other_spelling(self) -> None:
        """An IPv6 address is the same however it is written (RFC 5118 4)."""
        self.begin()
        self.server = self.serve("2001:db8::1", Listen="[2001:db8::1]:5060")
        self.caller = self.simulation.endpoint("alice", "2001:db8::2")
        for uri in (b"sip:[2001:db8::1]", b"sip:[2001:DB8:0:0::0001]:5060"):
            self.caller.received.clear()
            self.caller.send(self.caller.make_request(b"OPTIONS", uri), ("2001:db8::1", 5060))
            self.simulation.run(0.1)
            self.assertEqual(self.caller.statuses(), [200], uri)

    def test_maddr_with_another_port(self) -> None:
        """A maddr that names us with a port that is not ours is somebody else on our machine (16.4)."""
        self.open()
        beside = self.simulation.endpoint("beside", "10.0.0.9")
        self.simulation.names.known["far.example.net"] = ["10.0.0.9"]
        self.ask(b"MESSAGE", uri=b"sip:x@far.example.net:6000;maddr=" + PROXY.encode())
        self.assertEqual(beside.received, [])

    def test_wildcard(self) -> None:
        """A wildcard Listen: neither Via nor Record-Route ever names the unspecified address."""
        for listen, address in (("5060", b"192.0.2.1"), ("0.0.0.0:5060", b"192.0.2.1")):
            self.open(Listen=listen, AddRecordRoute="On")
            self.ask(b"INVITE", **INVITE)
            self.assertEqual((self.forwarded.via.host, self.forwarded.via.port), (address, 5060))
            self.assertEqual(self.forwarded.values("record-route"), [b"<sip:%b:5060;lr>" % address])


class OwnRequestTests(WireTestCase):
    """Requests for ourselves behind a preloaded Route."""

    def test_options(self) -> None:
        """OPTIONS to us by way of a Route that names us is answered, not 404."""
        self.open()
        self.ask(b"OPTIONS", b"Route: <sip:192.0.2.1;lr>", uri=b"sip:example.com")
        self.assertEqual(self.response.status, 200)
        self.ask(b"OPTIONS", b"Route: <sip:10.0.0.2;lr>", uri=b"sip:example.com")
        self.assertEqual(self.forwarded.method, b"OPTIONS")

    def test_what_options_allows(self) -> None:
        """The answer to OPTIONS allows what the server answers: REGISTER only with a registry (11.2)."""
        for registry, allowed in (("On", True), ("Off", False)):
            self.open(Registry=registry)
            self.ask(b"OPTIONS", uri=b"sip:example.com")
            self.assertEqual(b"REGISTER" in (self.response.header("allow") or b""), allowed)

    def test_register(self) -> None:
        """So is REGISTER; one whose Route leads elsewhere goes there."""
        self.open()
        self.ask(b"REGISTER", b"Route: <sip:192.0.2.1;lr>", uri=b"sip:example.com", to=b"<sip:carol@example.com>")
        self.assertEqual(self.response.status, 200)
        self.ask(b"REGISTER", b"Route: <sip:10.0.0.2;lr>", uri=b"sip:example.com", to=b"<sip:carol@example.com>")
        self.assertEqual((self.forwarded.method, self.forwarded.uri), (b"REGISTER", b"sip:example.com"))

    def test_register_elsewhere(self) -> None:
        """REGISTER for another domain is proxied, with its answer."""
        self.open()
        self.ask(b"REGISTER", uri=b"sip:10.0.0.2", to=b"<sip:carol@10.0.0.2>")
        self.answer(200, b"Contact: <sip:carol@10.0.0.1>;expires=60")
        self.assertEqual(self.response.status, 200)
        self.assertEqual(self.response.values("contact"), [b"<sip:carol@10.0.0.1>;expires=60"])

    def test_no_user(self) -> None:
        """A call to our address without a user part: nobody, 404."""
        self.open()
        self.ask(b"INVITE", uri=b"sip:192.0.2.1:5060", **INVITE)
        self.assertEqual(self.response.status, 404)


class RegisterToTests(WireTestCase):
    """The To of a REGISTER."""

    def test_port_left_out(self) -> None:
        """Linphone: it leaves the port of a literal address out of To; a call then finds what was registered."""
        self.begin()
        self.server = self.simulation.server(PROXY, {"Listen": f"{PROXY}:5070", "ProxyDomain": "example.com"})
        self.caller, self.called = self.wire("alice", "bob")

        def ask(method: bytes, uri: bytes, *headers: bytes, **parts: Any) -> int:
            self.caller.send(self.caller.make_request(method, uri, *headers, **parts), (PROXY, 5070))
            self.simulation.run(0.1)
            return self.response.status if self.caller.received else 0

        contact = b"Contact: <sip:lin@10.0.0.2>"
        self.assertEqual(ask(b"REGISTER", b"sip:192.0.2.1:5070", contact, to=b"<sip:lin@192.0.2.1>"), 200)
        self.assertEqual(ask(b"REGISTER", b"sip:192.0.2.1:5070", contact, to=b"<sip:lin@192.0.2.1:5071>"), 404)
        self.assertEqual(ask(b"REGISTER", b"sip:192.0.2.1:5070", contact, to=b"<sip:lin@example.net>"), 404)
        ask(b"MESSAGE", b"sip:lin@192.0.2.1:5070")
        self.assertEqual(self.forwarded.uri, b"sip:lin@10.0.0.2")


class ContactSchemeTests(WireTestCase):
    """Registered contacts that no request of ours can reach."""

    def test_contacts(self) -> None:
        """They are registered and told in a 300; a call is 480, as the caller's own scheme is known (21.4.14)."""
        contacts = b"Contact: <sips:carol@10.0.0.2>, <mailto:carol@example.net>;q=0.5"
        for directives, statuses in (
            ({}, [200, 480]),
            ({"StatefulServer": "Off"}, [200, 480]),
            ({"SIPServerMode": "Redirect"}, [200, 300]),
        ):
            self.open(**directives)
            self.ask(b"REGISTER", contacts, uri=b"sip:example.com", to=b"<sip:carol@example.com>")
            self.ask(b"MESSAGE", uri=b"sip:carol@example.com")
            self.assertEqual(self.caller.statuses(), statuses)

    def test_route(self) -> None:
        """A Route that leads to another scheme is 416, whoever it is for."""
        self.open()
        for route in (b"<sips:10.0.0.2;lr>", b"<tel:+15551212>"):
            self.ask(b"MESSAGE", b"Route: " + route)
            self.assertEqual((self.response.status, self.called.received), (416, []))


class RequireTests(WireTestCase):
    """Require, and Proxy-Require where it means nothing."""

    def test_ack_and_cancel(self) -> None:
        """It is ignored in CANCEL, and in an ACK that goes through (8.2.2.3)."""
        for stateful in ("On", "Off"):
            self.open(StatefulServer=stateful)
            for method in (b"ACK", b"CANCEL"):
                self.ask(method, b"Proxy-Require: foo", branch=b"z9hG4bK-9", cseq=b"1 " + method)
                self.assertEqual(self.forwarded.method, method)

    def test_options(self) -> None:
        """OPTIONS that we answer ourselves asks in vain for extensions that we do not know (8.2.2.3)."""
        self.open()
        self.ask(b"OPTIONS", b"Require: path, Foo", b"Require: bar", uri=b"sip:example.com")
        self.assertEqual((self.response.status, self.response.header("unsupported")), (420, b"foo, bar"))
        self.ask(b"OPTIONS", b"Require: path", uri=b"sip:example.com")
        self.assertEqual(self.response.status, 200)
        self.ask(b"OPTIONS", b"Require: foo")
        self.assertEqual(self.forwarded.method, b"OPTIONS")


class ViaDestinationTests(WireTestCase):
    """Where responses go."""

    def test_stateless_bad_received(self) -> None:
        """A stateless proxy drops a response whose next Via leads nowhere."""
        self.open(StatefulServer="Off")
        for received in (b"1..2", b"999.1.1.1", b"\xff", b"a:b", b"name"):
            response = (
                b"SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKx.0\r\n"
                b"Via: SIP/2.0/UDP alice;branch=z9hG4bK1;received=%b\r\nFrom: <sip:a>;tag=1\r\nTo: <sip:b>;tag=2\r\n"
                b"Call-ID: 1\r\nCSeq: 1 MESSAGE\r\n\r\n" % received
            )
            before = len(self.simulation.network.transcript)
            self.called.send(response, PROXY_ADDRESS)
            self.simulation.run(0.1)
            self.assertEqual(len(self.simulation.network.transcript), before + 1, received)
        self.assertEqual(self.flushLoggedErrors(), [])
