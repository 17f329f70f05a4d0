"""What an INVITE tells gatekeepers beyond its number: Cisco's Pavo extension of the LRQ.

 - CallIdentifier: the octets of Cisco-Guid (four decimal numbers of 32 bits);
   without one, the MD5 of the Call-ID.
 - RedirectIEinfo: who redirected the call last, as Q.931 has it, from the first
   Diversion, CC-Diversion or CC-Redirect (RFC 5806; the three are one).
 - CallingOctet3a: presentation and screening of the caller's number, from the
   same header, without one from Remote-Party-ID.

What cannot be read is left out: it is no reason not to ask.
"""

import hashlib
import re
from typing import NamedTuple

from sipproxy.errors import SipParseError
from sipproxy.message import Request
from sipproxy.message.grammar import unescape
from sipproxy.message.headers import NameAddr, parse_name_addr
from sipproxy.translation.chain import Subject
from sipproxy.wire.q931 import ElementError, calling_octet_3a, encode_redirecting_number, redirecting_number

_HEADERS = ("cc-diversion", "diversion", "cc-redirect")
_REMOTE_PARTY = "remote-party-id"
_GUID = re.compile(rb"[ \t]*(\d{1,10})-(\d{1,10})-(\d{1,10})-(\d{1,10})[ \t]*")


class Pavo(NamedTuple):
    """The members of the extension.

    @ivar call_identifier: 16 octets
    @ivar redirect_ie: a redirecting number of Q.931, None where nobody redirected the call
    @ivar calling_octet_3a: None where nothing is said about it
    """

    call_identifier: bytes
    redirect_ie: bytes | None
    calling_octet_3a: int | None


def pavo_of(subject: Subject) -> Pavo:
    """Read the members from a request, and from what we say of how it was forwarded."""
    request = subject.request
    diversion = _diversion(subject)
    shown = diversion or _first(request, _REMOTE_PARTY)
    return Pavo(
        _guid(request) or hashlib.md5(request.call_id, usedforsecurity=False).digest(),
        None if diversion is None else _redirecting(diversion),
        None if shown is None else calling_octet_3a(_param(shown, b"privacy"), _param(shown, b"screen")),
    )


def _guid(request: Request) -> bytes | None:
    match = _GUID.fullmatch(request.header("cisco-guid") or b"")
    if match is None:
        return None
    words = [int(word) for word in match.groups()]
    return b"".join(word.to_bytes(4, "big") for word in words) if max(words) < 2**32 else None


def _diversion(subject: Subject) -> NameAddr | None:
    """Give the last diversion: the first one that we add, else the first one that came."""
    for line in subject.diversions[:1]:
        return _read(line.partition(b":")[2].strip())
    for name in _HEADERS:
        found = _first(subject.request, name)
        if found is not None:
            return found
    return None


def _first(request: Request, name: str) -> NameAddr | None:
    try:
        values = request.values(name)
    except SipParseError:
        return None
    return _read(values[0]) if values else None


def _read(value: bytes) -> NameAddr | None:
    try:
        return parse_name_addr(value)
    except SipParseError:
        return None


def _redirecting(diversion: NameAddr) -> bytes | None:
    user = unescape((diversion.uri.user or b"").partition(b";")[0]).decode("latin-1")
    reason, privacy, screen = (_param(diversion, name) for name in (b"reason", b"privacy", b"screen"))
    try:
        return encode_redirecting_number(redirecting_number(user, reason, privacy, screen))
    except ElementError:
        return None


def _param(address: NameAddr, name: bytes) -> str:
    """Give a parameter, without quotes, empty where it is not there."""
    return (address.params.get(name) or b"").decode("latin-1").strip('"')
