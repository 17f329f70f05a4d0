"""Subscribers in an LDAP directory; test.interop.test_ldap has a real one."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.defer import Deferred, fail, succeed
from twisted.logger import ILogObserver, LogEvent, formatEvent, globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer
from zope.interface.verify import verifyObject

from sipproxy.databases.subscribers import ISubscriberStore
from sipproxy.databases.subscribers_fields import RefusedError, Subscriber, check
from sipproxy.databases.subscribers_ldap import MOST_LISTED, LdapStore, read_entry
from sipproxy.errors import StoreError

REALM = "example.com"
NAME, PASSWORD, URI = "sipidentityusername", "sipidentitypassword", "sipidentitysipuri"
MD5, SHA_256 = hashlib.md5(b"x").hexdigest(), hashlib.sha256(b"x").hexdigest()
CONDITIONS = {"objectClass": ("SIPIdentity",), "SIPIdentityUserName": ("bob", "alice")}


class Entry(NamedTuple):
    """An entry."""

    name: str
    values: Mapping[str, Sequence[bytes]]


class Directory:
    """A directory that finds all that it has, whatever it is asked.

    @ivar asked: conditions of what it was asked
    @ivar error: what it fails with instead
    """

    def __init__(self, *entries: Mapping[str, Sequence[bytes]]) -> None:
        self.entries = [Entry(f"cn={number}", values) for number, values in enumerate(entries)]
        self.asked: list[object] = []
        self.error: StoreError | None = None
        self.is_open = False

    def open(self) -> Deferred[None]:
        """Open it."""
        self.is_open = True
        return succeed(None)

    def search(self, conditions: Mapping[str, Sequence[str]], attributes: Sequence[str]) -> Deferred[list[Entry]]:
        """Find all."""
        self.asked.append((conditions, attributes))
        return fail(self.error) if self.error else succeed(self.entries)

    def scan(
        self,
        conditions: Mapping[str, Sequence[str]],
        attributes: Sequence[str],
        take: Callable[[Entry], object],
        most: int,
    ) -> Deferred[None]:
        """Show all."""
        self.asked.append((conditions, attributes, most))
        for entry in self.entries:
            take(entry)
        return fail(self.error) if self.error else succeed(None)

    def close(self) -> Deferred[None]:
        """Close it."""
        self.is_open = False
        return succeed(None)


@implementer(ILogObserver)
class Lines:
    """What was logged."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    def __call__(self, event: LogEvent) -> None:
        """Keep it."""
        self.texts.append(formatEvent(event))


class LdapStoreTests(SynchronousTestCase):
    """The store over a directory in memory."""

    def setUp(self) -> None:
        self.lines = Lines()
        globalLogPublisher.addObserver(self.lines)
        self.addCleanup(globalLogPublisher.removeObserver, self.lines)

    def make(self, *entries: Mapping[str, Sequence[bytes]], attribute: str = "SIPIdentityUserName") -> LdapStore:
        """Make a store."""
        self.directory = Directory(*entries)
        return LdapStore(self.directory, attribute, REALM)

    def found(self, store: LdapStore, *keys: str) -> Mapping[str, Subscriber]:
        """Find subscribers."""
        return self.successResultOf(store.find(keys or ("bob",)))

    def test_interface(self) -> None:
        """It is a store, and opens and closes its directory."""
        store = self.make()
        verifyObject(ISubscriberStore, store)
        self.successResultOf(store.open())
        self.assertTrue(self.directory.is_open)
        self.successResultOf(store.close())
        self.assertFalse(self.directory.is_open)

    def test_question(self) -> None:
        """All keys are one question, for three attributes of entries of one class; no key is none."""
        store = self.make()
        self.assertEqual(self.found(store, "bob", "alice"), {})
        wanted = ("SIPIdentityUserName", "SIPIdentityPassword", "SIPIdentitySIPURI")
        self.assertEqual(self.directory.asked, [(CONDITIONS, wanted)])
        self.assertEqual(self.successResultOf(store.find(())), {})
        self.assertEqual(len(self.directory.asked), 1)

    def test_fields(self) -> None:
        """Each name of an entry is a key; password and domain are the entry's, and H.350.4 has nothing else."""
        uris = (b"tel:+1555", b"sip:z@other.example", b"sip:bob@Example.com;transport=udp")
        store = self.make({NAME: (b"bob", b"+1555"), PASSWORD: ("p\N{SNOWMAN}".encode(),), URI: uris})
        for key in ("bob", "+1555"):
            expected = Subscriber(key, domain="Example.com".lower(), password="p\N{SNOWMAN}")
            self.assertEqual(self.found(store, key), {key: expected})
        self.assertEqual(self.lines.texts, [])

    def test_exact(self) -> None:
        """What the directory takes for equal and is not is nobody."""
        store = self.make({NAME: (b"Bob", b"bob ", b"bo\xff", b"", b"x" * 256)})
        self.assertEqual(self.found(store, "bob", "x" * 256), {})

    def test_other_attribute(self) -> None:
        """Names may be values of another attribute, in whatever case it is written."""
        store = self.make({"telephonenumber": (b"bob",), PASSWORD: (b"x",)}, attribute="telephoneNumber")
        self.assertEqual(self.found(store)["bob"].password, "x")

    def test_hashes(self) -> None:
        """Hashes are marked as such, may be of both kinds, and serve for our realm and no other."""
        values = (f"{{HA1-MD5}}{MD5.upper()}".encode(), f"{{ha1-sha-256}}{SHA_256}".encode())
        subscriber = self.found(self.make({NAME: (b"bob",), PASSWORD: values}))["bob"]
        self.assertIsNone(subscriber.password)
        self.assertEqual(subscriber.ha1("MD5", "bob", REALM), MD5)
        self.assertEqual(subscriber.ha1("SHA-256", "bob", REALM), SHA_256)
        self.assertIsNone(subscriber.ha1("MD5", "bob", "other.example"))
        self.assertNotIn(MD5, repr(subscriber))

    def test_clear(self) -> None:
        """All else is a clear password, digits and other braces too."""
        for text in (MD5, "{SSHA}abc", "{HA1-MD5", " {HA1-MD5}", "{}"):
            store = self.make({NAME: (b"bob",), PASSWORD: (text.encode(),)})
            self.assertEqual(self.found(store)["bob"].password, text)

    def test_useless(self) -> None:
        """Who has a password that is of no use is known, cannot authenticate, and the log says why without it."""
        for values, reason in (
            ((), ""),
            ((b"",), "is empty, too long or not UTF-8"),
            ((b"\xff",), "is empty, too long or not UTF-8"),
            ((b"x" * 256,), "is empty, too long or not UTF-8"),
            ((b"one", b"two"), "has several values"),
            ((b"one", b"{HA1-MD5}xyz"), "has no 32 hexadecimal digits behind {HA1-MD5}"),
            ((f"{{HA1-SHA-256}}{MD5}".encode(),), "has no 64 hexadecimal digits behind {HA1-SHA-256}"),
            ((b"{HA1-MD5}" + "\N{DEVANAGARI DIGIT ONE}".encode() * 32,), "has no 32 hexadecimal digits"),
        ):
            self.lines.texts.clear()
            subscriber = self.found(self.make({NAME: (b"bob",), PASSWORD: values}))["bob"]
            for algorithm in ("MD5", "SHA-256"):
                self.assertIsNone(subscriber.ha1(algorithm, "bob", REALM))
            lines = [f"cn=0 cannot authenticate: SIPIdentityPassword {reason}"] if reason else []
            self.assertEqual([line[: len(lines[0])] for line in self.lines.texts], lines)

    def test_ambiguous(self) -> None:
        """Two entries with one name are a subscriber whom nobody can be."""
        entries = [{NAME: (b"bob", name), PASSWORD: (name,)} for name in (b"one", b"two", b"three")]
        found = self.found(self.make(*entries), "bob", "one")
        self.assertEqual(found, {"bob": Subscriber("bob"), "one": Subscriber("one", password="one")})
        self.assertEqual(self.lines.texts, ["bob cannot authenticate: several entries have it"] * 2)
        page = self.successResultOf(self.make(*entries).page("", 1))
        self.assertEqual(page, [Subscriber("bob")])

    def test_pages(self) -> None:
        """Pages are in the order of keys, whatever the directory's is, and little is held."""
        keys = [f"{number * 7919 % 1000:03}" for number in range(1000)]
        store = self.make(*({NAME: (key.encode(), b"\xff"), PASSWORD: (b"\xff",)} for key in keys))
        listed, after = list[str](), ""
        while page := self.successResultOf(store.page(after, 300)):
            listed += [subscriber.key for subscriber in page]
            after = listed[-1]
        self.assertEqual(listed, sorted(keys))
        self.assertEqual(self.lines.texts, [])
        conditions = {"objectClass": ("SIPIdentity",), "SIPIdentityUserName": ()}
        self.assertEqual((self.directory.asked[0][0], self.directory.asked[0][2]), (conditions, MOST_LISTED))  # type: ignore[index]

    def test_away(self) -> None:
        """What the directory says of itself reaches who asks."""
        store = self.make({NAME: (b"bob",)})
        self.directory.error = StoreError("away")
        for asked in (store.find(("bob",)), store.page("", 10)):
            self.assertEqual(str(self.failureResultOf(asked, StoreError).value), "away")

    def test_read_only(self) -> None:
        """Changes are refused, and nothing is asked for them."""
        store = self.make({NAME: (b"bob",)})
        refused: Any
        for refused in (store.add([Subscriber("x")], True, 1.0), store.change("bob", {}), store.delete("bob")):
            error = self.failureResultOf(refused, RefusedError).value
            self.assertEqual(str(error), "subscribers are in an LDAP directory, which is changed by its own tools")
        self.assertEqual(self.directory.asked, [])

    @given(
        st.fixed_dictionaries({name: st.lists(st.binary(max_size=300), max_size=3) for name in (NAME, PASSWORD, URI)})
    )
    def test_any_values(self, values: Mapping[str, Sequence[bytes]]) -> None:
        """Whatever the values of an entry are, the subscribers are sound."""
        subscribers, problem = read_entry(Entry("cn=x", values), "SIPIdentityUserName", REALM)
        for subscriber in subscribers:
            check(subscriber)
            self.assertIn(subscriber.key.encode(), values[NAME])
        if problem:
            self.assertNotIn(True, [bool(each.password or each.ha1_md5) for each in subscribers])
