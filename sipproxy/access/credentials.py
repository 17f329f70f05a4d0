"""Credentials and challenges of the Digest scheme, as octets (RFC 3261 25.1, RFC 7616 3.3 and 3.4, RFC 8760 2.7).

Pure. A header line holds one challenge or one set of credentials: its commas
part parameters, not values (RFC 3261 7.3.1).

Not here: whether credentials are right; C{username*}, C{userhash} and
C{charset} (RFC 7616 3.4.4), which no challenge of ours offers; C{domain},
which has no meaning in SIP where the realm alone is the protection space
(RFC 3261 22.1).
"""

import re
from collections.abc import Sequence
from typing import NamedTuple

from sipproxy.errors import SipParseError
from sipproxy.message.grammar import QUOTED, TOKEN, unquote

#: Parameters by lower-case name, values without their quotes.
Params = dict[bytes, bytes]

_SCHEME = re.compile(rb"(" + TOKEN + rb")(?:[ \t]+|\Z)").match
# auth-param = token EQUAL (token / quoted-string). A uri without quotes is not in the RFC (22.4 item 2), but met.
_PARAM = re.compile(
    rb"(" + TOKEN + rb")[ \t]*+=[ \t]*+(" + QUOTED + rb"|[^\x00-\x20\x7f\",]*+)[ \t]*+(?:,[ \t,]*+|\Z)"
).match
# What most clients write, read in one go; the rest takes the long way.
_USUAL_PARAM = rb'%b=(?:"%b"|%b)(?:, ?|\Z)'
_is_usual = re.compile(rb"(?:" + _USUAL_PARAM % (rb"[a-z]++", rb'[^"\\]*+', rb"[A-Za-z0-9\-]++") + rb")++\Z").match
_usual_params = re.compile(_USUAL_PARAM % (rb"([a-z]++)", rb'([^"\\]*+)', rb"([A-Za-z0-9\-]++)")).findall
_NONCE_COUNT = re.compile(rb"[0-9A-Fa-f]{1,8}\Z").match

_REQUIRED = (b"username", b"realm", b"nonce", b"uri", b"response")


class DigestCredentials(NamedTuple):
    """What a client answers to a challenge.

    @ivar algorithm: as written, C{b"MD5"} where it is not
    @ivar qop: in lower case, C{b""} where there is none (RFC 2069)
    @ivar nc: nonce count as written, which is how it is hashed; C{b""} without qop
    @ivar cnonce: C{b""} without qop
    @ivar response: in lower case
    """

    username: bytes
    realm: bytes
    nonce: bytes
    uri: bytes
    response: bytes
    algorithm: bytes = b"MD5"
    qop: bytes = b""
    nc: bytes = b""
    cnonce: bytes = b""

    @property
    def nonce_count(self) -> int:
        """The nonce count as a number, 0 without qop."""
        return int(self.nc, 16) if self.nc else 0


def split_scheme(value: bytes) -> tuple[bytes, bytes]:
    """Part a header value into its auth-scheme in lower case, and what follows.

    @raise SipParseError: it does not begin with a scheme
    """
    match = _SCHEME(value)
    if match is None:
        raise SipParseError(b"Bad Auth Scheme")
    return match[1].lower(), value[match.end() :]


def parse_auth_params(text: bytes) -> Params:
    """Read auth-params: C{name=value, name="value"}.

    @raise SipParseError: it is something else, or a parameter stands twice
    """
    if _is_usual(text):
        found = _usual_params(text)
        params = {name: quoted or bare for name, quoted, bare in found}
        if len(params) < len(found):
            raise SipParseError(b"Repeated Auth Parameter")
        return params
    return _unusual_params(text)


def _unusual_params(text: bytes) -> Params:
    params: Params = {}
    text = text.lstrip(b" \t,")
    at, end = 0, len(text)
    while at < end:
        match = _PARAM(text, at)
        if match is None:
            raise SipParseError(b"Bad Auth Parameter")
        name, value = match.groups()
        name = name.lower()
        if name in params:
            # Which of two counts, peers do not agree on; an honest one writes each once.
            raise SipParseError(b"Repeated Auth Parameter")
        params[name] = unquote(value)
        at = match.end()
    return params


def read_credentials(params: Params) -> DigestCredentials:
    """Give the credentials that parameters are.

    @raise SipParseError: one is missing or improper (RFC 7616 3.4)
    """
    required = [params.get(name, b"") for name in _REQUIRED]
    if not all(required):
        raise SipParseError(b"Missing %b In Credentials" % _REQUIRED[required.index(b"")])
    qop = params.get(b"qop", b"").lower()
    nc, cnonce = params.get(b"nc", b""), params.get(b"cnonce", b"")
    if not qop:
        nc = cnonce = b""  # RFC 2617 3.2.2: neither is sent without qop; no part of RFC 2069's hash.
    elif not cnonce or _NONCE_COUNT(nc) is None:
        raise SipParseError(b"Bad Nonce Count Or Cnonce In Credentials")
    username, realm, nonce, uri, response = required
    return DigestCredentials(
        username,
        realm,
        nonce,
        uri,
        response.lower(),
        params.get(b"algorithm") or b"MD5",
        qop,
        nc,
        cnonce,
    )


def parse_credentials(value: bytes) -> DigestCredentials:
    """Read the value of an Authorization or Proxy-Authorization header with Digest.

    @raise SipParseError: it is none, of another scheme, or lacks something
    """
    scheme, rest = split_scheme(value)
    if scheme != b"digest":
        raise SipParseError(b"Not Digest")
    return read_credentials(parse_auth_params(rest))


def quote(text: bytes) -> bytes:
    """Write a quoted-string (RFC 3261 25.1)."""
    return b'"' + text.replace(b"\\", b"\\\\").replace(b'"', b'\\"') + b'"'


class ChallengeWriter:
    """Writes the challenges of a realm: one for each algorithm, with one nonce (RFC 8760 2.3).

    @param algorithms: in the order of preference
    @param qops: the qualities of protection that are offered; never none (RFC 3261 22.4 item 8)
    @param opaque: what clients send back unread
    """

    def __init__(self, realm: bytes, algorithms: Sequence[bytes], qops: Sequence[bytes], opaque: bytes) -> None:
        self._before = b"Digest realm=" + quote(realm) + b', nonce="'
        qop = b",".join(qops)
        self._behind = tuple(b', algorithm=%b, qop="%b"' % (algorithm, qop) for algorithm in algorithms)
        self._opaque = b'", opaque="' + opaque + b'"'

    def first(self, nonce: bytes) -> tuple[bytes, ...]:
        """Give the challenges to one that has not answered one, or wrongly."""
        return self._write(nonce + self._opaque)

    def stale(self, nonce: bytes) -> tuple[bytes, ...]:
        """Give the challenges to one whose nonce cannot be used any more (RFC 7616 3.3: stale)."""
        return self._write(nonce + self._opaque + b", stale=true")

    def _write(self, middle: bytes) -> tuple[bytes, ...]:
        return tuple([self._before + middle + behind for behind in self._behind])
