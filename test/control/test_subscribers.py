"""Subscribers over the control socket."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.defer import Deferred, fail
from twisted.internet.task import Clock

from sipproxy.control import Api
from sipproxy.control.imports import PAUSE
from sipproxy.control.subscribers import SubscriberControl
from sipproxy.control.subscribers_items import before
from sipproxy.databases.passwords import CLEAR, HASHED, ha1
from sipproxy.databases.subscribers import RefusedError, Subscriber, Subscribers
from sipproxy.databases.subscribers_csv import write_csv
from sipproxy.databases.subscribers_fields import FIELDS
from sipproxy.databases.subscribers_memory import MemoryStore
from sipproxy.errors import StoreError
from test.control.fixtures import ApiTestCase

NOW = 1_790_000_000.0
PATH = "/subscribers"
REALM = "example.com"
NASTY = "'; DROP TABLE subscribers; --\"\\%_%s\0\r\n\t\u00e9\u4e2d\U0001f600"
_FROM_DIGEST = ("ha1_md5", "ha1_sha256", "ha1b_md5", "ha1b_sha256")


class AwayStore(MemoryStore):
    """A store that cannot be used now."""

    def __init__(self, error: StoreError) -> None:
        super().__init__()
        self._error = error

    def find(self, keys: Any) -> "Deferred[Any]":
        """Fail."""
        return fail(self._error)

    def page(self, after: str, limit: int) -> "Deferred[Any]":
        """Fail."""
        return fail(self._error)

    def add(self, subscribers: Any, overwrite: bool, now: float) -> "Deferred[Any]":
        """Fail."""
        return fail(self._error)

    def change(self, key: str, changes: Any) -> "Deferred[Any]":
        """Fail."""
        return fail(self._error)

    def delete(self, key: str) -> "Deferred[Any]":
        """Fail."""
        return fail(self._error)


class SubscribersTestCase(ApiTestCase):
    """Subscribers in memory."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.clock.advance(NOW)
        self.use(MemoryStore())

    def use(self, store: MemoryStore, kept: str = HASHED) -> None:
        """Serve the subscribers of a store."""
        self.realm = REALM
        self.subscribers = Subscribers(store, self.clock, 60.0)
        control = SubscriberControl(self.subscribers, lambda: self.realm, kept, self.clock)
        self.api = Api(control.resources())

    def fill(self, *subscribers: Subscriber) -> None:
        """Add subscribers."""
        self.successResultOf(self.subscribers.add_all(subscribers, replace=False))

    def stored(self, key: str) -> Subscriber:
        """Give a subscriber as it is stored."""
        found = self.successResultOf(self.subscribers.get(key))
        assert found is not None, key
        return found

    def listed(self, **query: object) -> list[str]:
        """Give the keys of all that is listed."""
        found: list[str] = []
        after: dict[str, object] = {}
        while True:
            status, page = self.ask("GET", PATH, **query, **after)
            self.assertEqual(status, 200, page)
            found += [item["key"] for item in page["subscribers"]]
            if page["next"] is None:
                return found
            after = {"after": page["next"]}


class ListTests(SubscribersTestCase):
    """What is listed and shown."""

    maxDiff = None

    def test_item(self) -> None:
        """A subscriber is told with all that is no secret, in a list and alone."""
        bob = Subscriber(
            "bob@example.com", "example.com", "Bob", "secret", busy="sip:b@h", ring_time=1.5, enabled=False
        )
        self.fill(bob)
        expected = {
            "key": "bob@example.com",
            "domain": "example.com",
            "display_name": "Bob",
            "password": "clear",
            "realm": "",
            "unconditional": "",
            "busy": "sip:b@h",
            "no_answer": "",
            "unavailable": "",
            "ring_time": 1500,
            "enabled": False,
            "created": NOW,
            "updated": NOW,
        }
        self.assertEqual(self.ask("GET", PATH), (200, {"subscribers": [expected], "next": None}))
        self.assertEqual(self.ask("GET", f"{PATH}/one", key="bob@example.com"), (200, expected))
        self.assertEqual(self.refused("GET", f"{PATH}/one", key="*"), (404, "no subscriber *"))

    def test_pages_and_filters(self) -> None:
        """Pages of any size give all that is asked for, once."""
        hashes = {"realm": REALM, "ha1_md5": "0" * 32}
        self.fill(
            *(Subscriber(f"4711{number:02}", display_name=f"Room {number}") for number in range(30)),
            Subscriber("boss", password="p", unconditional="sip:a@h", busy="sip:mail@vm"),
            Subscriber("\u00e9t\u00e9@example.com", no_answer="sip:mail@vm", enabled=False, **hashes),  # type: ignore[arg-type]
        )
        for limit in (1, 7, 32, 1000):
            for query, count in (
                ({}, 32),
                ({"key": "47111*"}, 10),
                ({"key": "4711*9"}, 3),
                ({"key": "471107"}, 1),
                ({"key": "4711"}, 0),
                ({"key": "\u00e9*"}, 1),
                ({"key": "*@example.com"}, 1),
                ({"display_name": "Room 2*"}, 11),
                ({"target": "sip:mail@*"}, 2),
                ({"target": "*"}, 2),
                ({"password": "clear"}, 1),
                ({"password": "hashed"}, 1),
                ({"password": "none"}, 30),
                ({"enabled": "false"}, 1),
                ({"enabled": "true", "target": "sip:*"}, 1),
            ):
                self.assertEqual(len(self.listed(limit=limit, **query)), count, (limit, query))

    def test_pattern_reads_little(self) -> None:
        """Where a pattern says how keys begin the others are not looked at."""
        self.fill(*(Subscriber(f"{number:05}") for number in range(3000)))
        _, page = self.ask("GET", PATH, key="0200*")
        self.assertEqual((len(page["subscribers"]), page["next"]), (10, None))

    @given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=5), st.text(max_size=5))
    def test_before(self, prefix: str, rest: str) -> None:
        """What a search begins behind stands before all that it looks for, and is Unicode."""
        self.assertLess(before(prefix), prefix + rest)
        before(prefix).encode()


class ChangeTests(SubscribersTestCase):
    """What is added, changed and deleted."""

    def test_add(self) -> None:
        """All fields are stored; the domain is that of the key; the password is hashed for the realm of challenges."""
        body = {
            "key": "bob@example.org",
            "password": "secret",
            "display_name": NASTY,
            "unconditional": "sip:a@h",
            "busy": "tel:+1-408-555-1234",
            "no_answer": "SIP:mail@vm.example.com;transport=udp",
            "unavailable": "sip:[2001:db8::1]",
            "ring_time": 12_345,
            "enabled": False,
        }
        status, item = self.ask("POST", PATH, body)
        self.assertEqual((status, item["password"], item["realm"], item["created"]), (201, "hashed", REALM, NOW))
        self.assertNotIn("secret", str(item))
        found = self.stored("bob@example.org")
        self.assertEqual((found.password, found.domain, found.ring_time), (None, "example.org", 12.345))
        self.assertEqual(found.ha1_md5, ha1("MD5", "bob@example.org", REALM, "secret"))
        self.assertEqual(found.ha1b_sha256, ha1("SHA-256", "bob", REALM, "secret"))
        for name in ("display_name", "unconditional", "busy", "no_answer", "unavailable", "enabled"):
            self.assertEqual(getattr(found, name), body[name])
        self.assertEqual(self.refused("POST", PATH, body), (409, "there is a subscriber bob@example.org already"))

    def test_defaults(self) -> None:
        """Only the key is needed; without a password nobody can authenticate."""
        for body in ({"key": "4711"}, {"key": "4712", "password": "", "busy": "", "ring_time": 0}):
            status, item = self.ask("POST", PATH, body)
            self.assertEqual((status, item["password"], item["enabled"], item["domain"]), (201, "none", True, ""))
            self.assertEqual((item["ring_time"], item["busy"]), (None, ""))

    def test_clear(self) -> None:
        """Where clear passwords are kept they are."""
        self.use(MemoryStore(), CLEAR)
        _, item = self.ask("POST", PATH, {"key": "bob", "password": "secret"})
        self.assertEqual((item["password"], self.stored("bob").password), ("clear", "secret"))

    def test_change(self) -> None:
        """What is given is changed, what is empty taken away, the rest stays."""
        self.ask("POST", PATH, {"key": "bob", "password": "old", "busy": "sip:b@h", "no_answer": "sip:n@h"})
        self.realm = "other"
        old = self.stored("bob")
        self.clock.advance(5)
        status, item = self.ask("PUT", PATH, {"key": "bob", "busy": "", "ring_time": 500})
        self.assertEqual((status, item["busy"], item["no_answer"], item["ring_time"]), (200, "", "sip:n@h", 500))
        self.assertEqual((item["created"], int(item["updated"])), (NOW, NOW + 5))
        self.assertEqual(self.stored("bob").ha1_md5, old.ha1_md5)
        self.ask("PUT", PATH, {"key": "bob", "password": "new", "ring_time": 0})
        found = self.stored("bob")
        self.assertEqual((found.realm, found.ring_time), ("other", None))
        self.assertEqual(found.ha1_md5, ha1("MD5", "bob", "other", "new"))
        _, item = self.ask("PUT", PATH, {"key": "bob", "password": "", "enabled": False})
        self.assertEqual((item["password"], item["realm"], item["enabled"]), ("none", "", False))

    def test_wrong_targets(self) -> None:
        """A target that could not be called is refused when it is set."""
        self.ask("POST", PATH, {"key": "bob", "busy": "sip:b@h"})
        for target, reason in (
            ("bob", ", got bob"),
            ("bob@example.com", ", got bob@example.com"),
            ("sips:bob@h", ", as there is no transport for sips:, got sips:bob@h"),
            ("SIPS:bob@h", ", as there is no transport for sips:, got SIPS:bob@h"),
            ("http://h/", ", got http://h/"),
            ("mailto:a@h", ", got mailto:a@h"),
            ("sip:", ", got sip:"),
            ("sip:a b@h", ', got "sip:a b@h"'),
            ("sip:a@h\r\nX: y", ', got "sip:a@h\\r\\nX: y"'),
            ("sip:\u00e9@h", ", got sip:\u00e9@h"),
            ("sip:a@h:99999", ", got sip:a@h:99999"),
            ("<sip:a@h>", ", got <sip:a@h>"),
            ("tel:", ", got tel:"),
            ("tel:bob", ", got tel:bob"),
            ('tel:1;x="', ', got tel:1;x="'),
            ("\ud800", ", got \\ud800"),
            (" ", ', got " "'),
        ):
            for name in ("unconditional", "busy", "no_answer", "unavailable"):
                message = f"{name}: expected a sip: or tel: URI{reason}"
                self.assertEqual(self.refused("PUT", PATH, {"key": "bob", name: target}), (422, message))
                self.assertEqual(self.refused("POST", PATH, {"key": "new", name: target}), (422, message))
        self.assertEqual((self.listed(), self.stored("bob").busy), (["bob"], "sip:b@h"))

    def test_wrong(self) -> None:
        """What is none is refused: by its form with 400, by its meaning with 422."""
        for body, status, message in (
            ({}, 400, "key is missing"),
            ({"key": ""}, 400, "key: expected text of at least 1 characters of at most 255 characters"),
            ({"key": "k" * 256}, 400, "key: expected text of at least 1 characters of at most 255 characters"),
            ({"key": "bob", "ring_time": 2**32}, 400, "ring_time: expected a whole number from 0 to 4294967295"),
            ({"key": "bob", "ring_time": "5"}, 400, "ring_time: expected a whole number from 0 to 4294967295"),
            ({"key": "bob", "enabled": "no"}, 400, "enabled: expected true or false"),
            ({"key": "bob", "password": "\ud800"}, 422, "password: not Unicode text"),
            ({"key": "bob", "display_name": "\ud800"}, 422, "display_name: not Unicode text"),
        ):
            self.assertEqual(self.refused("POST", PATH, body), (status, message))
        self.assertEqual(self.refused("POST", PATH, {"key": "\ud800", "password": "p"}), (422, "key: not Unicode text"))
        self.assertEqual(self.refused("PUT", PATH, {"key": "\ud800", "password": "p"})[0], 404)
        self.assertEqual(self.refused("PUT", PATH, {"key": "bob"}), (422, "nothing that is to be changed"))
        self.assertEqual(self.refused("PUT", PATH, {"key": "bob", "busy": ""}), (404, "no subscriber bob"))
        self.assertEqual(self.refused("PUT", PATH, {"key": "bob", "password": "\ud800"})[0], 422)
        self.assertEqual(self.listed(), [])

    def test_delete(self) -> None:
        """A subscriber is deleted once; a * is none."""
        self.fill(Subscriber("bob"), Subscriber("*"))
        self.assertEqual(self.ask("DELETE", PATH, key="*"), (200, {"key": "*"}))
        self.assertEqual(self.refused("DELETE", PATH, key="*"), (404, "no subscriber *"))
        self.assertEqual(self.listed(), ["bob"])

    def test_at_once(self) -> None:
        """What calls know is dropped by a change, and not filled by it."""
        self.assertIsNone(self.successResultOf(self.subscribers.find(["bob"])))  # type: ignore[arg-type]
        self.assertIsNone(self.subscribers.find(["bob"]))
        self.ask("POST", PATH, {"key": "bob", "busy": "sip:b@h"})
        asked = self.subscribers.find(["bob"])
        assert isinstance(asked, Deferred)
        found = self.successResultOf(asked)
        assert found is not None
        self.assertEqual(found.busy, "sip:b@h")
        self.ask("DELETE", PATH, key="bob")
        self.assertIsInstance(self.subscribers.find(["bob"]), Deferred)

    def test_away(self) -> None:
        """While the database is away nobody is told that there is nothing, and the reason is told."""
        self.use(AwayStore(StoreError("disk error")))
        asked: tuple[tuple[str, str, object, dict[str, object]], ...] = (
            ("GET", PATH, None, {}),
            ("GET", f"{PATH}/one", None, {"key": "bob"}),
            ("GET", f"{PATH}/export", None, {}),
            ("POST", PATH, {"key": "bob"}, {}),
            ("PUT", PATH, {"key": "bob", "busy": ""}, {}),
            ("DELETE", PATH, None, {"key": "bob"}),
        )
        for method, path, body, query in asked:
            self.assertEqual(self.refused(method, path, body, **query), (503, "disk error"))

    def test_elsewhere(self) -> None:
        """A database that is changed by tools of its own says so."""
        self.use(AwayStore(RefusedError("subscribers are in a directory")))
        for method, body in (("POST", {"key": "bob"}), ("PUT", {"key": "bob", "busy": ""})):
            self.assertEqual(self.refused(method, PATH, body), (422, "subscribers are in a directory"))

    @given(st.text(min_size=1, max_size=20), st.text(max_size=20))
    def test_any_text(self, key: str, text: str) -> None:
        """Any text is taken as it is or refused, wherever it stands; none is a fault of the server."""
        for method, body in (
            ("POST", {"key": key, "display_name": text, "password": text}),
            ("POST", {"key": text, "busy": key}),
            ("PUT", {"key": key, "display_name": key, "password": key}),
            ("PUT", {"key": key, "no_answer": text}),
            ("POST", {"key": key, "unavailable": f"tel:{text}"}),
        ):
            self.assertIn(self.ask(method, PATH, body)[0], (200, 201, 400, 404, 409, 422))
        for method, path, query in (
            ("GET", PATH, {"key": text, "after": key, "target": text}),
            ("GET", f"{PATH}/export", {"after": text}),
            ("GET", f"{PATH}/one", {"key": key}),
            ("DELETE", PATH, {"key": key}),
        ):
            query = {name: value.encode(errors="surrogatepass") for name, value in query.items()}  # type: ignore[misc]
            self.assertIn(self.ask(method, path, **query)[0], (200, 400, 404))
        self.assertIn(self.ask("POST", f"{PATH}/import", {"rows": text})[0], (200, 422))


class ExportTests(SubscribersTestCase):
    """All subscribers, as an import takes them."""

    def test_without_secrets(self) -> None:
        """Without being asked for, no password leaves the server."""
        self.fill(Subscriber("bob", password="secret"), Subscriber("eve", realm="r", ha1_md5="0" * 32))
        _, page = self.ask("GET", f"{PATH}/export")
        self.assertEqual([item["key"] for item in page["subscribers"]], ["bob", "eve"])
        for item in page["subscribers"]:
            secret = ("password", "realm", *_FROM_DIGEST)
            self.assertEqual([name for name in FIELDS if name not in secret], list(item))

    def test_secrets(self) -> None:
        """They do where they are, page by page."""
        self.fill(Subscriber("bob", password="secret"), Subscriber("eve", realm="r", ha1_md5="0" * 32))
        _, page = self.ask("GET", f"{PATH}/export", secrets="true", limit=1)
        self.assertEqual((page["subscribers"][0]["password"], page["next"]), ("secret", "bob"))
        _, page = self.ask("GET", f"{PATH}/export", secrets="true", after="bob")
        self.assertEqual((page["subscribers"][0]["ha1_md5"], page["next"]), ("0" * 32, None))
        self.assertEqual(list(page["subscribers"][0]), list(FIELDS))


class ImportTests(SubscribersTestCase):
    """Many at once."""

    def begun(self, *subscribers: Subscriber) -> int:
        """Begin an import, and give its number."""
        status, content = self.ask("POST", f"{PATH}/import", {"rows": self.rows(*subscribers)})
        self.assertEqual(status, 200, content)
        number: int = content["import"]
        return number

    def rows(self, *subscribers: Subscriber) -> str:
        """Give the rows of subscribers."""
        return "".join(list(write_csv(subscribers))[1:])

    def commit(self, number: int, **body: object) -> tuple[int, Any]:
        """Take what an import has brought."""
        return self.ask("PUT", f"{PATH}/import", {"import": number, **body})

    def test_add(self) -> None:
        """Pieces are taken together, when it is said so and not before; passwords are hashed, hashes stay."""
        number = self.begun(Subscriber("bob", display_name=NASTY, password="secret", ring_time=0.5, enabled=False))
        rows = self.rows(Subscriber("eve", realm="elsewhere", ha1_md5="ab" * 16, created=5.5))
        _, content = self.ask("POST", f"{PATH}/import", {"rows": rows, "import": number})
        self.assertEqual((content, self.listed()), ({"import": number, "rows": 2}, []))
        self.assertEqual(self.commit(number), (200, {"stored": 2}))
        bob, eve = self.stored("bob"), self.stored("eve")
        self.assertEqual((bob.display_name, bob.ring_time, bob.enabled, bob.password), (NASTY, 0.5, False, None))
        self.assertEqual((bob.realm, bob.ha1_md5), (REALM, ha1("MD5", "bob", REALM, "secret")))
        self.assertEqual((eve.realm, eve.ha1_md5, eve.created, int(eve.updated)), ("elsewhere", "ab" * 16, 5.5, NOW))
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_overwrite(self) -> None:
        """Who is there already makes it fail as a whole, unless they are to be written over; others stay."""
        self.fill(Subscriber("bob", display_name="old", busy="sip:b@h"), Subscriber("zoe"))
        new = (Subscriber("amy"), Subscriber("bob", display_name="new"))
        status, content = self.commit(self.begun(*new))
        self.assertEqual((status, content["error"]["message"]), (409, "there is a subscriber bob already"))
        self.assertEqual(self.listed(), ["bob", "zoe"])
        self.assertEqual(self.commit(self.begun(*new), overwrite=True), (200, {"stored": 2}))
        self.assertEqual((self.listed(), self.stored("bob").busy), (["amy", "bob", "zoe"], ""))

    def test_wrong_rows(self) -> None:
        """A wrong row is told, and ends the import."""
        wide = "," * (len(FIELDS) - 1)
        for rows, message in (
            ("eve\n", f"row 2: expected {len(FIELDS)} columns, got 1"),
            (f"{wide}\n", "subscriber : key: it is empty"),
            (self.rows(Subscriber("bob")), "row 2: the same as row 1"),
            (self.rows(Subscriber("eve", busy="bob")), "subscriber eve: busy: expected a sip: or tel: URI, got bob"),
            (self.rows(Subscriber("eve", ha1_md5="x")), "subscriber eve: ha1_md5: expected 32 hexadecimal digits"),
            (f"eve{wide}".replace(",,,", ",,\ud800,", 1), "subscriber eve: display_name: not Unicode text"),
            ('"eve', "row 2: no CSV: unexpected end of data"),
        ):
            number = self.begun(Subscriber("bob"))
            body = {"rows": rows, "import": number}
            self.assertEqual(self.refused("POST", f"{PATH}/import", body), (422, message))
            self.assertEqual(self.commit(number)[0], 404)
        self.assertEqual((self.listed(), self.clock.getDelayedCalls()), ([], []))

    def test_given_up(self) -> None:
        """An import can be given up, and gives itself up when it is forgotten."""
        number = self.begun()
        self.assertEqual(self.ask("DELETE", f"{PATH}/import", **{"import": number})[0], 200)
        number = self.begun(Subscriber("bob"))
        self.clock.advance(PAUSE + 1)
        self.assertEqual((self.commit(number)[0], self.listed()), (404, []))
