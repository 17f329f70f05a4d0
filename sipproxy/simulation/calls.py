"""What a simulated user agent has under way: requests that it sent, calls that it made, calls that came in.

The transaction layer is the server's own (L{sipproxy.transaction}); here is
what its users do in a user agent: the ACK for a 2xx and the BYE for one too
many (RFC 3261 13.2.2.4), CANCEL (9.1), retransmission of a 2xx until its ACK
(13.3.1.4).
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

from sipproxy.message import AnyResponse, Request, Response, make_response
from sipproxy.simulation.dialogs import Dialog, contact_uri
from sipproxy.transaction import ClientTransaction, ServerTransaction
from sipproxy.transaction.timers import Timer

if TYPE_CHECKING:
    from sipproxy.simulation.agents import UserAgent

SDP = b"v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\nm=audio 49170 RTP/AVP 0\r\n"
SDP_TYPE = b"Content-Type: application/sdp"


class OutgoingRequest:
    """A request that was sent, and what came of it (L{sipproxy.transaction.users.ClientUser}).

    @ivar responses: the responses that the transaction layer gave, in order
    @ivar failure: C{"timeout"} or the reason of a transport error where it ended without a final response
    """

    def __init__(self) -> None:
        self.responses: list[Response] = []
        self.failure = ""

    @property
    def statuses(self) -> list[int]:
        """The statuses that came."""
        return [response.status for response in self.responses]

    @property
    def final(self) -> int | None:
        """The status of the first final response, None while there is none."""
        return next((status for status in self.statuses if status >= 200), None)

    @property
    def is_over(self) -> bool:
        """Whether it has ended, one way or another."""
        return bool(self.final or self.failure)

    def response_received(self, transaction: ClientTransaction, response: AnyResponse) -> None:
        """Keep a response."""
        self.responses.append(response.whole())

    def timed_out(self, transaction: ClientTransaction) -> None:
        """Nobody answered."""
        self.failure = "timeout"

    def transport_failed(self, transaction: ClientTransaction, reason: str) -> None:
        """It did not arrive."""
        self.failure = reason


class OutgoingCall(OutgoingRequest):
    """An INVITE that was sent.

    @ivar dialogs: the dialogs that its 2xx made, one for each callee that answered
    """

    def __init__(self, agent: "UserAgent", dialog: Dialog | None) -> None:
        """
        @param dialog: the dialog that it is sent in, None for a new call
        """
        super().__init__()
        self.dialogs: list[Dialog] = []
        self.client: ClientTransaction
        self._agent = agent
        self._within = dialog
        self._cancel_wanted = False
        self._patience: Timer | None = None

    @property
    def dialog(self) -> Dialog:
        """The dialog of the first callee that answered."""
        return self.dialogs[0]

    def cancel(self) -> None:
        """Give it up: CANCEL once a provisional response has come (9.1), BYE where it was answered."""
        self._cancel_wanted = True
        for dialog in self.dialogs:
            if not dialog.ended:
                self._agent.bye(dialog)
        if self.responses and not self.is_over:
            self._send_cancel()

    def _send_cancel(self) -> None:
        if self._patience is None:
            self._patience = self._agent.wheel.start(self._agent.values.timeout, self._no_answer, None)
            self._agent.table.create_cancel(self.client, self._agent.ignored)

    def _no_answer(self, _: object) -> None:
        """9.1: no final response 64*T1 after the CANCEL."""
        self.client.abandon()
        self.failure = "timeout"

    def response_received(self, transaction: ClientTransaction, response: AnyResponse) -> None:
        """Take a response: acknowledge a 2xx, end calls that are one too many."""
        super().response_received(transaction, response)
        if response.status < 200:
            if self._cancel_wanted:
                self._send_cancel()
            return
        if self._patience is not None:
            self._patience.cancel()
        if response.status < 300:
            self._accepted(response.whole())

    def _accepted(self, response: Response) -> None:
        agent = self._agent
        if agent.acknowledge(response):
            return
        dialog = self._within or Dialog.of_response(response)
        dialog.remote_target = contact_uri(response)
        agent.dialogs[dialog.key] = dialog
        self.dialogs.append(dialog)
        agent.send_ack(dialog, response.cseq[0])
        if self._within is None and (self._cancel_wanted or len(self.dialogs) > 1):
            agent.bye(dialog)


class IncomingCall:
    """An INVITE that came (L{sipproxy.transaction.users.ServerUser}).

    @ivar request: the INVITE
    @ivar final: the final status that was given, None while there is none
    @ivar was_cancelled: whether a CANCEL came in time
    @ivar acknowledged: whether the ACK for a 2xx came
    @ivar gave_up: whether no ACK came for the 2xx
    @ivar dialog: the dialog that the 2xx made
    """

    def __init__(self, agent: "UserAgent", request: Request, transaction: ServerTransaction) -> None:
        self.request = request
        self.final: int | None = None
        self.was_cancelled = False
        self.acknowledged = False
        self.gave_up = False
        self.dialog: Dialog | None = None
        self._agent = agent
        self._transaction = transaction
        self._accepted_at = 0.0
        self._interval = agent.values.t1
        self._retransmit: Timer | None = None

    def later(self, seconds: float, act: Callable[[], None]) -> None:
        """Do something in a while, if the call has no final response then."""
        self._agent.clock.callLater(seconds, lambda: act() if self.final is None else None)

    def ring(self, status: int = 180) -> None:
        """Send a provisional response."""
        headers = [*self._record_route(), b"Contact: " + self._agent.contact] if status > 100 else []
        self._respond(status, *headers, self._agent.server)

    def answer(self) -> None:
        """Accept, and retransmit the 2xx until its ACK comes."""
        agent, request, tag = self._agent, self.request, self._transaction.to_tag
        self.final = 200
        if self.dialog is None:
            self.dialog = Dialog.of_request(request, tag)
            agent.dialogs[self.dialog.key] = self.dialog
        agent.unacknowledged[self.dialog.key, request.cseq[0]] = self
        headers = (*self._record_route(), b"Contact: " + agent.contact, SDP_TYPE)
        response = make_response(request, 200, b"", tag, headers, SDP)
        self._accepted_at = agent.clock.seconds()
        self._send_2xx(response)

    def _send_2xx(self, response: bytes) -> None:
        """13.3.1.4: T1 doubling up to T2, for 64*T1; then the dialog is ended."""
        agent = self._agent
        left = self._accepted_at + agent.values.timeout - agent.clock.seconds()
        if left <= 0:
            assert self.dialog is not None
            self.gave_up = True
            del agent.unacknowledged[self.dialog.key, self.request.cseq[0]]
            if not self.dialog.ended:
                agent.bye(self.dialog)
            return
        self._transaction.respond(200, response)
        self._retransmit = agent.wheel.start(min(self._interval, left), self._send_2xx, response)
        self._interval = min(2 * self._interval, agent.values.t2)

    def reject(self, status: int, *headers: bytes) -> None:
        """Give a final response of 300 to 699."""
        self.final = status
        self._respond(status, *headers)

    def redirect(self, *contacts: bytes, status: int = 302) -> None:
        """Tell the caller where else to try; the values are those of Contact."""
        self.reject(status, *(b"Contact: " + contact for contact in contacts))

    def _respond(self, status: int, *headers: bytes) -> None:
        tag = self._transaction.to_tag
        self._transaction.respond(status, make_response(self.request, status, b"", tag, headers))

    def _record_route(self) -> list[bytes]:
        return [b"Record-Route: " + value for value in self.request.headers("record-route")]

    def ack_received(self) -> None:
        """Take the ACK for the 2xx."""
        self.acknowledged = True
        if self._retransmit is not None:
            self._retransmit.cancel()

    def cancelled(self, transaction: ServerTransaction, cancel: Request) -> None:
        """Take a CANCEL (9.2)."""
        if self.final is None:
            self.was_cancelled = True
            self.reject(487)

    def unacknowledged(self, transaction: ServerTransaction) -> None:
        """Nobody is to be told that no ACK came for a failure."""


Behaviour = Callable[[IncomingCall], None]


def answers(after: float = 0.0, ringing: float | None = 0.0) -> Behaviour:
    """Accept calls.

    @param after: seconds until the 200
    @param ringing: seconds until the 180, None for no 180
    """

    def behave(call: IncomingCall) -> None:
        if ringing is not None:
            call.later(ringing, call.ring)
        call.later(after, call.answer)

    return behave


def rejects(status: int, *headers: bytes, after: float = 0.0, ringing: float | None = None) -> Behaviour:
    """Refuse calls with a status of 300 to 699.

    @param after: seconds until then
    @param ringing: seconds until a 180, None for no 180
    """

    def behave(call: IncomingCall) -> None:
        if ringing is not None:
            call.later(ringing, call.ring)
        call.later(after, lambda: call.reject(status, *headers))

    return behave


def redirects(*contacts: bytes) -> Behaviour:
    """Send callers elsewhere with a 302."""
    return rejects(302, *(b"Contact: " + contact for contact in contacts))


def rings(call: IncomingCall) -> None:
    """Ring until somebody cancels."""
    call.ring()


def says_trying(call: IncomingCall) -> None:
    """Say nothing after the 100 that every call gets."""
