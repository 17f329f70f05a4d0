"""Server transactions: a request that was received, until it needs no more care (RFC 3261 17.2, RFC 6026)."""

from collections.abc import Callable
from random import Random

from sipproxy.interfaces import Address
from sipproxy.message import Request
from sipproxy.transaction.machines import (
    ACK,
    INVITE_SERVER,
    NON_INVITE_SERVER,
    PROCEEDING,
    REQUEST,
    TERMINATED,
    TRYING,
    response_input,
)
from sipproxy.transaction.step import Compiled, compile_table
from sipproxy.transaction.timers import Timer, TimerValues, TimerWheel
from sipproxy.transaction.users import Sender, ServerUser


class ServerTransaction:
    """One received request.

    @ivar source: where it came from
    @ivar destination: where responses go
    @ivar point: the listening point that it came to
    @ivar state: name of its state
    @ivar user: who answers it, told of a CANCEL; None once it is answered
    """

    __slots__ = (
        "_interval",
        "_last",
        "_lasting",
        "_machine",
        "_on_end",
        "_random",
        "_retransmit",
        "_to_tag",
        "_values",
        "_wheel",
        "destination",
        "is_invite",
        "key",
        "point",
        "source",
        "state",
        "user",
    )

    def __init__(
        self,
        key: tuple[object, ...],
        request: Request,
        source: Address,
        destination: Address,
        point: Sender,
        random: Random,
        wheel: TimerWheel,
        values: TimerValues,
        on_end: "Callable[[ServerTransaction], None]",
    ) -> None:
        self.key = key
        self.source = source
        self.destination = destination
        self.point = point
        self._random = random
        self._to_tag = b""
        self.user: ServerUser | None = None
        self.is_invite = request.method == b"INVITE"
        self.state = PROCEEDING if self.is_invite else TRYING
        self._machine: Compiled = _INVITE if self.is_invite else _NON_INVITE
        self._wheel = wheel
        self._values = values
        self._on_end = on_end
        self._last = b""
        self._interval = values.t1
        self._retransmit: Timer | None = None
        self._lasting: Timer | None = None

    def __repr__(self) -> str:
        return f"<ServerTransaction {self.key!r} {self.state}>"

    @property
    def to_tag(self) -> bytes:
        """The tag of the To in responses that we make."""
        if not self._to_tag:
            self._to_tag = b"%016x" % self._random.getrandbits(64)
        return self._to_tag

    def respond(self, status: int, response: bytes) -> None:
        """Send a response of the transaction user as the state allows; behind the end it is lost (RFC 6026 8.3)."""
        if self.state == TERMINATED:
            return
        self._step(response_input(status), response)

    def receive_again(self) -> None:
        """Take a retransmission of the request."""
        self._step(REQUEST)

    def receive_ack(self) -> None:
        """Take the ACK for a non-2xx response."""
        self._step(ACK)

    def abandon(self) -> None:
        """End at once and in silence (a non-INVITE request that nobody answered, RFC 4320 4.2)."""
        if self.state != TERMINATED:
            self.stop_timers(None)
            self.state = TERMINATED
            self._on_end(self)

    def _step(self, what: str, argument: bytes | None = None) -> None:
        actions, self.state = self._machine[self.state, what]
        for action in actions:
            action(self, argument)
        if self.state == TERMINATED:
            self.stop_timers(None)
            self._on_end(self)

    # Actions, named in the tables.

    def send(self, response: bytes) -> None:
        """Send a response; it is what retransmissions get."""
        self._last = response
        self.point.write(response, self.destination)

    def resend(self, _: object) -> None:
        """Answer a retransmission with the last response, where there is one."""
        if self._last:
            self.point.write(self._last, self.destination)

    def resend_final(self, _: object) -> None:
        """Timer G: T1 doubling up to T2 (17.2.1)."""
        self._interval = min(2 * self._interval, self._values.t2)
        self._retransmit = self._wheel.start(self._interval, self._step, "timer g")
        self.point.write(self._last, self.destination)

    def start_timers_g_h(self, _: object) -> None:
        """Retransmit a failure until its ACK (17.2.1)."""
        self._retransmit = self._wheel.start(self._values.t1, self._step, "timer g")
        self._lasting = self._wheel.start(self._values.timeout, self._step, "timer h")

    def stop_timers(self, _: object) -> None:
        """Stop what runs."""
        if self._retransmit is not None:
            self._retransmit.cancel()
            self._retransmit = None
        if self._lasting is not None:
            self._lasting.cancel()
            self._lasting = None

    def start_timer_i(self, _: object) -> None:
        """Absorb further ACKs (17.2.1); the response is not needed any more."""
        self._last = b""
        self._lasting = self._wheel.start(self._values.t4, self._step, "timer i")

    def start_timer_l(self, _: object) -> None:
        """Absorb retransmissions of an accepted INVITE (RFC 6026 7.1); none is answered with the response."""
        self._last = b""
        self._lasting = self._wheel.start(self._values.timeout, self._step, "timer l")

    def start_timer_j(self, _: object) -> None:
        """Answer retransmissions (17.2.2)."""
        self._lasting = self._wheel.start(self._values.timeout, self._step, "timer j")

    def tell_unacknowledged(self, _: object) -> None:
        """Tell the user that no ACK came."""
        if self.user is not None:
            self.user.unacknowledged(self)


_INVITE = compile_table(INVITE_SERVER, ServerTransaction)
_NON_INVITE = compile_table(NON_INVITE_SERVER, ServerTransaction)
