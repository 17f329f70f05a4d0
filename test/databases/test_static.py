"""Static registrations."""

from collections.abc import Sequence
from typing import Any

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from sipproxy.config import ConfigError, Module, Settings
from sipproxy.databases.registry import Registry
from sipproxy.databases.registry_store import MemoryStore
from sipproxy.databases.static import STATIC_REGISTRATION, WithStatic, by_aor
from sipproxy.interfaces import IRegistry
from sipproxy.message import Uri
from sipproxy.registrar.bindings import Binding
from test.databases.stores import BOB, NOW, binding

MODULE = Module("mod_sip_registry.c", (STATIC_REGISTRATION,))


def key(uri: Uri) -> bytes | None:
    """Give the address of record in example.com."""
    return (uri.user or b"") + b"@" + uri.host if uri.host == b"example.com" else None


class DirectiveTests(SynchronousTestCase):
    """The directive StaticRegistration."""

    def problem(self, text: str) -> str:
        """Give what is wrong with a value."""
        error = self.assertRaises(ConfigError, Settings.of, [MODULE], {"StaticRegistration": text})
        return str(error)

    def read(self, texts: Sequence[str]) -> dict[bytes, tuple[Binding, ...]]:
        """Give the entries of some directives by address of record."""
        return by_aor(Settings.of([MODULE], {"StaticRegistration": texts})[STATIC_REGISTRATION], key)

    def test_entries(self) -> None:
        """Contacts are grouped by address of record; a scheme may be left out; foreign domains are left out."""
        found = self.read(
            [
                "bob@example.com sip:gw@192.0.2.1:5070;transport=udp q=0.5",
                "sip:bob@EXAMPLE.com bob@phone.example.com action=Redirect Q=1",
                "alice@example.com tel:+1408",
                "bob@example.org sip:x@h",
            ]
        )
        expected = {
            BOB: (
                Binding(b"sip:gw@192.0.2.1:5070;transport=udp", q=0.5),
                Binding(b"sip:bob@phone.example.com", action="redirect"),
            ),
            b"alice@example.com": (Binding(b"tel:+1408"),),
        }
        self.assertEqual(found, expected)

    def test_problems(self) -> None:
        """Each word that is wrong is named."""
        for text, expected in (
            ("example.com sip:a@h", "expected an address of record, user@domain, got example.com"),
            ("tel:+1408 sip:a@h", "expected an address of record, user@domain, got tel:+1408"),
            ("b@example.com", "expected the URI of a contact"),
            ("b@example.com sip:[", "expected the URI of a contact"),
            ("b@example.com sip:a@h q=2", "expected q=0 to q=1, with up to three decimals, got q=2"),
            ("b@example.com sip:a@h action=fly", "expected q=number, action=proxy or action=redirect, got action=fly"),
        ):
            self.assertIn(expected, self.problem(text))


class WithStaticTests(SynchronousTestCase):
    """Static bindings over a registry."""

    def test_lookup(self) -> None:
        """Lookups give registered bindings, then static ones that are not registered; changes see none of them."""
        clock = Clock()
        registry = Registry(MemoryStore(), clock, lambda: NOW)
        both = WithStatic(registry, {BOB: (Binding(b"sip:gw@h"), Binding(b"sip:a@H"))})
        self.assertTrue(verifyObject(IRegistry, both))
        registered: Any = binding(b"sip:a@h")
        stored = both.store(BOB, (registered,))
        clock.advance(1)
        self.successResultOf(stored)
        self.assertEqual(both.lookup(BOB, NOW), (registered, Binding(b"sip:gw@h")))
        self.assertEqual(both.lookup(b"other@example.com", NOW), ())
        self.assertEqual(both.current(BOB, NOW), (registered,))
