"""What must be true of a proxy at every moment, whatever the network does to it.

L{Watcher} reads what the proxy's addresses sent since the last look and
compares it with RFC 3261 16 and 18.2.2, RFC 4320 and RFC 5393, from the octets
alone; at the end it also looks whether anything was left behind.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from sipproxy.app import Server
from sipproxy.errors import SipParseError
from sipproxy.interfaces import Address
from sipproxy.message import Request, Response, Via, parse_message, parse_via
from sipproxy.message.uri import DEFAULT_PORT
from sipproxy.simulation.network import Sent

#: What a 100 of our own holds (RFC 3261 8.2.6); one that came from elsewhere has more.
_IN_TRYING = {"via", "from", "to", "call-id", "cseq", "timestamp", "content-length"}


class BrokenInvariantError(AssertionError):
    """Something that must never happen has happened."""


class _Incoming(NamedTuple):
    since: float
    vias: int
    max_forwards: int


Key = tuple[bytes, bytes, int | None, bytes | None, bytes | None]

#: What the server sends of its own accord: ACK and CANCEL for what it forwarded, OPTIONS to gateways.
_OWN_REQUESTS = (b"ACK", b"CANCEL", b"OPTIONS")


class Watcher:
    """Watches one server.

    @ivar server: the server
    @ivar checked: how many datagrams of the server were looked at
    """

    def __init__(self, server: Server, addresses: Iterable[Address], transcript: Sequence[Sent]) -> None:
        """
        @param addresses: where the server listens
        @param transcript: that of the network; it grows
        """
        self.checked = 0
        self.server = server
        self._addresses = frozenset(addresses)
        self._transcript = transcript
        self._at = 0
        self._incoming: dict[Key, _Incoming] = {}
        self._finals: dict[Key, bytes] = {}
        self._nameless: set[Address] = set()

    def look(self) -> None:
        """Check what was sent since the last look.

        @raise BrokenInvariantError: with what is wrong, and the datagram
        """
        while self._at < len(self._transcript):
            sent = self._transcript[self._at]
            self._at += 1
            # In this order: a server that sends to itself has received what it is about to answer.
            if sent.source in self._addresses:
                self.checked += 1
                self._check(sent)
            if sent.destination in self._addresses:
                self._note(sent)

    def look_behind(self) -> None:
        """Check, once everything should be over, that nothing is left.

        @raise BrokenInvariantError: something is
        """
        core = self.server.sip.core
        left = {"transactions": len(core.table), "timers": len(core.wheel), "pending requests": core.pending}
        remaining = {what: number for what, number in left.items() if number}
        if remaining:
            raise BrokenInvariantError(f"left behind: {remaining}")

    # What comes in.

    def _note(self, sent: Sent) -> None:
        message: object
        try:
            message = parse_message(sent.data)
        except SipParseError as error:
            message = error.partial
        if isinstance(message, Request):
            hops = message.header("max-forwards") or b""
            try:
                key = _key(message, message.via)
                since = self._incoming[key].since if key in self._incoming else sent.time
                hops_left = int(hops) if hops.isdigit() else 71
                self._incoming[key] = _Incoming(since, len(message.values("via")), hops_left)
            except SipParseError:
                self._nameless.add(sent.source)

    # What goes out.

    def _check(self, sent: Sent) -> None:
        if not sent.data.strip(b"\r\n"):
            return
        message = parse_message(sent.data)
        if isinstance(message, Request):
            self._check_request(message, sent)
        else:
            self._check_response(message, sent)

    def _check_request(self, request: Request, sent: Sent) -> None:
        """RFC 3261 16.6 items 3 and 8, RFC 5393 5.3.3."""
        vias = request.values("via")
        if len(vias) == 1:
            _require(request.method in _OWN_REQUESTS, "a request without any Via but ours", sent)
            return
        incoming = self._incoming.get(_key(request, parse_via(vias[1])))
        if incoming is None:
            raise _broken("a request that nobody sent", sent)
        _require(len(vias) == incoming.vias + 1, "not exactly one more Via", sent)
        _require(int(request.required("max-forwards")) < incoming.max_forwards, "Max-Forwards did not fall", sent)
        _require(request.header("max-breadth") is not None, "no Max-Breadth", sent)
        _require(request.via.branch.startswith(b"z9hG4bK"), "a branch without the magic cookie", sent)

    def _check_response(self, response: Response, sent: Sent) -> None:
        try:
            via = response.via
        except SipParseError:
            # RFC 4475 3.1.2.1: a request whose Via cannot be read is answered to where it came from.
            _require(sent.destination in self._nameless, "a response without a Via (16.7 item 3)", sent)
            return
        _require(sent.destination == _asked_for(via), "a response where no Via asked for it", sent)
        method = (response.header("cseq") or b"").rpartition(b" ")[2]
        key = _key(response, via)
        _require(key in self._incoming, "a response to no request", sent)
        if response.status == 100:
            policy = self.server.sip.core.generation.policy
            is_due = method == b"INVITE" or sent.time - self._incoming[key].since >= policy.values.until_t2
            _require(is_due or not policy.stateful, "100 to a request that is no INVITE, at once (RFC 4320 4.1)", sent)
            # 21.1.1: it "is never forwarded upstream by a stateful proxy"; a stateless one does.
            ours = set(response.names) <= _IN_TRYING or not policy.stateful
            _require(ours, "a 100 that came from elsewhere (RFC 3261 16.7 item 5)", sent)
        elif response.status >= 200:
            _require(response.status != 408 or method == b"INVITE", "408 to no INVITE (RFC 4320 4.2)", sent)
            # One final response to each request, but as many 2xx to an INVITE as there are (16.7 item 5).
            is_free = method == b"INVITE" and response.status < 300
            first = self._finals.setdefault(key, b"" if is_free else sent.data)
            _require(is_free or first == sent.data, "a second final response", sent)


def _key(message: Request | Response, via: Via) -> Key:
    """Give what identifies a transaction of the sender that wrote a Via (17.2.3)."""
    return via.branch, via.host, via.port, message.header("call-id"), message.header("cseq")


def _asked_for(via: Via) -> Address:
    """Tell where a Via wants its responses (18.2.2, RFC 3581 4)."""
    host = (via.params.get(b"maddr") or via.params.get(b"received") or via.host).decode("ascii").strip("[]")
    return host, int(via.params.get(b"rport") or 0) or via.port or DEFAULT_PORT


def _require(holds: bool, what: str, sent: Sent) -> None:
    if not holds:
        raise _broken(what, sent)


def _broken(what: str, sent: Sent) -> BrokenInvariantError:
    text = sent.data.decode("utf-8", "backslashreplace")
    return BrokenInvariantError(f"{what}: at {sent.time:.3f} s from {sent.source} to {sent.destination}:\n{text}")
