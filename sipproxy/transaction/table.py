"""The live transactions, and which message belongs to which (RFC 3261 17.1.3, 17.2.3, 9.2).

Two dictionaries and two keys. Parsing, meaning and policy are elsewhere.
"""

from random import Random
from typing import Generic, TypeVar

from sipproxy.errors import UnavailableError
from sipproxy.interfaces import Address
from sipproxy.message import AnyResponse, Request, make_response
from sipproxy.transaction.client import ClientTransaction
from sipproxy.transaction.machines import ACCEPTED, CONFIRMED
from sipproxy.transaction.server import ServerTransaction
from sipproxy.transaction.timers import TimerValues, TimerWheel
from sipproxy.transaction.users import ClientUser, Sender, ServerUser, TransactionUser
from sipproxy.transaction.via import matching_key, response_destination, server_key, stamp

P = TypeVar("P", bound=Sender)

# A CANCEL does not say the method of its request; these are the registered ones.
_CANCELLABLE = (
    b"INVITE",
    b"BYE",
    b"INFO",
    b"MESSAGE",
    b"NOTIFY",
    b"OPTIONS",
    b"PRACK",
    b"PUBLISH",
    b"REFER",
    b"REGISTER",
    b"SUBSCRIBE",
    b"UPDATE",
)


class TransactionTable(Generic[P]):
    """All live transactions of one server.

    @ivar limit: how many there may be (MaxTransactions)
    @ivar values: the times of new transactions
    @ivar user: the core, told of what begins no known transaction
    @ivar retransmissions: how many requests and responses were seen again
    """

    def __init__(
        self, wheel: TimerWheel, values: TimerValues, limit: int, random: Random, user: TransactionUser[P]
    ) -> None:
        self.limit = limit
        self.user = user
        self.retransmissions = 0
        self._wheel = wheel
        self.values = values
        self._random = random
        self._servers: dict[tuple[object, ...], ServerTransaction] = {}
        self._clients: dict[tuple[bytes, bytes], ClientTransaction] = {}
        self._looked_up: tuple[Request | None, tuple[object, ...]] = (None, ())

    def __len__(self) -> int:
        return len(self._servers) + len(self._clients)

    def users(self) -> list[ServerUser]:
        """Who has received requests that are not answered yet."""
        return [server.user for server in self._servers.values() if server.user is not None]

    @property
    def invites(self) -> int:
        """How many server transactions of INVITEs are live; one that was refused, until its ACK has come."""
        return sum([server.is_invite and server.state != CONFIRMED for server in self._servers.values()])

    @property
    def servers(self) -> int:
        """How many server transactions are live."""
        return len(self._servers)

    # Received messages.

    def receive_request(self, request: Request, source: Address, point: P) -> None:
        """Take a request from the network.

        @raise SipParseError: what matching needs cannot be read
        """
        stamp(request, source)
        if request.method == b"CANCEL":
            self._receive_cancel(request, source, point)
            return
        key = server_key(request)
        transaction = self._servers.get(key)
        if request.method == b"ACK":
            self._receive_ack(transaction, request, source, point)
        elif transaction is not None:
            self.retransmissions += 1
            transaction.receive_again()
        else:
            # The core asks for a server transaction of this very request next; its key is known.
            self._looked_up = (request, key)
            self.user.request_received(request, source, point)

    def _receive_ack(self, transaction: ServerTransaction | None, request: Request, source: Address, point: P) -> None:
        # RFC 6026 7.1: an ACK in Accepted is for a 2xx: the TU's.
        if transaction is None or transaction.state == ACCEPTED:
            self.user.ack_received(request, source, point)
        else:
            transaction.receive_ack()

    def _receive_cancel(self, request: Request, source: Address, point: P) -> None:
        again = self._servers.get(server_key(request))
        if again is not None:
            self.retransmissions += 1
            again.receive_again()
            return
        original = self._cancelled_by(request)
        if original is None:
            self.user.cancel_received(request, source, point)
            return
        # 9.2: answered at once, whatever becomes of the request, with the To tag of its responses.
        transaction = self._add_server(request, source, point, None)
        transaction.respond(200, make_response(request, 200, to_tag=original.to_tag))
        self.user.cancel_answered(request, source, point)
        if original.user is not None:
            original.user.cancelled(original, request)

    def _cancelled_by(self, cancel: Request) -> ServerTransaction | None:
        """Find what a CANCEL is for; 9.2 answers it 200 for any method, though only an INVITE is ended by it."""
        for method in _CANCELLABLE:
            original = self._servers.get(matching_key(cancel, method))
            if original is not None:
                return original
        return None

    def receive_response(self, response: AnyResponse, source: Address, point: P) -> None:
        """Take a response from the network.

        @raise SipParseError: what matching needs cannot be read
        """
        transaction = self._clients.get(response.transaction())
        if transaction is None or not self.user.wrote(response, point):
            self.user.stray_response(response, source, point)
        else:
            transaction.receive(response)

    def failed(self, datagram: bytes, reason: str) -> None:
        """Take the news that a datagram which we sent was refused (ICMP)."""
        transaction = self._clients.get((_branch_of(datagram), datagram.partition(b" ")[0]))
        if transaction is None:
            self.user.stray_failure(datagram, reason)
        else:
            transaction.transport_error(reason)

    # New transactions.

    def create_server(
        self, request: Request, source: Address, point: Sender, user: ServerUser | None
    ) -> ServerTransaction:
        """Begin a server transaction.

        @raise UnavailableError: MaxTransactions are live
        """
        if len(self) >= self.limit:
            raise UnavailableError(b"Too Many Transactions", retry_after=10)
        return self._add_server(request, source, point, user)

    def _add_server(
        self, request: Request, source: Address, point: Sender, user: ServerUser | None
    ) -> ServerTransaction:
        looked_up, key = self._looked_up
        if looked_up is not request:
            key = server_key(request)
        transaction = ServerTransaction(
            key,
            request,
            source,
            response_destination(request.via, source),
            point,
            self._random,
            self._wheel,
            self.values,
            self._server_ended,
        )
        transaction.user = user
        self._servers[key] = transaction
        return transaction

    def create_client(
        self, branch: bytes, sent: bytes, method: bytes, point: Sender, destination: Address, user: ClientUser
    ) -> ClientTransaction:
        """Begin a client transaction and send its request."""
        transaction = ClientTransaction(
            branch,
            sent,
            method,
            point,
            destination,
            user,
            self._wheel,
            self.values,
            self._client_ended,
        )
        self._clients[branch.lower(), method] = transaction
        transaction.start()
        return transaction

    def create_cancel(self, client: ClientTransaction, user: ClientUser) -> None:
        """Begin the client transaction of the CANCEL for a request, where there is none yet (RFC 3261 9.1)."""
        if (client.branch.lower(), b"CANCEL") not in self._clients:
            self.create_client(client.branch, client.cancel_bytes(), b"CANCEL", client.point, client.destination, user)
            self._wheel.start(self.values.timeout, client.cancelled_in_vain, None)

    def stop(self) -> None:
        """End all transactions in silence."""
        for server in list(self._servers.values()):
            server.abandon()
        for client in list(self._clients.values()):
            client.abandon()

    def _server_ended(self, transaction: ServerTransaction) -> None:
        del self._servers[transaction.key]
        transaction.user = None  # a ring of references would wait for the garbage collector

    def _client_ended(self, transaction: ClientTransaction) -> None:
        # A CANCEL has the branch of its INVITE.
        self._clients.pop((transaction.branch.lower(), transaction.method), None)
        transaction.user = None


def _branch_of(datagram: bytes) -> bytes:
    """Find the branch of a request that we wrote: that of its first Via line, which has no other parameter."""
    line = datagram.find(b"\r\nVia: ")
    at = datagram.find(b";branch=", line)
    end = datagram.find(b"\r\n", at)
    if line < 0 or at < 0 or end < 0 or datagram.startswith(b"SIP/"):
        return b""
    return datagram[at + 8 : end].lower()
