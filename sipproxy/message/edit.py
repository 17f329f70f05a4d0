"""Messages made from messages: a copy that is changed and written, a response to a request.

What is not changed is the received lines themselves (RFC 3261 16.6 item 1).
"""

from collections.abc import Sequence

from sipproxy.errors import SipParseError
from sipproxy.message.grammar import unfold
from sipproxy.message.headers import split_values
from sipproxy.message.message import Message, Request
from sipproxy.message.status import reason_phrase


class Draft:
    """A message to be sent, begun as a copy of another; the other stays as it is.

    @ivar start: start line
    @ivar lines: header lines
    @ivar names: canonical name of each line
    @ivar body: body
    """

    __slots__ = ("body", "lines", "names", "start")

    def __init__(self, start: bytes, lines: list[bytes], names: list[str], body: bytes) -> None:
        self.start = start
        self.lines = lines
        self.names = names
        self.body = body

    @classmethod
    def of(cls, message: Message) -> "Draft":
        """Copy a message."""
        return cls(message.start, message.lines[:], message.names[:], message.body)

    def push(self, name: str, line: bytes) -> None:
        """Put a line before the first one of its name; where there is none, before all others."""
        at = self.names.index(name) if name in self.names else 0
        self.lines.insert(at, line)
        self.names.insert(at, name)

    def append(self, name: str, line: bytes) -> None:
        """Put a line behind all others."""
        self.lines.append(line)
        self.names.append(name)

    def set(self, name: str, line: bytes) -> None:
        """Replace the first line of a name, or append it; further ones of the name go."""
        names = self.names
        if name not in names:
            self.append(name, line)
            return
        at = names.index(name)
        self.lines[at] = line
        if names.count(name) > 1:
            self._remove_behind(name, at)

    def remove(self, name: str) -> None:
        """Remove all lines of a name."""
        self._remove_behind(name, -1)

    def _remove_behind(self, name: str, at: int) -> None:
        kept = [n for n, found in enumerate(self.names) if found != name or n <= at]
        self.lines[:] = [self.lines[n] for n in kept]
        self.names[:] = [self.names[n] for n in kept]

    def pop_value(self, name: str) -> None:
        """Remove the first value of a list header; its line goes with its last value.

        @raise SipParseError: there is none, or the list cannot be split
        """
        while name in self.names:
            at = self.names.index(name)
            field, _, text = self.lines[at].partition(b":")
            # Unfolded: a fold beside a comma would leave half of itself behind, which ends the line or the head.
            values = [value for value in split_values(unfold(text).strip(b" \t\r\n")) if value]
            if len(values) > 1:
                self.lines[at] = field + b": " + b", ".join(values[1:])
                return
            del self.lines[at]
            del self.names[at]
            if values:
                return
        raise SipParseError(b"Missing " + name.title().encode())

    def to_bytes(self) -> bytes:
        """Write it as it goes over the wire."""
        return b"\r\n".join((self.start, *self.lines, b"", self.body))


_COPIED = ("via", "from", "call-id", "cseq")


def make_response(
    request: Request,
    status: int,
    reason: bytes = b"",
    to_tag: bytes = b"",
    headers: Sequence[bytes] = (),
    body: bytes = b"",
) -> bytes:
    """Write a response to a request (RFC 3261 8.2.6).

    @param to_tag: tag added to a To that has none; never in a 100 (RFC 3261 8.2.6.2)
    @param headers: further header lines
    """
    lines = [b"SIP/2.0 %d %b" % (status, reason or reason_phrase(status))]
    for name, line in zip(request.names, request.lines, strict=True):
        if name in _COPIED or (name == "timestamp" and status == 100):  # RFC 3261 8.2.6.1
            lines.append(line)
        elif name == "to":
            tagged = to_tag and status != 100 and not _has_tag(request)
            lines.append(line.rstrip(b" \t\r\n") + b";tag=" + to_tag if tagged else line)
    lines.extend(headers)
    lines.append(b"Content-Length: %d" % len(body))
    lines.append(b"")
    lines.append(body)
    return b"\r\n".join(lines)


def _has_tag(request: Request) -> bool:
    try:
        return bool(request.to.tag)
    except SipParseError:
        return True  # A To that cannot be read is answered as it is.
