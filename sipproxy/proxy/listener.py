"""From datagrams to the transaction layer: one protocol for each listening point (RFC 3261 18).

What cannot be read is answered where RFC 3261 allows it, else dropped and
counted; no datagram reaches the log as an exception of ours.
"""

from collections.abc import Callable

from twisted.internet.protocol import DatagramProtocol
from twisted.logger import Logger
from zope.interface import implementer

from sipproxy.errors import RequestError, SipParseError
from sipproxy.interfaces import Address, IBackloggedUser, IPort
from sipproxy.message import Request, make_response, parse_message, read_response
from sipproxy.proxy.core import Core
from sipproxy.proxy.points import Point
from sipproxy.transaction.via import response_destination, stamp

log = Logger(namespace="mod_sip")

QUIET = 1.0  # seconds between two lines about datagrams that are beyond the same bound


@implementer(IBackloggedUser)
class Listener(DatagramProtocol):
    """Feeds the datagrams of one port to the transaction table.

    @ivar port: the port
    @ivar point: what answers leave from
    @ivar malformed: datagrams that could not be read
    @ivar denied: requests refused by their source
    """

    port: IPort
    point: Point

    def __init__(self, core: Core, open_point: Callable[[IPort], Point]) -> None:
        self.malformed = 0
        self.denied = 0
        self._core = core
        self._table = core.table
        self._open_point = open_point
        self._said: dict[bytes, float] = {}  # by bound: the parser knows a handful

    def makeConnection(self, port: IPort) -> None:  # type: ignore[override]  # our own port, not Twisted's
        """Take the open port."""
        self.port = port
        self.point = self._open_point(port)

    def datagramReceived(self, datagram: bytes, addr: Address) -> None:
        """Take one datagram."""
        if len(datagram) <= 4 and not datagram.strip(b"\r\n"):
            if datagram == b"\r\n\r\n":
                self.point.write(b"\r\n", addr)  # RFC 5626 4.4.1
            return
        message = None
        try:
            generation = self._core.generation
            limits = generation.policy.limits
            message = read_response(datagram, limits) or parse_message(datagram, limits)
            if not isinstance(message, Request):
                self._table.receive_response(message, addr, self.point)
            elif generation.sources.is_open or generation.sources.allow(addr[0]):
                self._table.receive_request(message, addr, self.point)
            else:
                self._deny(message, addr)
        except SipParseError as error:
            self._refuse(error, message if message is not None else error.partial, addr)
        except Exception:  # noqa: BLE001 - a fault of ours must not stop the port
            log.failure("fault in a datagram", client=addr)

    def datagramFailed(self, datagram: bytes, addr: Address, reason: str) -> None:
        """Take the news that a datagram did not arrive (RFC 3261 18.4)."""
        self._table.failed(datagram, reason)

    def backlogged(self, age: float) -> None:
        """Take the news that reading is behind."""
        self._core.backlog = age

    def _deny(self, request: Request, addr: Address) -> None:
        self.denied += 1
        if not self._core.generation.sources.silently and request.method != b"ACK":
            self._answer(RequestError(403), request, addr)

    def _refuse(self, error: SipParseError, message: object, addr: Address) -> None:
        """Answer what is no proper request, where it can be answered; drop all else (8.2, 16.3 item 1, 18.3)."""
        self.malformed += 1
        if error.status == 513 or error.reason.startswith(b"Too Many"):
            self._say(error, message, addr)
        sources = self._core.generation.sources
        if isinstance(message, Request) and message.method != b"ACK" and sources.allow(addr[0]):
            self._answer(error, message, addr)

    def _answer(self, error: RequestError, request: Request, addr: Address) -> None:
        try:
            stamp(request, addr)
            tag = self._core.stateless_tag(request)
            response = make_response(request, error.status, error.reason, tag, error.headers)
            self.point.write(response, response_destination(request.via, addr))
        except SipParseError:
            if "via" not in request.names:
                return  # whatever it is, it is no request
            # RFC 4475 3.1.2.1: no Via that can be read; where it came from is all that is known.
            self.point.write(make_response(request, error.status, error.reason, b"", error.headers), addr)

    def _say(self, error: SipParseError, message: object, addr: Address) -> None:
        now = self._core.now()
        if now - self._said.get(error.reason, float("-inf")) >= QUIET:
            self._said[error.reason] = now
            call_id = message.header("call-id") if isinstance(message, Request) else None
            log.warn("out of bounds: {error}", error=error, client=addr, call_id=call_id)
