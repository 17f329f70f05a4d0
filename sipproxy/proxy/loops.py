"""Loops told from spirals, and branch values that allow it (RFC 5393 4.2, RFC 3261 16.6 item 8).

A branch is the magic cookie, a part that is unique, a dot, and a part that
depends on everything our decision reads: Request-URI, Route, tags, Call-ID,
CSeq number, Proxy-Require, Proxy-Authorization. Not on the method, as ACK and
CANCEL share their INVITE's, nor on Via and Max-Forwards, which change always.
"""

from hashlib import blake2b
from random import Random
from zlib import crc32

from sipproxy.errors import RequestError, SipParseError
from sipproxy.message import Request, parse_via
from sipproxy.proxy.identity import Identity

COOKIE = b"z9hG4bK"

_ADMISSION = ("proxy-require", "proxy-authorization")


def decision_hash(request: Request) -> bytes:
    """Give the second part of the branch of a request as it was received: 8 hexadecimal digits."""
    parts = _path(request)
    parts.append(request.to.tag)
    for name in _ADMISSION:
        if name in request.names:
            parts.extend(request.headers(name))
    return b"%08x" % crc32(b"\0".join(parts))


def path_hash(request: Request) -> bytes:
    """Give the second part for a stateless proxy: of what an INVITE, its ACK and its CANCEL have in common."""
    return b"%08x" % crc32(b"\0".join(_path(request)))


def _path(request: Request) -> list[bytes]:
    parts = [request.uri, request.from_.tag, request.call_id, b"%d" % request.cseq[0]]
    if "route" in request.names:
        parts.extend(request.headers("route"))
    return parts


def stateless_branch(request: Request, decision: bytes) -> bytes:
    """Make the branch of a stateless proxy: the same for each copy of a request, its ACK and its CANCEL (16.11)."""
    via = request.via
    if via.branch[:7].lower() == COOKIE.lower():
        unique = b"%b\0%b\0%d" % (via.branch, via.host, via.port or 0)
    else:
        unique = b"\0".join((request.value_at(request.names.index("via")), *_path(request)))
    return COOKIE + blake2b(unique, digest_size=8).hexdigest().encode("ascii") + b"." + decision


def new_branch(random: Random, decision: bytes) -> bytes:
    """Make a branch value that was never used before."""
    return b"%b%016x.%b" % (COOKIE, random.getrandbits(64), decision)


def check_loop(request: Request, decision: bytes, identity: Identity) -> None:
    """Refuse a request that was here before exactly as it is now (RFC 5393 4.2.2).

    Other elements' Via values may look like anything; only ours are read.

    @raise RequestError: 482
    """
    ending = b"." + decision
    lines = request.lines
    if request.names.count("via") == 1 and ending not in lines[request.names.index("via")]:
        return
    for at, name in enumerate(request.names):
        if name == "via" and ending in lines[at] and _looped(request.value_at(at), ending, identity):
            raise RequestError(482)


def _looped(vias: bytes, ending: bytes, identity: Identity) -> bool:
    for value in vias.split(b","):
        if ending not in value:
            continue
        try:
            via = parse_via(value.strip(b" \t"))
        except SipParseError:
            continue
        if via.branch.endswith(ending) and identity.is_our_via(via):
            return True
    return False
