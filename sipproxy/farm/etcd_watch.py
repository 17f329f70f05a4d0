"""One watch of etcd: an answer without an end, a line of JSON for each batch of changes.

etcd says that it has forgotten the changes and leaves the answer open; it is
closed here. One that has lost the majority ends the answer, as it was asked to
(L{sipproxy.farm.etcd_client}). One that says nothing at all is noticed by
whoever follows: each member changes something every few seconds.
"""

import json
from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from twisted.web.iweb import IResponse
from zope.interface import implementer

from sipproxy.farm.etcd_client import EtcdClient
from sipproxy.farm.etcd_messages import read_watched, watch_question
from sipproxy.farm.keyspace import AwayError, Batch, IWatch, KeyspaceError

#: Batches that wait to be asked for; beyond it nothing more is read.
_MOST = 100
#: Octets of a line: a batch of a thousand changes is some hundred thousand.
_LONGEST = 1 << 26


class _Lines(Protocol):
    """Reads the lines of an answer.

    @param line: takes each
    @param ended: takes the reason of the end
    """

    def __init__(self, line: Callable[[bytes], None], ended: Callable[[str], None]) -> None:
        self._line = line
        self._ended = ended
        self._parts: list[bytes] = []
        self._size = 0

    def dataReceived(self, data: bytes) -> None:
        """Take the next octets."""
        *lines, rest = data.split(b"\n")
        for line in lines:
            whole = b"".join([*self._parts, line])
            self._parts, self._size = [], 0
            if whole:
                self._line(whole)
        self._parts.append(rest)
        self._size += len(rest)
        if self._size > _LONGEST:
            self.abort()

    def abort(self) -> None:
        """End the connection."""
        transport: Any = self.transport
        if transport is not None:
            transport.stopProducing()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Tell why it ended."""
        self._ended(str(reason.value) or type(reason.value).__name__)


@implementer(IWatch)
class EtcdWatch:
    """Gives what a watch tells."""

    def __init__(self) -> None:
        self._batches: list[Batch] = []
        self._asked: Deferred[Batch] | None = None
        self._error: KeyspaceError | None = None
        self._lines: _Lines | None = None
        self._opening: Deferred[None] | None = None
        self._is_paused = False

    def start(self, client: EtcdClient, first: bytes, end: bytes, revision: int) -> None:
        """Begin, once."""
        self._opening = Deferred.fromCoroutine(self._open(client, first, end, revision))
        self._opening.addErrback(self._not_opened)

    async def _open(self, client: EtcdClient, first: bytes, end: bytes, revision: int) -> None:
        response, ended = await client.open("/v3/watch", watch_question(first, end, revision))
        self._read(response, ended)

    def _read(self, response: IResponse, ended: Callable[[str], None]) -> None:
        def lost(reason: str) -> None:
            if self._error is None:
                ended(f"the watch has ended: {reason}")
                self._end(AwayError(f"the watch has ended: {reason}"))

        self._lines = _Lines(self._line, lost)
        response.deliverBody(self._lines)  # type: ignore[no-untyped-call]

    def _not_opened(self, failure: Failure) -> None:
        if self._error is not None:
            return  # it was stopped
        failure.trap(KeyspaceError)  # type: ignore[no-untyped-call]
        self._end(failure.value)  # type: ignore[arg-type]

    def _line(self, line: bytes) -> None:
        if self._error is not None:
            return
        try:
            batch = read_watched(json.loads(line))
        except KeyspaceError as error:
            self._end(error)
            return
        except (LookupError, TypeError, ValueError) as error:
            self._end(AwayError(f"no watch of etcd: {error!r}"))
            return
        if batch is None:
            return
        if self._asked is not None:
            asked, self._asked = self._asked, None
            asked.callback(batch)
            return
        self._batches.append(batch)
        if len(self._batches) >= _MOST and not self._is_paused:
            self._set_paused(True)

    def _set_paused(self, is_paused: bool) -> None:
        self._is_paused = is_paused
        transport: Any = None if self._lines is None else self._lines.transport
        if transport is None:
            return
        if is_paused:
            transport.pauseProducing()
        else:
            transport.resumeProducing()

    def _end(self, error: KeyspaceError) -> None:
        self._error = error
        if self._lines is not None:
            self._lines.abort()
        if self._asked is not None:
            asked, self._asked = self._asked, None
            asked.errback(error)

    def next(self) -> Deferred[Batch]:
        """Give what has come, or wait for it."""
        if self._batches:
            # All at once: what follows costs about the same for one batch as for many.
            events = tuple(event for batch in self._batches for event in batch.events)
            revision = self._batches[-1].revision
            self._batches.clear()
            if self._is_paused:
                self._set_paused(False)
            return succeed(Batch(revision, events))
        if self._error is not None:
            return fail(self._error)
        self._asked = Deferred(self._cancelled)
        return self._asked

    def _cancelled(self, _: Deferred[Batch]) -> None:
        self._asked = None

    def stop(self) -> None:
        """End it, and the connection with it."""
        if self._error is None:
            self._end(AwayError("the watch was stopped"))
        if self._opening is not None:
            self._opening.cancel()
