"""User agents on a memory network: telephones that register, call and are called (RFC 3261 8, 10, 12 to 15).

They use the server's own transaction layer, so that they retransmit, absorb
retransmissions and time out as real ones do. What they do with a call is a
L{sipproxy.simulation.calls.Behaviour}.

No media, no offers and answers (the body is always the same), no reliable
provisional responses, no authentication; merged requests (8.2.2.2) are taken
for two calls.
"""

from random import Random

from twisted.internet.task import Clock
from zope.interface import implementer

from sipproxy.interfaces import Address, IDatagramUser, INetwork, IPort
from sipproxy.message import AnyResponse, Request, Response, make_response, parse_message, parse_uri
from sipproxy.simulation.calls import SDP, SDP_TYPE, Behaviour, IncomingCall, OutgoingCall, OutgoingRequest, answers
from sipproxy.simulation.dialogs import Dialog, address_of, contact_uri
from sipproxy.simulation.endpoint import compose
from sipproxy.transaction import TimerValues, TimerWheel, TransactionTable

Key = tuple[bytes, bytes, bytes]

_ALLOW = b"Allow: INVITE, ACK, CANCEL, BYE, OPTIONS, MESSAGE"
_NO_LIMIT = 1_000_000


@implementer(IDatagramUser)
class UserAgent:
    """A telephone (L{sipproxy.transaction.users.TransactionUser}).

    @ivar aor: its address of record
    @ivar address: where it listens
    @ivar contact: its Contact value
    @ivar proxy: where requests outside dialogs are sent; None: where their URI says
    @ivar behaviour: what it does with a call
    @ivar says_trying: whether it sends 100 before it behaves
    @ivar answers: status for requests of a method that are no INVITE, instead of 200
    @ivar routes: Route values of requests outside dialogs (a preloaded route set)
    @ivar calls: calls that came, in order
    @ivar requests: new requests that came, ACKs for 2xx and stray CANCELs among them
    @ivar dialogs: all dialogs, ended ones too
    @ivar table: its transactions
    """

    server = b"Server: simulated"

    def __init__(
        self,
        clock: Clock,
        host: INetwork,
        random: Random,
        aor: bytes,
        port: int = 5060,
        proxy: Address | None = None,
        values: TimerValues = TimerValues(),  # noqa: B008 - it is frozen
    ) -> None:
        """
        @param host: the machine that it runs on
        @param random: source of its tags, branches and Call-IDs
        @param aor: its address of record, a SIP URI
        """
        user = parse_uri(aor).user
        assert user is not None
        self.clock = clock
        self.aor = aor
        self.address: Address = (host.local_addresses()[0], port)
        name = self.address[0].encode("ascii")
        self._sent_by = (b"[%b]:%d" if b":" in name else b"%b:%d") % (name, port)
        self.contact = b"<sip:%b@%b>" % (user, self._sent_by)
        self.proxy = proxy
        self.values = values
        self.behaviour: Behaviour = answers()
        self.says_trying = True
        self.answers: dict[bytes, int] = {}
        self.routes: tuple[bytes, ...] = ()
        self.calls: list[IncomingCall] = []
        self.requests: list[Request] = []
        self.dialogs: dict[Key, Dialog] = {}
        self.unacknowledged: dict[tuple[Key, int], IncomingCall] = {}
        self.ignored = OutgoingRequest()
        self.wheel = TimerWheel(clock)
        self.table: TransactionTable[IPort] = TransactionTable(self.wheel, values, _NO_LIMIT, random, self)
        self._random = random
        self._cseq = 0
        self._acks: dict[tuple[Key, int], tuple[bytes, Address]] = {}
        self._registration = b"register-%016x" % random.getrandbits(64)
        self.port = host.listen(*self.address, self)

    # What it can be asked to do.

    def register(self, *contacts: bytes, expires: int = 3600) -> OutgoingRequest:
        """Register at the domain of its address of record.

        @param contacts: Contact values, its own by default
        """
        domain = b"sip:" + self.aor.partition(b"@")[2]
        headers = [b"Contact: " + contact for contact in contacts or (self.contact,)]
        return self.request(
            b"REGISTER", domain, *headers, b"Expires: %d" % expires, to=self.aor, call_id=self._registration
        )

    def invite(self, uri: bytes, *headers: bytes) -> OutgoingCall:
        """Call somebody."""
        self._cseq += 1
        call = OutgoingCall(self, None)
        branch = self._new_branch()
        further = (b"Contact: " + self.contact, SDP_TYPE, *headers)
        data = self._write(b"INVITE", uri, branch, uri, self._new_call_id(), further, SDP)
        call.client = self.table.create_client(branch, data, b"INVITE", self.port, self._first_hop(uri), call)
        return call

    def request(
        self,
        method: bytes,
        uri: bytes,
        *headers: bytes,
        to: bytes | None = None,
        call_id: bytes | None = None,
        body: bytes = b"",
    ) -> OutgoingRequest:
        """Send a request outside any dialog that is no INVITE.

        @param to: URI of the To, where it is not the Request-URI
        """
        self._cseq += 1
        sent = OutgoingRequest()
        branch = self._new_branch()
        data = self._write(method, uri, branch, to or uri, call_id or self._new_call_id(), headers, body)
        self.table.create_client(branch, data, method, self.port, self._first_hop(uri), sent)
        return sent

    def request_within(self, dialog: Dialog, method: bytes, *headers: bytes, body: bytes = b"") -> OutgoingRequest:
        """Send a request within a dialog that is no INVITE."""
        dialog.local_cseq += 1
        sent = OutgoingRequest()
        branch = self._new_branch()
        data = dialog.write(method, self._via(branch), dialog.local_cseq, *headers, body=body)
        self.table.create_client(branch, data, method, self.port, dialog.next_hop(), sent)
        return sent

    def bye(self, dialog: Dialog) -> OutgoingRequest:
        """Hang up."""
        dialog.ended = True
        return self.request_within(dialog, b"BYE")

    def reinvite(self, dialog: Dialog) -> OutgoingCall:
        """Send an INVITE within a dialog."""
        dialog.local_cseq += 1
        call = OutgoingCall(self, dialog)
        branch = self._new_branch()
        headers = (b"Contact: " + self.contact, SDP_TYPE)
        data = dialog.write(b"INVITE", self._via(branch), dialog.local_cseq, *headers, body=SDP)
        call.client = self.table.create_client(branch, data, b"INVITE", self.port, dialog.next_hop(), call)
        return call

    # For its calls.

    def send_ack(self, dialog: Dialog, cseq: int) -> None:
        """Acknowledge a 2xx; its retransmissions get the same octets (13.2.2.4)."""
        ack = dialog.write(b"ACK", self._via(self._new_branch()), cseq), dialog.next_hop()
        self._acks[dialog.key, cseq] = ack
        self.port.write(*ack)

    def acknowledge(self, response: Response) -> bool:
        """Acknowledge a 2xx once more.

        @return: whether it had been acknowledged before
        """
        key = response.call_id, response.from_.tag, response.to.tag
        ack = self._acks.get((key, response.cseq[0]))
        if ack is not None:
            self.port.write(*ack)
        return ack is not None

    # Writing.

    def _write(
        self,
        method: bytes,
        uri: bytes,
        branch: bytes,
        to: bytes,
        call_id: bytes,
        headers: tuple[bytes, ...],
        body: bytes,
    ) -> bytes:
        lines = (
            b"Via: " + self._via(branch),
            *(b"Route: " + route for route in self.routes),
            b"Max-Forwards: 70",
            b"From: <%b>;tag=%016x" % (self.aor, self._random.getrandbits(64)),
            b"To: <%b>" % to,
            b"Call-ID: " + call_id,
            b"CSeq: %d %b" % (self._cseq, method),
            *headers,
        )
        return compose(b"%b %b SIP/2.0" % (method, uri), lines, body)

    def _via(self, branch: bytes) -> bytes:
        return b"SIP/2.0/UDP %b;branch=%b" % (self._sent_by, branch)

    def _new_branch(self) -> bytes:
        return b"z9hG4bK%016x" % self._random.getrandbits(64)

    def _new_call_id(self) -> bytes:
        return b"%016x" % self._random.getrandbits(64)

    def _first_hop(self, uri: bytes) -> Address:
        return self.proxy or address_of(parse_uri(uri))

    # IDatagramUser.

    def makeConnection(self, port: IPort) -> None:
        """The port is open."""

    def datagramReceived(self, datagram: bytes, addr: Address) -> None:
        """Take a datagram.

        @raise sipproxy.errors.SipParseError: nobody in a simulation should send what cannot be read
        """
        message = parse_message(datagram)
        if isinstance(message, Request):
            self.table.receive_request(message, addr, self.port)
        else:
            self.table.receive_response(message, addr, self.port)

    def datagramFailed(self, datagram: bytes, addr: Address, reason: str) -> None:
        """Take the news that a datagram did not arrive."""
        self.table.failed(datagram, reason)

    # TransactionUser.

    def request_received(self, request: Request, source: Address, point: IPort) -> None:
        """Take a new request."""
        self.requests.append(request)
        transaction = self.table.create_server(request, source, point, None)
        dialog = self.dialogs.get((request.call_id, request.to.tag, request.from_.tag))
        status = 200
        if request.to.tag:
            status = self._check_within(request, dialog)
        if request.method == b"INVITE" and status == 200:
            call = IncomingCall(self, request, transaction)
            transaction.user = call
            call.dialog = dialog
            self._called(call)
            return
        if request.method == b"BYE" and dialog is not None:
            dialog.ended = True
        status = self.answers.get(request.method, status) if status == 200 else status
        transaction.respond(status, make_response(request, status, b"", transaction.to_tag, (_ALLOW, self.server)))

    def _check_within(self, request: Request, dialog: Dialog | None) -> int:
        """Give the status for a request with a To tag: 200 where all is well (12.2.2)."""
        if dialog is None or (dialog.ended and request.method != b"BYE"):
            return 481
        if request.cseq[0] < dialog.remote_cseq:
            return 500
        dialog.remote_cseq = request.cseq[0]
        if request.method == b"INVITE":
            dialog.remote_target = contact_uri(request)
        return 200

    def _called(self, call: IncomingCall) -> None:
        if self.says_trying:
            call.ring(100)
        if call.dialog is not None:
            call.answer()
            return
        self.calls.append(call)
        self.behaviour(call)

    def ack_received(self, request: Request, source: Address, point: IPort) -> None:
        """Take the ACK for a 2xx."""
        self.requests.append(request)
        key = request.call_id, request.to.tag, request.from_.tag
        call = self.unacknowledged.pop((key, request.cseq[0]), None)
        if call is not None:
            call.ack_received()

    def cancel_received(self, request: Request, source: Address, point: IPort) -> None:
        """Take a CANCEL for nothing."""
        self.requests.append(request)
        transaction = self.table.create_server(request, source, point, None)
        transaction.respond(481, make_response(request, 481, b"", transaction.to_tag))

    def cancel_answered(self, cancel: Request, source: Address, point: IPort) -> None:
        """Leave it to the call, which is told too."""

    def wrote(self, response: AnyResponse, point: IPort) -> bool:
        """Take whatever has a branch of its own for its own."""
        return True

    def stray_failure(self, datagram: bytes, reason: str) -> None:
        """Nobody waits for it."""

    def stray_response(self, response: AnyResponse, source: Address, point: IPort) -> None:
        """Acknowledge a late retransmission of a 2xx; all else means nothing."""
        if response.whole().cseq[1] == b"INVITE" and 200 <= response.status < 300:
            self.acknowledge(response.whole())
