"""A branch: one target of a request, tried at its next hops in turn (RFC 3261 16.6 items 7 to 11, 16.8, 16.9)."""

from typing import TYPE_CHECKING

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from sipproxy.errors import RequestError
from sipproxy.interfaces import IGateways
from sipproxy.message import AnyResponse
from sipproxy.proxy.forward import Copy, write_copy
from sipproxy.proxy.history import Attempt
from sipproxy.proxy.points import LONGEST
from sipproxy.proxy.responses import Final, is_for_us
from sipproxy.routing import NextHop, NextHops
from sipproxy.transaction import ClientTransaction
from sipproxy.transaction.timers import Timer
from sipproxy.translation import AT_HAND, Target

if TYPE_CHECKING:
    from sipproxy.proxy.context import ResponseContext

#: What is less was lost in floating point, seconds: to wait for it would be to turn on the spot.
_MOMENT = 0.001


class Branch:
    """One target that was chosen, and what became of it.

    A next hop that says nothing, refuses or is unavailable gives way to the
    following one; its transaction lives on, so that a late 2xx still goes
    upstream and a late provisional response is answered with CANCEL.

    @ivar target: the target
    @ivar breadth: its share of Max-Breadth (RFC 5393)
    @ivar final: how it ended, None while it is pending
    @ivar client: its transaction at the current next hop
    @ivar copy: the copy of the request for its target; None where none could be made
    @ivar hop: the next hop that it is at
    @ivar unreachable: whether nothing ever came from any next hop
    @ivar replaced: whether others stand in its place: the contacts of its 3xx, or where the call was forwarded
    @ivar answered: whether anything came from the current next hop
    """

    __slots__ = (
        "_cancel_sent",
        "_cancel_wanted",
        "_gateways",
        "_guard",
        "_hops",
        "_news_at",
        "_timer_c",
        "answered",
        "breadth",
        "client",
        "context",
        "copy",
        "final",
        "hop",
        "replaced",
        "target",
        "unreachable",
    )

    def __init__(self, context: "ResponseContext", target: Target, copy: Copy | None, breadth: int) -> None:
        self.context = context
        self.target = target
        self.breadth = breadth
        self.final: Final | None = None
        self.client: ClientTransaction | None = None
        self.hop: NextHop | None = None
        self.answered = False
        self.unreachable = True
        self.replaced = False
        self.copy = copy
        # Registered contacts are never held down, and requests of dialogs have no other way.
        self._gateways: IGateways | None = None
        if copy is not None and not copy.routed and context.is_free and target.origin != "mod_sip_registry":
            self._gateways = context.journey.generation.gateways
        self._hops: list[NextHop] = []
        self._cancel_wanted = False
        self._cancel_sent = False
        self._timer_c: Timer | None = None
        self._news_at = 0.0
        self._guard: Timer | None = None

    def start(self, hops: "NextHops | Deferred[NextHops]") -> None:
        """Begin, once the next hops are known (item 7)."""
        if isinstance(hops, AT_HAND):
            self._start(hops)
        else:
            hops.addCallbacks(self._start, self._routing_failed).addErrback(self.context.broke)

    def _start(self, hops: NextHops) -> None:
        if self.final is not None:
            return
        if self._cancel_wanted or self.context.finished:
            self._end(Final(487))
        elif not hops:
            self._end(Final(404))
        else:
            self._hops = list(hops if self._gateways is None else self._gateways.in_order(hops))
            self._next_hop()

    def _routing_failed(self, failure: Failure) -> None:
        if not isinstance(failure.value, RequestError):
            failure.raiseException()
        self.fail(failure.value)

    def fail(self, error: RequestError) -> None:
        """End with an error of ours."""
        if self.final is None:
            self._end(Final(error.status, error=error))

    def _next_hop(self) -> None:
        """Send to the next of the hops (items 8, 10, 11)."""
        context = self.context
        assert self.copy is not None
        hop = self.hop = self._hops.pop(0)
        leaving = context.core.points.choose(hop.host, context.point)
        branch, record_route = context.marks()
        sent = write_copy(self.copy, branch, context.point, context.source[0], leaving, hop, record_route)
        if len(sent) > LONGEST:
            self.fail(RequestError(513))  # by what we add; no fault of the next hop's
            return
        self.answered = False
        self._set_guard()
        if context.is_invite and self._timer_c is None:
            self._news_at = context.core.now()
            self._timer_c = context.core.wheel.start(max(0.0, self._ring_time()), self._timer_c_fired, None)
        if context.diversions is not None:
            context.diversions.left(self.target)
        if context.is_call and context.core.call_observers:
            context.core.call_left(context.outcome, hop, sent)
        self.client = context.core.table.create_client(
            branch, sent, context.request.method, leaving, (hop.host, hop.port), self
        )

    def _set_guard(self) -> None:
        if self._guard is not None:
            self._guard.cancel()
            self._guard = None
        if self._hops:
            self._guard = self.context.core.wheel.start(self.context.policy.next_hop_timeout, self._silent, None)

    def _ring_time(self) -> float:
        """Timer C, or what is left of the caller's patience where its INVITE has an Expires (13.3.1)."""
        context = self.context
        now = context.core.now()
        left = context.policy.timer_c - (now - (self._news_at or now))
        return min(left, context.outcome.started + context.expires - now) if context.expires else left

    # ClientUser.

    def response_received(self, transaction: ClientTransaction, response: AnyResponse) -> None:
        """Take a response (16.7 items 2 to 5)."""
        status = response.status
        if transaction is not self.client:
            self._late(transaction, response)
            return
        if self._gateways is not None and not self.answered and self.hop is not None and status != 503:
            self._gateways.answered(self.hop)
        self.answered = True
        self.unreachable = False
        if self._guard is not None:
            self._guard.cancel()
            self._guard = None
        if status < 200:
            self._provisional(transaction, response)
        elif is_for_us(response):
            if self.final is None:
                self._end(Final(502))
        elif status < 300:
            self._stop_timers()
            self.final = self.final or Final(status)
            self.context.succeeded(self, response)
        elif self.final is None:
            if status == 503:
                self._report("503", response)
            if status == 503 and self._hops and not self._cancel_wanted:
                self._next_hop()  # RFC 3263 4.3
            else:
                self._end(Final(self._told(status), response if self._told(status) == status else None))

    def _told(self, status: int) -> int:
        # A 487 that our own timer asked for means: nobody answered.
        if status == 487 and self._cancel_sent and not self.context.was_cancelled:
            return 408
        return status

    def _provisional(self, transaction: ClientTransaction, response: AnyResponse) -> None:
        if self._cancel_wanted or self.final is not None:  # one that was given up must not go on ringing
            self._send_cancel(transaction)
        if self.final is not None:
            return
        if response.status > 100:
            self._news_at = self.context.core.now()  # 16.7 item 2: timer C begins anew
            if not is_for_us(response):
                self.context.pass_provisional(self, response)
            if self.context.diversions is not None:
                self.context.diversions.heard(self.target)

    def _late(self, transaction: ClientTransaction, response: AnyResponse) -> None:
        """A next hop that was given up says something after all."""
        if response.status < 200:
            if self.context.is_invite:
                self.context.core.send_cancel(transaction)
        elif response.status < 300 and not is_for_us(response):
            if self.context.is_invite:
                self.cancel()  # where it is now
            self._stop_timers()
            self.hop = NextHop(*transaction.destination)  # who answered, not who was asked last
            self.final = self.final or Final(response.status)
            self.context.succeeded(self, response)

    def timed_out(self, transaction: ClientTransaction) -> None:
        """Take timer B or F, or the end of waiting for what a CANCEL asked for (16.7 item 6: as a 408)."""
        if transaction is self.client and self.final is None:
            self._hop_failed(Final(408), "timeout")

    def transport_failed(self, transaction: ClientTransaction, reason: str) -> None:
        """Take an ICMP error (16.9: as a 503)."""
        if transaction is self.client and self.final is None:
            self._hop_failed(Final(503), reason)

    def _hop_failed(self, final: Final, reason: str) -> None:
        if not self.answered:
            self._report(reason)
        if self._hops and not self._cancel_wanted:
            self._next_hop()
        else:
            self._end(Final(487) if self.context.was_cancelled else final)

    def _report(self, reason: str, response: AnyResponse | None = None) -> None:
        """Tell what became of the request at the current next hop, if that is one to be watched."""
        if self.hop is not None and self._hops:
            self.context.journey.subject.trace.append(("sent", "mod_sip", Attempt(self.hop, f"{reason}, the next one")))
        if self._gateways is not None and self.hop is not None and not self._cancel_wanted:
            self._gateways.failed(self.hop, reason, None if response is None else _retry_after(response))

    # Timers.

    def _silent(self, _: object) -> None:
        """One of several next hops has said nothing for NextHopTimeoutInMs."""
        self._guard = None
        if self.client is not None and self._hops and not self._cancel_wanted:
            self.client.stop_resending()
            self._report("timeout")
            self._next_hop()

    def _timer_c_fired(self, _: object) -> None:
        left = self._ring_time()
        if left > _MOMENT:  # there was news meanwhile
            self._timer_c = self.context.core.wheel.start(left, self._timer_c_fired, None)
        else:
            self._timer_c = None
            self.give_up()

    def _stop_timers(self) -> None:
        if self._timer_c is not None:
            self._timer_c.cancel()
            self._timer_c = None
        if self._guard is not None:
            self._guard.cancel()
            self._guard = None

    # What the context asks for.

    def wait(self) -> None:
        """Be pending anew, at no next hop, until it is known where the contacts of its 3xx lead."""
        if self.client is not None:
            self.client.user = None
        self.client = None
        self.final = None
        self.answered = False

    def give_up(self) -> None:
        """End it for having rung too long: CANCEL where a provisional response came, else as a 408 (16.8)."""
        if self.answered:
            self.cancel()
        elif self.final is None:
            if self.client is not None:
                self.client.stop_resending()
            self._end(Final(487 if self.context.was_cancelled else 408))

    def cancel(self) -> None:
        """Cancel it (16.10): at once where a provisional response came, else when one comes (9.1)."""
        if self.final is not None or self._cancel_wanted:
            return
        self._cancel_wanted = True
        self._hops.clear()
        if self.client is None:
            self._end(Final(487))
        elif self.answered:
            self._send_cancel(self.client)

    def _send_cancel(self, client: ClientTransaction) -> None:
        if self._cancel_sent:
            return
        self._cancel_sent = True
        self._stop_timers()
        self.context.core.send_cancel(client)

    def _end(self, final: Final) -> None:
        self._stop_timers()
        self.final = final
        self.context.branch_ended(self)


def _retry_after(response: AnyResponse) -> float | None:
    """Give the seconds of a Retry-After (RFC 3261 20.33), None where there is none or it cannot be read."""
    value = (response.whole().header("retry-after") or b"").partition(b"(")[0].partition(b";")[0].strip()
    return float(value) if value.isdigit() and len(value) < 10 else None
