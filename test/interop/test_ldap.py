"""Subscribers in a real LDAP directory: slapd, found and not, by TLS and not, killed, silent and back."""

import hashlib
from collections.abc import Awaitable
from pathlib import Path
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import gatherResults
from twisted.internet.task import deferLater
from twisted.internet.threads import deferToThread
from twisted.trial.unittest import TestCase

from sipproxy.config import Module, Settings
from sipproxy.databases.subscribers import Subscribers
from sipproxy.databases.subscribers_fields import RefusedError, Subscriber
from sipproxy.databases.subscribers_ldap import LdapStore
from sipproxy.errors import StoreError, UnavailableError
from sipproxy.net import ldap, ldap_settings
from sipproxy.net.resolver import create_resolver
from test.databases.subscribers_tests import NASTY
from test.interop.harness import LEEWAY, LOOPBACK, wait_until
from test.interop.ldap import PEOPLE, READER, READER_PASSWORD, Authority, Slapd, person

MODULE = Module("mod_sip_authen.c", ldap_settings.DIRECTIVES, check=ldap_settings.check)
REALM = "example.test"
# Seconds that a question may take where the server is silent.
SHORT = 0.4
MD5 = hashlib.md5(b"hash:example.test:secret").hexdigest()
METACHARACTERS = ("*", "(uid=*)", "b*b", "a)(objectClass=*", "back\\slash", "\\2a", "\N{SNOWMAN}", "50%", "a=b,c+d")
BOB = Subscriber("bob", "example.test", password="Hello, \N{SNOWMAN}")


def people() -> str:
    """Write who is there."""
    name, password = "SIPIdentityUserName", "SIPIdentityPassword"
    found = [
        {
            name: ["bob", "+15551234"],
            password: ["Hello, \N{SNOWMAN}"],
            "SIPIdentitySIPURI": ["sip:bob@example.test", "tel:+15551234"],
            "SIPIdentityRegistrarAddress": ["registrar.example.test"],
            "SIPIdentityProxyAddress": ["proxy.example.test"],
            "SIPIdentityAddress": ["192.0.2.1"],
            "SIPIdentityServiceLevel": ["gold"],
        },
        {name: ["bob@example.test"], password: ["other"]},
        {name: ["hash"], password: [f"{{HA1-MD5}}{MD5}"]},
        {name: ["nobody's"]},
        {name: ["twice"], password: ["first"]},
        {name: ["twice"], password: ["second"]},
        *({name: [key], password: [f"password of {key}"]} for key in METACHARACTERS),
    ]
    # What has no SIPIdentity is no subscriber, though all of it is found by one.
    return "".join(person(number, values) for number, values in enumerate(found)) + person(99, {}, "")


async def wait(seconds: float) -> None:
    """Let time pass."""
    await deferLater(reactor, seconds)


class SlapdTestCase(TestCase):
    """A server for each test, and directories that are closed with it."""

    timeout = 60

    def setUp(self) -> None:
        self.slapd = Slapd(self, self.people())

    def people(self) -> str:
        """Write who is there."""
        return people()

    def settings(self, url: str = "", password: str = READER_PASSWORD, **others: str) -> Settings:
        """Give a configuration.

        @param others: values of further directives by name
        """
        file = Path(self.mktemp())
        file.write_text(f"{password}\n")
        file.chmod(0o600)
        values = {
            "LDAPServer": url or f"ldap://{LOOPBACK}:{self.slapd.port}",
            "LDAPBaseDN": PEOPLE,
            "LDAPBindDN": READER,
            "LDAPPasswordFile": str(file.resolve()),
        }
        return Settings.of((MODULE,), {**values, **others})

    def directory(self, url: str = "", password: str = READER_PASSWORD, **others: str) -> ldap.LdapDirectory:
        """Make the directory of a configuration."""
        resolver = create_resolver(
            reactor,
            servers=[(LOOPBACK, 9)],
            timeout=0.2,
            cache_size=10,
            negative_ttl=1.0,
            serve_stale=0.0,
            hosts_file="/etc/hosts",
            system_resolver=False,
        )
        made = ldap_settings.configured_directory(self.settings(url, password, **others), reactor, resolver)
        self.addCleanup(made.close)
        return made

    def store(self, url: str = "", password: str = READER_PASSWORD, **others: str) -> LdapStore:
        """Make a store over the directory."""
        return LdapStore(self.directory(url, password, **others), "SIPIdentityUserName", REALM)

    async def refusal(self, answer: Awaitable[Any]) -> str:
        """Give why something fails."""
        with self.assertRaises(StoreError) as caught:
            await answer
        return str(caught.exception)

    def see_closed(self) -> None:
        """Wait, in a thread, until the server has no connection any more."""
        wait_until(lambda: self.slapd.connections() == 0, "all connections are closed")

    def seconds(self) -> float:
        """Give the time."""
        clock: Any = reactor
        now: float = clock.seconds()
        return now


class LookingTests(SlapdTestCase):
    """What is found."""

    async def test_found(self) -> None:
        """A subscriber is found by each of its names, with its password and its domain."""
        store = self.store()
        await store.open()
        self.assertEqual(await store.find(["bob"]), {"bob": BOB})
        found = await store.find(["+15551234"])
        self.assertEqual(found["+15551234"].password, BOB.password)

    async def test_several_keys(self) -> None:
        """Several keys are one question; the first that there is one for counts."""
        subscribers = Subscribers(self.store(), reactor, 60.0)
        await subscribers.start()
        for keys, password in (
            (("bob", "bob@example.test"), BOB.password),
            (("bob@example.test", "bob"), "other"),
            (("nobody", "bob@example.test"), "other"),
        ):
            answer: Any = subscribers.find(keys)
            found = answer if isinstance(answer, Subscriber) else await answer
            self.assertEqual(found.password, password, keys)
        await subscribers.stop()

    async def test_not_found(self) -> None:
        """Nobody is found by a name in another case or with blanks, whatever the directory thinks is equal."""
        store = self.store()
        self.assertEqual(await store.find(["nobody", "Bob", "bob ", " bob", NASTY, "x" * 255]), {})

    async def test_metacharacters(self) -> None:
        """Characters that mean something in a filter mean nothing in a key."""
        store = self.store()
        for key in METACHARACTERS:
            found = await store.find([key])
            self.assertEqual({name: each.password for name, each in found.items()}, {key: f"password of {key}"})

    async def test_hash(self) -> None:
        """A hash serves for the realm that it was made for, and there is no password."""
        found = (await self.store().find(["hash"]))["hash"]
        self.assertEqual((found.password, found.ha1("MD5", "hash", REALM)), (None, MD5))

    async def test_no_password(self) -> None:
        """Who has no password, or shares the name with another, is known and cannot authenticate."""
        found = await self.store().find(["nobody's", "twice"])
        self.assertEqual(sorted(found), ["nobody's", "twice"])
        for key, each in found.items():
            self.assertIsNone(each.ha1("MD5", key, REALM))

    async def test_pages(self) -> None:
        """All are listed in the order of their keys, those of one page after those of another."""
        store, listed, after = self.store(), list[str](), ""
        while page := await store.page(after, 4):
            listed += [each.key for each in page]
            after = listed[-1]
        expected = ["bob", "+15551234", "bob@example.test", "hash", "nobody's", "twice", *METACHARACTERS]
        self.assertEqual(listed, sorted(expected))

    async def test_read_only(self) -> None:
        """Nothing is changed from here."""
        store = self.store()
        for change in (store.add([BOB], True, 0.0), store.change("bob", {}), store.delete("bob")):
            await self.failed(change)

    async def failed(self, change: Awaitable[Any]) -> None:
        """See that a change is refused."""
        with self.assertRaises(RefusedError) as caught:
            await change
        self.assertIn("changed by its own tools", str(caught.exception))

    async def test_large(self) -> None:
        """More questions at once than a server takes on one connection are all answered, on a few connections."""
        store = self.store(LDAPPoolSize="3")
        await gatherResults([store.find([f"user{number}", "bob"]) for number in range(500)])
        self.assertEqual(self.slapd.connections(), 3)


class ListTests(SlapdTestCase):
    """A directory of more entries than one page has, and than slapd gives at once."""

    KEYS = tuple(sorted(f"user{number}" for number in range(1200)))

    def people(self) -> str:
        """Write many."""
        return "".join(person(number, {"SIPIdentityUserName": [key]}) for number, key in enumerate(self.KEYS))

    async def test_many_pages(self) -> None:
        """All are listed, and the connection that it took is closed."""
        store = self.store()
        self.assertEqual([each.key for each in await store.page("", 1000)], list(self.KEYS[:1000]))
        self.assertEqual([each.key for each in await store.page(self.KEYS[999], 1000)], list(self.KEYS[1000:]))
        await store.close()
        await deferToThread(self.see_closed)


class RefusalTests(SlapdTestCase):
    """What the server, or its certificate, refuses."""

    async def test_wrong_password(self) -> None:
        """A wrong password of ours is no answer about subscribers."""
        store = self.store(password="wrong")
        reason = f"bind as {READER}: invalidCredentials"
        self.assertIn(reason, await self.refusal(store.open()))
        self.assertIn(reason, await self.refusal(store.find(["bob"])))

    async def test_wrong_base(self) -> None:
        """An entry to begin at that there is not is told when the store is opened."""
        store = self.store(LDAPBaseDN="ou=nowhere,dc=example,dc=test")
        self.assertIn("noSuchObject", await self.refusal(store.open()))

    async def test_tls(self) -> None:
        """Both ways to TLS work where the server's certificate is signed by the one who is trusted."""
        ca = str(self.slapd.authority.certificate)
        for store in (
            self.store(LDAPStartTLS="On", LDAPCA=ca),
            self.store(f"ldaps://{LOOPBACK}:{self.slapd.secure_port}", LDAPCA=ca),
        ):
            self.assertEqual(await store.find(["bob"]), {"bob": BOB})

    async def test_untrusted(self) -> None:
        """A certificate of somebody else is refused, however TLS begins; so it is without LDAPCA."""
        other = Authority(self.slapd.folder, "other")
        secure = f"ldaps://{LOOPBACK}:{self.slapd.secure_port}"
        for store in (
            self.store(LDAPStartTLS="On", LDAPCA=str(other.certificate)),
            self.store(secure, LDAPCA=str(other.certificate)),
            self.store(secure),
        ):
            self.assertIn("certificate verify failed", await self.refusal(store.find(["bob"])))

    async def test_other_host(self) -> None:
        """A certificate for another host is refused."""
        self.slapd.certify("192.0.2.1")
        self.slapd.kill()
        self.slapd.start()
        store = self.store(LDAPStartTLS="On", LDAPCA=str(self.slapd.authority.certificate))
        self.assertIn("the certificate is for another host", await self.refusal(store.find(["bob"])))


class AwayTests(SlapdTestCase):
    """A server that dies, is silent, and comes back."""

    async def test_restart(self) -> None:
        """A server that was restarted is connected to, and bound to, anew; nobody notices."""
        store = self.store()
        await store.find(["bob"])
        self.slapd.kill()
        self.slapd.start()
        self.assertEqual(await store.find(["bob"]), {"bob": BOB})

    async def test_killed(self) -> None:
        """While the server is dead questions fail at once; soon after it is back they are answered."""
        store = self.store()
        await store.find(["bob"])
        self.slapd.kill()
        began = self.seconds()
        for _ in range(20):
            self.assertIn("cannot connect", await self.refusal(store.find(["bob"])))
        self.assertLess(self.seconds() - began, LEEWAY)
        self.slapd.start()
        await wait(ldap.HOLD_OFF)
        self.assertEqual(await store.find(["bob"]), {"bob": BOB})

    async def test_killed_in_the_middle(self) -> None:
        """Questions that are under way when the server dies fail, all of them."""
        store = self.store()
        await store.find(["bob"])
        self.slapd.freeze()
        asked = [store.find([f"user{number}"]) for number in range(200)]
        await wait(0.05)
        self.slapd.kill()
        for answer in asked:
            await self.refusal(answer)

    async def test_silent(self) -> None:
        """A silent server costs a question its deadline, later ones nothing, and no connection is left."""
        store = self.store(LDAPTimeoutInMs=str(round(SHORT * 1000)))
        await gatherResults([store.find(["bob"]) for _ in range(40)])
        self.slapd.freeze()
        began = self.seconds()
        asked = [store.find(["bob"]) for _ in range(40)]
        for answer in asked:
            self.assertIn("no answer in time", await self.refusal(answer))
        self.assertLess(self.seconds() - began, SHORT + LEEWAY)
        self.assertIn("no answer in time", await self.refusal(store.find(["bob"])))
        self.slapd.thaw()
        await wait(ldap.HOLD_OFF)
        self.assertEqual(await store.find(["bob"]), {"bob": BOB})
        await store.close()
        await deferToThread(self.see_closed)

    async def test_silent_at_the_start(self) -> None:
        """A server that is silent from the start is given up in time, again and again, with nothing left open."""
        self.slapd.freeze()
        ca = str(self.slapd.authority.certificate)
        for others in ({}, {"LDAPStartTLS": "On", "LDAPCA": ca}):
            store = self.store(LDAPTimeoutInMs=str(round(SHORT * 1000)), **others)
            began = self.seconds()
            self.assertIn("no answer in time", await self.refusal(store.open()))
            self.assertLess(self.seconds() - began, SHORT + LEEWAY)
            await store.close()
        self.slapd.thaw()
        await deferToThread(self.see_closed)

    async def test_idle(self) -> None:
        """A connection that the server closes as it was idle costs nobody anything."""
        self.slapd.configure(idle=1)
        self.slapd.kill()
        self.slapd.start()
        store = self.store()
        await store.find(["bob"])
        await deferToThread(self.see_closed)
        self.assertEqual(await store.find(["bob"]), {"bob": BOB})

    async def test_subscribers(self) -> None:
        """While the directory is away the known go on, others get 503 at once; once it is back nobody does."""
        subscribers = Subscribers(self.store(LDAPTimeoutInMs="300"), reactor, 0.0)
        await subscribers.start()
        answer: Any = subscribers.find(("bob",))
        await answer
        self.slapd.kill()
        answer = subscribers.find(("bob",))
        self.assertEqual((await answer).password, BOB.password)
        self.assertIsNotNone(subscribers.away_since)
        with self.assertRaises(UnavailableError):
            subscribers.find(("hash",))
        self.slapd.start()
        await deferToThread(wait_until, lambda: subscribers.away_since is None, "it is back")
        answer = subscribers.find(("hash",))
        self.assertEqual((await answer).ha1("MD5", "hash", REALM), MD5)
        await subscribers.stop()
