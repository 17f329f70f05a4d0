"""Messages and recording collaborators for tests of the transaction layer."""

from random import Random

from twisted.internet.task import Clock

from sipproxy.message import AnyResponse, Request, Response, parse_message
from sipproxy.transaction import ClientTransaction, ServerTransaction, TimerValues, TimerWheel, TransactionTable

SOURCE = ("192.0.2.1", 5060)


def request(
    method: str = "INVITE", branch: str = "z9hG4bKa", to: str = "<sip:b@example.org>", extra: str = ""
) -> bytes:
    """Write a request of 192.0.2.1; C{extra} are whole lines."""
    text = (
        f"{method} sip:b@example.org SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1;branch={branch}\r\n"
        f"From: <sip:a@example.org>;tag=1\r\nTo: {to}\r\nCall-ID: c@192.0.2.1\r\nCSeq: 7 {method}\r\n"
        f"Max-Forwards: 70\r\n{extra}Content-Length: 0\r\n\r\n"
    )
    return text.encode()


def parsed(data: bytes) -> Request:
    """Parse a request."""
    message = parse_message(data)
    assert isinstance(message, Request)
    return message


def response(status: int, method: str = "INVITE", branch: str = "z9hG4bKa", tag: str = "2") -> Response:
    """Give a response to L{request}."""
    message = parse_message(
        f"SIP/2.0 {status} Text\r\nVia: SIP/2.0/UDP 192.0.2.1;branch={branch}\r\nFrom: <sip:a@example.org>;tag=1\r\n"
        f"To: <sip:b@example.org>;tag={tag}\r\nCall-ID: c@192.0.2.1\r\nCSeq: 7 {method}\r\n"
        f"Content-Length: 0\r\n\r\n".encode()
    )
    assert isinstance(message, Response)
    return message


class Wire:
    """A port that records what is written: (time, first line, destination)."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.sent: list[bytes] = []
        self.times: list[float] = []
        self.destinations: list[tuple[str, int]] = []

    def write(self, data: bytes, destination: tuple[str, int]) -> None:
        """Record a datagram."""
        self.sent.append(data)
        self.times.append(round(self.clock.seconds(), 3))
        self.destinations.append(destination)

    def starts(self) -> list[str]:
        """Give the first word, or the status, of each datagram."""
        return [
            data.split(b" ")[1].decode() if data.startswith(b"SIP/2.0") else data.split(b" ")[0].decode()
            for data in self.sent
        ]


class Told:
    """A user of client and server transactions, and of the table, that records what it is told."""

    def __init__(self) -> None:
        self.heard: list[object] = []

    def response_received(self, transaction: ClientTransaction, response: AnyResponse) -> None:
        """Record a response."""
        self.heard.append(response.status)

    def timed_out(self, transaction: ClientTransaction) -> None:
        """Record a timeout."""
        self.heard.append("timeout")

    def transport_failed(self, transaction: ClientTransaction, reason: str) -> None:
        """Record a transport error."""
        self.heard.append(reason)

    def cancelled(self, transaction: ServerTransaction, cancel: Request) -> None:
        """Record a CANCEL."""
        self.heard.append("cancelled")

    def unacknowledged(self, transaction: ServerTransaction) -> None:
        """Record timer H."""
        self.heard.append("unacknowledged")

    def request_received(self, request: Request, source: tuple[str, int], point: Wire) -> None:
        """Record a new request."""
        self.heard.append(request.method.decode())

    def ack_received(self, request: Request, source: tuple[str, int], point: Wire) -> None:
        """Record an ACK that no transaction absorbed."""
        self.heard.append("ACK")

    def cancel_received(self, request: Request, source: tuple[str, int], point: Wire) -> None:
        """Record a CANCEL that matches nothing."""
        self.heard.append("CANCEL")

    def cancel_answered(self, cancel: Request, source: tuple[str, int], point: Wire) -> None:
        """Do nothing: the user of the server transaction records it."""

    def wrote(self, response: AnyResponse, point: Wire) -> bool:
        """Know its own address."""
        return response.via.host == SOURCE[0].encode()

    def stray_failure(self, datagram: bytes, reason: str) -> None:
        """Leave it."""

    def stray_response(self, response: AnyResponse, source: tuple[str, int], point: Wire) -> None:
        """Record a response that matches nothing."""
        self.heard.append(f"stray {response.status}")


class Layer:
    """A table on a virtual clock."""

    def __init__(self, limit: int = 100, values: TimerValues | None = None) -> None:
        self.clock = Clock()
        self.wire = Wire(self.clock)
        self.told = Told()
        self.wheel = TimerWheel(self.clock)
        self.values = values or TimerValues()
        self.table: TransactionTable[Wire] = TransactionTable(self.wheel, self.values, limit, Random(1), self.told)

    def client(self, method: str = "INVITE", extra: str = "") -> ClientTransaction:
        """Send a request."""
        return self.table.create_client(
            b"z9hG4bKa", request(method, extra=extra), method.encode(), self.wire, ("192.0.2.9", 5060), self.told
        )

    def server(self, method: str = "INVITE", branch: str = "z9hG4bKa") -> ServerTransaction:
        """Receive a request."""
        return self.table.create_server(parsed(request(method, branch)), SOURCE, self.wire, self.told)

    def pass_time(self, seconds: float) -> None:
        """Let time pass in small steps, as it does."""
        for _ in range(round(seconds * 100)):
            self.clock.advance(0.01)
