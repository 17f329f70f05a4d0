"""The way between the owner and one worker: JSON objects on a socket pair, each with its length before it.

Either side tells the other one something, or asks and gets an answer. What is
told and answered arrives in the order in which it was sent. Both sides are of
the same release: what cannot be read is a fault of ours.
"""

import json
from collections.abc import Callable, Mapping
from typing import Any

from twisted.internet.defer import Deferred, fail, maybeDeferred
from twisted.internet.protocol import connectionDone
from twisted.logger import Logger
from twisted.protocols.basic import Int32StringReceiver
from twisted.python.failure import Failure

from sipproxy.control.declarations import ControlError
from sipproxy.errors import StoreError, UnavailableError

log = Logger(namespace="mod_sip")

#: Octets of one message; a large change of a table is not sent as one.
LONGEST = 1 << 30

Json = dict[str, Any]
#: What is done when the other side tells or asks something, by its name.
Deeds = Mapping[str, Callable[..., Any]]
#: Asks the other side: its name, and what belongs to it by keyword.
Ask = Callable[..., "Deferred[Any]"]


class RefusedError(StoreError):
    """The other side has not done what it was asked to do.

    @ivar status: why, as a status of the control socket
    """

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


class Channel(Int32StringReceiver):
    """One end.

    @ivar deeds: what the other side may have done here
    """

    MAX_LENGTH = LONGEST

    def __init__(self, deeds: Deeds, closed: Callable[[], object]) -> None:
        """
        @param closed: called when the other side is gone
        """
        self.deeds = deeds
        self._closed = closed
        self._is_open = False
        self._last = 0
        self._asked: dict[int, Deferred[Any]] = {}

    def connectionMade(self) -> None:
        """Say that there is a way."""
        self._is_open = True

    def ask(self, name: str, **content: Any) -> Deferred[Any]:
        """Ask the other side.

        @return: fires with its answer
        @raise RefusedError: in the Deferred: it has none, or is gone
        """
        if not self._is_open:
            return fail(RefusedError(503, "the other process is gone"))
        self._last += 1
        asked: Deferred[Any] = Deferred()
        self._asked[self._last] = asked
        self.send(encoded(name, content, self._last))
        return asked

    def tell(self, name: str, **content: Any) -> None:
        """Tell the other side, where there is one."""
        self.send(encoded(name, content))

    def send(self, message: bytes) -> None:
        """Send what L{encoded} has made."""
        if self._is_open:
            self.sendString(message)  # type: ignore[no-untyped-call]

    def stringReceived(self, string: bytes) -> None:
        """Take a message."""
        message = json.loads(string)
        if "answer" in message:
            self._answered(message)
            return
        number = message["number"]
        done: Deferred[Any] = maybeDeferred(self.deeds[message["name"]], **message["content"])
        if number:
            done.addCallbacks(self._answer, self._refuse, (number,), {}, (number,))
        else:
            done.addErrback(_failed, message["name"])

    def _answer(self, result: Any, number: int) -> None:
        self.send(_json({"answer": number, "result": result}))

    def _refuse(self, failure: Failure, number: int) -> None:
        error = failure.value
        status = error.status if isinstance(error, ControlError | RefusedError) else 503
        if not isinstance(error, ControlError | StoreError | UnavailableError):
            log.failure("fault in what another process asks for", failure)
            status = 500
        self.send(_json({"answer": number, "status": status, "text": str(error)}))

    def _answered(self, message: Json) -> None:
        asked = self._asked.pop(message["answer"])
        if "status" in message:
            asked.errback(RefusedError(message["status"], message["text"]))
        else:
            asked.callback(message["result"])

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Tell all who wait, then who has made this end."""
        self._is_open = False
        asked, self._asked = self._asked, {}
        for deferred in asked.values():
            deferred.errback(RefusedError(503, "the other process has ended"))
        self._closed()


def encoded(name: str, content: Mapping[str, Any], number: int = 0) -> bytes:
    """Write a message once, for one channel or many.

    @param number: that of a question, 0 for what wants no answer
    """
    return _json({"name": name, "number": number, "content": content})


def _json(message: Mapping[str, Any]) -> bytes:
    return json.dumps(message, separators=(",", ":")).encode("ascii")


def _failed(failure: Failure, name: str) -> None:
    log.failure("fault in {name}, which another process has told", failure, name=name)
