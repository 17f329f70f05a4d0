"""The topmost Via on its way in, and where responses go (RFC 3261 18.2, RFC 3581)."""

import re
from socket import AF_INET, AF_INET6, inet_pton

from sipproxy.interfaces import Address
from sipproxy.message import Request, Via, split_values
from sipproxy.message.grammar import QUOTED
from sipproxy.message.uri import DEFAULT_PORT

# A comma or semicolon inside quotes is no separator: quoted strings are skipped whole.
_PARAMS = re.compile(rb"(?:" + QUOTED + rb"|[^\";])+|;")
_OURS = re.compile(rb"[ \t]*(?:received|rport)[ \t]*(?:=.*)?\Z", re.IGNORECASE | re.DOTALL).match


def stamp(request: Request, source: Address) -> None:
    """Write received and rport into the topmost Via where they belong.

    received where the source is not the sent-by host (RFC 3261 18.2.1), and
    always beside rport (RFC 3581 4). What the sender itself wrote there goes.

    @raise SipParseError: there is no Via that can be read
    """
    via = request.via
    host = source[0].encode("ascii")
    params = via.params
    if via.host == host and b"rport" not in params and b"received" not in params:
        return
    wanted = []
    if b"rport" in params or _literal(via.host) != host:
        wanted.append(b"received=" + host)
    if b"rport" in params:
        wanted.append(b"rport=%d" % source[1])
    _rewrite(request, wanted)
    for name in (b"received", b"rport"):
        params.pop(name, None)
    params.update((piece.partition(b"=")[0], piece.partition(b"=")[2]) for piece in wanted)


def _literal(host: bytes) -> bytes:
    return host[1:-1] if host[:1] == b"[" else host


def _rewrite(request: Request, wanted: list[bytes]) -> None:
    at = request.names.index("via")
    field, _, _ = request.lines[at].partition(b":")
    values = split_values(request.value_at(at))
    kept = [piece for piece in _PARAMS.findall(values[0]) if piece != b";"]
    kept[1:] = [piece.strip(b" \t") for piece in kept[1:] if not _OURS(piece)]
    values[0] = b";".join([kept[0].rstrip(b" \t"), *kept[1:], *wanted])
    request.lines[at] = field + b": " + b", ".join(values)


def response_destination(via: Via, source: Address) -> Address:
    """Tell where responses to a stamped request go over UDP (RFC 3261 18.2.2, RFC 3581 4)."""
    params = via.params
    if b"maddr" in params:
        # A name would have to be resolved for every response; only literal addresses are obeyed.
        return literal(params[b"maddr"] or b"") or source[0], via.port or DEFAULT_PORT
    if b"rport" in params:
        return source
    return source[0], via.port or DEFAULT_PORT


def literal(host: bytes) -> str | None:
    """Give a host as the literal address that a datagram can be sent to, None where it is none."""
    bare = host.strip(b"[]")
    address, _, _ = bare.partition(b"%")  # fe80::1%eth0
    try:
        inet_pton(AF_INET6 if b":" in address else AF_INET, address.decode("ascii"))
        return bare.decode("ascii")
    except (OSError, ValueError):
        return None


def server_key(request: Request) -> tuple[object, ...]:
    """Give what identifies a server transaction (RFC 3261 17.2.3); an ACK has its INVITE's.

    @raise SipParseError: a header that it needs is missing or wrong
    """
    return matching_key(request, b"INVITE" if request.method == b"ACK" else request.method)


def matching_key(request: Request, method: bytes) -> tuple[object, ...]:
    """Give the key of the transaction of another method that this request belongs to.

    @raise SipParseError: a header that it needs is missing or wrong
    """
    via = request.via
    branch = via.params.get(b"branch")
    if branch is not None and branch[:7].lower() == b"z9hg4bk" and len(branch) > 7:
        # Branches are tokens: case is no difference (RFC 3261 7.3.1).
        return branch.lower(), via.host, via.port, method
    # RFC 2543 peers; the To tag, which the ACK has and the INVITE had not, is left out.
    at = request.names.index("via")
    first = split_values(request.value_at(at))[0]
    return b"", request.uri, request.from_.tag, request.call_id, request.cseq[0], first, method
