"""Answers to REGISTER requests (RFC 3261 10.3, RFC 3327 5.3)."""

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from sipproxy.config import Module, Settings
from sipproxy.config.problems import ConfigError
from sipproxy.databases.registry import Registry
from sipproxy.databases.registry_store import MemoryStore
from sipproxy.databases.static import WithStatic
from sipproxy.errors import RequestError, SipParseError
from sipproxy.message import Request, Uri
from sipproxy.registrar.bindings import Binding, Policy
from sipproxy.registrar.registrar import (
    DEFAULT_EXPIRES,
    MAX_CONTACTS,
    MAX_EXPIRES,
    MIN_EXPIRES,
    Registrar,
    Reply,
    policy_of,
)
from test.registrar.requests import NOW, register_request

MODULE = Module("mod_sip_registry.c", (DEFAULT_EXPIRES, MIN_EXPIRES, MAX_EXPIRES, MAX_CONTACTS))
END = (b"Date: Mon, 21 Sep 2026 14:13:20 GMT", b"Supported: path")


class ExampleIdentity:
    """Is responsible for example.com."""

    def registered_key(self, uri: Uri) -> bytes | None:
        """Give user@example.com."""
        return (uri.user or b"") + b"@example.com" if uri.host == b"example.com" else None


class RegistrarTests(SynchronousTestCase):
    """A registrar over a registry in memory."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.now = NOW
        self.registry = Registry(MemoryStore(), self.clock, lambda: self.now)
        self.successResultOf(self.registry.start())
        static = WithStatic(self.registry, {b"bob@example.com": (Binding(b"sip:desk@h"),)})
        self.registrar = Registrar(static, ExampleIdentity(), Policy(), lambda: self.now)

    def answer(self, request: Request) -> Reply:
        """Register, and let what is changed become durable."""
        answer = self.registrar.register(request)
        if not isinstance(answer, Deferred):
            return answer
        self.clock.advance(1)
        return self.successResultOf(answer)

    def refusal(self, request: Request) -> RequestError:
        """Give the error that a request ends in at once."""
        error: RequestError = self.assertRaises(RequestError, self.registrar.register, request)
        return error

    def test_answered_when_durable(self) -> None:
        """The 200 comes after the commit, with Contact, Date and Supported."""
        answer = self.registrar.register(register_request("Contact: <sip:bob@192.0.2.1>"))
        assert isinstance(answer, Deferred)
        self.assertNoResult(answer)
        self.assertEqual(self.registry.lookup(b"bob@example.com", NOW), ())
        self.clock.advance(1)
        self.assertEqual(self.successResultOf(answer), Reply(200, (b"Contact: <sip:bob@192.0.2.1>;expires=3600", *END)))
        self.assertEqual(len(self.registry.lookup(b"bob@example.com", NOW)), 1)

    def test_row_40_query(self) -> None:
        """Without Contact the answer is there at once: what is durable, with the time that remains."""
        self.answer(register_request("Contact: <sip:a@h>"))
        self.now += 100
        answer = self.registrar.register(register_request(call_id="query"))
        assert isinstance(answer, Reply)
        self.assertEqual(answer.headers[0], b"Contact: <sip:a@h>;expires=3500")

    def test_static_is_not_listed(self) -> None:
        """A static entry is in no 200, and survives Contact *."""
        self.assertEqual(self.answer(register_request()), Reply(200, END))
        self.assertEqual(self.answer(register_request("Contact: *", "Expires: 0")), Reply(200, END))

    def test_waits_for_what_is_pending(self) -> None:
        """A request that changes nothing is answered after the change that it would confirm."""
        first = self.registrar.register(register_request("Contact: <sip:a@h>"))
        second = self.registrar.register(register_request("Contact: <sip:b@h>;expires=0", cseq=2))
        assert isinstance(first, Deferred) and isinstance(second, Deferred)
        self.assertNoResult(second)
        self.clock.advance(1)
        self.assertEqual(self.successResultOf(second).headers[0], b"Contact: <sip:a@h>;expires=3600")

    def test_pending_changes_count(self) -> None:
        """A request sees what an earlier one asked for that is not durable yet."""
        self.registrar.register(register_request("Contact: <sip:a@h>", cseq=2))
        self.assertEqual(self.refusal(register_request("Contact: <sip:a@h>", cseq=1)).status, 400)

    def test_row_37_address_of_record(self) -> None:
        """The address of record is To's, parameters and display name aside."""
        self.answer(register_request("Contact: <sip:a@h>", to='"B" <sip:bob@EXAMPLE.com;user=phone>;x=1'))
        self.assertEqual(len(self.registry.lookup(b"bob@example.com", NOW)), 1)

    def test_not_our_domain(self) -> None:
        """An address of record elsewhere is 404 (RFC 3261 10.3 step 5)."""
        self.assertEqual(self.refusal(register_request(to="<sip:bob@example.org>")).status, 404)

    def test_bad_to(self) -> None:
        """A To that cannot be read is 400."""
        self.assertRaises(SipParseError, self.registrar.register, register_request(to="<sip:bob"))

    def test_require(self) -> None:
        """Unknown extensions are 420, each of them named; path is known."""
        error = self.refusal(register_request("Require: path, GRUU", "Require: outbound"))
        self.assertEqual((error.status, error.headers), (420, (b"Unsupported: gruu, outbound",)))
        self.assertEqual(self.answer(register_request("Require: path")).status, 200)

    def test_row_40_path(self) -> None:
        """Path is copied for a client that supports it; for any other it is stored all the same."""
        path = ("Path: <sip:p1;lr>, <sip:p2;lr>", "Path: <sip:p3;lr>")
        copied = self.answer(register_request("Contact: <sip:a@h>", *path, "k: outbound, path"))
        self.assertEqual(copied.headers[1:3], tuple(line.encode() for line in path))
        silent = self.answer(register_request("Contact: <sip:a@h>", *path, cseq=2))
        self.assertEqual(silent.headers[1:], END)
        self.assertEqual(len(self.registry.lookup(b"bob@example.com", NOW)[0].path), 3)

    def test_policy(self) -> None:
        """The directives make the policy; a minimum above an hour is refused."""
        values = {"RegistryDefaultExpiresInS": "600", "RegistryMaxContacts": "2"}
        self.assertEqual(policy_of(Settings.of([MODULE], values)), Policy(600, 60, 86400, 2))
        self.assertRaises(ConfigError, Settings.of, [MODULE], {"RegistryMinExpiresInS": "3601"})
