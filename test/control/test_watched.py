"""Counters: histograms, requests by method and class, the reactor's lateness, watched modules and backends."""

from collections.abc import Callable
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.defer import Deferred, fail
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer
from zope.interface.verify import verifyObject

from sipproxy.control.tallies import LOOK_AGAIN, METHODS, SHORT, Durations, Lateness, RequestTally
from sipproxy.control.watched import Watch
from sipproxy.databases.registry import LINGER, Registry
from sipproxy.databases.registry_store import IRegistryStore, MemoryStore
from sipproxy.errors import NameNotFoundError, RequestError, ResolverTimeoutError, UnavailableError
from sipproxy.farm.keyspace import ChangedError, HasRevision, IKeyspace, Put
from sipproxy.farm.memory import MemoryKeyspace
from sipproxy.interfaces import IAccess, IOutcome, IOutcomeObserver, IResolver, ISubscribers
from sipproxy.message import Request, parse_message, parse_uri
from sipproxy.proxy.exchange import Outcome
from sipproxy.registrar.bindings import Binding
from sipproxy.routing.chain import IRouter, NextHop
from sipproxy.translation.chain import ITranslator, Subject, Target
from sipproxy.wire.radius import Packer, load_dictionary

URI = parse_uri(b"sip:bob@example.com")
TARGETS = [Target(URI)]
HOPS = [NextHop("192.0.2.9", 5060)]


def request_of(method: bytes) -> Request:
    """Give a request."""
    head = b"%b sip:bob@example.com SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\nFrom: <sip:a@h>;tag=1\r\n" % method
    message = parse_message(head + b"To: <sip:bob@h>\r\nCall-ID: c\r\nCSeq: 1 %b\r\n\r\n" % method)
    assert isinstance(message, Request)
    return message


def outcome_of(method: bytes, status: int | None, size: int = 300, duration: float = 0.0) -> IOutcome:
    """Give the end of a request."""
    outcome = Outcome(request_of(method), ("10.0.0.1", 5060), ("192.0.2.1", 5060), 0.0)
    outcome.status, outcome.size, outcome.duration = status, size, duration
    found: IOutcome = outcome
    return found


class DurationTests(SynchronousTestCase):
    """Histograms."""

    def test_ends(self) -> None:
        """An interval has its upper end in it, as Prometheus' le says."""
        durations = Durations((1.0, 2.0))
        for seconds in (0.0, 1.0, 1.5, 2.0, 2.5):
            durations.add(seconds)
        self.assertEqual(list(durations.cumulated()), [(1.0, 2), (2.0, 4), (float("inf"), 5)])
        self.assertEqual((durations.count, durations.total), (5, 7.0))

    @given(st.lists(st.floats(0, 1000)))
    def test_sums(self, values: list[float]) -> None:
        """Each end has all that took at most so long, the last one all of them."""
        durations = Durations()
        for value in values:
            durations.add(value)
        expected = [(end, sum(value <= end for value in values)) for end in (*SHORT, float("inf"))]
        self.assertEqual(list(durations.cumulated()), expected)


class TallyTests(SynchronousTestCase):
    """Requests that are done."""

    def setUp(self) -> None:
        self.tally = RequestTally()
        verifyObject(IOutcomeObserver, self.tally)

    def test_classes(self) -> None:
        """Requests are counted by method, responses by method and class, and timed."""
        for status in (200, 202, 404):
            self.tally.finished(outcome_of(b"INVITE", status, duration=2.0))
        self.tally.finished(outcome_of(b"BYE", 200))
        self.assertEqual(self.tally.requests, {"INVITE": 3, "BYE": 1})
        self.assertEqual(self.tally.responses, {("INVITE", 2): 2, ("INVITE", 4): 1, ("BYE", 2): 1})
        self.assertEqual((self.tally.durations["INVITE"].count, self.tally.durations["INVITE"].total), (3, 6.0))

    def test_no_response(self) -> None:
        """What was forwarded without state, or given up, is a request without a response."""
        self.tally.finished(outcome_of(b"INVITE", None, 0))
        self.tally.finished(outcome_of(b"INVITE", 408, 0))
        self.assertEqual((self.tally.requests, self.tally.responses, self.tally.durations), ({"INVITE": 2}, {}, {}))

    def test_strangers(self) -> None:
        """Methods that somebody makes up are one."""
        for number in range(100):
            self.tally.finished(outcome_of(b"X%d" % number, 405))
        for method in METHODS:
            self.tally.finished(outcome_of(method, 200))
        self.assertEqual(self.tally.requests["other"], 100)
        self.assertEqual(len(self.tally.requests), len(METHODS) + 1)


class SlowClock(Clock):
    """A clock whose calls come late."""

    late = 0.0

    def advance(self, amount: float) -> None:
        """Let time pass, and some more before what is due is done."""
        self.rightNow += self.late
        super().advance(amount)


class LatenessTests(SynchronousTestCase):
    """How late the reactor is."""

    def test_lateness(self) -> None:
        """What is due is done at once by an idle reactor, later by a busy one."""
        clock = SlowClock()
        lateness = Lateness(clock)
        lateness.startService()
        for late in (0.0, 0.125, -5.0):
            clock.late = late
            clock.advance(LOOK_AGAIN)
        clock.advance(LOOK_AGAIN)
        self.assertEqual((lateness.durations.count, lateness.durations.total), (2, 0.125))
        lateness.stopService()
        lateness.stopService()
        self.assertEqual(clock.getDelayedCalls(), [])


class Scripted:
    """A module and a backend that gives what the test says.

    @ivar answer: what it gives, or raises
    """

    name = "mod_sip_scripted"

    def __init__(self, answer: Any) -> None:
        self.answer = answer

    def give(self, *_: object) -> Any:
        """Answer."""
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


@implementer(ITranslator, IRouter)
class ScriptedModule(Scripted):
    """A translator and a router."""

    translate = route = Scripted.give


class ScriptedServers:
    """RADIUS servers that answer as they are told."""

    def __init__(self) -> None:
        self.packer = Packer(load_dictionary())
        self.answer: Deferred[Any] = Deferred()

    def account(self, content: Callable[[], bytes]) -> "Deferred[Any]":
        """Answer."""
        return self.answer


@implementer(IResolver, ISubscribers, IAccess)
class ScriptedBackend(Scripted):
    """All backends."""

    addresses = query = find = admit = Scripted.give


class WatchTests(SynchronousTestCase):
    """Watched modules and backends."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.watch = Watch(self.clock.seconds)
        self.subject = Subject(URI, request_of(b"INVITE"), ("10.0.0.1", 5060), 0.0)

    def test_interfaces(self) -> None:
        """What is watched is what it was, under its name."""
        module, backend = ScriptedModule([]), ScriptedBackend(None)
        self.assertEqual(self.watch.translator(module).name, "mod_sip_scripted")
        verifyObject(ITranslator, self.watch.translator(module))
        verifyObject(IRouter, self.watch.router(module))
        verifyObject(IResolver, self.watch.resolver(backend))
        verifyObject(ISubscribers, self.watch.subscribers(backend))
        verifyObject(IAccess, self.watch.access(backend))

    def test_at_hand(self) -> None:
        """Answers at hand are passed on as they are, and counted; errors too."""
        module = ScriptedModule(TARGETS)
        watched: Any = self.watch.translator(module)
        self.assertIs(watched.translate(self.subject), TARGETS)
        module.answer = ()
        self.assertEqual(watched.translate(self.subject), ())
        module.answer = RequestError(404)
        with self.assertRaises(RequestError):
            watched.translate(self.subject)
        name = module.name
        self.assertEqual(self.watch.translations, {(name, "found"): 1, (name, "none"): 1, (name, "error"): 1})
        self.assertEqual((self.watch.routes, self.watch.durations, self.watch.failures), ({}, {}, {}))

    def test_waited(self) -> None:
        """What has to be waited for is timed, and counted when it is there."""
        module = ScriptedModule(Deferred())
        watched: Any = self.watch.router(module)
        asked = watched.route(URI, self.subject)
        self.clock.advance(0.5)
        self.assertEqual(self.watch.routes, {})
        module.answer.callback(HOPS)
        self.assertIs(self.successResultOf(asked), HOPS)
        self.assertEqual(self.watch.routes, {(module.name, "found"): 1})
        durations = self.watch.durations[module.name]
        self.assertEqual((durations.count, durations.total), (1, 0.5))
        module.answer = fail(UnavailableError(b"NAM"))
        self.failureResultOf(watched.route(URI, self.subject), UnavailableError)
        self.assertEqual(self.watch.routes, {(module.name, "found"): 1, (module.name, "error"): 1})
        self.assertEqual(self.watch.failures, {module.name: 1})

    def test_backends(self) -> None:
        """Each backend is timed under its name; what it says of the question is no failure of its own."""
        backend = ScriptedBackend(["192.0.2.1"])
        resolver: Any = self.watch.resolver(backend)
        self.assertEqual(resolver.addresses("host"), ["192.0.2.1"])
        self.assertEqual(self.watch.durations, {})
        for error in (NameNotFoundError("host"), ResolverTimeoutError("host")):
            backend.answer = fail(error)
            self.failureResultOf(resolver.addresses("host"), type(error))
        self.assertEqual((self.watch.durations["dns"].count, self.watch.failures), (2, {"dns": 1}))
        asks: tuple[tuple[str, Any], ...] = (
            ("dns", lambda: resolver.query("host", 35)),
            ("subscribers", lambda: self.watch.subscribers(backend).find(["bob"])),
            ("access", lambda: self.watch.access(backend).admit(self.subject.request, ("10.0.0.1", 5060), False)),
        )
        for name, ask in asks:
            before = self.watch.durations[name].count if name in self.watch.durations else 0
            backend.answer = Deferred()
            asked = ask()
            backend.answer.errback(RequestError(403))
            self.failureResultOf(asked, RequestError)
            self.assertEqual(
                (self.watch.durations[name].count, self.watch.failures.get(name, 0)), (before + 1, name == "dns")
            )

    def test_registry(self) -> None:
        """Commits of registrations are timed; a registry in front of a watched store stores and reads as before."""
        store = self.watch.store(MemoryStore())
        verifyObject(IRegistryStore, store)
        registry = Registry(store, self.clock, self.clock.seconds)
        self.successResultOf(registry.start())
        stored = registry.store(b"bob@example.com", (Binding(b"sip:bob@10.0.0.2", expires=3600.0),))
        self.clock.advance(LINGER)
        self.successResultOf(stored)
        self.assertEqual(self.watch.durations["registry"].count, 1)
        (row,) = self.successResultOf(registry.page(b"", 10))
        self.assertEqual(row[0], b"bob@example.com")
        self.successResultOf(registry.stop())

    def test_farm(self) -> None:
        """The engine of a farm is timed; that another member was quicker is no failure of it."""
        engine = MemoryKeyspace(self.clock)
        keyspace: Any = self.watch.keyspace(engine)
        verifyObject(IKeyspace, keyspace)
        self.assertEqual(keyspace.places, engine.places)
        for conditions in ((), (HasRevision(b"key", 0),)):
            asked = keyspace.commit(conditions, (Put(b"key", b"value"),))
            self.clock.pump([0.01] * 10)
            if conditions:
                self.failureResultOf(asked, ChangedError)
            else:
                self.successResultOf(asked)
        self.assertEqual((self.watch.durations["farm"].count, self.watch.failures), (2, {}))

    def test_accounting(self) -> None:
        """The time of an Accounting-Response is taken, and counted as a failure where none comes."""
        servers = ScriptedServers()
        watched = self.watch.accounting(servers)
        self.assertIs(watched.packer, servers.packer)
        servers.answer = Deferred()
        asked = watched.account(lambda: b"")
        self.clock.advance(0.2)
        servers.answer.callback(None)
        self.successResultOf(asked)
        servers.answer = fail(UnavailableError(b"nobody answers"))
        self.failureResultOf(watched.account(lambda: b""), UnavailableError)
        durations = self.watch.durations["accounting"]
        self.assertEqual((durations.count, durations.total), (2, 0.2))
        self.assertEqual(self.watch.failures, {"accounting": 1})
