"""What the transaction layer tells its users, and what it needs of a port; no code."""

from typing import TYPE_CHECKING, Protocol, TypeVar

from sipproxy.interfaces import Address
from sipproxy.message import AnyResponse, Request

if TYPE_CHECKING:
    from sipproxy.transaction.client import ClientTransaction
    from sipproxy.transaction.server import ServerTransaction


class Sender(Protocol):
    """Where messages leave: a listening point."""

    def write(self, data: bytes, destination: Address, /) -> None:
        """Send one datagram."""


P_contra = TypeVar("P_contra", bound=Sender, contravariant=True)


class ClientUser(Protocol):
    """Whoever sent a request (a branch of a response context, a probe)."""

    def response_received(self, transaction: "ClientTransaction", response: AnyResponse, /) -> None:
        """A response came: each provisional one but retransmissions, the first final one, every 2xx to INVITE."""

    def timed_out(self, transaction: "ClientTransaction", /) -> None:
        """Timer B or F fired (RFC 3261 17.1.1.2, 17.1.2.2)."""

    def transport_failed(self, transaction: "ClientTransaction", reason: str, /) -> None:
        """The request could not be delivered (RFC 3261 17.1.4)."""


class ServerUser(Protocol):
    """Whoever answers a request."""

    def cancelled(self, transaction: "ServerTransaction", cancel: Request, /) -> None:
        """A CANCEL for it came and was answered (RFC 3261 9.2)."""

    def unacknowledged(self, transaction: "ServerTransaction", /) -> None:
        """Timer H fired: no ACK came for the final response (RFC 3261 17.2.1)."""


class TransactionUser(Protocol[P_contra]):
    """The core: what begins no known transaction comes here; points are of its own kind."""

    def request_received(self, request: Request, source: Address, point: P_contra, /) -> None:
        """A new request, neither ACK nor CANCEL; it creates a server transaction if it wants one."""

    def ack_received(self, request: Request, source: Address, point: P_contra, /) -> None:
        """An ACK that no transaction absorbed: for a 2xx, or a stray one."""

    def cancel_received(self, request: Request, source: Address, point: P_contra, /) -> None:
        """A CANCEL that matches no transaction (RFC 3261 16.10)."""

    def cancel_answered(self, cancel: Request, source: Address, point: P_contra, /) -> None:
        """A CANCEL that matched a transaction was answered 200 (9.2)."""

    def wrote(self, response: AnyResponse, point: P_contra, /) -> bool:
        """Tell whether the topmost Via of a response has a sent-by of ours (RFC 3261 18.1.2)."""

    def stray_response(self, response: AnyResponse, source: Address, point: P_contra, /) -> None:
        """A response that matches no transaction (RFC 6026 7.3)."""

    def stray_failure(self, datagram: bytes, reason: str, /) -> None:
        """A datagram that was refused (ICMP), and that no transaction has sent."""
