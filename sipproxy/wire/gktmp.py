"""GKTMP messages: octets to values and back. Pure.

The GateKeeper Transaction Message Protocol is text over TCP::

    REQUEST LRQ             a message line
    Version-Id:100          header lines
    Transaction-Id:00000001
    Content-Length:26
                            a blank line
    s=E:4085559999          the body, Content-Length octets
    d=E:18005551212

Lines are written with CRLF; a lone LF ends a line too. Names of headers are
compared without regard to case, as they differ between versions of the
protocol. A broken head ends the stream, since nobody knows where the next
message begins; a broken body is its message's affair, and is read later
(L{read_fields}). What the body's tags mean is in L{sipproxy.wire.gktmp_tags}.

Not here: the registration of triggers (REGISTER) beyond its framing, and which
message may answer which.
"""

import re
from collections.abc import Iterable
from typing import NamedTuple

from sipproxy.errors import SipproxyError

#: Version 1 of the protocol, as its later versions write it.
VERSION = "100"

_MESSAGE_LINE = re.compile(r"(REQUEST|RESPONSE|REGISTER|UNREGISTER|COMMAND|RESULT) +([A-Z]{2,8}) *", re.IGNORECASE)
_NAME = re.compile(r"[!-9;-~]{1,64}")
_TAG = re.compile(r"[A-Za-z0-9]{1,16}")
_HEADER = re.compile(r"([!-9;-~]{1,64}) *:(.*)")
_LENGTH = re.compile(r"[0-9]{1,9}")
_FIELD = re.compile(r"([A-Za-z0-9]{1,16}) *[=:] *(.*)")

Headers = tuple[tuple[str, str], ...]
#: Tags and values in the order of the body.
Fields = tuple[tuple[str, str], ...]


class GktmpError(SipproxyError):
    """Octets that are not GKTMP, or a message that does not say what it has to; the text is one line."""


class Limits(NamedTuple):
    """What a peer may make us keep.

    @ivar line: octets of a line without its end
    @ivar headers: header lines of a message
    @ivar body: octets of a body
    """

    line: int = 1024
    headers: int = 32
    body: int = 16384


DEFAULT_LIMITS = Limits()


class Message(NamedTuple):
    """One message.

    @ivar word: REQUEST, RESPONSE, REGISTER, ...: in capitals
    @ivar name: the RAS message that it is about: LRQ, LCF, LRJ, RIP, ALV, ...
    @ivar headers: names and values as they came, without Content-Length
    @ivar body: octets
    """

    word: str
    name: str
    headers: Headers = ()
    body: bytes = b""

    def header(self, name: str) -> str | None:
        """Give the first value of a header, in whatever case its name is written."""
        wanted = name.lower()
        return next((value for given, value in self.headers if given.lower() == wanted), None)

    def encode(self) -> bytes:
        """Write it, with the Content-Length of its body.

        @raise GktmpError: a header would not stay on its line
        """
        lines = [f"{self.word} {self.name}"]
        for name, value in self.headers:
            if not value.isprintable() or _NAME.fullmatch(name) is None:
                raise GktmpError(f"{name} cannot be written as a header")
            lines.append(f"{name}:{value}")
        if self.body:
            lines.append(f"Content-Length:{len(self.body)}")
        return "\r\n".join([*lines, "", ""]).encode() + self.body


def write_fields(fields: Iterable[tuple[str, str]], separator: str) -> bytes:
    """Write a body.

    @param separator: C{=} or C{:}
    @raise GktmpError: a field would not stay on its line, or not be read back
    """
    lines = []
    for tag, value in fields:
        if not value.isprintable() or _TAG.fullmatch(tag) is None:
            raise GktmpError(f"{tag!r} cannot be written as a field")
        lines.append(f"{tag}{separator}{value}\r\n")
    return "".join(lines).encode()


def read_fields(body: bytes) -> Fields:
    """Read a body, whichever separator it uses; tags that nobody knows are kept.

    @raise GktmpError: a line of it has no tag, or holds what is no text
    """
    fields = []
    for raw in body.split(b"\n"):
        line = _text(raw.removesuffix(b"\r"))
        if not line.strip(" "):
            continue
        found = _FIELD.fullmatch(line)
        if found is None:
            raise GktmpError(f"not a field: {_quotation(line)}")
        fields.append((found[1], found[2].rstrip(" ")))
    return tuple(fields)


def _text(line: bytes) -> str:
    """Give the text of a line.

    @raise GktmpError: it holds control characters, or octets that are not UTF-8
    """
    try:
        text = line.decode()
    except UnicodeDecodeError:
        raise GktmpError("octets that are not text") from None
    text = text.replace("\t", " ")
    if not text.isprintable():
        raise GktmpError("control characters")
    return text


def _quotation(text: str) -> str:
    return repr(text if len(text) <= 40 else f"{text[:37]}...")


class Decoder:
    """Takes a stream apart, wherever it was cut.

    After an error the stream is lost: the same error is raised again and again,
    and what arrives is not kept.
    """

    def __init__(self, limits: Limits = DEFAULT_LIMITS) -> None:
        self._limits = limits
        self._buffer = bytearray()
        self._searched = 0
        self._error: GktmpError | None = None
        self._start_message()

    def _start_message(self) -> None:
        self._line: tuple[str, str] | None = None
        self._headers: list[tuple[str, str]] = []
        self._length: int | None = None
        self._head_is_read = False

    @property
    def pending(self) -> int:
        """Octets that are kept, as their message is not complete."""
        return len(self._buffer)

    def feed(self, data: bytes) -> None:
        """Take what has arrived; ask L{next_message} until there is none."""
        if self._error is None:
            self._buffer += data

    def next_message(self) -> Message | None:
        """Give the next message that is complete, None where more has to arrive.

        @raise GktmpError: there will be no further one
        """
        if self._error is not None:
            raise self._error
        try:
            return self._next()
        except GktmpError as error:
            self._error = error
            self._buffer.clear()
            raise

    def _next(self) -> Message | None:
        while not self._head_is_read:
            line = self._take_line()
            if line is None:
                return None
            self._read_head_line(line)
        length = self._length or 0
        if len(self._buffer) < length:
            return None
        body = bytes(self._buffer[:length])
        del self._buffer[:length]
        assert self._line is not None  # what _read_head_line begins with
        message = Message(*self._line, tuple(self._headers), body)
        self._start_message()
        return message

    def _take_line(self) -> str | None:
        end = self._buffer.find(b"\n", self._searched)
        if end < 0:
            self._searched = len(self._buffer)
            # One octet more may be the CR of the line's end.
            if len(self._buffer) > self._limits.line + 1:
                raise self._too_long()
            return None
        line = bytes(self._buffer[:end]).removesuffix(b"\r")
        if len(line) > self._limits.line:
            raise self._too_long()
        del self._buffer[: end + 1]
        self._searched = 0
        return _text(line)

    def _too_long(self) -> GktmpError:
        return GktmpError(f"a line of more than {self._limits.line} octets")

    def _read_head_line(self, line: str) -> None:
        if self._line is None:
            # Blank lines between messages: a body's length was perhaps counted without its last line end.
            if line.strip(" "):
                self._line = _read_message_line(line)
        elif not line:
            self._head_is_read = True
        else:
            self._read_header(line)

    def _read_header(self, line: str) -> None:
        # "Notification-Only" has no value, and perhaps no colon.
        found = _HEADER.fullmatch(line if ":" in line else f"{line}:")
        if found is None:
            raise GktmpError(f"not a header: {_quotation(line)}")
        if len(self._headers) >= self._limits.headers:
            raise GktmpError(f"more than {self._limits.headers} headers")
        name, value = found[1], found[2].strip(" ")
        if name.lower() == "content-length":
            self._read_length(value)
        else:
            self._headers.append((name, value))

    def _read_length(self, value: str) -> None:
        if _LENGTH.fullmatch(value) is None:
            raise GktmpError(f"not a Content-Length: {_quotation(value)}")
        length = int(value)
        if length > self._limits.body:
            raise GktmpError(f"a body of more than {self._limits.body} octets")
        if self._length not in (None, length):
            raise GktmpError("two values of Content-Length")
        self._length = length


def _read_message_line(line: str) -> tuple[str, str]:
    found = _MESSAGE_LINE.fullmatch(line)
    if found is None:
        raise GktmpError(f"not a message line: {_quotation(line)}")
    return found[1].upper(), found[2].upper()
