"""Translators, routers and backends with somebody who counts beside them: decorators of their interfaces.

They are put around where metrics are wanted, and are not there elsewhere. An
answer that is at hand is counted, its time is not taken; one that had to be
waited for is a backend's, and is timed.
"""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure
from zope.interface import implementer

from sipproxy.accounting.service import RadiusServers
from sipproxy.control.tallies import Durations
from sipproxy.databases.feed import Change
from sipproxy.databases.registry_store import IRegistryStore, Row
from sipproxy.errors import NameNotFoundError, RequestError, SilenceError
from sipproxy.farm.keyspace import ChangedError, Condition, IKeyspace, Operation, Page, Place
from sipproxy.interfaces import Address, IAccess, IAnswer, IResolver, ISubscriber, ISubscribers
from sipproxy.message import Uri
from sipproxy.registrar.bindings import Bindings
from sipproxy.routing.chain import IRouter, NextHops
from sipproxy.translation.chain import AT_HAND, ITranslator, Subject, Targets

T = TypeVar("T")

FOUND, NONE, ERROR = "found", "none", "error"
# What a backend says, not what ails it.
_ANSWERS = (RequestError, SilenceError, NameNotFoundError, ChangedError)

#: How often a module gave what: by (module, C{FOUND}, C{NONE} or C{ERROR}).
Results = dict[tuple[str, str], int]


class Watch:
    """What was counted, and the decorators that count.

    @param now: gives the time, seconds
    @ivar translations: results of translators
    @ivar routes: results of routers
    @ivar durations: how long it took where it had to be waited for, by module or backend
    @ivar failures: how often that ended in an error, by module or backend
    """

    def __init__(self, now: Callable[[], float]) -> None:
        self.translations: Results = {}
        self.routes: Results = {}
        self.durations: dict[str, Durations] = {}
        self.failures: dict[str, int] = {}
        self._now = now

    # Decorators.

    def translator(self, translator: ITranslator) -> ITranslator:
        """Watch a translator."""
        return _WatchedTranslator(self, translator)

    def router(self, router: IRouter) -> IRouter:
        """Watch a router."""
        return _WatchedRouter(self, router)

    def resolver(self, resolver: IResolver) -> IResolver:
        """Watch the resolver, as C{dns}."""
        return _WatchedResolver(self, resolver)

    def subscribers(self, subscribers: ISubscribers) -> ISubscribers:
        """Watch the subscriber database, as C{subscribers}."""
        return _WatchedSubscribers(self, subscribers)

    def access(self, access: IAccess) -> IAccess:
        """Watch authentication and authorization, as C{access}."""
        return _WatchedAccess(self, access)

    def store(self, store: IRegistryStore) -> IRegistryStore:
        """Watch what keeps registrations: its commits, as C{registry}."""
        return _WatchedStore(self, store)

    def accounting(self, radius: RadiusServers) -> RadiusServers:
        """Watch who takes accounting records, as C{accounting}."""
        return _WatchedRadius(self, radius)

    def keyspace(self, keyspace: IKeyspace) -> IKeyspace:
        """Watch the engine of the farm, as C{farm}."""
        return _WatchedKeyspace(self, keyspace)

    # For them.

    def answered(self, name: str, results: Results, ask: Callable[[], Any]) -> Any:
        """Ask for results, and count what comes of it.

        @return: what was asked for, or a Deferred of it
        """
        try:
            answer = ask()
        except Exception:
            _count(results, name, ERROR)
            raise
        if isinstance(answer, AT_HAND):
            _count(results, name, FOUND if answer else NONE)
            return answer

        def came(found: Any) -> Any:
            _count(results, name, ERROR if isinstance(found, Failure) else FOUND if found else NONE)
            return found

        return self.timed(name, answer).addBoth(came)

    def timed(self, name: str, answer: T) -> T:
        """Take the time of an answer, where it is a Deferred."""
        if isinstance(answer, Deferred):
            answer.addBoth(self._came, name, self._now())
        return answer

    def _came(self, found: Any, name: str, started: float) -> Any:
        durations = self.durations.get(name)
        if durations is None:
            durations = self.durations[name] = Durations()
        durations.add(max(0.0, self._now() - started))
        if isinstance(found, Failure) and _is_trouble(found.value):
            self.failures[name] = self.failures.get(name, 0) + 1
        return found


def _is_trouble(error: object) -> bool:
    """Tell whether an error is about the backend, and not about what was asked: UnavailableError is a RequestError."""
    return not isinstance(error, _ANSWERS) or (isinstance(error, RequestError) and error.status >= 500)


def _count(results: Results, name: str, result: str) -> None:
    results[name, result] = results.get((name, result), 0) + 1


@implementer(ITranslator)
class _WatchedTranslator:
    """A translator whose results are counted."""

    def __init__(self, watch: Watch, translator: ITranslator) -> None:
        self.name: str = translator.name
        self._watch = watch
        self._translator: Any = translator

    def translate(self, subject: Subject) -> "Targets | Deferred[Targets]":
        """Give contacts; see L{ITranslator}."""
        watch = self._watch
        found: Targets | Deferred[Targets] = watch.answered(
            self.name, watch.translations, lambda: self._translator.translate(subject)
        )
        return found


@implementer(IRouter)
class _WatchedRouter:
    """A router whose results are counted."""

    def __init__(self, watch: Watch, router: IRouter) -> None:
        self.name: str = router.name
        self._watch = watch
        self._router: Any = router

    def route(self, uri: Uri, subject: Subject) -> "NextHops | Deferred[NextHops]":
        """Give next hops; see L{IRouter}."""
        watch = self._watch
        found: NextHops | Deferred[NextHops] = watch.answered(
            self.name, watch.routes, lambda: self._router.route(uri, subject)
        )
        return found


@implementer(IResolver)
class _WatchedResolver:
    """A resolver whose questions are timed."""

    def __init__(self, watch: Watch, resolver: IResolver) -> None:
        self._watch = watch
        self._resolver = resolver

    def addresses(self, host: str) -> "list[str] | Deferred[list[str]]":
        """Give the addresses of a host; see L{IResolver}."""
        return self._watch.timed("dns", self._resolver.addresses(host))

    def query(self, name: str, record_type: int) -> "IAnswer | Deferred[IAnswer]":
        """Ask the DNS; see L{IResolver}."""
        return self._watch.timed("dns", self._resolver.query(name, record_type))


@implementer(ISubscribers)
class _WatchedSubscribers:
    """A subscriber database whose answers are timed."""

    def __init__(self, watch: Watch, subscribers: ISubscribers) -> None:
        self._watch = watch
        self._subscribers = subscribers

    def find(self, keys: Sequence[str]) -> "ISubscriber | Deferred[ISubscriber | None] | None":
        """Give a subscriber; see L{ISubscribers}."""
        return self._watch.timed("subscribers", self._subscribers.find(keys))


@implementer(IAccess)
class _WatchedAccess:
    """Authentication and authorization whose answers are timed."""

    def __init__(self, watch: Watch, access: IAccess) -> None:
        self._watch = watch
        self._access = access

    def admit(self, request: Any, source: Address, as_registrar: bool) -> "dict[str, str] | Deferred[dict[str, str]]":
        """Let a request pass; see L{IAccess}."""
        return self._watch.timed("access", self._access.admit(request, source, as_registrar))


@implementer(IRegistryStore)
class _WatchedStore:
    """A store of registrations whose commits are timed: that is what a REGISTER waits for, beside its company."""

    def __init__(self, watch: Watch, store: IRegistryStore) -> None:
        self._watch = watch
        self._store = store

    def load(self, accept: Callable[[bytes, Bindings], None], now: float) -> Deferred[int]:
        """Hand over what is stored; see L{IRegistryStore}."""
        return self._store.load(accept, now)

    def commit(self, changes: Sequence[Change]) -> Deferred[None]:
        """Write changes; see L{IRegistryStore}."""
        return self._watch.timed("registry", self._store.commit(changes))

    def page(self, after: bytes, limit: int) -> Deferred[list[Row]]:
        """Give the next few rows; see L{IRegistryStore}."""
        return self._store.page(after, limit)

    def close(self) -> Deferred[None]:
        """Let go of what is held; see L{IRegistryStore}."""
        return self._store.close()


class _WatchedRadius:
    """RADIUS servers whose Accounting-Responses are timed; L{RadiusServers}."""

    def __init__(self, watch: Watch, radius: RadiusServers) -> None:
        self.packer = radius.packer
        self._watch = watch
        self._radius = radius

    def account(self, content: Callable[[], bytes]) -> "Deferred[Any]":
        """Send a record; see L{RadiusServers}."""
        return self._watch.timed("accounting", self._radius.account(content))


@implementer(IKeyspace)
class _WatchedKeyspace:
    """The engine of a farm whose answers are timed; not its leases, which nobody waits for."""

    def __init__(self, watch: Watch, keyspace: IKeyspace) -> None:
        self._watch = watch
        self._keyspace = keyspace
        self.watch, self.grant = keyspace.watch, keyspace.grant
        self.keep, self.revoke, self.close = keyspace.keep, keyspace.revoke, keyspace.close

    @property
    def places(self) -> tuple[Place, ...]:
        """The servers behind it."""
        places: tuple[Place, ...] = self._keyspace.places
        return places

    def page(self, first: bytes, end: bytes, limit: int, revision: int = 0) -> "Deferred[Page]":
        """Read keys; see L{IKeyspace}."""
        return self._watch.timed("farm", self._keyspace.page(first, end, limit, revision))

    def commit(
        self, conditions: Sequence[Condition], operations: Sequence[Operation], timeout: float | None = None
    ) -> "Deferred[int]":
        """Change keys; see L{IKeyspace}."""
        return self._watch.timed("farm", self._keyspace.commit(conditions, operations, timeout))
