"""HTTP/1.1 for the control socket: requests of C{twisted.web} to L{Api}, bounded in size (RFC 9112)."""

from functools import partial
from io import BytesIO
from typing import Any

from twisted.internet.interfaces import IProtocolFactory, IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.http import HTTPChannel, HTTPFactory, Request

from sipproxy.control.api import JSON_TYPE, Api, Reply, encode
from sipproxy.control.declarations import ControlError

log = Logger(namespace="mod_sip_control")

#: Octets of a body; the largest that has a meaning is a contact of some kilobytes.
MAX_BODY = 1 << 20
#: Octets of the request line, and of all header fields: a query may hold a long contact, and each octet be escaped.
MAX_LINE = 1 << 17
#: How long a connection may say nothing, seconds.
IDLE = 60

_READ_ONLY = (b"GET", b"HEAD")
_REASONS = {413: b"Content Too Large"}


class ControlRequest(Request):
    """One control request."""

    def __init__(self, api: Api, *arguments: Any) -> None:
        """
        @param arguments: what Twisted's own request is made from
        """
        super().__init__(*arguments)
        self._api = api
        self._body = BytesIO()
        self._is_too_large = False
        self._is_gone = False

    def gotLength(self, length: int | None) -> None:
        """Refuse a body that says to be too large before any of it is read."""
        self.content = self._body
        if length is not None and length > MAX_BODY:
            self._refuse_size()

    def handleContentChunk(self, data: bytes) -> None:
        """Keep a piece of the body, as long as it is not too large."""
        if self._is_too_large:
            return
        if self._body.tell() + len(data) > MAX_BODY:
            self._refuse_size()
        else:
            self._body.write(data)

    def _refuse_size(self) -> None:
        """Answer past Twisted, which answers only what it has read to its end."""
        self._is_too_large = True
        self.requestHeaders.removeHeader(b"expect")  # or Twisted would ask for the body after all
        body = encode(ControlError(413, f"a body has {MAX_BODY} octets at most").content())
        channel: Any = self.channel
        channel.transport.write(
            b"HTTP/1.1 413 %b\r\nContent-Type: application/json\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%b"
            % (_REASONS[413], len(body), body)
        )
        channel.loseConnection()

    def process(self) -> None:
        """Answer what has been read."""
        if self._is_too_large:
            return
        self.notifyFinish().addErrback(self._left)
        media_type = self.requestHeaders.getRawHeaders(b"content-type", [b""])[0]
        reply = self._api.handle(_text(self.method), _text(self.uri), _text(media_type), self._body.read())
        reply.addCallback(self._answer).addErrback(_broke)

    def _left(self, _: Failure) -> None:
        self._is_gone = True

    def _answer(self, reply: Reply) -> None:
        if self.method not in _READ_ONLY:
            # What an operator changed, for whoever wonders later.
            log.info("{method} {uri}: {status}", method=_text(self.method), uri=_text(self.uri), status=reply.status,
                     severity="notice")  # fmt: skip
        if self._is_gone:
            return
        body = encode(reply.content)
        self.setResponseCode(reply.status, _REASONS.get(reply.status))
        self.setHeader(b"content-type", JSON_TYPE.encode("ascii"))
        self.setHeader(b"content-length", b"%d" % len(body))
        if reply.allow:
            self.setHeader(b"allow", ", ".join(reply.allow).encode("ascii"))
        if self.method != b"HEAD":
            self.write(body)
        self.finish()


def _text(octets: bytes) -> str:
    return octets.decode("utf-8", "backslashreplace")


def _broke(failure: Failure) -> None:
    log.failure("fault in a control request", failure)


class _Channel(HTTPChannel):
    """A connection."""

    MAX_LENGTH = MAX_LINE
    totalHeadersSize = MAX_LINE


class _Connections(HTTPFactory):
    """Makes connections whose requests go to one L{Api}."""

    noisy = False
    protocol = _Channel  # type: ignore[assignment]  # Twisted names the type of its default only

    def __init__(self, api: Api, reactor: IReactorTime) -> None:
        super().__init__(timeout=IDLE, reactor=reactor)
        self._request = partial(ControlRequest, api)

    def buildProtocol(self, addr: Any) -> Any:
        """Make the protocol of a connection."""
        channel: Any = super().buildProtocol(addr)
        channel.requestFactory = self._request
        return channel

    def log(self, request: Any) -> None:
        """Write no line for each request, as Twisted's own would."""


def http_factory(api: Api, reactor: IReactorTime) -> IProtocolFactory:
    """Give the factory of connections."""
    return _Connections(api, reactor)
