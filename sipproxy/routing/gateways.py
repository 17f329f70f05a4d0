"""The health of gateways: which next hops are passed over while another one is left.

A next hop is (address, port, transport); its states and their table are in
L{sipproxy.routing.states}. One that fails is held down for NextHopHoldDownInS,
or as long as its 503 says (RFC 3261 20.33), at most five minutes. What it
answers ends the hold-down, but not one that a 503 began: who is overloaded goes
on answering what it has accepted.

Probes go to L{Gateway}s only, which the operator has named; a caller must not be
able to make us send requests to a host of his choice for an hour.

Registered contacts are none of this module's business. Nothing is kept of a
next hop that nobody has used for an hour.
"""

from collections import OrderedDict
from collections.abc import Callable, Sequence
from functools import partial

from twisted.internet.defer import CancelledError, Deferred, maybeDeferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from sipproxy.config import Directive, seconds
from sipproxy.interfaces import IGateways
from sipproxy.routing.chain import NextHop
from sipproxy.routing.health import Gateway, Health, Record, names_of, title_of
from sipproxy.routing.states import (
    ANSWERED,
    FAILED,
    HELD,
    HOLD_DOWN_OVER,
    PROBE_ANSWERED,
    PROBE_FAILED,
    PROBE_SENT,
    TRANSITIONS,
    UP,
)

log = Logger(namespace="mod_sip")

HOLD_DOWN = Directive("NextHopHoldDownInS", seconds(), 30.0, "How long a next hop that failed is passed over.")
PROBE_INTERVAL = Directive(
    "NextHopProbeInS", seconds(), 0.0, "How often OPTIONS goes to each gateway of the routes; 0: never."
)

#: Seconds that a 503 may ask for.
LONGEST_REST = 300.0
#: Seconds after which a next hop that nobody uses is forgotten.
MEMORY = 3600.0
#: Next hops that are remembered.
MAX_KNOWN = 4096
#: Seconds after which a probe counts as lost, whatever it says later: timer F (RFC 3261 17.1.2.2).
PROBE_DEADLINE = 32.0

Key = tuple[str, int, str]
Probe = Callable[[NextHop], "Deferred[bool]"]
"""Sends OPTIONS to a next hop; whether any final response came but 503."""


@implementer(IGateways)
class Gateways:
    """The health of all next hops."""

    def __init__(self, clock: IReactorTime, hold_down: float, probe_interval: float = 0.0) -> None:
        """
        @param hold_down: seconds that a next hop which failed is passed over
        @param probe_interval: seconds between two probes of a gateway, 0 for none
        """
        self._clock = clock
        self._seconds = clock.seconds
        self._hold_down = hold_down
        self._probe_interval = probe_interval
        self._send_probe: Probe | None = None
        # The one longest unused is the first.
        self._records: OrderedDict[Key, Record] = OrderedDict()
        self._held: dict[Key, Record] = {}

    def start(self, probe: Probe) -> None:
        """Begin to probe, where that is configured."""
        self._send_probe = probe
        for record in self._records.values():
            self._schedule_probe(record)

    def configure(self, hold_down: float, probe_interval: float) -> None:
        """Take the values of a new configuration; what is held down stays so as long as it was meant to."""
        self._hold_down = hold_down
        if probe_interval != self._probe_interval:
            self._probe_interval = probe_interval
            for record in self._records.values():
                _end_schedule(record)
                self._schedule_probe(record)

    def stop(self) -> None:
        """Forget all, and leave no timer behind."""
        self._send_probe = None
        while self._records:
            self._forget()

    # IGateways.

    def in_order(self, hops: Sequence[NextHop]) -> Sequence[NextHop]:
        """Give next hops in the order of trying: those held down behind the others; if all are, as they come."""
        held = self._held
        if not held or len(hops) < 2:
            return hops
        avoided = [hop for hop in hops if hop[:3] in held]
        if not avoided or len(avoided) == len(hops):
            return hops
        return [hop for hop in hops if hop[:3] not in held] + avoided

    def failed(self, hop: NextHop, reason: str, retry_after: float | None = None) -> None:
        """Take the failure of a request.

        @param reason: C{"timeout"}, C{"503"}, or what ICMP said
        @param retry_after: seconds that its 503 asked for
        """
        record = self._record(hop)
        if reason == "503":
            record.rests = True
        self._take(record, FAILED, reason, retry_after)

    def answered(self, hop: NextHop) -> None:
        """Take an answer, of whatever status but 503."""
        record = self._record(hop)
        if record.state != UP and not record.rests:
            self._take(record, ANSWERED, "answered")

    # What the operator sees.

    def states(self) -> list[Health]:
        """Give what is known of all next hops, by name and address."""
        self._forget_unused()
        return sorted(
            [record.health() for record in self._records.values()], key=lambda health: (health.hop.name, health.hop[:3])
        )

    def why(self, name: str) -> list[Health]:
        """Give what is known of the next hops of a name.

        @param name: their name, their address, or address and port (an IPv6 address in brackets)
        """
        wanted = name.lower()
        return [health for health in self.states() if wanted in names_of(health.hop)]

    # The machine.

    def _take(self, record: Record, event: str, reason: str, retry_after: float | None = None) -> None:
        before = record.state
        actions, record.state = TRANSITIONS[before, event]
        now = self._seconds()
        for action in actions:
            if action == "hold":
                self._hold(record, retry_after)
            else:
                self._release(record)
        if record.state != before:
            record.since = now
        if (record.state != before and event != PROBE_SENT) or event == FAILED:
            record.add(now, reason)
        if (before in HELD) != (record.state in HELD) and isinstance(record.hop, Gateway):
            log.warn(
                "gateway {name} is {state}: {reason}", name=title_of(record.hop), state=record.state, reason=reason
            )

    def _hold(self, record: Record, retry_after: float | None) -> None:
        delay = self._hold_down if retry_after is None else min(max(retry_after, 0.0), LONGEST_REST)
        if record.hold is not None:
            if retry_after is None:
                delay = max(delay, record.hold.getTime() - self._seconds())
            record.hold.reset(delay)
            return
        key: Key = record.hop[:3]
        self._held[key] = record
        record.hold = self._clock.callLater(delay, self._held_long_enough, record)

    def _release(self, record: Record) -> None:
        self._held.pop(record.hop[:3], None)
        record.rests = False
        if record.hold is not None:
            record.hold.cancel()
            record.hold = None

    def _held_long_enough(self, record: Record) -> None:
        record.hold = None
        record.rests = False
        self._take(record, HOLD_DOWN_OVER, HOLD_DOWN_OVER)

    # Memory.

    def _record(self, hop: NextHop) -> Record:
        """Give the record of a next hop that is in use."""
        key: Key = hop[:3]
        record = self._records.get(key)
        if record is None:
            return self._remember(key, hop)
        record.used = self._seconds()
        self._records.move_to_end(key)
        if isinstance(hop, Gateway) and not isinstance(record.hop, Gateway):
            record.hop = hop
            self._schedule_probe(record)
        return record

    def _remember(self, key: Key, hop: NextHop) -> Record:
        self._forget_unused()
        if len(self._records) >= MAX_KNOWN:
            self._forget()
        record = self._records[key] = Record(hop, self._seconds())
        self._schedule_probe(record)
        return record

    def _forget_unused(self) -> None:
        oldest = self._seconds() - MEMORY
        while self._records and next(iter(self._records.values())).used <= oldest:
            self._forget()

    def _forget(self) -> None:
        """Forget the one that is unused for the longest time."""
        _, record = self._records.popitem(last=False)
        self._release(record)
        _end_schedule(record)
        if record.probe is not None:
            record.probe.cancel()

    # Probes.

    def _schedule_probe(self, record: Record) -> None:
        wanted = self._send_probe is not None and self._probe_interval and isinstance(record.hop, Gateway)
        if wanted and record.probe_call is None and record.probe is None:
            record.probe_call = self._clock.callLater(self._probe_interval, self._probe_due, record)

    def _probe_due(self, record: Record) -> None:
        record.probe_call = None
        self._forget_unused()
        if self._send_probe is None or self._records.get(record.hop[:3]) is not record:
            return
        if record.rests:
            self._schedule_probe(record)  # its 503 asks for no requests meanwhile
            return
        self._take(record, PROBE_SENT, PROBE_SENT)
        probe = record.probe = maybeDeferred(self._send_probe, record.hop)
        probe.addTimeout(PROBE_DEADLINE, self._clock, onTimeoutCancel=_not_answered)
        probe.addErrback(_broken).addCallback(partial(self._probed, record))

    def _probed(self, record: Record, answered: bool) -> None:
        record.probe = None
        if self._records.get(record.hop[:3]) is record:
            event = PROBE_ANSWERED if answered else PROBE_FAILED
            self._take(record, event, event)
            self._schedule_probe(record)


def _end_schedule(record: Record) -> None:
    if record.probe_call is not None:
        record.probe_call.cancel()
        record.probe_call = None


def _not_answered(result: object, timeout: float) -> bool:
    return False


def _broken(failure: Failure) -> bool:
    """Go on with the others, whatever is wrong with this probe of ours; cancelled ones are of no interest."""
    if not isinstance(failure.value, CancelledError):
        log.failure("a probe failed", failure)
    return False
