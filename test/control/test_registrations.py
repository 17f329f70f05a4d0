"""Registrations over the control socket."""

from twisted.internet.defer import Deferred, fail

from sipproxy.control import Api
from sipproxy.control.registrations import Configured, Registrations
from sipproxy.databases.registry import Registry
from sipproxy.databases.registry_store import MemoryStore, Row
from sipproxy.errors import StoreError
from sipproxy.registrar.bindings import NEVER, Binding
from test.control.fixtures import IDENTITY, NOW, STATIC, ApiTestCase, Registered, binding

PATH = "/registrations"
ALICE, BOB = b"alice@example.com", b"bob@example.com"


class RegistrationsTestCase(ApiTestCase):
    """A registry in memory with one static entry, for boss."""

    def setUp(self) -> None:
        self.registered = Registered()
        self.api, self.clock = self.registered.api, self.registered.clock

    def listed(self, **query: object) -> list[tuple[str, str, str]]:
        """Give address of record, contact and kind of all that is listed."""
        found: list[tuple[str, str, str]] = []
        after: dict[str, object] = {}
        while True:
            status, page = self.ask("GET", PATH, **query, **after)
            self.assertEqual(status, 200)
            found += [(item["aor"], item["contact"], item["kind"]) for item in page["registrations"]]
            if page["next"] is None:
                return found
            after = {"after": page["next"]}

    def stored(self, aor: bytes) -> tuple[Binding, ...]:
        """Give what the registry has."""
        found: tuple[Binding, ...] = self.registered.registry.lookup(aor, NOW)
        return found


class ListTests(RegistrationsTestCase):
    """What is listed."""

    def test_item(self) -> None:
        """A binding is told with all that an operator may ask about."""
        kept = binding(b"sip:a@192.0.2.7")._replace(q=0.7, action="proxy", path=(b"<sip:edge;lr>",))
        self.registered.store(ALICE, kept)
        _, page = self.ask("GET", PATH, aor="alice@*")
        self.assertEqual(
            page,
            {
                "registrations": [
                    {
                        "aor": "alice@example.com",
                        "contact": "sip:a@192.0.2.7",
                        "kind": "registered",
                        "q": 0.7,
                        "action": "proxy",
                        "expires": NOW + 3600,
                        "updated": NOW,
                        "call_id": "c1",
                        "path": ["<sip:edge;lr>"],
                    }
                ],
                "next": None,
            },
        )

    def test_other_configuration(self) -> None:
        """After a reload the static ones are those of the new configuration."""
        self.registered.configured = Configured({b"new@example.com": (Binding(b"sip:new@h"),)}, IDENTITY.aor_key)
        self.assertEqual(self.listed(), [("new@example.com", "sip:new@h", "static")])

    def test_kinds(self) -> None:
        """Registered, permanent and static ones are listed in the order of their addresses of record."""
        self.registered.store(BOB, binding(b"sip:b@h"))
        self.registered.store(b"carol@example.com", binding(b"sip:c@h"), Binding(b"sip:c2@h", updated=NOW))
        self.registered.store(b"boss@example.com", binding(b"sip:mobile@h"))
        self.assertEqual(
            self.listed(),
            [
                ("bob@example.com", "sip:b@h", "registered"),
                ("boss@example.com", "sip:mobile@h", "registered"),
                ("boss@example.com", "sip:boss@192.0.2.9", "static"),
                ("carol@example.com", "sip:c@h", "registered"),
                ("carol@example.com", "sip:c2@h", "permanent"),
            ],
        )

    def test_expired(self) -> None:
        """What has run out and is not yet removed is left out."""
        self.registered.store(BOB, binding(b"sip:old@h", -1), binding(b"sip:b@h"))
        self.assertEqual(self.listed(aor="bob@*"), [("bob@example.com", "sip:b@h", "registered")])

    def test_pages(self) -> None:
        """Pages of any size give everything once, static entries among the others."""
        static = {b"s%d@example.com" % number: (Binding(b"sip:s@h"),) for number in range(5)}
        self.registered = Registered(static)
        self.api, self.clock = self.registered.api, self.registered.clock
        for number in range(7):
            self.registered.store(b"%d%%@example.com" % number, binding(b"sip:a@h"), binding(b"sip:b@h"))
        self.registered.store(b"t@example.com", binding(b"sip:t@h"))
        everything = self.listed()
        self.assertEqual(len(everything), 20)
        self.assertEqual(everything[0], ("0%25@example.com", "sip:a@h", "registered"))
        for limit in range(1, 15):
            self.assertEqual(self.listed(limit=limit), everything, limit)

    def test_filters(self) -> None:
        """Patterns choose by address of record and by contact, on pages of any size."""
        for number in range(30):
            self.registered.store(b"u%02d@example.com" % number, binding(b"sip:u@192.0.2.%d" % (number % 3)))
        self.registered.store("ü@example.com".encode(), binding(b"sip:u@192.0.2.1"))
        for limit in (1, 7, 1000):
            for query, count in (
                ({"aor": "u0*"}, 10),
                ({"aor": "*5@example.com"}, 3),
                ({"aor": "u07@example.com"}, 1),
                ({"aor": "u07"}, 0),
                ({"contact": "*.1"}, 11),
                ({"contact": "*.1", "aor": "u*"}, 10),
                ({"aor": "%C3*"}, 1),
                ({"aor": "z*"}, 0),
            ):
                self.assertEqual(len(self.listed(limit=limit, **query)), count, (limit, query))

    def test_stops_early(self) -> None:
        """A list by the beginning of its addresses of record does not read the others."""
        for number in range(30):
            self.registered.store(b"u%02d@example.com" % number, binding(b"sip:u@h"))
        _, page = self.ask("GET", PATH, aor="u05@*", limit=3)
        self.assertEqual((len(page["registrations"]), page["next"]), (1, None))

    def test_away(self) -> None:
        """A database that cannot be read is 503, with its reason."""

        class Away(MemoryStore):
            def page(self, after: bytes, limit: int) -> "Deferred[list[Row]]":
                return fail(StoreError("disk error"))

        registry = Registry(Away(), self.clock, lambda: NOW)
        configured = Configured({}, IDENTITY.aor_key)
        self.api = Api([Registrations(registry, lambda: configured, lambda: NOW).resource()])
        self.assertEqual(self.refused("GET", PATH), (503, "disk error"))


class AddTests(RegistrationsTestCase):
    """What is added by hand."""

    def test_add(self) -> None:
        """A contact is permanent: it is stored, and never expires."""
        body = {"aor": "sip:alice@192.0.2.1", "contact": "bob@192.0.2.7:5070", "q": 0.25, "action": "redirect"}
        status, item = self.ask("POST", PATH, body)
        self.assertEqual((status, item["kind"], item["expires"]), (201, "permanent", None))
        self.assertEqual((item["aor"], item["contact"]), ("alice@example.com", "sip:bob@192.0.2.7:5070"))
        (kept,) = self.stored(ALICE)
        self.assertEqual((kept.contact, kept.q, kept.action), (b"sip:bob@192.0.2.7:5070", 0.25, "redirect"))
        self.assertEqual((kept.expires, kept.updated, kept.is_static), (NEVER, NOW, True))

    def test_beside_registered(self) -> None:
        """It stands beside what telephones have registered, the same contact too."""
        self.registered.store(ALICE, binding(b"sip:a@h"))
        self.assertEqual(self.ask("POST", PATH, {"aor": "alice@example.com", "contact": "sip:a@h"})[0], 201)
        kinds = [kind for _, _, kind in self.listed(aor="alice@*")]
        self.assertEqual(kinds, ["registered", "permanent"])

    def test_replaces_itself(self) -> None:
        """The same contact added again takes the place of the permanent one; another one does not."""
        for contact, q in (("sip:a@h", 1), ("sip:b@h", 1), ("sip:A@h", 1), ("sip:a@H", 0.5)):
            self.ask("POST", PATH, {"aor": "alice@example.com", "contact": contact, "q": q})
        found = [(kept.contact, kept.q) for kept in self.stored(ALICE)]
        self.assertEqual(found, [(b"sip:b@h", 1.0), (b"sip:A@h", 1.0), (b"sip:a@H", 0.5)])

    def test_wrong(self) -> None:
        """What is no address of record of ours, or no contact, is refused with what was expected."""
        for aor, contact, message in (
            ("alice@example.org", "sip:a@h", "alice@example.org is at no domain of this server"),
            ("example.com", "sip:a@h", "expected an address of record, user@domain, got example.com"),
            ("alice@example.com", "sip:", "expected the URI of a contact, got sip:"),
            ("alice@example.com", "", 'expected the URI of a contact, got ""'),
            ("ali\nce@example.com", "sip:a@h", "expected an address of record, user@domain, got ali\\nce@example.com"),
            ("\ud800@example.com", "sip:a@h", "expected an address of record, user@domain, got \\ud800@example.com"),
        ):
            self.assertEqual(self.refused("POST", PATH, {"aor": aor, "contact": contact}), (422, message))
        self.assertEqual(self.listed(), [("boss@example.com", "sip:boss@192.0.2.9", "static")])


class DeleteTests(RegistrationsTestCase):
    """What is deleted by hand."""

    def setUp(self) -> None:
        super().setUp()
        self.registered.store(ALICE, binding(b"sip:a@h"), binding(b"sip:b@h"), Binding(b"sip:c@h", updated=NOW))

    def test_contact(self) -> None:
        """One contact, written in any way that is the same, goes; the others stay."""
        status, gone = self.ask("DELETE", PATH, aor="alice@example.com", contact="SIP:b@H")
        self.assertEqual((status, [item["contact"] for item in gone["registrations"]]), (200, ["sip:b@h"]))
        self.assertEqual([kept.contact for kept in self.stored(ALICE)], [b"sip:a@h", b"sip:c@h"])

    def test_all(self) -> None:
        """Without a contact all goes, what is permanent too."""
        _, gone = self.ask("DELETE", PATH, aor="alice@example.com")
        self.assertEqual(len(gone["registrations"]), 3)
        self.assertEqual(self.stored(ALICE), ())

    def test_permanent_alone(self) -> None:
        """What has only permanent contacts can be changed and deleted like any other."""
        self.ask("POST", PATH, {"aor": "bob@example.com", "contact": "sip:b@h"})
        self.ask("POST", PATH, {"aor": "bob@example.com", "contact": "sip:b2@h"})
        self.assertEqual(self.ask("DELETE", PATH, aor="bob@example.com")[0], 200)
        self.assertEqual(self.stored(BOB), ())

    def test_static(self) -> None:
        """A static one is refused: it stands in the configuration."""
        message = "boss@example.com is static: it stands in the configuration"
        self.assertEqual(self.refused("DELETE", PATH, aor="boss@example.com"), (409, message))
        contact = STATIC[b"boss@example.com"][0].contact.decode()
        self.assertEqual(self.refused("DELETE", PATH, aor="boss@example.com", contact=contact), (409, message))

    def test_none(self) -> None:
        """What there is not is 404."""
        message = "{}@example.com has no such registration"
        for aor, contact in (("bob", None), ("bob", "sip:b@h"), ("alice", "sip:x@h"), ("boss", "sip:x@h")):
            query = {"aor": f"{aor}@example.com", **({} if contact is None else {"contact": contact})}
            self.assertEqual(self.refused("DELETE", PATH, **query), (404, message.format(aor)))
        self.assertEqual(self.refused("DELETE", PATH, contact="sip:a@h"), (400, "aor is missing"))

    def test_unread(self) -> None:
        """While the registry cannot be read nobody is told that there is nothing."""
        self.registered.registry.away_since = NOW
        self.assertEqual(self.refused("DELETE", PATH, aor="bob@example.com")[0], 503)
