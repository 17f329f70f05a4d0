"""Members of a farm on one virtual clock, whose copies and notes survive them as files would."""

from collections.abc import Callable, Sequence
from random import Random
from typing import Any

from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.interfaces import IDelayedCall
from twisted.internet.task import Clock

from sipproxy.databases.registry_store import MemoryStore
from sipproxy.databases.routes import FORM, RouteIndex, StaticRoute
from sipproxy.databases.table import MemoryRows
from sipproxy.farm.farm import Databases, Farm
from sipproxy.farm.keyspace import IKeyspace
from sipproxy.farm.layout import Keys
from sipproxy.farm.link import Link
from sipproxy.farm.lock import Lock
from sipproxy.farm.members import Members, Self
from sipproxy.farm.notes import MemoryNotes
from sipproxy.farm.registry import SharedRegistry, Writing
from sipproxy.farm.table import SharedTable
from sipproxy.registrar.bindings import Binding, Bindings
from test.farm.faulty import FaultyKeyspace

NOW = 1_790_000_000.0
TTL = 10
KEYS = Keys("test")


def binding(contact: bytes, call_id: bytes = b"c1", cseq: int = 1, at: float = NOW, seconds: float = 3600) -> Binding:
    """Give a registered binding."""
    return Binding(contact, expires=at + seconds, updated=at, call_id=call_id, cseq=cseq)


class _ProcessCall:
    """Something that a process means to do."""

    def __init__(self, process: "ProcessClock", call: IDelayedCall) -> None:
        self._process = process
        self._call = call

    def __getattr__(self, name: str) -> Any:
        return getattr(self._call, name)

    def cancel(self) -> None:
        """Do it not, which a dead process does anyhow."""
        if self._process.is_alive:
            self._call.cancel()


class ProcessClock:
    """The clock of one process: when it is killed nothing that it meant to do happens."""

    def __init__(self, clock: Clock) -> None:
        self.is_alive = True
        self._clock = clock

    def seconds(self) -> float:
        """Give the time."""
        return self._clock.seconds()

    def callLater(self, delay: float, act: Callable[..., object], *args: object, **kwargs: object) -> Any:
        """Do something later, if the process lives then."""

        def unless_dead() -> None:
            if self.is_alive:
                act(*args, **kwargs)

        return _ProcessCall(self, self._clock.callLater(delay, unless_dead))

    def getDelayedCalls(self) -> Sequence[IDelayedCall]:
        """Give what is to be done."""
        return self._clock.getDelayedCalls()


class Member:
    """A member that can be started and killed; its disk stays.

    @ivar engine: what it asks
    @ivar way: its way to the engine

    @ivar skew: how much its wall clock is ahead, seconds
    """

    farm: Farm
    registry: SharedRegistry
    routes: SharedTable[StaticRoute, RouteIndex]

    def __init__(self, name: str, clock: Clock, random: Random, engine: IKeyspace, is_strict: bool = False) -> None:
        self.name = name
        self.skew = 0.0
        self._clock = clock
        self._process = ProcessClock(clock)
        self._random = random
        self.engine = engine
        self.way = FaultyKeyspace(engine, clock, random)
        self._writing = Writing(1.0, is_strict)
        self._store = MemoryStore()
        self._rows = MemoryRows(FORM.layout)
        self._notes = MemoryNotes()

    def now(self) -> float:
        """Give its wall clock."""
        return NOW + self._clock.seconds() + self.skew

    def start(self) -> Deferred[None]:
        """Start it over what it has kept.

        @return: fires once it is in the farm
        """
        self._process = process = ProcessClock(self._clock)
        clock: Any = process
        self.way = keyspace = self.way.renewed(self.engine, clock)
        link = Link(self.now)
        self.registry = SharedRegistry(
            self._store, clock, self.now, keyspace, KEYS.database("registry"), link, self._notes, self._writing
        )
        lock = Lock(keyspace, clock, KEYS.lock("routing"), self.name, self._token, TTL)
        self.routes = SharedTable(FORM, self._rows, clock, keyspace, KEYS.database("routing"), link, lock)
        members = Members(keyspace, KEYS, Self(self.name, "1", self.now(), ("udp:5060",)), TTL, ("a", "b", "c"))
        databases = Databases(self.registry, {"routing": self.routes})
        self.farm = Farm(clock, self._random, keyspace, KEYS, link, members, self._notes, databases, TTL)
        self.registry.start()
        self.routes.start()
        return self.farm.start()

    def _token(self) -> str:
        return f"{self._random.getrandbits(64):x}"

    def stop(self) -> Deferred[Any]:
        """End it in order."""
        stopped: Deferred[Any] = gatherResults([self.registry.stop(), self.routes.stop()])
        return stopped.addCallback(lambda _: self.farm.stop())

    def kill(self) -> None:
        """End it at once: nothing of it is heard any more."""
        self._process.is_alive = False
        self.farm.stop()  # of which nobody hears

    @property
    def is_alive(self) -> bool:
        """Whether it runs."""
        return self._process.is_alive

    def copy(self) -> dict[bytes, Bindings]:
        """Give its registry, of what has not run out."""
        now = self.now()
        rows = {aor: tuple(b for b in bindings if b.expires > now) for aor, bindings in self.registry.snapshot()[1]}
        return {aor: bindings for aor, bindings in rows.items() if bindings}

    def table(self) -> list[tuple[Any, ...]]:
        """Give the rows of its routes."""
        return sorted(route.row for route in self.routes.index)
