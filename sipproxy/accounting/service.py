"""Accounting as a service: opened before the first call, closed after the last."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.python.failure import Failure

from sipproxy.accounting.backlog import Backlog
from sipproxy.accounting.call import FILE, KINDS, RADIUS, Call
from sipproxy.accounting.calls import Calls, Rules
from sipproxy.accounting.delivery import Delivery, State
from sipproxy.accounting.file import IAppendFile, RecordFile
from sipproxy.accounting.journal import Journal
from sipproxy.accounting.packets import RecordPacker
from sipproxy.accounting.records import NAMES, as_fields
from sipproxy.accounting.spool import IFile, Spool
from sipproxy.errors import StoreError
from sipproxy.wire.radius import Attribute, Packer

_NAMES = {RADIUS: "radius", FILE: "file"}


class Waiting(NamedTuple):
    """A record that waits.

    @ivar number: of its call
    @ivar kind: its Acct-Status-Type
    @ivar time: of what it tells, seconds since 1970
    @ivar waits_for: C{radius}, C{file}
    @ivar fields: its attributes by name
    """

    number: int
    kind: str
    time: float
    call_id: str
    waits_for: tuple[str, ...]
    fields: Mapping[str, object]


class RadiusServers(Protocol):
    """What is needed of L{sipproxy.net.radius.RadiusClient}."""

    @property
    def packer(self) -> Packer:
        """Writes attributes."""

    def account(self, content: Callable[[], bytes]) -> "Deferred[Any]":
        """Send a record; fails with UnavailableError where nobody answers."""


@dataclass(frozen=True)
class Destinations:
    """Where records go to: at least one of these.

    @ivar radius: the RADIUS servers
    @ivar file: the AccountingFile
    """

    radius: RadiusServers | None = None
    file: IAppendFile | None = None


class AccountingService(Service):
    """All of accounting.

    @ivar is_needed: the server serves once the open calls are read
    @ivar loaded: fires once they are for the first time, or could not be, with None or a StoreError
    @ivar calls: the observer of calls
    @ivar spool: what is kept
    """

    is_needed = True

    def __init__(
        self, calls: Calls, spool: Spool, deliveries: Sequence[Delivery | RecordFile], nas: Sequence[Attribute]
    ) -> None:
        """
        @param nas: who we are, see L{sipproxy.wire.radius.nas_attributes}
        """
        self.setName("accounting")  # type: ignore[no-untyped-call]
        self.loaded: Deferred[StoreError | None] = Deferred()
        self.calls = calls
        self.spool = spool
        self._deliveries = tuple(deliveries)
        self._nas = tuple(nas)

    def startService(self) -> None:
        """Open the spool; where it is away, the rest goes on."""
        super().startService()  # type: ignore[no-untyped-call]
        self.spool.start(self.calls.restore).addCallbacks(_none, _away).addBoth(self.loaded.callback)

    def stopService(self) -> "Deferred[None]":
        """Write what has changed, and close all; records that wait are delivered after the next start."""
        super().stopService()  # type: ignore[no-untyped-call]
        for delivery in self._deliveries:
            delivery.stop()
        return self.spool.stop().addCallback(lambda _: self.calls.stop())

    @property
    def states(self) -> list[State]:
        """What accounting depends on."""
        spool = State("accounting spool", self.spool.problem_since, self.spool.problem)
        return [spool, *(delivery.state for delivery in self._deliveries)]

    @property
    def waiting(self) -> int:
        """How many records wait."""
        return self.spool.waiting

    @property
    def open_calls(self) -> int:
        """How many calls are open."""
        return len(self.calls)

    def queue(self, after: int, limit: int) -> "Deferred[tuple[list[Waiting], int | None]]":
        """Give records that wait, and the number of the call behind which to go on; None at the end.

        @param after: number of the call behind which to begin
        @param limit: calls whose records are given
        @raise StoreError: in the Deferred
        """

        def found(calls: list[Call]) -> tuple[list[Waiting], int | None]:
            records = [self._waiting(call, kind) for call in calls for kind in KINDS if kind & call.undelivered]
            return records, calls[-1].number if len(calls) == limit else None

        return self.spool.queue(after, limit).addCallback(found)

    def _waiting(self, call: Call, kind: int) -> Waiting:
        waits_for = tuple(_NAMES[at] for at in (RADIUS, FILE) if call.waiting[at] & kind)
        fields = as_fields(call, kind, self._nas)
        return Waiting(call.number, NAMES[kind], call.time_of(kind), call.invite.call_id, waits_for, fields)

    def retry(self) -> None:
        """Try to deliver at once what waits."""
        for delivery in self._deliveries:
            delivery.retry()

    def reopen(self) -> None:
        """Go over to the AccountingFile that the path names now."""
        for delivery in self._deliveries:
            if isinstance(delivery, RecordFile):
                delivery.reopen()


def make_accounting(
    reactor: IReactorTime,
    now: Callable[[], float],
    file: IFile,
    journal: Journal,
    most: int,
    rules: Rules,
    destinations: Destinations,
    nas: Sequence[Attribute],
) -> AccountingService:
    """Make it; nothing is opened yet.

    @param reactor: for delays
    @param now: gives the time in seconds since 1970
    @param file: of the spool: L{sipproxy.accounting.rows.SpoolFile}
    @param journal: what stands beside that file
    @param most: records that may wait
    @param nas: who we are, see L{sipproxy.wire.radius.nas_attributes}
    """
    spool = Spool(file, journal, reactor, now, most, nas)
    deliveries: list[Delivery | RecordFile] = []
    backlogs = []
    radius = destinations.radius
    if radius is not None:
        packer = RecordPacker(radius.packer, nas)
        backlogs.append(Backlog(RADIUS, spool, reactor))
        deliveries.append(Delivery(reactor, now, backlogs[-1], spool, radius.account, packer))
    if destinations.file is not None:
        backlogs.append(Backlog(FILE, spool, reactor))
        deliveries.append(RecordFile(destinations.file, reactor, now, backlogs[-1], spool, nas))
    spool.follow(backlogs)
    return AccountingService(Calls(reactor, now, spool, rules), spool, deliveries, nas)


def _none(_: object) -> None:
    """It is there."""


def _away(failure: Failure) -> StoreError:
    if not isinstance(failure.value, StoreError):
        failure.raiseException()
    return failure.value
