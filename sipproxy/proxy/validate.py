"""Request validation: reasonable syntax first, then what forbids forwarding (RFC 3261 16.3, 8.2)."""

from sipproxy.errors import RequestError, SipParseError
from sipproxy.message import Request
from sipproxy.message.headers import option_tags

#: Option tags that a Proxy-Require may name, and that a Require may name in what we answer ourselves.
UNDERSTOOD: frozenset[bytes] = frozenset()
SUPPORTED = frozenset((b"path",))


def validate(request: Request) -> None:
    """Check what a server transaction and forwarding need (16.3 item 1); all else may be as it is.

    @raise SipParseError: a part that we read is missing or wrong
    """
    request.check_single()
    _ = request.via, request.to
    if not request.from_.tag and _is_3261(request):
        raise SipParseError(b"Missing From Tag")  # 8.1.1.3
    if not request.call_id:
        raise SipParseError(b"Missing Call-ID")
    if request.cseq[1] != request.method:
        raise SipParseError(b"CSeq Method Mismatch")  # 8.1.1.5
    _ = request.max_forwards
    uri = request.request_uri
    if uri.is_sip and uri.headers:
        raise SipParseError(b"Headers In Request-URI")  # 19.1.1, table 1


def _is_3261(request: Request) -> bool:
    # RFC 2543 peers may leave the tag of From out; their branch has no magic cookie.
    return request.via.branch[:7].lower() == b"z9hg4bk"


def check_proxy_require(request: Request) -> None:
    """Refuse extensions that we are asked for and do not know (16.3 item 5).

    @raise RequestError: 420 with Unsupported
    """
    # 8.2.2.3: in a CANCEL and in an ACK for a failure it "MUST be ignored"; another ACK says what its INVITE said.
    if "proxy-require" in request.names and request.method not in (b"ACK", b"CANCEL"):
        _refuse_unknown(request, "proxy-require", UNDERSTOOD)


def check_require(request: Request) -> None:
    """Refuse extensions that a request for ourselves asks for and that we do not know (8.2.2.3).

    @raise RequestError: 420 with Unsupported
    """
    if "require" in request.names:
        _refuse_unknown(request, "require", SUPPORTED)


def _refuse_unknown(request: Request, name: str, known: frozenset[bytes]) -> None:
    unknown = [tag for tag in option_tags(request.values(name)) if tag not in known]
    if unknown:
        raise RequestError(420, headers=(b"Unsupported: " + b", ".join(unknown),))
