"""Two channels and what is on its way between them."""

from typing import Any

from twisted.internet.testing import StringTransport

from sipproxy.workers.channel import Channel, Deeds


class Wire:
    """A pair of channels; nothing arrives before L{pump}.

    @ivar owner: the owner's end
    @ivar worker: the worker's end
    @ivar closed: who was told that the other side is gone
    """

    def __init__(self) -> None:
        self.closed: list[str] = []
        self.owner, self.worker = self._end("owner"), self._end("worker")

    def _end(self, name: str) -> Channel:
        channel = Channel({}, lambda: self.closed.append(name))
        channel.makeConnection(StringTransport())
        return channel

    def serve(self, owner: Deeds, worker: Deeds) -> None:
        """Say what either side does."""
        self.owner.deeds, self.worker.deeds = owner, worker

    def pump(self) -> None:
        """Let all arrive that is on its way, and what that brings about."""
        while self._carry(self.owner, self.worker) + self._carry(self.worker, self.owner):
            pass

    def to_worker(self) -> None:
        """Let arrive what the owner has sent so far."""
        self._carry(self.owner, self.worker)

    def to_owner(self) -> None:
        """Let arrive what the worker has sent so far."""
        self._carry(self.worker, self.owner)

    def _carry(self, sender: Channel, receiver: Channel) -> int:
        transport: Any = sender.transport
        data = transport.value()
        transport.clear()
        # In odd pieces, as a socket may give them.
        for at in range(0, len(data), 7):
            receiver.dataReceived(data[at : at + 7])
        return len(data)
