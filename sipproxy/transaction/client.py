"""Client transactions: a request that was sent, until it needs no more care (RFC 3261 17.1, RFC 6026)."""

from collections.abc import Callable

from sipproxy.interfaces import Address
from sipproxy.message import AnyResponse
from sipproxy.transaction.base import Transaction, compile_table
from sipproxy.transaction.hop import make_ack, make_cancel
from sipproxy.transaction.machines import (
    CALLING,
    INVITE_CLIENT,
    NON_INVITE_CLIENT,
    PROCEEDING,
    TRANSPORT_ERROR,
    TRYING,
    response_input,
)
from sipproxy.transaction.timers import TimerValues, TimerWheel
from sipproxy.transaction.users import ClientUser, Sender


class ClientTransaction(Transaction):
    """One request at one next hop.

    @ivar branch: branch of its topmost Via
    @ivar sent: the octets that were sent, as long as they are needed
    @ivar method: method of the request: a CANCEL has the branch of its INVITE
    @ivar user: who sent it, None behind the end
    """

    __slots__ = ("_left", "_quiet", "branch", "method", "sent", "user")

    def __init__(
        self,
        branch: bytes,
        sent: bytes,
        method: bytes,
        point: Sender,
        destination: Address,
        user: ClientUser,
        wheel: TimerWheel,
        values: TimerValues,
        on_end: "Callable[[ClientTransaction], None]",
    ) -> None:
        is_invite = method == b"INVITE"
        state = CALLING if is_invite else TRYING
        Transaction.__init__(self, is_invite, state, point, destination, wheel, values, on_end)
        self.branch = branch
        self.sent = sent
        self.method = method
        self.user: ClientUser | None = user
        self._left = 0.0
        self._quiet = False

    def __repr__(self) -> str:
        return f"<ClientTransaction {self.branch.decode('ascii', 'replace')} {self.state}>"

    def start(self) -> None:
        """Send the request; timers A and B, or E and F, begin."""
        # Timer B or F is what is left when a retransmission would come behind it: one running timer serves both.
        self._left = self._values.timeout
        self._retransmit = self._wheel.start(self._interval, self._resend_due, self._interval)
        self.point.write(self.sent, self.destination)

    def receive(self, response: AnyResponse) -> None:
        """Take a response that matches."""
        self._step(response_input(response.status), response)

    def transport_error(self, reason: str) -> None:
        """Take the news that the request could not be delivered (RFC 3261 17.1.4)."""
        self._step(TRANSPORT_ERROR, reason)

    def cancel_bytes(self) -> bytes:
        """Give the CANCEL for the request (RFC 3261 9.1)."""
        return make_cancel(self.sent)

    def stop_resending(self) -> None:
        """Send no further copy of the request; a response is still taken, until timer B or F."""
        self._quiet = True

    def cancelled_in_vain(self, _: object) -> None:
        """Take the end of 64*T1 after its CANCEL: what has no final response by then is over (9.1)."""
        if self.state == PROCEEDING:
            self._step("timer b")

    # Actions, named in the tables.

    def resend_doubled(self, _: object) -> None:
        """Timer A: 2*T1, 4*T1, ... (17.1.1.2)."""
        self._interval *= 2
        self._resend()

    def resend_capped(self, _: object) -> None:
        """Timer E in Trying: min(2*interval, T2) (17.1.2.2)."""
        self._interval = min(2 * self._interval, self._values.t2)
        self._resend()

    def resend_t2(self, _: object) -> None:
        """Timer E in Proceeding: T2 (17.1.2.2)."""
        self._interval = self._values.t2
        self._resend()

    def _resend(self) -> None:
        delay = min(self._interval, self._left)
        self._retransmit = self._wheel.start(delay, self._resend_due, delay)
        if not self._quiet:
            self.point.write(self.sent, self.destination)

    def _resend_due(self, waited: float) -> None:
        self._left -= waited
        if self._left > 0:
            self._step("timer a" if self.is_invite else "timer e")
        else:
            self._step("timer b" if self.is_invite else "timer f")

    def start_timer_d(self, _: object) -> None:
        """Wait for retransmissions of a failure (17.1.1.2)."""
        self._lasting = self._wheel.start(self._values.timer_d, self._step, "timer d")

    def start_timer_m(self, _: object) -> None:
        """Wait for further 2xx (RFC 6026 7.2); the request is not needed any more."""
        self.sent = b""
        self._lasting = self._wheel.start(self._values.timeout, self._step, "timer m")

    def start_timer_k(self, _: object) -> None:
        """Wait for retransmissions of a final response (17.1.2.2); the request is not needed any more."""
        self.sent = b""
        self._lasting = self._wheel.start(self._values.t4, self._step, "timer k")

    def send_ack(self, response: AnyResponse) -> None:
        """Acknowledge a failure (17.1.1.3)."""
        self.point.write(make_ack(self.sent, response.whole()), self.destination)

    def pass_up(self, response: AnyResponse) -> None:
        """Hand a response to the user."""
        if self.user is not None:
            self.user.response_received(self, response)

    def tell_timeout(self, _: object) -> None:
        """Tell the user that nobody answered."""
        if self.user is not None:
            self.user.timed_out(self)

    def tell_transport(self, reason: str) -> None:
        """Tell the user that the request did not arrive."""
        if self.user is not None:
            self.user.transport_failed(self, reason)


ClientTransaction.machines = {
    True: compile_table(INVITE_CLIENT, ClientTransaction),
    False: compile_table(NON_INVITE_CLIENT, ClientTransaction),
}
