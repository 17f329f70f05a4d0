"""Authentication where it meets dialogs of old peers, strict routers, two sockets and expanded numbers."""

import re
from hashlib import md5
from typing import Any

from sipproxy.databases.subscribers import Subscriber
from sipproxy.simulation import Endpoint
from test.scenario.stage import PROXY, PROXY_ADDRESS, WireTestCase

SIX = "2001:db8::1"
BOB_URI = b"sip:bob@example.com"
_NONCE = re.compile(rb'nonce="([^"]+)"')


def _hash(*parts: bytes) -> bytes:
    return md5(b":".join(parts)).hexdigest().encode("ascii")


class AccessTestCase(WireTestCase):
    """A server with authentication, alice and bob with their passwords."""

    def open_with(self, *contacts: str, **directives: Any) -> None:
        """Start the server."""
        self.open(*contacts, Authentication="On", AddRecordRoute="On", **directives)
        for name in ("alice", "bob"):
            self.know(name)

    def know(self, key: str) -> None:
        """Let somebody be a subscriber."""
        self.simulation.people.known[key] = Subscriber(key, password="secret")

    def credentials(self, method: bytes, uri: bytes, user: bytes = b"alice") -> bytes:
        """Answer the first challenge of the last response."""
        found = _NONCE.search(self.response.headers("proxy-authenticate")[0])
        assert found is not None
        secret, action = _hash(user, b"example.com", b"secret"), _hash(method, uri)
        response = _hash(secret, found[1], b"00000001", b"c", b"auth", action)
        return (
            b'Proxy-Authorization: Digest username="%b", realm="example.com", nonce="%b", uri="%b", response="%b",'
            b' algorithm=MD5, cnonce="c", qop=auth, nc=00000001' % (user, found[1], uri, response)
        )

    def admit(self, user: bytes = b"alice", uri: bytes = BOB_URI, **parts: Any) -> None:
        """Make a call with credentials."""
        usual = {"uri": uri, "from_": b"<sip:%b@example.com>;tag=a" % user, "call_id": b"one", **parts}
        self.ask(b"INVITE", **usual)
        self.assertEqual(self.response.status, 407)
        self.ask(b"INVITE", self.credentials(b"INVITE", uri, user), **{**usual, "cseq": b"2 INVITE"})


class DialogTests(AccessTestCase):
    """Who comes back over our Record-Route within a dialog is not asked again."""

    def again(self, sender: Endpoint, *headers: bytes, **parts: Any) -> int:
        """Send an INVITE within the dialog; give the status of what is answered first."""
        usual: dict[str, Any] = {"from_": b"<sip:alice@example.com>;tag=a", "to": b"<sip:bob@example.com>;tag=b"}
        sender.received.clear()
        sender.send(
            sender.make_request(
                b"INVITE", parts.pop("uri", b"sip:bob@10.0.0.2"), *headers, **{**usual, "call_id": b"one", **parts}
            ),
            PROXY_ADDRESS,
        )
        self.simulation.run(0.1)
        return sender.statuses()[0]

    def test_no_tags(self) -> None:
        """A peer of RFC 2543 without a tag: its own requests show the Call-ID; to it there is no To tag, so 407."""
        old = {"from_": b"<sip:alice@example.com>", "via": b"SIP/2.0/UDP 10.0.0.1"}
        self.open_with()
        self.admit(**old)
        self.answer(200, b"Contact: <sip:bob@10.0.0.2>")
        route = b"Route: " + self.forwarded.values("record-route")[0]
        self.assertEqual(self.again(self.caller, route, **old), 100)
        self.assertEqual(self.again(self.caller, route, **{**old, "call_id": b"two"}), 407)
        back = {"from_": b"<sip:bob@example.com>;tag=b", "to": b"<sip:alice@example.com>"}
        self.assertEqual(self.again(self.called, route, uri=b"sip:alice@10.0.0.1", **back), 407)

    def test_strict_router(self) -> None:
        """Our Record-Route with its key as Request-URI: a strict router sent it."""
        self.open_with()
        self.admit()
        self.answer(200, b"Contact: <sip:bob@10.0.0.2>")
        ours = self.forwarded.values("record-route")[0]
        last = b"Route: <sip:bob@10.0.0.2>"
        self.assertEqual(self.again(self.caller, last, uri=ours.strip(b"<>")), 100)
        self.assertEqual(self.forwarded.uri, b"sip:bob@10.0.0.2")
        self.assertEqual(self.again(self.caller, last, uri=ours.strip(b"<>").replace(b";k=", b";k=0")), 407)

    def test_two_sockets(self) -> None:
        """Both Record-Routes of RFC 5658 have a key, and both are taken off."""
        self.begin()
        self.simulation.host(PROXY, SIX)
        self.server = self.serve(
            StaticRegistration="bob@example.com sip:bob@[2001:db8::2]",
            Listen=[f"{PROXY}:5060", f"[{SIX}]:5060"],
            Authentication="On",
            AddRecordRoute="On",
        )
        self.know("alice")
        (self.caller,) = self.wire("alice")
        self.called = self.simulation.endpoint("bob", "2001:db8::2")
        self.admit()
        self.answer(200, b"Contact: <sip:bob@[2001:db8::2]>")
        routes = self.forwarded.values("record-route")
        self.assertEqual([b";k=" in route for route in routes], [True, True])
        uri = b"sip:bob@[2001:db8::2]"
        # The caller has them in reverse order, and takes the first one off where a strict router stands between.
        first, second = reversed(routes)
        self.assertEqual(self.again(self.caller, b"Route: " + first + b", " + second, uri=uri), 100)
        self.assertEqual((self.forwarded.uri, self.forwarded.header("route")), (uri, None))
        strict = (b"Route: " + second, b"Route: <" + uri + b">")
        self.assertEqual(self.again(self.caller, *strict, uri=first.strip(b"<>"), cseq=b"9 INVITE"), 100)
        self.assertEqual((self.forwarded.uri, self.forwarded.header("route")), (uri, None))

    def test_callee_calls_on(self) -> None:
        """A key is for its call: with another Call-ID, or without a To tag, it is worth nothing."""
        self.open_with()
        self.admit()
        self.answer(200, b"Contact: <sip:bob@10.0.0.2>")
        route = b"Route: " + self.forwarded.values("record-route")[0]
        self.assertEqual(self.again(self.called, route, to=b"<sip:x@10.0.0.9>"), 407)
        self.assertEqual(self.again(self.called, route, call_id=b"two"), 407)
        self.assertEqual(self.again(self.called, route, from_=b"<sip:bob@example.com>;tag=x"), 407)


class NumberTests(AccessTestCase):
    """AuthCheckUser where numbers are expanded."""

    def call(self, user: bytes, sender: bytes) -> list[int]:
        """Call bob with a user name, as somebody."""
        self.caller.received.clear()
        self.admit(user, from_=sender)
        return self.caller.statuses()

    def test_expanded(self) -> None:
        """The short number in From is the long one of the credentials; another one is somebody else's."""
        for source in ("Auth", "From"):
            self.open_with(
                NumExpand="5.... 1408555....",
                NumExpandAuthUserName="On",
                OrigUserNameSource=source,
            )
            self.know("14085551234")
            self.assertEqual(self.call(b"14085551234", b"<sip:51234@example.com;user=phone>;tag=a"), [407, 100])
            # The telephone hashes the short name: that can be checked as the password is known in clear.
            self.assertEqual(self.call(b"51234", b"<sip:51234@example.com>;tag=a"), [407, 100])
            wrong = self.call(b"14085551234", b"<sip:51239@example.com>;tag=a")
            self.assertEqual(wrong[:2], [407, 403 if source == "Auth" else 407])

    def test_tel(self) -> None:
        """A tel: URI in From is a number like others; its visual separators do not count."""
        self.open_with()
        self.know("+14085551234")
        self.assertEqual(self.call(b"+14085551234", b"<tel:+1-408-555-1234>;tag=a"), [407, 100])
        self.assertEqual(self.call(b"alice", b"<tel:+1-408-555-1234>;tag=a"), [407, 403])
