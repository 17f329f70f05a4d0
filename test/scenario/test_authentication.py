"""Authentication through the whole server: challenges, who is exempt, what a dead database looks like (RFC 3261 22)."""

from hashlib import md5
from typing import Any

from sipproxy.databases.subscribers import Subscriber
from sipproxy.simulation import Endpoint
from test.scenario.stage import PROXY_ADDRESS, WireTestCase

REALM = "example.com"


class AuthenticationTests(WireTestCase):
    """Alice has a password; bob has one too, and a telephone."""

    def open_with(self, **directives: Any) -> None:
        """Start the server with authentication."""
        self.open(Authentication="On", **directives)
        for name in ("alice", "bob"):
            self.simulation.people.known[name] = Subscriber(name, password="secret")

    def credentials(
        self,
        method: bytes,
        uri: bytes,
        header: bytes = b"Proxy-Authorization",
        user: str = "alice",
        password: str = "secret",
    ) -> bytes:
        """Answer the last challenge."""
        name = "www-authenticate" if header == b"Authorization" else "proxy-authenticate"
        value = next(each for each in self.response.headers(name) if b"MD5" in each).decode("ascii")
        nonce = value.partition('nonce="')[2].partition('"')[0]
        opaque = value.partition('opaque="')[2].partition('"')[0]
        secret = md5(f"{user}:{REALM}:{password}".encode()).hexdigest()
        action = md5(method + b":" + uri).hexdigest()
        answer = md5(f"{secret}:{nonce}:00000001:c:auth:{action}".encode()).hexdigest()
        return header + (
            f': Digest username="{user}", realm="{REALM}", nonce="{nonce}", uri="{uri.decode()}", response="{answer}",'
            f' algorithm=MD5, cnonce="c", qop=auth, nc=00000001, opaque="{opaque}"'
        ).encode("ascii")

    def call(self, *headers: bytes, **parts: Any) -> None:
        """Send an INVITE of alice's to bob."""
        self.ask(b"INVITE", *headers, from_=b"<sip:alice@example.com>;tag=a", **parts)

    def test_call(self) -> None:
        """407 with two challenges, MD5 first; with the right answer the call goes on, and the log knows the user."""
        self.open_with()
        self.call()
        self.assertEqual(self.response.status, 407)
        challenges = self.response.headers("proxy-authenticate")
        self.assertEqual(["MD5" in value.decode() for value in challenges], [True, False])
        self.call(self.credentials(b"INVITE", b"sip:bob@example.com"))
        self.assertEqual(self.forwarded.method, b"INVITE")
        self.assertEqual(self.server.sip.core.pending, 1)
        self.assertTrue(self.forwarded.header("proxy-authorization"))

    def test_register(self) -> None:
        """A registrar asks with 401; who registers for somebody else is refused."""
        self.open_with()
        contact = b"Contact: <sip:alice@10.0.0.1>"
        register = {"uri": b"sip:example.com", "from_": b"<sip:alice@example.com>;tag=r"}
        self.ask(b"REGISTER", contact, to=b"<sip:alice@example.com>", **register)
        self.assertEqual(self.response.status, 401)
        right = self.credentials(b"REGISTER", b"sip:example.com", b"Authorization")
        self.ask(b"REGISTER", contact, right, to=b"<sip:alice@example.com>", **register)
        self.assertEqual(self.response.status, 200)
        self.ask(b"REGISTER", contact, to=b"<sip:bob@example.com>", **register)
        right = self.credentials(b"REGISTER", b"sip:example.com", b"Authorization")
        self.ask(b"REGISTER", contact, right, to=b"<sip:bob@example.com>", **register)
        self.assertEqual(self.response.status, 403)

    def test_wrong(self) -> None:
        """A wrong password and an unknown user look the same."""
        self.open_with()
        for user in ("alice", "mallory"):
            self.call()
            wrong = self.credentials(b"INVITE", b"sip:bob@example.com", user=user, password="guess")
            self.ask(b"INVITE", wrong, from_=b"<sip:%b@example.com>;tag=a" % user.encode())
            self.assertEqual(self.response.status, 407)
        self.assertEqual(self.called.requests(), [])

    def test_trusted(self) -> None:
        """A gateway needs no credentials."""
        self.open_with(AuthTrustedPeer="10.0.0.0/24")
        self.call()
        self.assertEqual(self.forwarded.method, b"INVITE")

    def test_other_methods(self) -> None:
        """What AuthMethods does not name is not asked for credentials."""
        self.open_with()
        self.ask(b"MESSAGE")
        self.assertEqual(self.forwarded.method, b"MESSAGE")

    def test_database_away(self) -> None:
        """503 with Retry-After, never a refusal."""
        self.open_with()
        self.call()
        right = self.credentials(b"INVITE", b"sip:bob@example.com")
        self.simulation.people.is_away = True
        self.call(right)
        self.assertEqual(self.response.status, 503)
        self.assertIn("retry-after", self.response.names)

    def test_slow_database(self) -> None:
        """A call waits for the database, with a 100; the caller may give up meanwhile."""
        self.open_with()
        self.call()
        right = self.credentials(b"INVITE", b"sip:bob@example.com")
        self.simulation.people.delay = 1.0
        self.call(right, branch=b"z9hG4bKslow")
        self.assertEqual(self.response.status, 100)
        self.ask(b"CANCEL", branch=b"z9hG4bKslow", from_=b"<sip:alice@example.com>;tag=a")
        self.simulation.run(2)
        statuses = [(response.cseq[1], response.status) for response in self.caller.responses()]
        self.assertIn((b"CANCEL", 200), statuses)
        self.assertIn((b"INVITE", 487), statuses)
        self.assertEqual(self.called.requests(), [])

    def answered_call(self) -> tuple[bytes, Endpoint]:
        """Make a call that bob answers; give the value of its Record-Route."""
        self.open_with(AddRecordRoute="On")
        self.call()
        self.call(self.credentials(b"INVITE", b"sip:bob@example.com"), call_id=b"one")
        self.answer(200, b"Contact: <sip:bob@10.0.0.2>")
        return self.forwarded.values("record-route")[0], self.called

    def test_within_dialog(self) -> None:
        """A re-INVITE over our Record-Route, from either side, is not asked again; with a forged key it is."""
        route, called = self.answered_call()
        self.assertIn(b";k=", route)
        again = {"uri": b"sip:bob@10.0.0.2", "to": b"<sip:bob@example.com>;tag=b", "call_id": b"one"}
        self.call(b"Route: " + route, cseq=b"7 INVITE", **again)
        self.assertEqual(self.forwarded.cseq, (7, b"INVITE"))
        back = called.make_request(
            b"INVITE",
            b"sip:alice@10.0.0.1",
            b"Route: " + route,
            from_=b"<sip:bob@example.com>;tag=b",
            to=b"<sip:alice@example.com>;tag=a",
            call_id=b"one",
        )
        called.send(back, PROXY_ADDRESS)
        self.simulation.run(0.1)
        self.assertTrue(self.caller.requests()[-1].data.startswith(b"INVITE"))
        forged = route.replace(b";k=", b";k=0")
        self.call(b"Route: " + forged, cseq=b"8 INVITE", **again)
        self.assertEqual(self.response.status, 407)
        self.call(b"Route: " + route, cseq=b"9 INVITE", **{**again, "call_id": b"two"})
        self.assertEqual(self.response.status, 407)

    def test_spiral(self) -> None:
        """An admitted call that comes back to us for another target is not asked again; a forged one is."""
        self.open_with()
        self.call()
        self.call(self.credentials(b"INVITE", b"sip:bob@example.com"), call_id=b"one", cseq=b"5 INVITE")
        ours = self.forwarded.values("via")[0]
        spiral: dict[str, Any] = {"from_": b"<sip:alice@example.com>;tag=a", "call_id": b"one", "cseq": b"5 INVITE"}
        for via, asked in ((ours, False), (ours.replace(b"branch=z9hG4bK", b"branch=z9hG4bKf"), True)):
            count = len(self.called.requests())
            data = self.called.make_request(b"INVITE", b"sip:bob@example.com;x=%d" % asked, **spiral)
            head, _, rest = data.partition(b"\r\nVia: ")
            first, _, others = rest.partition(b"\r\n")
            self.called.send(b"\r\n".join((head, b"Via: " + first, b"Via: " + via, others)), PROXY_ADDRESS)
            self.simulation.run(0.1)
            self.assertEqual(len(self.called.requests()) > count, not asked)

    def test_silence(self) -> None:
        """Who fails all the time gets no answer any more; a request is not left behind."""
        self.open_with(AuthFailureLimit="2/60")
        self.call()
        wrong = self.credentials(b"INVITE", b"sip:bob@example.com", password="guess")
        for _ in range(8):
            self.call(wrong)
        self.call(wrong, branch=b"z9hG4bKsilent")
        self.simulation.run(5)
        answered = {response.via.branch for response in self.caller.responses()}
        self.assertNotIn(b"z9hG4bKsilent", answered)
        self.assertEqual((len(answered), self.server.sip.core.pending), (5, 0))
