"""The response context: a request, its target set and branches, and what goes upstream (RFC 3261 16.2, 16.7, 16.10).

The steps have the numbers of 16.7. Choosing among responses is in
L{sipproxy.proxy.responses}, a single branch in L{sipproxy.proxy.branch}.
"""

from collections.abc import Callable, Sequence
from itertools import groupby
from typing import TYPE_CHECKING

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from sipproxy.errors import RequestError, SipParseError
from sipproxy.interfaces import Address
from sipproxy.message import AnyResponse, Request, Uri, parse_name_addr
from sipproxy.message.headers import parse_seconds
from sipproxy.proxy.branch import Branch
from sipproxy.proxy.diversion import Diversions
from sipproxy.proxy.exchange import Exchange
from sipproxy.proxy.forward import hops_left, make_copy
from sipproxy.proxy.history import Attempt
from sipproxy.proxy.late import LateSuccess, pass_success
from sipproxy.proxy.loops import new_branch
from sipproxy.proxy.points import Point, sent_by
from sipproxy.proxy.responses import Final, choose_best, pass_on
from sipproxy.proxy.settings import Policy
from sipproxy.proxy.stateless import choose
from sipproxy.routing import NextHop
from sipproxy.transaction import ServerTransaction
from sipproxy.transaction.machines import ACCEPTED, CALLING, PROCEEDING
from sipproxy.transaction.timers import Timer
from sipproxy.translation import Target

if TYPE_CHECKING:
    from sipproxy.proxy.core import Core


class ResponseContext(Exchange):
    """One proxied request.

    @ivar policy: the generation's policy that it began with
    @ivar is_free: whether it belongs to no dialog, so that it may go any way (RFC 3261 12.2)
    @ivar is_call: whether it is an INVITE that does
    @ivar was_cancelled: whether the caller sent CANCEL
    @ivar diversions: the wishes of subscribers that it has met, None where there were none
    """

    __slots__ = (
        "_advance_timer",
        "_branches",
        "_front_may_start",
        "_queue",
        "_seen",
        "_succeeded",
        "diversions",
        "expires",
        "is_call",
        "is_free",
        "is_invite",
        "policy",
        "was_cancelled",
    )

    def __init__(self, core: "Core", request: Request, source: Address, point: Point) -> None:
        Exchange.__init__(self, core, request, source, point)
        self.policy: Policy = self.generation.policy
        self.is_invite = request.method == b"INVITE"
        self.is_free = not request.to.tag
        self.is_call = self.is_invite and self.is_free
        self.expires = _expires(request) if self.is_invite and "expires" in request.names else 0
        self.was_cancelled = False
        self._branches: list[Branch] = []
        self._queue: list[list[Target]] = []
        self._seen: list[Uri] = []
        self._front_may_start = False
        self._advance_timer: Timer | None = None
        self._succeeded = False
        self.diversions: Diversions | None = None

    def hops(self) -> list[NextHop]:
        """Give the next hops of pending branches."""
        return [branch.hop for branch in self._pending() if branch.hop is not None]

    # Targets.

    def add_targets(self, targets: Sequence[Target], beyond: int = 0) -> None:
        """Put targets before those that wait, highest q first; none twice (16.5), no more than MaxForks.

        @param beyond: how many more than MaxForks there may be
        """
        if len(targets) == 1 and not self._seen:  # most calls
            self._seen.append(targets[0].uri)
            self._queue.append([targets[0]])
            return
        fresh: list[Target] = []
        if len(targets) > 1:
            if self.policy.forking == "Off":
                targets = (choose(targets, self.request),)
            targets = sorted(targets, key=lambda target: -target.q)
        room = max(beyond, self.policy.max_forks - len(self._branches) - sum(map(len, self._queue)))
        for target in targets:
            if len(fresh) >= room or any(target.uri.same(uri) for uri in self._seen):
                continue
            self._seen.append(target.uri)
            fresh.append(target)
        if self.policy.forking == "Sequential":
            groups = [[target] for target in fresh]
        elif len(fresh) == 1:
            groups = [fresh]
        else:
            groups = [list(group) for _, group in groupby(fresh, key=lambda target: target.q)]
        self._queue[:0] = groups

    def advance(self) -> None:
        """Start the next group of targets, or end with the best response (item 6)."""
        if self.was_cancelled or self.finished:
            self._queue.clear()
        pending = self._pending()
        while self._queue and self._may_start(pending):
            self._start_group(pending)
            pending = self._pending()
        if self._queue or pending or (self._is_looking() and not self.is_over()):
            return
        if not self.finished:
            self._finish_with_best()
        self._leave()

    def _leave(self) -> None:
        """Give all memory back but what late 2xx need; rings of references would wait for the garbage collector."""
        keeps_trace = self.core.history is not None and self.is_call
        for branch in self._branches:
            client = branch.client
            if keeps_trace and branch.hop is not None:
                final = branch.final
                outcome = "nothing yet" if final is None else final.status
                self.journey.subject.trace.append(("sent", "mod_sip", Attempt(branch.hop, outcome)))
            if client is None or client.state in (CALLING, PROCEEDING):
                continue  # given up: a provisional response would be answered with CANCEL
            client.user = LateSuccess(self.server) if client.state == ACCEPTED and self.server is not None else None
        self._branches = []
        self.diversions = None

    def _may_start(self, pending: list[Branch]) -> bool:
        if self._front_may_start:
            return _breadth_of(pending) < self.journey.breadth
        return not pending and not self._is_looking()

    def _is_looking(self) -> bool:
        return self.diversions is not None and self.diversions.is_looking

    def _pending(self) -> list[Branch]:
        return [branch for branch in self._branches if branch.final is None] if self._branches else []

    def _start_group(self, pending: list[Branch]) -> None:
        """Start as many targets of the first group as Max-Breadth allows (RFC 5393 5.3.3)."""
        room = self.journey.breadth - _breadth_of(pending)
        group = self._queue.pop(0)
        if group[0].forwarding is not None and room > len(group):
            # Half is left for where the call is forwarded, as what is cancelled for it may take long to end.
            room = max(len(group), room // 2)
        now, later = group[:room], group[room:]
        # What Max-Breadth holds back follows as soon as a branch has ended (RFC 5393 5.3.3.1).
        self._front_may_start = bool(later)
        if later:
            self._queue.insert(0, later)
        share, extra = divmod(room, len(now))
        started = [self._make_branch(target, share + (at < extra)) for at, target in enumerate(now)]
        if self._queue or self._advance_timer is not None:
            self._set_sequential_timer()
        for branch in started:
            if branch.final is None:
                self._start_branch(branch)

    def _make_branch(self, target: Target, breadth: int) -> Branch:
        try:
            copy = make_copy(self.request, self.journey.ready, target, hops_left(self.request, target.rounds), breadth)
            branch = Branch(self, target, copy, breadth)
        except RequestError as error:
            branch = Branch(self, target, None, 0)
            branch.final = Final(error.status, error=error)
        self._branches.append(branch)
        if target.forwarding is not None and self.is_invite and self.diversions is None:
            self.diversions = Diversions(self)
        return branch

    def _start_branch(self, branch: Branch) -> None:
        routing = self.journey.generation.routing
        copy = branch.copy
        assert copy is not None
        try:
            hops = (routing.bypass if copy.routed else routing.route)(copy.next, self.journey.subject)
        except RequestError as error:
            branch.fail(error)
        else:
            branch.start(hops)

    def marks(self) -> tuple[bytes, bytes | None]:
        """Give a new branch value, and the parameters of our Record-Route; None for no Record-Route."""
        journey, wanted = self.journey, self.policy.record_route
        exemption = journey.generation.exemption
        if exemption is None:
            return new_branch(self.core.random, journey.decision), b"" if wanted else None
        branch = exemption.new_branch(self.core.random, self.request, journey.decision)
        return branch, exemption.route_parameter(self.request) if wanted else None

    def _set_sequential_timer(self) -> None:
        """Where other contacts wait, these may ring for SequentialTimeoutInMs only."""
        if self._advance_timer is not None:
            self._advance_timer.cancel()
            self._advance_timer = None
        if self.is_invite and self._queue and self.policy.sequential_timeout < self.policy.timer_c:
            self._advance_timer = self.core.wheel.start(self.policy.sequential_timeout, self._rang_long, None)

    def _rang_long(self, _: object) -> None:
        self._advance_timer = None
        for branch in self._pending():
            branch.give_up()

    # What branches tell.

    def pass_provisional(self, branch: Branch, response: AnyResponse) -> None:
        """Item 5: every provisional response but 100 goes upstream at once; to INVITE only (RFC 4320 4.1)."""
        if self.is_invite and not self.finished:
            self.respond(response.status, pass_on(response))

    def succeeded(self, branch: Branch, response: AnyResponse) -> None:
        """Item 5: 2xx go upstream at once, all of them for INVITE; item 10: the others are cancelled."""
        first, self._succeeded = not self._succeeded, True
        self._queue.clear()
        if self.is_invite or not self.finished:
            self._note_hop(branch)
            if self.is_call and self.core.call_observers and branch.hop is not None:
                self.core.call_answered(self.outcome, branch.hop, response)
            self._pass_final(response.status, pass_on(response))
        if first:
            self._cancel_pending()
            self._end_timers()
        self.advance()

    def branch_ended(self, branch: Branch) -> None:
        """Item 4: a branch has its final response, or nothing more will come."""
        final = branch.final
        assert final is not None
        if branch.replaced:
            pass  # whatever it says to its CANCEL counts no more
        elif final.status >= 600:
            self._queue.clear()
            self._cancel_pending()  # item 5: a 6xx ends the search
        elif final.status // 100 == 3 and final.response is not None and self._recurse(branch, final):
            return
        self._go_on(branch)

    def _go_on(self, ended: Branch) -> None:
        if self.diversions is None or self.is_over() or not self.diversions.take(ended):
            self.advance()

    def _recurse(self, branch: Branch, final: Final) -> bool:
        """Item 4: the contacts of a 3xx become targets, where the Request-URI is ours (16.5)."""
        if not (self.policy.recursive and self.journey.may_retarget) or self.is_over():
            return False
        targets = _contacts(final.response) if final.response is not None else []
        if not targets:
            return False
        for target in targets:
            target.forwarding = branch.target.forwarding
            target.diversions = branch.target.diversions
        try:
            found = self.journey.inside(targets)
        except RequestError:
            found = ()
        if isinstance(found, Deferred):
            branch.wait()
            found.addErrback(_none_found).addCallback(self._recursed_late, branch, final).addErrback(self.broke)
        else:
            self._recursed(found, branch)
        return True

    def _recursed_late(self, targets: Sequence[Target], branch: Branch, final: Final) -> None:
        if branch.final is None:  # else it was given up meanwhile
            branch.final = final
            self._recursed(targets, branch)

    def _recursed(self, targets: Sequence[Target], branch: Branch) -> None:
        before = len(self._seen)
        self.add_targets(targets)
        if len(self._seen) == before:
            self._go_on(branch)
            return
        branch.replaced = True
        if self.policy.forking == "Parallel":
            self._front_may_start = True
        self.advance()

    def is_over(self) -> bool:
        """Tell whether no new branches are to be: a 2xx, a 6xx or a CANCEL came (item 5, 16.10), or we stop."""
        if self._succeeded or self.was_cancelled or self.finished:
            return True
        return any(final.status >= 600 for final in self._finals())

    def _finals(self) -> list[Final]:
        return [branch.final for branch in self._branches if branch.final is not None and not branch.replaced]

    def _cancel_pending(self) -> None:
        for branch in self._pending():
            if self.is_invite:
                branch.cancel()

    # What diversions ask for.

    def is_trying(self, covers: Callable[[Target], bool]) -> bool:
        """Tell whether any of some targets waits or is pending."""
        waiting = (target for group in self._queue for target in group)
        pending = (branch.target for branch in self._pending() if not branch.replaced)
        return any(map(covers, waiting)) or any(map(covers, pending))

    def ended(self) -> list[Branch]:
        """Give the branches that have ended and count."""
        return [branch for branch in self._branches if branch.final is not None and not branch.replaced]

    def replace(self, covers: Callable[[Target], bool]) -> None:
        """Give some targets up: others take their place."""
        kept = ([target for target in group if not covers(target)] for group in self._queue)
        self._queue = [group for group in kept if group]
        replaced = [branch for branch in self._branches if covers(branch.target)]
        for branch in replaced:
            branch.replaced = True
        for branch in replaced:
            branch.give_up()

    def go_on_at(self, targets: Sequence[Target], wished: Target) -> None:
        """Try the targets that stand in the place of what was given up."""
        if self.is_over():
            self.advance()
            return
        before = len(self._seen)
        self.add_targets(targets, beyond=len(targets))
        if len(self._seen) == before:
            self.go_on_without(wished, RequestError(482))  # all of them were tried before
            return
        self._front_may_start = True
        self.advance()

    def go_on_without(self, wished: Target, error: RequestError) -> None:
        """There are none."""
        branch = Branch(self, wished, None, 0)
        branch.final = Final(error.status, error=error)
        self._branches.append(branch)
        self.branch_ended(branch)

    # The end.

    def _finish_with_best(self) -> None:
        """Items 6 to 9."""
        self._end_timers()
        finals = self._finals()
        if not finals:
            self.reply(487 if self.was_cancelled else 480)
            return
        if not self.is_invite:
            # RFC 4320 4.2: "MUST NOT send a response with Status-Code of 408 to a non-INVITE request".
            silent, finals = finals[0], [final for final in finals if final.status != 408]
            if not finals:
                self._note_hop_of(silent)
                self.give_up()
                return
        best = choose_best(finals)
        self._note_hop_of(best)
        if best.response is not None:
            self._pass_final(best.response.status, pass_on(best.response, finals))
        elif best.error is not None:
            self.fail(best.error)
        elif best.status == 503 and not all(branch.unreachable for branch in self._branches):
            self.reply(500)
        else:
            self.reply(best.status)

    def _pass_final(self, status: int, response: bytes) -> None:
        if not self.is_invite and self.core.now() - self.outcome.started >= self.policy.values.timeout:
            self.give_up()  # RFC 4320 4.1: the caller's timer F has fired
            return
        if self.finished and self.server is not None:
            pass_success(self.server, status, response)
            return
        self.respond(500 if status == 503 else status, response)

    def _note_hop(self, branch: Branch) -> None:
        hop = branch.hop
        if hop is not None:
            self.outcome.notes["next-hop"] = sent_by(hop.host, hop.port)

    def _note_hop_of(self, final: Final) -> None:
        for branch in self._branches:
            if branch.final is final:
                self._note_hop(branch)

    def _end_timers(self) -> None:
        if self._advance_timer is not None:
            self._advance_timer.cancel()
            self._advance_timer = None
        if self.diversions is not None:
            self.diversions.end()

    def cancelled(self, transaction: ServerTransaction, cancel: Request) -> None:
        """16.10: a CANCEL came; pending branches are cancelled."""
        if self.finished or not self.is_invite:
            return
        self.was_cancelled = True
        self._queue.clear()
        for branch in self._pending():
            branch.cancel()
        self.advance()

    def broke(self, failure: Failure) -> None:
        """Take a fault of ours."""
        self.core.broke(self, failure)


def _breadth_of(branches: list[Branch]) -> int:
    return sum([branch.breadth for branch in branches]) if branches else 0


def _none_found(failure: Failure) -> Sequence[Target]:
    if not isinstance(failure.value, RequestError):
        failure.raiseException()
    return ()


def _expires(request: Request) -> int:
    value = request.header("expires")
    try:
        return parse_seconds(value) if value else 0
    except SipParseError:
        return 0


def _contacts(response: AnyResponse) -> list[Target]:
    """Give the Contacts of a 3xx as targets; what cannot be read is left out."""
    targets = []
    try:
        values = response.whole().values("contact")
    except SipParseError:
        return []
    for value in values:
        try:
            address = parse_name_addr(value)
            targets.append(Target(address.uri, address.q, origin="redirect"))
        except SipParseError:
            continue
    return [target for target in targets if target.uri.scheme in (b"sip", b"tel")]  # sips: nothing of ours leads there
