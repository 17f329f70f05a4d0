"""What happens in the server, as signals on D-Bus: registrations, calls, backends.

It is watched from the side, and nothing is kept of it: a signal tells what a
request, a change of the registry or a look at the status says by itself. So a
call's end is told only where its BYE comes by here (AddRecordRoute), and
whoever wants to know how things stand asks.
"""

from collections.abc import Callable, Mapping
from typing import Any

from zope.interface import implementer

from sipproxy.databases.feed import Change
from sipproxy.interfaces import ICallObserver, IOutcome
from sipproxy.message import Request

#: Sends a signal: its name, and its particulars.
Emit = Callable[..., None]

# The caller comes back with credentials.
_CHALLENGES = (401, 407)


@implementer(ICallObserver)
class BusEvents:
    """Makes signals of what happens.

    @ivar emit: sends one; the particulars are those of L{sipproxy.control.dbus_interface.SIGNALS}
    """

    def __init__(self) -> None:
        # What happens is observed from the first request on; the bus comes later.
        self.emit: Emit = _nowhere
        self._states: dict[str, str] = {}

    # Registrations: a follower of L{sipproxy.interfaces.IRegistry.subscribe}.

    def changed(self, change: Change) -> None:
        """Tell of an address of record."""
        aor = text(change.aor)
        if change.bindings:
            self.emit("Registered", aor, [text(binding.contact) for binding in change.bindings])
        else:
            self.emit("Unregistered", aor)

    # Calls: ICallObserver.

    def forwarded(self, outcome: IOutcome, hop: Any, request_uri: bytes) -> None:
        """A call that only rings is none yet."""

    def answered(self, outcome: IOutcome, hop: Any, response: Any) -> None:
        """Tell of a call that was answered."""
        request = outcome.request
        host = f"[{hop.host}]" if ":" in hop.host else hop.host
        self.emit("CallStarted", *_parties(request), text(request.uri), f"{host}:{hop.port}")

    def finished(self, outcome: IOutcome) -> None:
        """Tell of a call that was hung up, or never answered."""
        request: Request = outcome.request
        if request.method == b"BYE":
            # It ends the dialog once it is passed on, whatever is answered (RFC 3261 15.1.1).
            if "next-hop" in outcome.notes and outcome.status not in _CHALLENGES:
                self.emit("CallEnded", *_parties(request), 200)
        elif request.method == b"INVITE" and not request.to.tag:
            status = outcome.status or 0
            if status >= 400 and status not in _CHALLENGES:
                self.emit("CallEnded", *_parties(request), status)

    # Backends.

    def learn(self, status: Mapping[str, Any]) -> None:
        """Take the backends' states as they are, without telling of them.

        @param status: what C{/v1/status} gives
        """
        self._states = {backend["name"]: backend["state"] for backend in status["dependencies"]}

    def compare(self, status: Mapping[str, Any]) -> None:
        """Tell of backends whose state is another than at the last look; a new one was up.

        @param status: what C{/v1/status} gives
        """
        before = self._states
        self.learn(status)
        for backend in status["dependencies"]:
            name, state = backend["name"], backend["state"]
            if state != before.get(name, "up"):
                self.emit("BackendChanged", text(name), state, text(backend["reason"]))


def _nowhere(name: str, *values: object) -> None:
    """There is no bus yet."""


def _parties(request: Request) -> tuple[str, str, str]:
    """Give Call-ID and the URIs of From and To."""
    return text(request.call_id), text(request.from_.uri.raw), text(request.to.uri.raw)


def text(value: bytes | str) -> str:
    """Write what a stranger may have chosen as D-Bus can carry it: UTF-8 without NUL."""
    octets = value.encode("utf-8", "surrogateescape") if isinstance(value, str) else value
    return octets.decode("utf-8", "backslashreplace").replace("\0", "\\x00")
