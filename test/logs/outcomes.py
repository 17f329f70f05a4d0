"""Outcomes for the tests, and an append file that fails when told to."""

import errno
import os
import time
from dataclasses import dataclass, field

from zope.interface import implementer

from sipproxy.interfaces import IOutcome
from sipproxy.logs.appending import AppendFile
from sipproxy.message import Request, parse_message

#: Wed, 25 Nov 2026 18:00:36.123456 UTC
WHEN = 1795629636.123456

INVITE = (
    b"INVITE sip:bob@example.com SIP/2.0\r\n"
    b"Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK1\r\n"
    b"From: Alice <sip:alice@example.com>;tag=1\r\n"
    b"t: <sip:bob@example.com>\r\n"
    b"Call-ID: abc@192.0.2.1\r\n"
    b"CSeq: 1 INVITE\r\n\r\n"
)


def request(data: bytes = INVITE) -> Request:
    """Read a request."""
    message = parse_message(data)
    assert isinstance(message, Request)
    return message


def request_with(name: bytes, value: bytes) -> Request:
    """Give a request with any octets at all in one header, also such as no parser would let through."""
    start = b"INVITE sip:bob@example.com SIP/2.0"
    return Request(b"INVITE", b"sip:bob@example.com", start, [name + b": " + value], [name.decode()], b"")


@implementer(IOutcome)
@dataclass
class Outcome:
    """A finished transaction."""

    request: Request = field(default_factory=request)
    source: tuple[str, int] = ("192.0.2.1", 5061)
    local: tuple[str, int] = ("192.0.2.9", 5060)
    started: float = WHEN
    duration: float = 0.0123456
    status: int | None = 200
    size: int = 345
    notes: dict[str, str] = field(default_factory=lambda: {"next-hop": "192.0.2.7:5060/udp", "reason": "registry"})


def east(seconds: float) -> time.struct_time:
    """Give the time in Kathmandu, as C{time.localtime} would there."""
    offset = (5 * 60 + 45) * 60
    parts = time.gmtime(seconds + offset)
    return time.struct_time(tuple(parts), {"tm_gmtoff": offset, "tm_zone": "+0545"})


class FailingFile(AppendFile):
    """An append file on a disk that fills up.

    @ivar room: octets that still go in, None for any number
    @ivar most: octets that go in with one call
    @ivar calls: how many writes were tried
    """

    room: int | None = None
    most = 1 << 30
    calls = 0

    def write(self, data: bytes) -> int:
        """Write what there is room for."""
        self.calls += 1
        if self.room == 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        fitting = data[: self.most] if self.room is None else data[: min(self.most, self.room)]
        written = super().write(fitting)
        if self.room is not None:
            self.room -= written
        return written
