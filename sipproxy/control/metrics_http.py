"""The page that Prometheus asks for, over HTTP: C{/metrics}, as text or as OpenMetrics.

It is made in the reactor's turn, as what it reads belongs to the reactor, once
all is gathered that other processes tell. Whoever can connect may read it, and
it tells nothing of single calls or subscribers.
"""

from collections.abc import Callable
from io import BytesIO
from typing import Any

from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.http import HTTPChannel, HTTPFactory, Request

from sipproxy.control.streams import StreamService

log = Logger(namespace="mod_sip_control")

#: Gives what is shown.
Gather = Callable[[], "Deferred[Collector]"]

#: Connections at one time, and how long one may say nothing, seconds.
MOST = 32
IDLE = 30
#: Octets of the request line and of all header fields.
MAX_LINE = 1 << 13

PATH = b"/metrics"
_METHODS = (b"GET", b"HEAD")
_TEXT = b"text/plain; charset=utf-8"


class _Page(Request):
    """One request for the page."""

    def __init__(self, gather: Gather, *arguments: Any) -> None:
        """
        @param arguments: what Twisted's own request is made from
        """
        super().__init__(*arguments)
        self._gather = gather
        self._is_over = False

    def gotLength(self, length: int | None) -> None:
        """Keep nothing of a body, however long it says to be."""
        self.content = BytesIO()

    def handleContentChunk(self, data: bytes) -> None:
        """Leave a piece of a body."""

    def process(self) -> None:
        """Answer."""
        if self.path != PATH:
            self._answer(404, _TEXT, b"the metrics are at /metrics\n")
        elif self.method not in _METHODS:
            self.setHeader(b"allow", b", ".join(_METHODS))
            self._answer(405, _TEXT, b"only GET and HEAD\n")
        else:
            self.notifyFinish().addBoth(self._over)
            self._gather().addCallback(self._show).addErrback(self._failed)

    def _over(self, _: object) -> None:
        """Take it that there is nobody to answer any more, or an answer."""
        self._is_over = True

    def _show(self, metrics: Collector) -> None:
        if self._is_over:
            return
        accept = self.requestHeaders.getRawHeaders(b"accept", [b""])
        encode, content_type = choose_encoder(b",".join(accept).decode("latin-1"))
        self._answer(200, content_type.encode("ascii"), encode(metrics))

    def _failed(self, failure: Failure) -> None:
        log.failure("fault in the metrics", failure)
        if not self._is_over:
            self._answer(500, _TEXT, b"the metrics cannot be told\n")

    def _answer(self, status: int, content_type: bytes, body: bytes) -> None:
        self.setResponseCode(status)
        self.setHeader(b"content-type", content_type)
        self.setHeader(b"content-length", b"%d" % len(body))
        if self.method != b"HEAD":
            self.write(body)
        self.finish()


class _Channel(HTTPChannel):
    """A connection."""

    MAX_LENGTH = MAX_LINE
    totalHeadersSize = MAX_LINE


class MetricsFactory(HTTPFactory):
    """Makes connections on which the page is asked for.

    @param gather: gives what is shown
    """

    noisy = False
    protocol = _Channel  # type: ignore[assignment]  # Twisted names the type of its default only

    def __init__(self, gather: Gather, reactor: IReactorTime) -> None:
        super().__init__(timeout=IDLE, reactor=reactor)
        self._gather = gather

    def buildProtocol(self, addr: Any) -> Any:
        """Make the protocol of a connection."""
        channel: Any = super().buildProtocol(addr)
        channel.requestFactory = self._request
        return channel

    def _request(self, *arguments: Any) -> _Page:
        return _Page(self._gather, *arguments)

    def log(self, request: Request) -> None:
        """Say nothing: a line for each scrape is of use to nobody."""


def metrics_service(place: tuple[str, int], gather: Gather, reactor: Any) -> StreamService:
    """Give the service that answers Prometheus.

    @param place: literal address and port
    @param gather: gives what it is shown
    """
    return StreamService("metrics", place, MetricsFactory(gather, reactor), reactor, MOST)
