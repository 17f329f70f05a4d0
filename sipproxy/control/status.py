"""C{/v1/status}: how the server is, and what it depends on."""

import os
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from sipproxy import __version__
from sipproxy.control import rates, transactions
from sipproxy.control.declarations import Arguments, Json, Operation, Resource
from sipproxy.control.rates import Rates
from sipproxy.control.schema import COUNT, MAYBE_TIME, TEXT, TIME, TRUTH, an_array, an_object
from sipproxy.databases.registry import Registry
from sipproxy.logs import Logs
from sipproxy.proxy.listener import Listener
from sipproxy.proxy.points import sent_by
from sipproxy.server import SipService

_PORT_COUNTERS = ("received", "sent", "dropped_sends", "send_errors")
_LISTENER_COUNTERS = ("malformed", "denied")

_LISTENER = an_object(address=TEXT, **dict.fromkeys((*_PORT_COUNTERS, *_LISTENER_COUNTERS), COUNT))
_DEPENDENCY = an_object(
    name=TEXT,
    state={"type": "string", "enum": ["unasked", "up", "away"]},
    since=MAYBE_TIME,
    reason=TEXT,
    without=TEXT,
)
_ANSWER = an_object(
    version=TEXT,
    pid=COUNT,
    since=TIME,
    state={"type": "string", "enum": ["serving", "draining", "stopping"]},
    healthy=TRUTH,
    configuration=an_object(generation=COUNT, since=TIME),
    pending=COUNT,
    traffic=rates.ANSWER,
    registrations=COUNT,
    transactions=transactions.ANSWER,
    listeners=an_array(_LISTENER),
    dependencies=an_array(_DEPENDENCY),
    logs=an_object(problems=an_array(TEXT), lost=COUNT),
    workers=an_array(an_object(pid=COUNT, since=TIME, pending=COUNT)),
)


class Dependency(NamedTuple):
    """Something that the server needs and that may be away.

    @ivar since: since when it is away, seconds since 1970; None while it is there
    @ivar reason: why it is away
    @ivar without: what goes on while it is away, and what does not
    @ivar is_asked: whether it is known how it is; it may be asked only when it is needed
    """

    name: str
    since: float | None
    reason: str
    without: str = ""
    is_asked: bool = True

    @property
    def state(self) -> str:
        """How it is: C{unasked}, C{up} or C{away}."""
        if self.since is not None:
            return "away"
        return "up" if self.is_asked else "unasked"

    def as_json(self) -> Json:
        """Give it as the status shows it."""
        return {
            "name": self.name,
            "state": self.state,
            "since": self.since,
            "reason": self.reason,
            "without": self.without,
        }


class Served(NamedTuple):
    """The configuration that a server serves by.

    @ivar generation: how many there were
    @ivar since: since when, seconds since 1970
    """

    generation: int
    since: float


class Status:
    """The state of one server.

    @param started: when it began, seconds since 1970
    @param rates: of its requests
    @param configuration: tells what it serves by
    @param dependencies: gives the states of all that the server needs
    """

    def __init__(
        self,
        sip: SipService,
        registry: Registry,
        logs: Logs,
        started: float,
        rates: Rates,
        configuration: Callable[[], Served],
        dependencies: Callable[[], Iterable[Dependency]] = tuple,
    ) -> None:
        self._sip = sip
        self._registry = registry
        self._logs = logs
        self._started = started
        self._rates = rates
        self._configuration = configuration
        self._dependencies = dependencies

    def resource(self) -> Resource:
        """Give the resource."""
        return Resource("/status", (Operation("GET", "Tell how the server is.", self.show, _ANSWER),))

    def show(self, _: Arguments) -> Json:
        """Tell how the server is."""
        core = self._sip.core
        dependencies = list(self._dependencies())
        problems = list(self._logs.problems)
        return {
            "version": __version__,
            "pid": os.getpid(),
            "since": self._started,
            "state": _state(self._sip),
            "healthy": not problems and all(dependency.since is None for dependency in dependencies),
            "configuration": self._configuration()._asdict(),
            "pending": core.pending,
            "traffic": self._rates.show(),
            "registrations": len(self._registry),
            "transactions": transactions.counts(core.table),
            "listeners": [_listener(listener) for listener in self._sip.listeners],
            "dependencies": [dependency.as_json() for dependency in dependencies],
            "logs": {"problems": problems, "lost": self._logs.lost},
            "workers": [],
        }


def _state(sip: SipService) -> str:
    if not sip.running:
        return "stopping"
    return "draining" if sip.core.draining else "serving"


def _listener(listener: Listener) -> Json:
    port: Any = listener.port
    return {
        "address": f"{sent_by(*port.address)}/udp",
        # A port of a network in memory counts nothing.
        **{name: getattr(port, name, 0) for name in _PORT_COUNTERS},
        **{name: getattr(listener, name) for name in _LISTENER_COUNTERS},
    }
