"""A SIP message as its header lines (RFC 3261 7).

Parsing splits the octets into lines and names each; nothing more is read
until somebody asks. Lines are kept as they came, so what is forwarded
untouched goes out octet for octet. Limits hold before anything is stored.

Not here: meaning. A header nobody reads may be as wrong as it likes.
"""

import re
from dataclasses import dataclass

from sipproxy.errors import SipParseError
from sipproxy.message.grammar import NAMES, TOKEN, canonical_name, number, unfold
from sipproxy.message.headers import (
    NameAddr,
    Via,
    parse_cseq,
    parse_name_addr,
    parse_via,
    split_values,
    usual_address,
)
from sipproxy.message.uri import Uri, parse_uri

_REQUEST_LINE = re.compile(rb"(" + TOKEN + rb") ([^ ]+) [Ss][Ii][Pp]/2\.0\Z").match
_STATUS_LINE = re.compile(rb"SIP/2\.0 ([1-6][0-9][0-9])(?: (.*))?\Z", re.IGNORECASE | re.DOTALL).match
_OTHER_VERSION = re.compile(rb"(?:" + TOKEN + rb" [^ ]+ )?SIP/(?!2\.0)[0-9]+\.[0-9]+(?: |\Z)", re.IGNORECASE).match
_HEADER = re.compile(TOKEN + rb"[ \t]*:").match

#: Octets of C{SIP/2.0/UDP a,}, the shortest Via value of a list.
SHORTEST_VIA = 14

#: Header fields of which a message may hold one value only, where we read them (RFC 3261 7.3.1, table 2).
_SINGLE = ("call-id", "cseq", "from", "to", "max-forwards", "content-length")


@dataclass(frozen=True, slots=True)
class Limits:
    """What a message may measure.

    @ivar size: octets in all; more is 513
    @ivar headers: header lines; more is 400
    @ivar vias: Via values; more is 400
    @ivar separators: commas, semicolons and line ends of the head, which bound what reading it costs; more is
        not answered
    """

    size: int = 65535
    headers: int = 200
    vias: int = 70
    separators: int = 2000


DEFAULT_LIMITS = Limits()


class Message:
    """What requests and responses have in common.

    @ivar start: the start line
    @ivar lines: header lines as they came, without the final CRLF; a folded one keeps its inner CRLF
    @ivar names: canonical name of each line (long, lower case)
    @ivar body: the body, cut to Content-Length
    """

    __slots__ = ("_call_id", "_cseq", "_from", "_to", "_via", "body", "lines", "names", "start")

    def __init__(self, start: bytes, lines: list[bytes], names: list[str], body: bytes) -> None:
        self.start = start
        self.lines = lines
        self.names = names
        self.body = body
        self._call_id: bytes | None = None
        self._via: Via | None = None
        self._from: NameAddr | None = None
        self._to: NameAddr | None = None
        self._cseq: tuple[int, bytes] | None = None

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.start.decode('utf-8', 'backslashreplace')}>"

    def header(self, name: str) -> bytes | None:
        """Give the value of the first header line of a name, unfolded and stripped, or None."""
        names = self.names
        if name not in names:
            return None
        value = self.lines[names.index(name)].partition(b":")[2].strip()
        return unfold(value) if b"\n" in value else value

    def headers(self, name: str) -> list[bytes]:
        """Give the value of each header line of a name; lists inside a line are not split."""
        return [self.value_at(at) for at, found in enumerate(self.names) if found == name]

    def values(self, name: str) -> list[bytes]:
        """Give the values of a header that is a list, over all its lines in order (RFC 3261 7.3.1).

        @raise SipParseError: a list cannot be split
        """
        return [value for text in self.headers(name) for value in split_values(text) if value]

    def value_at(self, at: int) -> bytes:
        """Give the value of one header line, unfolded and stripped."""
        return unfold(self.lines[at].partition(b":")[2].strip())

    def required(self, name: str) -> bytes:
        """Give the value of a header that must be there.

        @raise SipParseError: it is not
        """
        names = self.names
        if name in names:
            value = self.lines[names.index(name)].partition(b":")[2].strip()
            if value:
                return unfold(value) if b"\n" in value else value
        raise SipParseError(b"Missing " + _title(name))

    @property
    def via(self) -> Via:
        """The topmost Via."""
        if self._via is None:
            value = self.required("via")
            self._via = parse_via(split_values(value)[0] if b"," in value else value)
        return self._via

    @property
    def from_(self) -> NameAddr:
        """The From header."""
        if self._from is None:
            self._from = self._address("from")
        return self._from

    @property
    def to(self) -> NameAddr:
        """The To header."""
        if self._to is None:
            self._to = self._address("to")
        return self._to

    def _address(self, name: str) -> NameAddr:
        """Read From or To; the usual form from the whole line, which spares cutting its value out."""
        names = self.names
        usual = usual_address(self.lines[names.index(name)], True) if name in names else None
        return usual or parse_name_addr(self.required(name))

    @property
    def call_id(self) -> bytes:
        """The Call-ID."""
        if self._call_id is None:
            self._call_id = self.required("call-id")
        return self._call_id

    @property
    def cseq(self) -> tuple[int, bytes]:
        """The CSeq as (number, method)."""
        if self._cseq is None:
            self._cseq = parse_cseq(self.required("cseq"))
        return self._cseq

    def to_bytes(self) -> bytes:
        """Write it as it goes over the wire."""
        return b"\r\n".join((self.start, *self.lines, b"", self.body))

    def check_single(self) -> None:
        """Check that headers with one value stand once (RFC 3261 7.3.1).

        @raise SipParseError: one stands twice
        """
        names = self.names
        if len(set(names)) == len(names):
            return
        for name in _SINGLE:
            if names.count(name) > 1:
                raise SipParseError(b"Repeated " + _title(name))


class Request(Message):
    """A request.

    @ivar method: the method, as written (methods are case-sensitive, RFC 3261 7.1)
    @ivar uri: the Request-URI as written
    """

    __slots__ = ("_max_forwards", "_request_uri", "method", "uri")

    def __init__(
        self, method: bytes, uri: bytes, start: bytes, lines: list[bytes], names: list[str], body: bytes
    ) -> None:
        # Written out: a call of the base class costs as much as what it does.
        self.start = start
        self.lines = lines
        self.names = names
        self.body = body
        self._call_id = self._via = self._from = self._to = self._cseq = None
        self.method = method
        self.uri = uri
        self._request_uri: Uri | None = None
        self._max_forwards: int | None = None

    @property
    def request_uri(self) -> Uri:
        """The Request-URI, read."""
        if self._request_uri is None:
            self._request_uri = parse_uri(self.uri)
        return self._request_uri

    @property
    def max_forwards(self) -> int | None:
        """Max-Forwards, None where there is none; it is 0 to 255 (RFC 3261 20.22)."""
        if self._max_forwards is None:
            value = self.header("max-forwards")
            if value is not None:
                self._max_forwards = number(value, 255, b"Max-Forwards")
        return self._max_forwards


class Response(Message):
    """A response.

    @ivar status: status code
    @ivar reason: reason phrase, maybe empty
    """

    __slots__ = ("reason", "status")

    def __init__(
        self, status: int, reason: bytes, start: bytes, lines: list[bytes], names: list[str], body: bytes
    ) -> None:
        Message.__init__(self, start, lines, names, body)
        self.status = status
        self.reason = reason

    def whole(self) -> "Response":
        """Give itself: all of it is read already (see L{sipproxy.message.relayed})."""
        return self

    def transaction(self) -> tuple[bytes, bytes]:
        """Give what tells its client transaction: the lower-case branch of the topmost Via, and the method of
        CSeq (17.1.3).

        @raise SipParseError: there is no CSeq that can be read, or the Vias cannot be told apart
        """
        self.next_via()
        return self.via.branch.lower(), self.cseq[1]

    def via_start(self) -> bytes:
        """Give the topmost Via as it came up to its parameters."""
        return self.required("via").partition(b";")[0]

    def next_via(self) -> bytes:
        """Give the Via value behind the topmost one, empty where there is none."""
        vias = self.values("via")
        return vias[1] if len(vias) > 1 else b""


def parse_message(data: bytes, limits: Limits = DEFAULT_LIMITS) -> Request | Response:
    """Read one message from one datagram (RFC 3261 7 and 18.3).

    @raise SipParseError: it is none, or over a limit; its C{partial} is what could be read
        of a request, so that the sender can be told
    """
    data = data.lstrip(b"\r\n")  # RFC 3261 7.5
    end = data.find(b"\r\n\r\n")
    if len(data) > limits.separators and _separators(data, end) > limits.separators:
        raise SipParseError(b"Too Many Values")  # To read enough for an answer would cost what the limit saves.
    if end < 0 or data[data.find(b"\n") - 1] != 0x0D:
        data, end = _with_line_ends(data)
    head = data[:end]
    lines = head.split(b"\r\n")
    if not head.count(b"\n") == head.count(b"\r") == len(lines) - 1:
        # What one parser takes as a line's end and another does not hides headers.
        raise SipParseError(b"Stray CR Or LF")
    message = make_message(lines.pop(0), lines, data[end + 4 :], limits.headers)
    try:
        _check(message, len(data), limits)
    except SipParseError as error:
        error.partial = message
        raise
    return message


def _separators(data: bytes, end: int) -> int:
    return sum([data.count(separator, 0, end) for separator in (b",", b";", b"\n")])


def _with_line_ends(data: bytes) -> tuple[bytes, int]:
    """Accept bare LF throughout the head, as RFC 2543 6 did."""
    end = data.find(b"\n\n")
    if end < 0 or b"\r" in data[:end]:
        error = SipParseError(b"No Empty Line")
        error.partial = _unended(data)
        raise error
    head = data[:end].replace(b"\n", b"\r\n")
    return head + b"\r\n\r\n" + data[end + 2 :], len(head)


def _unended(data: bytes) -> object | None:
    """Read what can be read of a head without its end."""
    if not data.count(b"\n") == data.count(b"\r") == data.count(b"\r\n"):
        return None
    start, *lines = data.split(b"\r\n")[: DEFAULT_LIMITS.headers]
    try:
        return make_message(start, [line for line in _folded(lines) if _HEADER(line)], b"", DEFAULT_LIMITS.headers)
    except SipParseError as error:
        return error.partial


_known_name = NAMES.get


def make_message(start: bytes, lines: list[bytes], body: bytes, most: int) -> Request | Response:
    """Make a message of its lines; of more than C{most} one too many is kept, for which it will be refused."""
    # None stands for a name in no usual spelling, and is replaced where there is one.
    names: list[str] = [_known_name(line.partition(b":")[0]) for line in lines]  # type: ignore[misc]
    if None in names or len(names) > most:
        lines = _folded(lines)[: most + 1]
        try:
            names = [canonical_name(line[: max(0, line.find(b":"))]) for line in lines]
        except SipParseError as error:
            error.partial = make_message(start, [line for line in lines if _HEADER(line)], body, most)
            raise
    match = _REQUEST_LINE(start)
    if match is not None:
        return Request(match[1], match[2], start, lines, names, body)
    match = _STATUS_LINE(start)
    if match is not None:
        return Response(int(match[1]), match[2] or b"", start, lines, names, body)
    return _bad_start(start, lines, names, body)


def _folded(lines: list[bytes]) -> list[bytes]:
    """Put continuation lines to what they continue (7.3.1)."""
    folded: list[bytes] = []
    pieces: list[bytes] = []
    for line in lines:
        if line[:1] in (b" ", b"\t") and pieces:
            pieces.append(line)
            continue
        if pieces:
            folded.append(b"\r\n".join(pieces))
        pieces = [line]
    return [*folded, b"\r\n".join(pieces)] if pieces else folded


def _bad_start(start: bytes, lines: list[bytes], names: list[str], body: bytes) -> Request | Response:
    """Refuse a start line; what can be answered is given with the error."""
    if _OTHER_VERSION(start):
        error = SipParseError(b"Version Not Supported", 505)
    else:
        error = SipParseError(b"Bad Start Line")
    if start[:4].upper() != b"SIP/":
        method = start.partition(b" ")[0]
        error.partial = Request(method, b"", start, lines, names, body)
    raise error


def _check(message: Message, size: int, limits: Limits) -> None:
    if size > limits.size:
        raise SipParseError(b"Message Too Large", 513)
    if len(message.names) > limits.headers:
        raise SipParseError(b"Too Many Headers")
    if size > limits.vias * SHORTEST_VIA and _via_count(message) > limits.vias:
        raise SipParseError(b"Too Many Vias")
    length = message.header("content-length")
    if length is not None and length != b"%d" % len(message.body):
        _cut_body(message, length)


def _via_count(message: Message) -> int:
    # One line may hold many values: commas bound them from above.
    lines = zip(message.names, message.lines, strict=True)
    return sum([line.count(b",") + 1 for name, line in lines if name == "via"])


def _cut_body(message: Message, length: bytes) -> None:
    """Mind Content-Length in a datagram: too long is an error, octets behind it are no part of it (RFC 3261 18.3)."""
    octets = number(length, len(message.body), b"Content-Length")
    if octets < len(message.body):
        message.body = message.body[:octets]


def _title(name: str) -> bytes:
    return b"CSeq" if name == "cseq" else b"Call-ID" if name == "call-id" else name.title().encode()
