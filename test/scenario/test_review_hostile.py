"""What strangers send in numbers: nothing grows with it."""

from sipproxy.app import Server
from sipproxy.proxy.points import LONGEST
from test.scenario.stage import PROXY, PROXY_ADDRESS, WireTestCase


class GrowthTests(WireTestCase):
    """Caches and tables."""

    def test_many_destinations(self) -> None:
        """Points remember what they write of themselves, not whom they wrote to."""
        self.open(Listen="5060")
        for at in range(200):
            self.ask_unanswered(b"sip:x@10.1.%d.%d" % (at // 250, at % 250))
        (point, *_) = self.server.sip.core.points.all
        self.assertEqual(len(point._lines), 1)

    def ask_unanswered(self, uri: bytes) -> None:
        """Send a request that nobody answers."""
        self.caller.send(self.caller.make_request(b"MESSAGE", uri), PROXY_ADDRESS)
        self.simulation.run(0.002)

    def test_garbage(self) -> None:
        """Requests that are refused leave nothing, also responses, ACKs and CANCELs to nothing."""
        self.open()
        for method in (b"INVITE", b"ACK", b"CANCEL", b"REGISTER", b"OPTIONS"):
            for at in range(20):
                self.send_raw(
                    b"%b sip:bob@example.com SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.1;branch=z9hG4bK%d" % (method, at)
                )
        response = self.caller.make_request(b"INVITE", b"sip:x").partition(b"\r\n")[2]
        for at in range(20):
            self.caller.send(b"SIP/2.0 %d X\r\n%b" % (180 + at, response), PROXY_ADDRESS)
        self.simulation.run(0.1)
        core = self.server.sip.core
        self.assertEqual((len(core.table), len(core.wheel), core.pending), (0, 0, 0))

    def send_raw(self, head: bytes) -> None:
        """Send a request that lacks From, To, Call-ID and CSeq."""
        self.caller.send(head + b"\r\n\r\n", PROXY_ADDRESS)

    def test_many_registrations(self) -> None:
        """Attempts beyond RegistryMaxContacts are 403 and kept nowhere."""
        self.open(RegistryMaxContacts="3")
        for at in range(50):
            contact = b"Contact: <sip:x@10.2.0.%d>" % at
            self.ask(b"REGISTER", contact, uri=b"sip:example.com", to=b"<sip:carol@example.com>")
        self.assertEqual(self.caller.statuses(), [200] * 3 + [403] * 47)
        self.assertEqual(len(self.server.registry.lookup(b"carol@example.com", 0)), 3)

    def test_large_contacts(self) -> None:
        """Contacts that a 200 could not tell are refused, kept nowhere, and hinder no refresh or removal of others."""
        self.open()
        large = [b"Contact: <sip:x@10.2.0.%d>;x=%b" % (at, b"y" * 15_000) for at in range(3)]
        for line in (*large, large[0], large[1] + b";expires=0", large[2], b"Path: <sip:p>"):
            self.ask(b"REGISTER", line, uri=b"sip:example.com", to=b"<sip:carol@example.com>")
        self.assertEqual(self.caller.statuses(), [200, 200, 403, 200, 200, 200, 200])
        self.assertEqual(len(self.response.headers("contact")), 2)

    def test_large_kept(self) -> None:
        """So is what else is kept of a contact, and an answer that does not fit with what it repeats is 513."""
        self.open()
        contact = b"Contact: <sip:x@10.2.0.1>;x=" + b"y" * 16_000
        path = b"Path: " + b",".join([b"<sip:%b@p;lr>" % (b"u" * 8000)] * 4)
        for lines, call_id in (
            ((contact,), b"a"),
            ((contact,), b"a" * 40_000),
            ((contact, path), b"a"),
            ((), b"a" * 60_000),
        ):
            self.ask(b"REGISTER", *lines, uri=b"sip:example.com", to=b"<sip:carol@example.com>", call_id=call_id)
        self.assertEqual(self.caller.statuses(), [200, 403, 403, 513])

    def test_long_call_id(self) -> None:
        """A Call-ID of 60,000 octets comes through, is answered and logged."""
        self.open()
        long = b"c" * 60_000
        self.ask(b"MESSAGE", call_id=long)
        self.answer(200)
        self.assertEqual((self.response.status, self.response.call_id), (200, long))

    def test_no_room_for_our_via(self) -> None:
        """A request that would be longer than a datagram with what we add is 513: no next hop is to blame."""
        for stateful in ("On", "Off"):
            self.open(StatefulServer=stateful)
            request = self.caller.make_request(b"MESSAGE", b"sip:bob@example.com")
            room = LONGEST - len(request) - len(b"Subject: \r\n")
            self.send(request.replace(b"Content-Length", b"Subject: %b\r\nContent-Length" % (b"x" * room)))
            self.assertEqual((self.caller.statuses(), self.called.received), ([513], []))


class RestartTests(WireTestCase):
    """An embedding application may stop the SIP service and start it again."""

    def test_calls_again(self) -> None:
        """After a second start calls are taken again, not answered 503."""
        self.open()
        sip = self.server.sip
        sip.stopService()
        self.simulation.run(1)
        sip.open()
        sip.serve()
        self.assertIsInstance(self.server, Server)
        self.ask(b"INVITE")
        self.assertEqual(self.caller.statuses(), [100])


class DeniedTests(WireTestCase):
    """DenyFrom."""

    def test_every_method(self) -> None:
        """All but ACK are told 403, and nothing goes through."""
        self.open(DenyFrom="10.0.0.1")
        for method in (b"CANCEL", b"REGISTER", b"BYE", b"ACK", b"OPTIONS"):
            self.caller.received.clear()
            self.ask(method, uri=b"sip:" + PROXY.encode())
            self.assertEqual(self.caller.statuses(), [] if method == b"ACK" else [403], method)
        self.assertEqual(self.called.received, [])
