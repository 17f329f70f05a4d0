"""Group commit: changes that come close together are written together.

While one batch is being written the next one gathers, and each waits a few
milliseconds for company: what a commit costs (a thread, an fsync) is shared.
"""

from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from twisted.internet.defer import Deferred, maybeDeferred, succeed
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.python.failure import Failure

T = TypeVar("T")


class Entry(Generic[T]):
    """One change on its way.

    @ivar key: what is changed
    @ivar value: what it becomes
    @ivar done: fires with None once it is durable, or fails
    """

    __slots__ = ("done", "key", "value")

    def __init__(self, key: bytes, value: T) -> None:
        self.key = key
        self.value = value
        self.done: Deferred[None] = Deferred()


class GroupCommit(Generic[T]):
    """Gathers changes and has them written, one batch at a time, in order.

    @param write: writes a batch; its Deferred fires once the batch is durable, and fails where nothing of it is
    @param drop: is told of changes that fail, before their Deferreds do
    @param linger: how long the first change of a batch waits for others, seconds
    @param largest: changes in one batch
    """

    def __init__(
        self,
        clock: IReactorTime,
        write: Callable[[Sequence[Entry[T]]], Deferred[None]],
        drop: Callable[[Sequence[Entry[T]]], None],
        linger: float,
        largest: int = 1000,
    ) -> None:
        self._clock = clock
        self._write = write
        self._drop = drop
        self._linger = linger
        self._largest = largest
        self._waiting: list[Entry[T]] = []
        self._writing: list[Entry[T]] = []
        self._timer: IDelayedCall | None = None
        self._idle: list[Deferred[None]] = []

    def add(self, entry: Entry[T]) -> None:
        """Take a change; its Deferred tells what becomes of it."""
        if not self._waiting and self._timer is None:
            self._timer = self._clock.callLater(self._linger, self._lingered)
        self._waiting.append(entry)

    def flush(self) -> Deferred[None]:
        """Write what is waiting without lingering.

        @return: fires with None when nothing is left to be written, whatever became of it
        """
        if not self._waiting and not self._writing:
            return succeed(None)
        idle: Deferred[None] = Deferred()
        self._idle.append(idle)
        if self._timer is not None:
            self._timer.cancel()
            self._lingered()
        return idle

    def _lingered(self) -> None:
        self._timer = None
        if not self._writing:
            self._start()

    def _start(self) -> None:
        """Write the next batch."""
        self._writing = self._waiting[: self._largest]
        self._waiting = self._waiting[self._largest :]
        maybeDeferred(self._write, self._writing).addCallbacks(self._succeeded, self._failed)

    def _succeeded(self, _: None) -> None:
        batch = self._finish()
        for entry in batch:
            entry.done.callback(None)
        self._go_on()

    def _failed(self, failure: Failure) -> None:
        """Fail the batch, and each waiting change that builds upon one in it."""
        batch = self._finish()
        keys = {entry.key for entry in batch}
        batch += [entry for entry in self._waiting if entry.key in keys]
        self._waiting = [entry for entry in self._waiting if entry.key not in keys]
        if not self._waiting and self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._drop(batch)
        for entry in batch:
            entry.done.errback(failure)
        self._go_on()

    def _finish(self) -> list[Entry[T]]:
        batch, self._writing = self._writing, []
        return batch

    def _go_on(self) -> None:
        """Start the batch that has lingered already; one whose timer runs goes on gathering."""
        if self._writing:
            return
        if self._waiting and self._timer is None:
            self._start()
        elif not self._waiting:
            idle, self._idle = self._idle, []
            for deferred in idle:
                deferred.callback(None)
