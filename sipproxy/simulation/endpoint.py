"""A port without any intelligence: it sends the octets that it is given and keeps those that it gets.

For tests on the wire level. It retransmits nothing, acknowledges nothing and
minds no timer; what is right or wrong about a message is the test's business.
"""

from collections.abc import Callable
from typing import NamedTuple

from twisted.internet.task import Clock
from zope.interface import implementer

from sipproxy.interfaces import Address, IDatagramUser, INetwork, IPort
from sipproxy.message import Request, Response, make_response, parse_message


def compose(start: bytes, lines: tuple[bytes, ...], body: bytes = b"") -> bytes:
    """Write a message from its start line, header lines and body; Content-Length is added."""
    return b"\r\n".join((start, *lines, b"Content-Length: %d" % len(body), b"", body))


class Received(NamedTuple):
    """A datagram that came.

    @ivar time: when
    @ivar source: where from
    @ivar data: its octets
    @ivar message: the message in them, None where there is none
    """

    time: float
    source: Address
    data: bytes
    message: Request | Response | None


@implementer(IDatagramUser)
class Endpoint:
    """An open port.

    @ivar name: user part of its URI
    @ivar address: where it is
    @ivar received: everything that came, in order
    @ivar failures: C{(octets, destination, reason)} of what was refused
    @ivar script: called with each request that comes, after it was kept
    """

    def __init__(self, clock: Clock, host: INetwork, name: str, port: int = 5060) -> None:
        """
        @param host: the machine that it runs on
        """
        self.name = name.encode()
        self.address: Address = (host.local_addresses()[0], port)
        self.received: list[Received] = []
        self.failures: list[tuple[bytes, Address, str]] = []
        self.script: Callable[[Received], None] = _no_script
        self._clock = clock
        self._count = 0
        self.port = host.listen(*self.address, self)

    @property
    def at(self) -> bytes:
        """Its host and port, as they stand in a Via or URI."""
        host, port = self.address
        return (b"[%b]:%d" if ":" in host else b"%b:%d") % (host.encode("ascii"), port)

    @property
    def uri(self) -> bytes:
        """Its URI."""
        return b"sip:%b@%b" % (self.name, self.at)

    # Sending.

    def send(self, data: bytes, destination: Address) -> None:
        """Send octets as they are."""
        self.port.write(data, destination)

    def make_request(
        self,
        method: bytes,
        uri: bytes,
        *headers: bytes,
        via: bytes | None = None,
        branch: bytes | None = None,
        max_forwards: int | None = 70,
        from_: bytes | None = None,
        to: bytes | None = None,
        call_id: bytes | None = None,
        cseq: bytes | None = None,
        body: bytes = b"",
    ) -> bytes:
        """Write a request of this endpoint's; each part has a value that makes it a new and proper one.

        @param headers: further header lines
        @param via: value of the Via
        @param branch: branch of that Via
        @param max_forwards: None for no such header
        @param from_: value of From
        @param to: value of To
        @param cseq: value of CSeq
        """
        self._count += 1
        branch = branch or b"z9hG4bK-%b-%d" % (self.name, self._count)
        hops = () if max_forwards is None else (b"Max-Forwards: %d" % max_forwards,)
        lines = (
            b"Via: " + (via or b"SIP/2.0/UDP %b;branch=%b" % (self.at, branch)),
            *hops,
            b"From: " + (from_ or b"<sip:%b@%b>;tag=%b" % (self.name, self.at, self.name)),
            b"To: " + (to or b"<%b>" % uri),
            b"Call-ID: " + (call_id or b"%b-%d" % (self.name, self._count)),
            b"CSeq: " + (cseq or b"%d %b" % (self._count, method)),
            *headers,
        )
        return compose(b"%b %b SIP/2.0" % (method, uri), lines, body)

    def respond(
        self, received: Received, status: int, *headers: bytes, to_tag: bytes | None = None, body: bytes = b""
    ) -> None:
        """Answer a request that came, back to where it came from.

        @param to_tag: the tag of this endpoint's, by default its name
        """
        assert isinstance(received.message, Request)
        response = make_response(received.message, status, b"", self.name if to_tag is None else to_tag, headers, body)
        self.send(response, received.source)

    # What came.

    def requests(self, method: bytes | None = None) -> list[Received]:
        """Give the requests that came, of a method or all of them."""
        return [
            each
            for each in self.received
            if isinstance(each.message, Request) and method in (None, each.message.method)
        ]

    def responses(self, method: bytes | None = None) -> list[Response]:
        """Give the responses that came, to a method or all of them."""
        found = [each.message for each in self.received if isinstance(each.message, Response)]
        ending = b"" if method is None else b" " + method
        return [response for response in found if (response.header("cseq") or b"").endswith(ending)]

    def statuses(self, method: bytes | None = None) -> list[int]:
        """Give the statuses of the responses that came."""
        return [response.status for response in self.responses(method)]

    # IDatagramUser.

    def makeConnection(self, port: IPort) -> None:
        """The port is open."""

    def datagramReceived(self, datagram: bytes, addr: Address) -> None:
        """Keep what came."""
        message = parse_message(datagram) if datagram.strip(b"\r\n") else None
        received = Received(self._clock.seconds(), addr, datagram, message)
        self.received.append(received)
        if isinstance(message, Request):
            self.script(received)

    def datagramFailed(self, datagram: bytes, addr: Address, reason: str) -> None:
        """Keep what was refused."""
        self.failures.append((datagram, addr, reason))


def _no_script(received: Received) -> None:
    """An endpoint does nothing by itself."""
