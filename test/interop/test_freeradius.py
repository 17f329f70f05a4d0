"""The RADIUS client and the checks over it, against FreeRADIUS."""

import hashlib
import time
from random import SystemRandom
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import DeferredList, ensureDeferred
from twisted.internet.task import deferLater
from twisted.internet.threads import deferToThread
from twisted.trial.unittest import TestCase

from sipproxy.access.radius import ChapCheck, RadiusDigestCheck, RadiusVerdict
from sipproxy.errors import UnavailableError
from sipproxy.interfaces import Address
from sipproxy.net.radius import RadiusClient, RadiusServer
from sipproxy.net.resolver import create_resolver
from sipproxy.net.udp import UdpNetwork
from sipproxy.wire.radius import ACCOUNTING_REQUEST, ACCOUNTING_RESPONSE, load_dictionary, nas_attributes
from test.interop.freeradius import REALM, SECRET, FreeRadius

NAS = nas_attributes("127.0.0.1")
URI = "sip:7001@example.com"
BODY = b"v=0\r\n"
ACCEPTED = RadiusVerdict("accepted", 3600, "Hello, bob")
REFUSED = RadiusVerdict("refused", None, "Hello, bob")


def _md5(text: str) -> str:
    return hashlib.md5(text.encode()).hexdigest()


def credentials(password: str, qop: str = "", username: str = "bob") -> dict[str, str]:
    """Give the digest parameters of an INVITE (RFC 2617 3.2.2)."""
    fields = {"username": username, "realm": REALM, "nonce": "0a1b2c", "uri": URI, "algorithm": "MD5", "opaque": "x"}
    middle, last = "0a1b2c", f"INVITE:{URI}"
    if qop:
        fields |= {"qop": qop, "cnonce": "c0ffee", "nc": "00000001"}
        middle = f"0a1b2c:00000001:c0ffee:{qop}"
    if qop == "auth-int":
        last += ":" + hashlib.md5(BODY).hexdigest()
    ha1 = _md5(f"{username}:{REALM}:{password}")
    return fields | {"response": _md5(f"{ha1}:{middle}:{_md5(last)}")}


class FreeRadiusTests(TestCase):
    """Questions to a real server."""

    timeout = 60

    def client(self, *servers: RadiusServer, timeout: float = 1.0, retries: int = 3) -> RadiusClient:
        """Make a client."""
        the_reactor: Any = reactor
        network = UdpNetwork(the_reactor, 400_000, 0)
        resolver = create_resolver(
            the_reactor,
            servers=[("127.0.0.1", 9)],
            timeout=0.2,
            cache_size=10,
            negative_ttl=1.0,
            serve_stale=0.0,
            hosts_file="/etc/hosts",
            system_resolver=False,
        )
        client = RadiusClient(
            the_reactor, network, resolver, servers, load_dictionary(), SystemRandom(), timeout, retries
        )
        client.start()
        self.addCleanup(client.stop)
        return client

    def auth(self, address: Address, secret: bytes = SECRET, priority: int = 1, host: str = "") -> RadiusServer:
        """Name a server that is asked."""
        return RadiusServer("auth", host or address[0], address[1], secret, priority)

    async def chap(self, client: RadiusClient, password: str = "hello") -> RadiusVerdict:
        """Have bob's password checked by CHAP."""
        fields = {"username": "bob", "password": password}
        return await ChapCheck(client, NAS, SystemRandom()).check(fields, b"INVITE", URI.encode(), b"", "bob")

    async def digest(self, client: RadiusClient, form: str, fields: dict[str, str], user: str = "bob") -> RadiusVerdict:
        """Have digest credentials checked."""
        return await RadiusDigestCheck(client, NAS, form).check(fields, b"INVITE", URI.encode(), BODY, user)

    async def test_chap(self) -> None:
        """The right password is accepted, with what the server says of it; a wrong one and a stranger are not."""
        client = self.client(self.auth(FreeRadius(self).auth, host="localhost"))
        self.assertEqual(await self.chap(client), ACCEPTED)
        self.assertEqual(await self.chap(client, "Hello"), REFUSED)
        fields = {"username": "eve", "password": "hello"}
        check = ChapCheck(client, NAS, SystemRandom())
        self.assertEqual(await check.check(fields, b"INVITE", b"", b"", "eve"), RadiusVerdict("refused"))
        self.assertEqual(client.servers[0].counters.replies, {2: 1, 3: 2})
        self.assertEqual(client.servers[0].counters.retransmissions, 0)

    async def test_digest(self) -> None:
        """Each kind of server understands its own form and both at once, with every quality of protection."""
        known: dict[str, tuple[str, ...]] = {"Sterman": ("Both", "Sterman"), "RFC5090": ("Both", "RFC5090")}
        for knows, forms in known.items():
            client = self.client(self.auth(FreeRadius(self, knows).auth))
            for form in forms:
                for qop in ("", "auth", "auth-int"):
                    accepted = await self.digest(client, form, credentials("hello", qop))
                    self.assertEqual(accepted, ACCEPTED, (knows, form, qop))
                    refused = await self.digest(client, form, credentials("Hello", qop))
                    self.assertEqual(refused, REFUSED, (knows, form, qop))

    async def test_other_body(self) -> None:
        """With auth-int another body than the telephone hashed is refused."""
        client = self.client(self.auth(FreeRadius(self).auth))
        check = RadiusDigestCheck(client, NAS)
        verdict = await check.check(credentials("hello", "auth-int"), b"INVITE", URI.encode(), b"v=1\r\n", "bob")
        self.assertEqual(verdict, REFUSED)

    async def test_user_with_domain(self) -> None:
        """User-Name finds the password; the digest is computed with the name that the telephone gave."""
        client = self.client(self.auth(FreeRadius(self, "RFC5090").auth))
        verdict = await self.digest(client, "Both", credentials("hello"), "bob@example.com")
        self.assertEqual(verdict, RadiusVerdict("accepted"))

    async def test_accounting(self) -> None:
        """A record arrives as it was sent, with Cisco's attributes, and is acknowledged."""
        server = FreeRadius(self)
        client = self.client(RadiusServer("acct", *server.acct, SECRET))
        reply = await client.send(
            ACCOUNTING_REQUEST,
            [
                ("User-Name", "bob"),
                *NAS,
                ("Acct-Status-Type", "Stop"),
                ("Acct-Session-Id", "a84b4c76e66710"),
                ("Acct-Terminate-Cause", "User-Request"),
                ("h323-disconnect-cause", "h323-disconnect-cause=10"),
                ("call-id", "call-id=a84b4c76e66710"),
                ("Acct-Delay-Time", 0),
            ],
        )
        self.assertEqual(reply.code, ACCOUNTING_RESPONSE)
        records = server.records()
        for line in (
            'User-Name = "bob"',
            "NAS-IP-Address = 127.0.0.1",
            "NAS-Port = 5",
            "Service-Type = Login-User",
            "Acct-Status-Type = Stop",
            "Acct-Terminate-Cause = User-Request",
            'h323-disconnect-cause = "h323-disconnect-cause=10"',
            'call-id = "call-id=a84b4c76e66710"',
            "Acct-Delay-Time = 0",
        ):
            self.assertIn(line, records)

    async def test_silence(self) -> None:
        """A server that is stopped is given up after its time, and the secondary is asked."""
        primary, secondary = FreeRadius(self), FreeRadius(self)
        primary.pause()
        client = self.client(self.auth(secondary.auth, priority=2), self.auth(primary.auth), timeout=0.1, retries=1)
        started = time.monotonic()
        self.assertEqual(await self.chap(client), ACCEPTED)
        self.assertTrue(0.25 < time.monotonic() - started < 5.0)
        self.assertEqual(client.servers[1].away_reason, "it does not answer")
        self.assertEqual(await self.chap(client), ACCEPTED)
        self.assertEqual([state.counters.requests for state in client.servers], [2, 1])

    async def test_slow_answer(self) -> None:
        """An answer that comes while the secondary is being asked still counts."""
        primary = FreeRadius(self)
        silent = FreeRadius(self)
        primary.pause()
        silent.pause()
        client = self.client(self.auth(primary.auth), self.auth(silent.auth), timeout=1.0, retries=0)
        asked = ensureDeferred(self.chap(client))
        await deferLater(reactor, 1.3)
        primary.resume()
        self.assertEqual(await asked, ACCEPTED)
        self.assertEqual([state.away_since is None for state in client.servers], [True, True])

    async def test_nobody(self) -> None:
        """Where nobody listens it is known at once the second time, and never looks like a refusal."""
        server = FreeRadius(self)
        server.stop()
        client = self.client(self.auth(server.auth), timeout=0.5, retries=0)
        for _ in range(2):
            with self.assertRaises(UnavailableError):
                await self.chap(client)
        self.assertEqual(client.servers[0].away_reason, "Connection refused")

    async def test_restart(self) -> None:
        """What is asked while the server restarts is answered afterwards."""
        server = FreeRadius(self)
        client = self.client(self.auth(server.auth), timeout=0.3)
        self.assertEqual(await self.chap(client), ACCEPTED)
        server.stop()
        asked = ensureDeferred(self.chap(client))
        await deferToThread(server.start)
        self.assertEqual(await asked, ACCEPTED)
        self.assertIsNone(client.servers[0].away_since)
        self.assertGreater(client.servers[0].counters.refused, 0)

    async def test_wrong_secret(self) -> None:
        """With another secret the server drops what it is asked: that is an absence, no refusal."""
        client = self.client(self.auth(FreeRadius(self).auth, b"another"), timeout=0.05, retries=1)
        with self.assertRaises(UnavailableError):
            await self.chap(client)
        self.assertEqual(client.servers[0].away_reason, "it does not answer")

    async def test_many(self) -> None:
        """A thousand requests wait for a slow server and are answered."""
        server = FreeRadius(self)
        client = self.client(self.auth(server.auth), timeout=0.5)
        server.pause()
        asked = []
        for _ in range(20):
            asked += [ensureDeferred(self.chap(client, "hello" if number % 2 else "no")) for number in range(50)]
            await deferLater(reactor, 0.01)
        self.assertEqual((client.pending, client.ports), (1000, 4))
        await deferLater(reactor, 0.3)
        server.resume()
        results = await DeferredList(asked, fireOnOneErrback=True)
        self.assertEqual([verdict for _, verdict in results].count(ACCEPTED), 500)
        self.assertEqual([verdict for _, verdict in results].count(REFUSED), 500)
        self.assertEqual(client.pending, 0)
