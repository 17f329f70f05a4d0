"""SIP, SIPS, tel and other URIs (RFC 3261 19.1, RFC 3966).

A Uri keeps the octets it was read from; what is forwarded unchanged is those.
"""

import re
from functools import lru_cache

from sipproxy.errors import SipParseError
from sipproxy.message.grammar import HOST, escapes_are_whole, ipv6_reference, is_token, number, unescape

#: Parameters by lower-case name; those of a Uri are shared and must not be changed.
Params = dict[bytes, bytes | None]

# The only "@" that a SIP-URI may hold unescaped ends the userinfo. "#" in the
# user part is not in RFC 3261. # Cisco: numbers may hold it.
# A parameter's value may be empty or hold "=" (base64): not in the RFC either, but met, and Kamailio takes it.
_SIP = re.compile(
    rb"([Ss][Ii][Pp][Ss]?):"
    rb"(?:([A-Za-z0-9\-_.!~*'()&=+$,;?/#%]++)(?::([A-Za-z0-9\-_.!~*'()&=+$,%]*+))?@)?"
    rb"(" + HOST + rb")(?::([0-9]++))?"
    rb"((?:;[A-Za-z0-9\-_.!~*'()\[\]/:&+$%]++(?:=[A-Za-z0-9\-_.!~*'()\[\]/:&+$%=]*+)?)*+)"
    rb"(?:\?([A-Za-z0-9\-_.!~*'()\[\]/?:+$=&%]*+))?\Z"
).match
_ABSOLUTE = re.compile(rb"([A-Za-z][A-Za-z0-9+\-.]*+):([!-;=?-~]++)\Z").match

#: Octets of a URI that is read; push tokens of phones make some hundreds.
MAX_URI = 8192
#: The port of a SIP URI or Via that names none (RFC 3261 19.1.2, 18.1.1).
DEFAULT_PORT = 5060
#: Octets of a URI that is worth remembering.
MEMORABLE = 120

# ";", "/", "?", ":", "@", "&", "=", "+", "$", ",": what RFC 2396 reserves.
_RESERVED_ESCAPE = re.compile(rb"%(3[ABDF]|2[46BCF]|40)", re.IGNORECASE)

#: Parameters that never match when only one of two URIs has them (RFC 3261 19.1.4).
_DISTINCTIVE = (b"user", b"ttl", b"method", b"maddr", b"transport")


class Uri:
    """One URI.

    @ivar raw: the octets it was read from
    @ivar scheme: lower-case scheme
    @ivar user: user part as written (escapes kept), None where there is none; for tel: the subscriber number
    @ivar password: password as written, or None
    @ivar host: lower-case host, IPv6 in brackets; C{b""} for other schemes than sip and sips
    @ivar port: port number, or None where the URI names none
    @ivar params: parameters by lower-case name, None for one without a value
    @ivar headers: what stands behind "?", C{b""} where there is nothing
    """

    __slots__ = ("headers", "host", "params", "password", "port", "raw", "scheme", "user")

    def __init__(
        self,
        raw: bytes,
        scheme: bytes,
        user: bytes | None,
        password: bytes | None,
        host: bytes,
        port: int | None,
        params: Params,
        headers: bytes,
    ) -> None:
        self.raw = raw
        self.scheme = scheme
        self.user = user
        self.password = password
        self.host = host
        self.port = port
        self.params = params
        self.headers = headers

    def __repr__(self) -> str:
        return f"<Uri {self.raw.decode('utf-8', 'backslashreplace')}>"

    @property
    def is_sip(self) -> bool:
        """Whether it is a sip: or sips: URI."""
        return self.scheme in (b"sip", b"sips")

    def same(self, other: "Uri") -> bool:
        """Compare as RFC 3261 19.1.4 says; other schemes octet by octet."""
        if self.raw == other.raw:
            return True
        if self.scheme != other.scheme or not self.is_sip:
            return False
        return (
            self.host == other.host
            and self.port == other.port
            and _comparable(self.user) == _comparable(other.user)
            and _comparable(self.password) == _comparable(other.password)
            and _same_params(self.params, other.params)
            and _headers_set(self.headers) == _headers_set(other.headers)
        )

    def bare(self) -> bytes:
        """Write it as a Request-URI may stand: without the method parameter and headers (RFC 3261 19.1.1)."""
        if not self.is_sip or (not self.headers and b"method" not in self.params):
            return self.raw
        return self.without({b"method"})

    def without(self, dropped: set[bytes], keep_port: bool = True) -> bytes:
        """Write it without some parameters, without headers, and on wish without its port."""
        kept = [(n, v) for n, v in self.params.items() if n not in dropped]
        userinfo = b""
        if self.user is not None:
            userinfo = self.user + (b":" + self.password if self.password is not None else b"") + b"@"
        port = b":%d" % self.port if self.port is not None and keep_port else b""
        params = b"".join(b";" + n if v is None else b";" + n + b"=" + v for n, v in kept)
        return self.scheme + b":" + userinfo + self.host + port + params


def parse_uri(raw: bytes) -> Uri:
    """Read a URI.

    @raise SipParseError: it is not one of RFC 3261 25.1's SIP-URI, SIPS-URI, absoluteURI, or longer than L{MAX_URI}
    """
    if len(raw) > MAX_URI:
        raise SipParseError(b"URI Too Long", 414)
    return _remembered(raw) if len(raw) <= MEMORABLE else _parse(raw)


def _parse(raw: bytes) -> Uri:
    match = _SIP(raw)
    if match is None:
        return _parse_absolute(raw)
    scheme, user, password, host, port, params, headers = match.groups()
    if b"%" in raw and not escapes_are_whole(raw):
        raise SipParseError(b"Bad Escape In URI")
    if host[:1] == b"[":
        host = ipv6_reference(host)
    return Uri(
        raw,
        scheme.lower(),
        user,
        password,
        host.lower(),
        number(port, 65535, b"Port") if port is not None else None,
        _read_params(params) if params else {},
        headers or b"",
    )


#: The same URIs come again and again: three requests of a call name the same two people. A Uri never changes.
_remembered = lru_cache(maxsize=8192)(_parse)


def _parse_absolute(raw: bytes) -> Uri:
    match = _ABSOLUTE(raw)
    if match is None:
        raise SipParseError(b"Bad URI")
    scheme, rest = match[1].lower(), match[2]
    if scheme in (b"sip", b"sips"):
        raise SipParseError(b"Bad URI")
    if scheme != b"tel":
        return Uri(raw, scheme, None, None, b"", None, {}, b"")
    subscriber, _, params = rest.partition(b";")
    return Uri(raw, scheme, subscriber, None, b"", None, _read_params(b";" + params) if params else {}, b"")


def _read_params(text: bytes) -> Params:
    params: Params = {}
    for piece in text[1:].split(b";"):
        name, equals, value = piece.partition(b"=")
        plain = unescape(name)
        params.setdefault((plain if is_token(plain) else name).lower(), value if equals else None)
    return params


def _comparable(text: bytes | None) -> list[bytes] | None:
    """Undo the escapes that are equal to what they stand for: not those of reserved octets (RFC 3261 19.1.4)."""
    if text is None or b"%" not in text:
        return None if text is None else [text]
    pieces = _RESERVED_ESCAPE.split(text)
    return [unescape(piece) if n % 2 == 0 else piece.upper() for n, piece in enumerate(pieces)]


def _value(value: bytes | None) -> list[bytes] | None:
    found = _comparable(value)
    return found and [piece.lower() for piece in found]


def _same_params(ours: Params, theirs: Params) -> bool:
    for name in ours.keys() & theirs.keys():
        if _value(ours[name]) != _value(theirs[name]):
            return False
    return all((name in ours) == (name in theirs) for name in _DISTINCTIVE)


def _headers_set(headers: bytes) -> set[tuple[bytes, bytes]]:
    found = set()
    for piece in headers.split(b"&") if headers else ():
        name, _, value = piece.partition(b"=")
        found.add((name.lower(), unescape(value)))
    return found


def digits(user: bytes) -> bytes:
    """Give a telephone number without its visual separators and escapes (RFC 3966 5.1.1)."""
    return unescape(user).translate(None, b"-.() ")
