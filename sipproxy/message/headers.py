"""Typed header field values: name-addr, Via, CSeq, lists and parameters (RFC 3261 20 and 25.1)."""

import re

from sipproxy.errors import SipParseError
from sipproxy.message.grammar import HOST, QUOTED, TOKEN, ipv6_reference, number, unquote
from sipproxy.message.uri import Params, Uri, parse_uri

_PARAM = re.compile(rb"[ \t]*;[ \t]*(" + TOKEN + rb")(?:[ \t]*=[ \t]*(" + QUOTED + rb"|[^\x00-\x20;,\"<>=]+))?").match
_BRACKETED = re.compile(rb"(?:(" + QUOTED + rb")[ \t]*+|([^<\",;:]*+))<([^<>\" \t]++)>").match
# Words; UTF-8 among them without quotes is not in the RFC, but met, and Kamailio takes it.
_DISPLAY = re.compile(rb"[A-Za-z0-9\-.!%*_+`'~ \t\x80-\xff]*\Z").match
_BARE = re.compile(rb"[^;,<>\" \t?]++").match
# Name and version of the protocol are tokens: to refuse another version is the start line's business.
_SLASH = rb"[ \t]*/[ \t]*"
_VIA = re.compile(
    TOKEN + _SLASH + TOKEN + _SLASH + rb"(" + TOKEN + rb")[ \t]+(" + HOST + rb")(?:[ \t]*:[ \t]*([0-9]+))?"
).match
_CSEQ = re.compile(rb"([0-9]+)[ \t]+(" + TOKEN + rb")\Z").match
# What most peers write, read in one go; the rest takes the long way.
_USUAL_VIA = re.compile(
    rb"SIP/2\.0/([A-Z]+) ([0-9a-z][0-9a-z.\-]{0,254}+)(?::([0-9]{1,5}))?;branch=(" + TOKEN + rb")(;rport)?\Z"
).match
_ADDRESS = rb'("[^"\\\x00-\x1f]*+" ?)?<([^<>" \t\r\n]++)>(?:;tag=(' + TOKEN + rb"))?\Z"
_USUAL_ADDRESS = re.compile(_ADDRESS).match
_USUAL_LINE = re.compile(rb"[A-Za-z]+: ?" + _ADDRESS).match

_ITEM = re.compile(rb"(?:[^,\"<]++|" + QUOTED + rb"|<[^>]*+>)*+").match

MAX_CSEQ = 2**31 - 1  # RFC 3261 8.1.1.5
MAX_SECONDS = 2**32 - 1  # RFC 3261 20.19


def split_values(value: bytes) -> list[bytes]:
    """Split a comma-separated list, minding quotes and angle brackets (RFC 3261 7.3.1).

    @raise SipParseError: a quote or a bracket is not closed
    """
    if b"," not in value:
        return [value]
    found = []
    at, end = 0, len(value)
    while True:
        match = _ITEM(value, at)
        stop = match.end() if match else at
        found.append(value[at:stop].strip(b" \t"))
        if stop == end:
            return found
        if value[stop] != 0x2C:
            raise SipParseError(b"Unbalanced Quote Or Bracket")
        at = stop + 1


def parse_params(text: bytes, at: int = 0) -> Params:
    """Read C{;name[=value]} up to the end; names in lower case, values as written.

    @raise SipParseError: something else stands there
    """
    params: Params = {}
    end = len(text)
    while at < end:
        match = _PARAM(text, at)
        if match is None:
            if text[at:].strip(b" \t"):
                raise SipParseError(b"Bad Parameter")
            break
        params.setdefault(match[1].lower(), match[2])
        at = match.end()
    return params


class NameAddr:
    """A name-addr or addr-spec with header parameters: From, To, Contact, Route, Diversion (RFC 3261 20.10).

    @ivar display: display name as written, C{b""} where there is none
    @ivar uri: the URI
    @ivar params: header parameters by lower-case name
    """

    __slots__ = ("display", "params", "uri")

    def __init__(self, display: bytes, uri: Uri, params: Params) -> None:
        self.display = display
        self.uri = uri
        self.params = params

    @property
    def tag(self) -> bytes:
        """The tag parameter, C{b""} where there is none (an empty tag is no tag)."""
        return self.params.get(b"tag") or b""

    @property
    def q(self) -> float:
        """The q parameter, 1.0 where there is none (RFC 3261 10.2.1.2).

        @raise SipParseError: it is not 0 to 1 with up to three decimals
        """
        return parse_q(self.params[b"q"]) if b"q" in self.params else 1.0


def parse_name_addr(value: bytes) -> NameAddr:
    """Read one name-addr or addr-spec; without angle brackets parameters belong to the header (RFC 3261 20.10).

    @raise SipParseError: it is neither
    """
    usual = usual_address(value)
    if usual is not None:
        return usual
    match = _BRACKETED(value)
    if match is not None:
        display = match[1] or match[2].strip(b" \t")
        if match[2] and not _DISPLAY(display):
            raise SipParseError(b"Bad Display Name")
        uri, at = match[3], match.end()
    else:
        match = _BARE(value)
        if match is None:
            raise SipParseError(b"Bad Address")
        display, uri, at = b"", match[0], match.end()
    params = parse_params(value, at) if at < len(value) else {}
    return NameAddr(display, parse_uri(uri), params)


def usual_address(text: bytes, is_line: bool = False) -> NameAddr | None:
    """Read the usual form of a From, To or Contact; None for others.

    @param is_line: whether the header's name stands before it
    @raise SipParseError: it is the usual form around something that is no URI
    """
    match = _USUAL_LINE(text) if is_line else _USUAL_ADDRESS(text)
    if match is None:
        return None
    display, uri, tag = match.groups()
    return NameAddr(display.rstrip() if display else b"", parse_uri(uri), {b"tag": tag} if tag else {})


def parse_q(value: bytes | None) -> float:
    """Read a qvalue: 0 to 1 with up to three decimals (RFC 3261 25.1).

    @raise SipParseError: it is none
    """
    if value is None or not re.fullmatch(rb"0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?", value):
        raise SipParseError(b"Bad q Value")
    return float(value)


class Via:
    """One Via value (RFC 3261 20.42).

    @ivar transport: upper-case transport
    @ivar host: lower-case sent-by host
    @ivar port: sent-by port, or None
    @ivar params: parameters by lower-case name
    """

    __slots__ = ("host", "params", "port", "transport")

    def __init__(self, transport: bytes, host: bytes, port: int | None, params: Params) -> None:
        self.transport = transport
        self.host = host
        self.port = port
        self.params = params

    @property
    def branch(self) -> bytes:
        """The branch as written, C{b""} where there is none."""
        return self.params.get(b"branch") or b""


def parse_via(value: bytes) -> Via:
    """Read one Via value.

    @raise SipParseError: it is none
    """
    match = _USUAL_VIA(value)
    if match is not None and match[2][-1:] not in b"-.":
        transport, host, port, branch, rport = match.groups()
        params: Params = {b"branch": branch, b"rport": None} if rport else {b"branch": branch}
        return Via(transport, host, number(port, 65535, b"Via Port") if port else None, params)
    match = _VIA(value)
    if match is None:
        raise SipParseError(b"Bad Via")
    transport, host, port = match.groups()
    host = host.lower() if host[:1] != b"[" else ipv6_reference(host.lower())
    params = parse_params(value, match.end()) if match.end() < len(value) else {}
    return Via(transport.upper(), host, number(port, 65535, b"Via Port") if port is not None else None, params)


def parse_cseq(value: bytes) -> tuple[int, bytes]:
    """Read a CSeq value as (number, method); the number is below 2**31 (RFC 3261 8.1.1.5).

    @raise SipParseError: it is none
    """
    match = _CSEQ(value)
    if match is None:
        raise SipParseError(b"Bad CSeq")
    return number(match[1], MAX_CSEQ, b"CSeq"), match[2]


def parse_seconds(value: bytes) -> int:
    """Read delta-seconds: below 2**32 (RFC 3261 20.19).

    @raise SipParseError: it is no number, or too large a one
    """
    return number(value, MAX_SECONDS, b"Delta-Seconds")


def option_tags(values: list[bytes]) -> list[bytes]:
    """Give the lower-case option tags of a Supported, Require or Proxy-Require header."""
    return [tag.lower() for tag in values if tag]


__all__ = [
    "NameAddr",
    "Via",
    "option_tags",
    "parse_cseq",
    "parse_name_addr",
    "parse_params",
    "parse_q",
    "parse_seconds",
    "parse_uri",
    "parse_via",
    "split_values",
    "unquote",
]
