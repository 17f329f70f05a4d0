"""Responses of the usual shape, read no further than a proxy needs to relay them.

Three of four messages that a proxy receives in a call are responses, and of
those it reads a status, its own branch and the method of CSeq. Their octets are
kept; whoever asks for more (a challenge, a redirection) has all of it read then.
What is not of the usual shape is left to L{sipproxy.message.message}.
"""

import re

from sipproxy.message.grammar import TOKEN
from sipproxy.message.headers import Via, parse_via
from sipproxy.message.message import DEFAULT_LIMITS, SHORTEST_VIA, Limits, Response, make_message

_VIA = b"Via: "
_VIA_SIZE = len(_VIA)
_BRANCH = b";branch="
# A line that is no header, nor goes on with one.
_odd_line = re.compile(rb"\r\n(?!" + TOKEN + rb"[ \t]*:|[ \t])").search


class RelayedResponse:
    """A response of which no more is read than relaying it needs.

    @ivar status: status code
    """

    __slots__ = ("_branch", "_cut", "_method", "_next_via", "_raw", "_top", "_whole", "status")

    def __init__(
        self,
        raw: bytes,
        status: int,
        cut: tuple[int, int],
        top: bytes,
        branch: bytes,
        next_via: bytes,
        method: bytes,
    ) -> None:
        """
        @param cut: where that begins and ends in C{raw} which goes with the topmost Via: its line, or its value and
            the comma behind it
        @param top: the topmost Via value
        @param branch: the branch of it, in lower case
        @param next_via: the Via value behind it
        @param method: the method of CSeq
        """
        self._raw = raw
        self.status = status
        self._cut = cut
        self._top = top
        self._branch = branch
        self._next_via = next_via
        self._method = method
        self._whole: Response | None = None

    def whole(self) -> Response:
        """Read all of it; that cannot fail any more."""
        if self._whole is None:
            head, _, body = self._raw.partition(b"\r\n\r\n")
            lines = head.split(b"\r\n")
            whole = make_message(lines.pop(0), lines, body, len(lines))
            assert isinstance(whole, Response)
            self._whole = whole
        return self._whole

    def transaction(self) -> tuple[bytes, bytes]:
        """Give branch and method."""
        return self._branch, self._method

    @property
    def via(self) -> Via:
        """The topmost Via."""
        return parse_via(self._top)

    def via_start(self) -> bytes:
        """Give the topmost Via as it came up to its parameters."""
        return self._top.partition(b";")[0]

    def next_via(self) -> bytes:
        """Give the Via value behind the topmost one."""
        return self._next_via

    def to_bytes(self) -> bytes:
        """Write it as it came."""
        return self._raw

    def without_top_via(self) -> bytes:
        """Write it without its topmost Via."""
        begin, end = self._cut
        return self._raw[:begin] + self._raw[end:]


#: What a transaction's user is given.
AnyResponse = Response | RelayedResponse


def read_response(data: bytes, limits: Limits = DEFAULT_LIMITS) -> RelayedResponse | None:
    """Read a response of the usual shape: two Via values in the second line or in the second and the third, the branch
    of the first a plain one, Content-Length right.

    @return: None where it has another shape, or is no response at all
    """
    if data[:8] != b"SIP/2.0 " or len(data) > min(limits.size, limits.separators):
        return None
    end = data.find(b"\r\n\r\n")
    if end > limits.vias * SHORTEST_VIA:  # long enough to break a limit
        return None
    first = data.find(b"\r\n") + 2
    second = data.find(b"\r\n", first) + 2
    if end < 0 or second > end or not data.startswith(_VIA, first) or data[second] in b" \t":
        return None
    # Whatever is behind it: what is read of the Vias cannot fail any more once a transaction has taken the response.
    line = data[first + _VIA_SIZE : second - 2]
    if b'"' in line or b"<" in line:
        return None
    top, comma, following = line.partition(b",")
    if comma:
        cut = (first + _VIA_SIZE, second - 2 - len(following.lstrip()))
        following = following.partition(b",")[0].strip()
    else:
        third = data.find(b"\r\n", second) + 2
        if third > end or not data.startswith(_VIA, second) or data[third] in b" \t":
            return None
        cut = (first, second)
        following = data[second + _VIA_SIZE : third - 2].strip()
        if b"," in following:
            return None
    status = data[8:11]
    if not (status.isdigit() and b"100" <= status <= b"699" and data[11] in b" \r"):
        return None
    branch = top.partition(_BRANCH)[2].partition(b";")[0]
    if not branch or not following or b" " in branch:
        return None
    sequence, _, method = _value(data, b"\r\nCSeq: ", end).partition(b" ")
    length = _value(data, b"\r\nContent-Length:", end).strip()
    if not (sequence.isdigit() and method.isalpha()) or length != b"%d" % (len(data) - end - 4):
        return None
    breaks = data.count(b"\r\n", 0, end)
    if breaks > limits.headers or data.count(b"\n", 0, end) != breaks or data.count(b"\r", 0, end) != breaks:
        return None
    # So that reading the rest, if somebody asks for it, cannot fail.
    if _odd_line(data, 0, end):
        return None
    return RelayedResponse(data, int(status), cut, top, branch.lower(), following, method)


def _value(data: bytes, name: bytes, end: int) -> bytes:
    at = data.find(name, 0, end)
    return data[at + len(name) : data.find(b"\r\n", at + 2)] if at >= 0 else b""
