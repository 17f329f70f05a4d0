"""The core: what a received request is, and who deals with it (RFC 3261 16, 10, 8.3, 11).

Everything a request meets here in order: reasonable syntax, a server
transaction, then registrar, OPTIONS, redirect or proxy. Errors of the peer or
of a backend become responses here, faults of ours 500 and a log entry.
"""

from collections.abc import Callable, Sequence
from hashlib import blake2b
from random import Random

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from sipproxy.errors import RequestError, SilenceError, SipParseError, UnavailableError
from sipproxy.interfaces import Address, IAccess, ICallObserver, IOutcome, IOutcomeObserver
from sipproxy.message import AnyResponse, Request, make_response
from sipproxy.proxy import stateless
from sipproxy.proxy.context import ResponseContext
from sipproxy.proxy.exchange import Exchange, Outcome
from sipproxy.proxy.generation import Generation, Reply
from sipproxy.proxy.history import CallHistory
from sipproxy.proxy.journey import Journey
from sipproxy.proxy.passage import CancelPassage, Passage
from sipproxy.proxy.points import Point, Points
from sipproxy.proxy.redirect import Contacts, contacts, split_by_action, status_of
from sipproxy.proxy.routeset import check_method, is_ping, names_us
from sipproxy.proxy.siblings import Siblings
from sipproxy.proxy.validate import check_require, validate
from sipproxy.routing import NextHop
from sipproxy.transaction import ClientTransaction, TimerWheel, TransactionTable
from sipproxy.transaction.via import response_destination
from sipproxy.translation import AT_HAND, Target, Targets

log = Logger(namespace="mod_sip")

TAG_SIZE = 16  # characters of a To tag of ours

_OPTIONS_HEADERS = (
    b"Accept: */*",
    b"Accept-Encoding: identity",
    b"Accept-Language: en",
    b"Supported: path",
)


class Core:
    """The transaction user of a server (L{sipproxy.transaction.users.TransactionUser}).

    @ivar generation: the configuration for new requests; a reload replaces it
    @ivar backlog: seconds that what is read now had waited; 0 where nothing waits
    @ivar draining: whether no new calls are taken
    @ivar call_observers: who is told of calls, in C{call_left} and C{call_answered}
    @ivar history: the last calls, None to keep none
    @ivar overloads: new calls refused for the backlog
    @ivar pending: requests that have no final response yet
    @ivar requests: requests that are done, since the start
    @ivar calls: those of them that were calls: INVITEs of no dialog
    @ivar siblings: what belongs to other processes that serve the same ports, None where there are none
    """

    def __init__(
        self,
        generation: Generation,
        wheel: TimerWheel,
        points: Points,
        random: Random,
        now: Callable[[], float],
        observers: Sequence[IOutcomeObserver],
        max_transactions: int,
        call_observers: Sequence[ICallObserver] = (),
        history: CallHistory | None = None,
    ) -> None:
        """
        @param call_observers: observers that are told of calls too
        """
        self.generation = generation
        self.wheel = wheel
        self.points = points
        self.random = random
        self.now = now
        self.backlog = 0.0
        self.draining = False
        self.overloads = 0
        self.pending = 0
        self.requests = 0
        self.calls = 0
        self.siblings: Siblings | None = None
        self.table = TransactionTable(wheel, generation.policy.values, max_transactions, random, self)
        self.history = history
        self.call_observers = tuple(call_observers)
        self._observers = (*observers, *call_observers)
        self._secret = b"%032x" % random.getrandbits(128)

    def serve_by(self, generation: Generation) -> None:
        """Deal with requests by another configuration from now on; those that are here keep theirs."""
        self.generation = generation
        self.table.values = generation.policy.values

    def uses(self, generation: Generation) -> bool:
        """Tell whether requests are being dealt with by a configuration."""
        return any(isinstance(user, Exchange) and user.generation is generation for user in self.table.users())

    # TransactionUser.

    def request_received(self, request: Request, source: Address, point: Point) -> None:
        """Deal with a new request.

        @raise sipproxy.errors.SipParseError: it is not worth a transaction
        """
        if self.backlog and self._is_too_much(request):
            self._refuse(request, source, point)
            return
        validate(request)
        is_for_registrar = request.method == b"REGISTER" and names_us(request, self.generation.identity)
        stateful = self.generation.policy.stateful
        kind = ResponseContext if stateful and not is_for_registrar else Exchange
        exchange: Exchange = kind(self, request, source, point)
        self.pending += 1
        try:
            if stateful or is_for_registrar:
                exchange.begin()
            if exchange.generation.access is None:
                self._go_on(exchange, is_for_registrar)
            else:
                self._admit(exchange.generation.access, exchange, is_for_registrar)
        except RequestError as error:
            exchange.fail(error)
        except SilenceError as error:
            exchange.keep_silent(str(error))
        except Exception:  # noqa: BLE001 - a fault of ours must not reach other calls
            self.broke(exchange, None)

    def _is_too_much(self, request: Request) -> bool:
        """Tell whether a new call is one too many: before any work is done for it (RFC 7339 3)."""
        if request.method != b"INVITE" or self.backlog <= self.generation.policy.overload or request.to.tag:
            return False
        self.overloads += 1
        return True

    def _refuse(self, request: Request, source: Address, point: Point) -> None:
        """Answer 503 without a transaction; callers are not to come back all at once."""
        outcome = Outcome(request, source, point.port.address, self.now())
        after = b"Retry-After: %d" % (1 + self.random.getrandbits(3))
        response = make_response(request, 503, b"Overloaded", self.stateless_tag(request), (after,))
        self.send_stateless(request, source, point, response)
        outcome.status, outcome.size, outcome.notes["reason"] = 503, len(response), "Overloaded"
        self.tell(outcome)

    def ack_received(self, request: Request, source: Address, point: Point) -> None:
        """Forward an ACK for a 2xx (13.2.2.4); one for a response of ours that kept no transaction ends here."""
        tag = request.to.tag
        if len(tag) == TAG_SIZE and tag == self.stateless_tag(request):
            return
        Passage(self, request, source, point).begin()

    def cancel_received(self, request: Request, source: Address, point: Point) -> None:
        """Forward a CANCEL that we know no transaction for (16.10), or refuse it; the observers are told of it.

        @raise sipproxy.errors.SipParseError: it is not proper
        """
        CancelPassage(self, request, source, point).begin()

    def cancel_answered(self, cancel: Request, source: Address, point: Point) -> None:
        """Tell the observers of a CANCEL: a request of its own; one that lacks what they read they are spared."""
        try:
            validate(cancel)
        except SipParseError:
            return
        outcome = Outcome(cancel, source, point.port.address, self.now())
        outcome.status = 200
        outcome.size = len(make_response(cancel, 200, to_tag=b"x" * TAG_SIZE))
        self.tell(outcome)

    def wrote(self, response: AnyResponse, point: Point) -> bool:
        """Tell whether a response answers a request that left one of our points (18.1.2)."""
        return point.wrote(response) or any(other.wrote(response) for other in self.points.all)

    def stray_response(self, response: AnyResponse, source: Address, point: Point) -> None:
        """A stateful proxy drops it (RFC 6026 7.3); a stateless one forwards what has our Via (16.11)."""
        if self.siblings is not None:
            home = self.siblings.home(point.port.address[0], response.via.port)
            if home is not None:
                point.write(response.to_bytes(), home)
                return
        if self.generation.policy.stateful or not self.generation.identity.is_our_via(response.via):
            return
        onward = stateless.response_onward(response)
        if onward is None:
            return
        data, destination = onward
        self.points.choose(destination[0], point).write(data, destination)

    def stray_failure(self, datagram: bytes, reason: str) -> None:
        """Take the news of a datagram that no transaction here has sent."""
        if self.siblings is not None:
            self.siblings.tell_failure(datagram, reason)

    # What a request is.

    def _admit(self, access: IAccess, exchange: Exchange, is_for_registrar: bool) -> None:
        """Let a request pass, or not (22)."""
        exemption = exchange.generation.exemption
        if exemption is not None and exemption.covers(exchange.request):
            self._go_on(exchange, is_for_registrar)
            return
        admitted = access.admit(exchange.request, exchange.source, is_for_registrar)
        if isinstance(admitted, Deferred):
            self._trying(exchange)
            admitted.addCallback(self._admitted, exchange, is_for_registrar).addErrback(self._failed, exchange)
        else:
            self._admitted(admitted, exchange, is_for_registrar)

    def _admitted(self, notes: dict[str, str], exchange: Exchange, is_for_registrar: bool) -> None:
        if exchange.finished:  # cancelled meanwhile
            return
        if notes:
            exchange.outcome.notes.update(notes)
        self._go_on(exchange, is_for_registrar)

    def _go_on(self, exchange: Exchange, is_for_registrar: bool) -> None:
        if is_for_registrar:
            self._register(exchange)
        else:
            self._dispatch(exchange)

    def _dispatch(self, exchange: Exchange) -> None:
        request, generation = exchange.request, exchange.generation
        if self.draining and request.method == b"INVITE" and not request.to.tag:
            raise UnavailableError(b"Shutting Down", retry_after=60)
        if request.method == b"OPTIONS" and is_ping(request, generation.identity):
            if self.draining:  # whoever probes is to send calls elsewhere
                raise UnavailableError(b"Shutting Down", retry_after=60)
            check_require(request)
            exchange.reply(200, headers=(generation.allow, *_OPTIONS_HEADERS))  # 11.2; 16.3 item 3
        else:
            check_method(request, generation.identity, generation.allow)
            self._find_targets(exchange)

    def _register(self, exchange: Exchange) -> None:
        registrar = exchange.generation.registrar
        if registrar is None:
            raise RequestError(405, headers=(exchange.generation.allow,))
        reply = registrar.register(exchange.request)
        if isinstance(reply, Deferred):
            reply.addCallback(self._registered, exchange).addErrback(self._failed, exchange)
        else:
            self._registered(reply, exchange)

    def _registered(self, reply: Reply, exchange: Exchange) -> None:
        if not exchange.finished:  # given up meanwhile
            exchange.reply(reply.status, headers=reply.headers)

    # Proxy and redirect.

    def _find_targets(self, exchange: Exchange) -> None:
        request = exchange.request
        if request.max_forwards == 0:
            raise RequestError(483)  # 16.3 item 3
        journey = exchange.journey = Journey(
            exchange.generation, request, exchange.source, exchange.outcome.started, exchange.server is not None
        )
        targets = journey.targets()
        if isinstance(targets, AT_HAND):
            self._found(targets, exchange)
        else:
            self._trying(exchange)
            targets.addCallback(self._found, exchange).addErrback(self._failed, exchange)

    def _found(self, targets: Targets, exchange: Exchange) -> None:
        if exchange.finished:  # cancelled meanwhile
            return
        journey = exchange.journey
        proxied, redirected = split_by_action(targets, exchange.request, journey.generation.policy)
        if redirected:
            self._redirect(exchange, redirected)
        elif isinstance(exchange, ResponseContext):
            exchange.add_targets(proxied)
            exchange.advance()
            self._trying(exchange)
        else:
            self._forward_one(exchange, proxied)

    def _trying(self, exchange: Exchange) -> None:
        """17.2.1: 100 for INVITE only (RFC 4320 4.1), and only where a transaction remembers it (16.11)."""
        if isinstance(exchange, ResponseContext) and exchange.is_invite and not exchange.finished:
            exchange.respond(100, make_response(exchange.request, 100))

    def _redirect(self, exchange: Exchange, targets: Sequence[Target]) -> None:
        values = contacts(exchange.journey, targets)
        if isinstance(values, Deferred):
            values.addCallback(self._redirected, exchange).addErrback(self._failed, exchange)
        else:
            self._redirected(values, exchange)

    def _redirected(self, values: Contacts, exchange: Exchange) -> None:
        if not exchange.finished:
            exchange.reply(status_of(values), headers=[b"Contact: " + value for value in values])

    def _forward_one(self, exchange: Exchange, targets: Sequence[Target]) -> None:
        request = exchange.request

        def sent(hop: NextHop) -> None:
            exchange.passed_on(hop)

        target = stateless.choose(targets, request)
        gone = stateless.forward(exchange.journey, target, request, exchange.source, exchange.point, self.points, sent)
        if gone is not None:
            gone.addErrback(self._failed, exchange)

    def stop(self) -> None:
        """Give up what is pending, and end all transactions in silence."""
        for user in self.table.users():
            if isinstance(user, Exchange):
                user.give_up()
        self.table.stop()

    # For exchanges and branches.

    def stateless_tag(self, request: Request) -> bytes:
        """Give the To tag of responses without a transaction, by which their ACK is recognised."""
        seed = b"%b\0%b" % (request.header("call-id") or b"", (request.header("cseq") or b"").partition(b" ")[0])
        return blake2b(seed, key=self._secret, digest_size=TAG_SIZE // 2).hexdigest().encode("ascii")

    def send_stateless(self, request: Request, source: Address, point: Point, response: bytes) -> None:
        """Send a response that no transaction keeps."""
        point.write(response, response_destination(request.via, source))

    def send_cancel(self, client: ClientTransaction) -> None:
        """Send the CANCEL of a request that was sent, once (9.1)."""
        self.table.create_cancel(client, _ignore)

    def finished(self, outcome: IOutcome) -> None:
        """Take the end of a request that was pending."""
        self.pending -= 1
        self.tell(outcome)

    def tell(self, outcome: IOutcome) -> None:
        """Count a request that is done, and tell the observers of it."""
        self.requests += 1
        if outcome.request.method == b"INVITE" and not outcome.request.to.tag:
            self.calls += 1
        for observer in self._observers:
            _tell(observer.finished, outcome)

    def call_left(self, outcome: IOutcome, hop: NextHop, sent: bytes) -> None:
        """Tell the observers of calls that an INVITE leaves on a branch."""
        request_uri = sent.split(b" ", 2)[1]
        for observer in self.call_observers:
            _tell(observer.forwarded, outcome, hop, request_uri)

    def call_answered(self, outcome: IOutcome, hop: NextHop, response: AnyResponse) -> None:
        """Tell the observers of calls that a 2xx goes upstream."""
        for observer in self.call_observers:
            _tell(observer.answered, outcome, hop, response.whole())

    def broke(self, exchange: Exchange, failure: Failure | None) -> None:
        """A fault of ours (None: the exception that is being handled): the log and 500."""
        request = exchange.request
        log.failure(
            "fault in {method}",
            failure,
            method=request.method.decode("ascii", "replace"),
            call_id=request.header("call-id") or b"",
            client=exchange.source,
        )
        if not exchange.finished:
            exchange.reply(500)

    def _failed(self, failure: Failure, exchange: Exchange) -> None:
        if isinstance(failure.value, RequestError):
            exchange.fail(failure.value)
        elif isinstance(failure.value, SilenceError):
            exchange.keep_silent(str(failure.value))
        else:
            self.broke(exchange, failure)


def _tell(function: Callable[..., None], *arguments: object) -> None:
    try:
        function(*arguments)
    except Exception:  # noqa: BLE001 - a fault of ours must not reach other calls
        log.failure("an observer of requests failed")


class _Ignore:
    """The user of a CANCEL's client transaction: its response says nothing (16.10)."""

    def response_received(self, transaction: ClientTransaction, response: AnyResponse) -> None:
        """Nothing depends on it."""

    def timed_out(self, transaction: ClientTransaction) -> None:
        """The branch has its own end (9.1)."""

    def transport_failed(self, transaction: ClientTransaction, reason: str) -> None:
        """The branch has its own end (9.1)."""


_ignore = _Ignore()
