"""Server transactions: a request that was received, until it needs no more care (RFC 3261 17.2, RFC 6026)."""

from collections.abc import Callable
from random import Random

from sipproxy.interfaces import Address
from sipproxy.message import Request
from sipproxy.transaction.base import Transaction, compile_table
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
from sipproxy.transaction.timers import TimerValues, TimerWheel
from sipproxy.transaction.users import Sender, ServerUser


class ServerTransaction(Transaction):
    """One received request.

    @ivar key: what identifies it
    @ivar source: where the request came from
    @ivar user: who answers it, told of a CANCEL; None once it is answered
    """

    __slots__ = ("_last", "_random", "_to_tag", "key", "source", "user")

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
        is_invite = request.method == b"INVITE"
        state = PROCEEDING if is_invite else TRYING
        Transaction.__init__(self, is_invite, state, point, destination, wheel, values, on_end)
        self.key = key
        self.source = source
        self.user: ServerUser | None = None
        self._random = random
        self._to_tag = b""
        self._last = b""

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


ServerTransaction.machines = {
    True: compile_table(INVITE_SERVER, ServerTransaction),
    False: compile_table(NON_INVITE_SERVER, ServerTransaction),
}
