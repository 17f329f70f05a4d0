"""The terminals of RFC 3261 section 25.1 as compiled patterns, and the table of header names.

Every pattern is linear: no two alternatives of a repetition can match the
same octet, and neighbouring repetitions share none, so that no input makes
one slow.
"""

import re
from socket import AF_INET6, inet_ntop, inet_pton
from urllib.parse import unquote_to_bytes

from sipproxy.errors import SipParseError

#: token = 1*(alphanum / "-" / "." / "!" / "%" / "*" / "_" / "+" / "`" / "'" / "~")
TOKEN = rb"[A-Za-z0-9\-.!%*_+`'~]+"
#: host = hostname / IPv4address / IPv6reference; "_" is met in real host names. No name is longer than 255 octets.
HOST = rb"(?:[A-Za-z0-9_](?:[A-Za-z0-9\-_.]{0,253}[A-Za-z0-9_.])?|\[[0-9A-Fa-f:.]{2,45}\])"
#: quoted-string without its surrounding LWS; UTF-8 as it comes.
QUOTED = rb'"[^"\\]*+(?:\\[\x00-\x7f][^"\\]*+)*+"'

is_token = re.compile(TOKEN + rb"\Z").match
is_host = re.compile(HOST + rb"\Z").match

_BAD_ESCAPE = re.compile(rb"%(?![0-9A-Fa-f]{2})")

#: RFC 3261 7.3.3 and the IANA registry of compact forms.
COMPACT = {
    "a": "accept-contact",
    "b": "referred-by",
    "c": "content-type",
    "d": "request-disposition",
    "e": "content-encoding",
    "f": "from",
    "i": "call-id",
    "j": "reject-contact",
    "k": "supported",
    "l": "content-length",
    "m": "contact",
    "n": "identity-info",
    "o": "event",
    "r": "refer-to",
    "s": "subject",
    "t": "to",
    "u": "allow-events",
    "v": "via",
    "x": "session-expires",
    "y": "identity",
}

_USUAL_SPELLINGS = (
    "Accept Allow Authorization Call-ID CC-Diversion Cisco-Guid Contact Content-Disposition Content-Length "
    "Content-Type CSeq Date Diversion Event Expires From Max-Breadth Max-Forwards MIME-Version Min-Expires "
    "Min-SE P-Asserted-Identity Path Privacy Proxy-Authenticate Proxy-Authorization Proxy-Require RAck "
    "Record-Route Refer-To Remote-Party-ID Require Retry-After Route RSeq Server Service-Route Session-Expires "
    "Subject Subscription-State Supported Timestamp To Unsupported User-Agent Via Warning WWW-Authenticate"
)


def _spellings() -> dict[bytes, str]:
    table = {spelling.encode(): spelling.lower() for spelling in _USUAL_SPELLINGS.split()}
    for short, name in COMPACT.items():
        table[short.encode()] = table[short.upper().encode()] = name
    # One object for each name, so that a comparison of names is one of identity.
    names: dict[str, str] = {}
    return {spelling: names.setdefault(name, name) for spelling, name in table.items()}


#: Canonical (long, lower-case) name by the spellings that are usual on the wire.
NAMES = _spellings()


def canonical_name(field: bytes) -> str:
    """Give the long lower-case name of a header field in any spelling (RFC 3261 7.3.1).

    @param field: what stands before the colon, white space behind it allowed
    @raise SipParseError: it is not a token
    """
    name = field.rstrip(b" \t")
    if not is_token(name):
        raise SipParseError(b"Bad Header Name")
    text = name.decode("ascii").lower()
    return COMPACT.get(text, text)


def unfold(value: bytes) -> bytes:
    """Replace each folding by one space (RFC 3261 7.3.1)."""
    # No pattern: one that begins with white space is quadratic in a long run of it.
    return b" ".join([piece.strip(b" \t") for piece in value.split(b"\r\n")]) if b"\n" in value else value


def unescape(text: bytes) -> bytes:
    """Undo %HH escapes (RFC 3261 19.1.2); a % that begins none stays."""
    return unquote_to_bytes(text) if b"%" in text else text


def escapes_are_whole(text: bytes) -> bool:
    """Tell whether each % stands before two hexadecimal digits."""
    return b"%" not in text or _BAD_ESCAPE.search(text) is None


def unquote(text: bytes) -> bytes:
    """Give the content of a quoted-string, other text as it is (RFC 3261 25.1)."""
    if len(text) < 2 or text[:1] != b'"' or text[-1:] != b'"':
        return text
    inner = text[1:-1]
    if b"\\" not in inner:
        return inner
    return b"\\".join([piece.replace(b"\\", b"") for piece in inner.split(b"\\\\")])


def number(text: bytes, most: int, what: bytes) -> int:
    """Read 1*DIGIT.

    @raise SipParseError: it is no number, or above C{most}
    """
    if len(text) < 10 and text.isdigit():
        value = int(text)
        if value <= most:
            return value
    # Leading zeros are legal; int() refuses very long texts, and every number of SIP is below 2**32.
    significant = text.lstrip(b"0") or b"0"
    if not text.isdigit() or len(significant) > 10 or int(significant) > most:
        raise SipParseError(b"Bad " + what)
    return int(significant)


def ipv6_reference(host: bytes) -> bytes:
    """Check an IPv6 address in brackets, and give its usual spelling, so that equal ones look equal.

    The third colon that RFC 3261's ABNF allows is mended (RFC 5118 4.10).

    @raise SipParseError: it is no address
    """
    address = host[1:-1].replace(b":::", b"::")
    try:
        address = inet_ntop(AF_INET6, inet_pton(AF_INET6, address.decode("ascii"))).encode("ascii")
    except (OSError, ValueError):
        raise SipParseError(b"Bad IPv6 Address") from None
    return b"[" + address + b"]"
