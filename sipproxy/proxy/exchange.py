"""A request that is being dealt with, from its reception to its outcome.

The plain L{Exchange} answers by itself (registrar, redirect, errors); the
response context of a proxied request is one too. Its end is told to the
observers: access log, accounting.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from zope.interface import implementer

from sipproxy.errors import RequestError
from sipproxy.interfaces import Address, IOutcome
from sipproxy.message import Request, make_response
from sipproxy.proxy.history import MOST_OCTETS, CallHistory, PastCall
from sipproxy.proxy.journey import Journey
from sipproxy.proxy.points import LONGEST, Point, sent_by
from sipproxy.routing import NextHop
from sipproxy.transaction import ServerTransaction
from sipproxy.transaction.timers import Timer

if TYPE_CHECKING:
    from sipproxy.proxy.core import Core


@implementer(IOutcome)
class Outcome:
    """What the observers are told; see L{IOutcome}."""

    __slots__ = ("duration", "local", "notes", "request", "size", "source", "started", "status")

    def __init__(self, request: Request, source: Address, local: Address, started: float) -> None:
        self.request = request
        self.source = source
        self.local = local
        self.started = started
        self.duration = 0.0
        self.status: int | None = None
        self.size = 0
        self.notes: dict[str, str] = {}


class Exchange:
    """A request with a server transaction (or, with none, one that is answered statelessly).

    @ivar generation: the configuration that it began with
    @ivar outcome: what is known so far
    @ivar server: its server transaction
    @ivar journey: what was found out about where it goes; set before it is forwarded or redirected
    @ivar finished: whether a final response was sent, or the request given up
    """

    __slots__ = (
        "_trying_timer",
        "core",
        "finished",
        "generation",
        "journey",
        "outcome",
        "point",
        "request",
        "server",
        "source",
    )

    def __init__(self, core: "Core", request: Request, source: Address, point: Point) -> None:
        self.core = core
        self.generation = core.generation
        self.request = request
        self.source = source
        self.point = point
        self.outcome = Outcome(request, source, point.port.address, core.now())
        self.finished = False
        self.server: ServerTransaction | None = None
        self.journey: Journey
        self._trying_timer: Timer | None = None

    def hops(self) -> list[NextHop]:
        """Give the next hops that it waits for."""
        return []

    def begin(self) -> None:
        """Create the server transaction.

        @raise sipproxy.errors.UnavailableError: there are too many
        """
        core, request = self.core, self.request
        self.server = core.table.create_server(request, self.source, self.point, self)
        if request.method != b"INVITE":
            self._trying_timer = core.wheel.start(self.generation.policy.values.until_t2, self._trying_due, None)

    def _trying_due(self, _: object) -> None:
        """RFC 4320 4.1: not before a timer E reaches T2, but then, a request that is no INVITE gets a 100 too."""
        self._trying_timer = None
        self.respond(100, make_response(self.request, 100))

    def reply(self, status: int, reason: bytes = b"", headers: Sequence[bytes] = (), body: bytes = b"") -> None:
        """Answer with a response of our own."""
        to_tag = self.server.to_tag if self.server is not None else self.core.stateless_tag(self.request)
        response = make_response(self.request, status, reason, to_tag, headers, body)
        if len(response) > LONGEST:  # with what the request brought no room is left for what there is to say
            status, response = 513, make_response(self.request, 513, to_tag=to_tag)
        self.respond(status, response)

    def fail(self, error: RequestError) -> None:
        """Answer with an error."""
        if self.finished:
            return
        if error.reason:
            self.outcome.notes.setdefault("reason", error.reason.decode("utf-8", "replace"))
        self.reply(error.status, error.reason, error.headers)

    def respond(self, status: int, response: bytes) -> None:
        """Send a response upstream."""
        if self.server is not None:
            self.server.respond(status, response)
        else:
            self.core.send_stateless(self.request, self.source, self.point, response)
        if status >= 200 and not self.finished:
            self._finish(status, len(response))

    def passed_on(self, hop: NextHop) -> None:
        """Note that the request is gone to a next hop and that nothing is kept of it (16.11)."""
        self.outcome.notes["next-hop"] = sent_by(hop.host, hop.port)
        self._finish(None, 0)

    def keep_silent(self, reason: str) -> None:
        """End without any response, as if the request had never come; the log says why."""
        self.outcome.notes["reason"] = reason
        self.give_up()

    def give_up(self) -> None:
        """End without a final response (RFC 4320 4.2); the log says 408."""
        if not self.finished:
            if self.server is not None:
                self.server.abandon()
            self._finish(408, 0)

    def _finish(self, status: int | None, size: int) -> None:
        self.finished = True
        if self._trying_timer is not None:
            self._trying_timer.cancel()
            self._trying_timer = None
        if self.server is not None:
            self.server.user = None  # what is finished gives its memory back
        outcome = self.outcome
        outcome.duration = self.core.now() - outcome.started
        outcome.status = status
        outcome.size = size
        self.core.finished(outcome)
        if self.core.history is not None and self.request.method == b"INVITE" and hasattr(self, "journey"):
            self._remember(self.core.history)

    def _remember(self, history: CallHistory) -> None:
        """Keep why it went where it went (explain), unless what strangers chose of it takes too much room."""
        request, outcome = self.request, self.outcome
        call_id, uri, sender = request.call_id, request.uri, request.required("from")
        if not request.to.tag and len(call_id) + len(uri) + len(sender) <= MOST_OCTETS:
            trace = self.journey.subject.trace
            history.add(
                PastCall(
                    call_id,
                    uri,
                    sender,
                    self.source,
                    outcome.started,
                    outcome.duration,
                    outcome.status,
                    trace,
                )
            )

    # ServerUser: what the server transaction tells.

    def cancelled(self, transaction: ServerTransaction, cancel: Request) -> None:
        """A CANCEL came; what we answer ourselves is answered already, or about to be (RFC 3261 9.2)."""

    def unacknowledged(self, transaction: ServerTransaction) -> None:
        """No ACK came; nobody is to be told (RFC 3261 17.2.1)."""
