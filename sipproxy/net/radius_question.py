"""One question to RADIUS servers, until it is answered (RFC 2865 2.5, RFC 5080 2.2.1).

It goes to the servers by priority. Each is sent the same packet until it
answers or its time is over, then the next one is asked. The first wait is the
configured time; each further one is twice as long, 16 seconds at most, and up
to a tenth longer or shorter. A server that is away is sent it once. Where the
network refuses a packet the next server is asked at once; the last one, if it
was there a moment ago, may be restarting: there the waits go on.

What was asked stays open until the question ends, so that a slow answer is not
lost. Only who was asked can answer, and with the right authenticator.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.python.failure import Failure

from sipproxy.errors import ListenError, NameNotFoundError, ResolverTimeoutError, UnavailableError
from sipproxy.interfaces import Address, IResolver
from sipproxy.net.radius_ports import Slot, Slots
from sipproxy.net.radius_server import ServerState, take_next
from sipproxy.net.resolver import literal_address
from sipproxy.transaction.timers import Timer, TimerWheel
from sipproxy.wire.radius import ACCESS_REQUEST, RadiusError, Reply, Request, make_request, read_reply

# RFC 5080 2.2.1, MRT and RAND.
_LONGEST_WAIT = 16.0
_JITTER = 0.1

_SILENCE = "it does not answer"
_WRONG_SECRET = "its answers have a wrong authenticator: is the secret the same?"
_NOT_FOUND = (NameNotFoundError, ResolverTimeoutError)


@dataclass(frozen=True, slots=True)
class Means:
    """What all questions of a client have in common.

    @ivar random: asked for 64 bits at a time, which the pooled source of random numbers gives without the system
    @ivar timeout: seconds until a request is repeated for the first time
    @ivar retries: how often it is repeated
    """

    clock: IReactorTime
    wheel: TimerWheel
    resolver: IResolver
    slots: Slots
    dictionary: Any
    random: Random
    timeout: float
    retries: int

    def authenticator(self) -> bytes:
        """Draw a Request Authenticator."""
        return b"".join(self.random.getrandbits(64).to_bytes(8, "big") for _ in range(2))

    def wait_after(self, wait: float) -> float:
        """Give the next wait, in seconds.

        @param wait: the one before, 0 for none
        """
        rand = (self.random.getrandbits(64) / 2**63 - 1) * _JITTER
        if not wait:
            return self.timeout * (1 + rand)
        longer = wait * (2 + rand)
        return longer if longer <= _LONGEST_WAIT else _LONGEST_WAIT * (1 + rand)


class Turn:
    """A question's time with one server.

    @ivar tries: how often the packet may still be sent
    @ivar outlasts_refusal: whether the waits go on where the network refuses a packet
    @ivar refusal: what the network said
    @ivar destination: where it is, once that is known
    @ivar sending: the packet, None before the first
    """

    __slots__ = (
        "_forged",
        "_started",
        "destination",
        "outlasts_refusal",
        "refusal",
        "sending",
        "state",
        "tries",
        "wait",
    )

    def __init__(self, state: ServerState, tries: int, outlasts_refusal: bool, now: float) -> None:
        self.state = state
        self.tries = tries
        self.destination: Address = ("", 0)
        self.wait = 0.0
        self.outlasts_refusal = outlasts_refusal
        self.refusal = ""
        self.sending: Sending | None = None
        self._started = now
        self._forged = state.counters.bad_authenticators

    def give_up(self) -> None:
        """Call the server away, unless it has answered others in the meantime: then it has only lost this question."""
        if self.state.last_answer < self._started:
            is_forged = self.state.counters.bad_authenticators > self._forged
            self.state.failed(self.refusal or (_WRONG_SECRET if is_forged else _SILENCE))


class Question:
    """One question.

    @ivar result: fires with the answer
    """

    __slots__ = (
        "_code",
        "_content",
        "_ended",
        "_left",
        "_lookup",
        "_means",
        "_sendings",
        "_timer",
        "_turn",
        "result",
    )

    def __init__(
        self,
        means: Means,
        code: int,
        content: Callable[[], bytes],
        states: list[ServerState],
        ended: "Callable[[Question], None]",
    ) -> None:
        """
        @param content: gives the attributes as octets; it is asked before each sending and, where it gives something
            else than before, the repetition is a request of its own (RFC 2866 5.2)
        @param states: the servers to be asked, by priority; the list is used up
        @param ended: called when it ends, before C{result} fires
        """
        self.result: Deferred[Reply] = Deferred(self._cancelled)
        self._means = means
        self._code = code
        self._content = content
        self._left = states
        self._ended = ended
        self._sendings: list[Sending] = []
        self._turn: Turn | None = None
        self._lookup: Deferred[list[str]] | None = None
        self._timer: Timer | None = None

    # Turns.

    def ask_next(self) -> None:
        """Turn to the next server; give up where there is none."""
        self._stop_waiting()
        if not self._left:
            self.fail(UnavailableError(b"No RADIUS server answers"))
            return
        state = take_next(self._left)
        is_away = state.away_since is not None
        tries = 1 if is_away else 1 + self._means.retries
        self._turn = turn = Turn(state, tries, not self._left and not is_away, self._means.clock.seconds())
        state.pending += 1
        self._find(turn)

    def _find(self, turn: Turn) -> None:
        host = turn.state.server.host
        literal = literal_address(host)
        try:
            found = [literal] if literal is not None else self._means.resolver.addresses(host)
        except _NOT_FOUND as error:
            self._not_found(turn, error)
            return
        if not isinstance(found, Deferred):
            self._found(found, turn)
            return
        self._lookup = found
        found.addCallbacks(self._looked_up, self._not_looked_up, callbackArgs=(turn,), errbackArgs=(turn,))
        found.addErrback(self._failed_of_ours)

    def _looked_up(self, addresses: list[str], turn: Turn) -> None:
        self._lookup = None
        self._found(addresses, turn)

    def _not_looked_up(self, failure: Failure, turn: Turn) -> "Failure | None":
        self._lookup = None
        error = failure.value
        if self._turn is turn and isinstance(error, _NOT_FOUND):
            self._not_found(turn, error)
            return None
        # The end of the question cancels its lookup.
        return None if self._turn is None and isinstance(error, CancelledError) else failure

    def _not_found(self, turn: Turn, error: Exception) -> None:
        turn.state.failed(str(error))
        self.ask_next()

    def _found(self, addresses: Sequence[str], turn: Turn) -> None:
        """Send the first packet to the server whose addresses these are; the first of them counts."""
        turn.state.address = turn.destination = (addresses[0], turn.state.server.port)
        turn.state.counters.requests += 1
        self._send(turn)

    # Sending.

    def _send(self, turn: Turn) -> None:
        turn.tries -= 1
        turn.wait = self._means.wait_after(turn.wait)
        self._timer = self._means.wheel.start(turn.wait, self._timed_out, turn)
        try:
            content = self._content()
            if turn.sending is None or content != turn.sending.content:
                turn.sending = self._new_sending(turn, content)
        except ListenError as error:
            turn.state.failed(str(error))
            self.fail(UnavailableError(b"No port for RADIUS"))
        except Exception as error:  # noqa: BLE001 - whatever it is, who asked is told: else the question would never end
            self.fail(error)
        else:
            turn.sending.send()

    def _new_sending(self, turn: Turn, content: bytes) -> "Sending":
        means, secret = self._means, turn.state.server.secret
        slot = means.slots.take(turn.destination[0])
        try:
            # An Accounting-Request has an authenticator made of itself.
            drawn = means.authenticator() if self._code == ACCESS_REQUEST else b""
            request = make_request(self._code, slot.identifier, secret, content, drawn)
        except BaseException:
            slot.release()
            raise
        sending = Sending(self, turn.state, turn.destination, slot, request, content)
        self._sendings.append(sending)
        slot.hold(sending)
        return sending

    def _timed_out(self, turn: Turn) -> None:
        self._timer = None
        turn.state.counters.timeouts += 1
        if turn.tries > 0 and not (self._left and turn.state.away_since is not None):
            turn.state.counters.retransmissions += 1
            self._send(turn)
        else:
            turn.give_up()
            self.ask_next()

    # What comes back.

    def received(self, sending: "Sending", datagram: bytes) -> None:
        """Take what may be the answer."""
        try:
            reply = read_reply(self._means.dictionary, sending.request, datagram)
        except RadiusError as error:
            sending.state.dropped(error)
            return
        sending.state.answered(reply)
        self._forget()
        self.result.callback(reply)

    def refused(self, sending: "Sending", reason: str) -> None:
        """A packet did not get there."""
        sending.state.counters.refused += 1
        sending.state.failed(reason)
        turn = self._turn
        if turn is not None and turn.state is sending.state:
            turn.refusal = reason
            if not turn.outlasts_refusal:
                self.ask_next()

    # The end.

    def fail(self, error: Exception) -> None:
        """End without an answer."""
        self._forget()
        self.result.errback(error)

    def _failed_of_ours(self, failure: Failure) -> "Failure | None":
        """End with a bug of ours; where it has ended already the bug is passed on."""
        if self.result.called:
            return failure
        self._forget()
        self.result.errback(failure)
        return None

    def _cancelled(self, _: object) -> None:
        self._forget()

    def _forget(self) -> None:
        """Hold nothing any more."""
        self._stop_waiting()
        for sending in self._sendings:
            sending.release()
        self._sendings.clear()
        lookup, self._lookup = self._lookup, None
        if lookup is not None:
            lookup.cancel()
        self._ended(self)

    def _stop_waiting(self) -> None:
        if self._turn is not None:
            self._turn.state.pending -= 1
            self._turn = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


class Sending:
    """One packet of a question, on its way to one server.

    @ivar destination: where it goes
    @ivar content: its attributes
    """

    __slots__ = ("_question", "_slot", "content", "destination", "request", "state")

    def __init__(
        self,
        question: Question,
        state: ServerState,
        destination: Address,
        slot: Slot,
        request: Request,
        content: bytes,
    ) -> None:
        self.state = state
        self.destination = destination
        self.request = request
        self.content = content
        self._question = question
        self._slot = slot

    @property
    def authenticator(self) -> bytes:
        """The Request Authenticator."""
        return self.request.authenticator

    def send(self) -> None:
        """Send it, or send it again."""
        self._slot.write(self.request.data, self.destination)

    def release(self) -> None:
        """Let its identifier go."""
        self._slot.release()

    def received(self, datagram: bytes) -> None:
        """Take what may be the answer."""
        self._question.received(self, datagram)

    def refused(self, reason: str) -> None:
        """The packet did not get there."""
        self._question.refused(self, reason)
