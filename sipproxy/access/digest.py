"""The arithmetic of Digest (RFC 7616 3.4.1 to 3.4.3, RFC 2069 2.1.1, RFC 8760 2.2). Pure.

Not here: the C{-sess} variants and SHA-512-256, which no challenge of ours offers.
"""

import hashlib
from collections.abc import Callable
from functools import lru_cache, partial
from hmac import compare_digest
from typing import Any

from sipproxy.access.credentials import DigestCredentials

#: The hash functions by their name in challenges. MD5 is no choice of ours, so systems that forbid it otherwise agree.
HASHES: dict[str, Callable[[bytes], Any]] = {
    "MD5": partial(hashlib.md5, usedforsecurity=False),
    "SHA-256": hashlib.sha256,
}

#: Octets of an A2 whose hash is remembered at most, and how many are.
_LONGEST_USUAL, _REMEMBERED = 200, 1024

#: The spelling of L{HASHES} by the lower-case one, as algorithms are tokens in any case (RFC 3261 7.3.1).
SPELLINGS = {name.lower().encode("ascii"): name for name in HASHES}


def hash_a1(algorithm: str, username: bytes, realm: bytes, password: bytes) -> bytes:
    """Give H(A1) in hexadecimal (RFC 7616 3.4.2)."""
    return _hash(algorithm, b"%b:%b:%b" % (username, realm, password))


def _hash(algorithm: str, octets: bytes) -> bytes:
    digest: str = HASHES[algorithm](octets).hexdigest()
    return digest.encode("ascii")


_usual_hash = lru_cache(maxsize=_REMEMBERED)(_hash)


def compute_response(algorithm: str, ha1: bytes, credentials: DigestCredentials, method: bytes, body: bytes) -> bytes:
    """Give the response that the one who knows H(A1) writes, in hexadecimal.

    @param credentials: all but their response is used
    @param body: the entity body, read with qop C{auth-int} only
    """
    a2 = b"%b:%b" % (method, credentials.uri)
    if credentials.qop == b"auth-int":
        # RFC 8760 2.6 item 7: without a body the hash of no octets.
        a2 += b":" + (_hash(algorithm, body) if body else _usual_hash(algorithm, body))
    # Many registrations have one A2: it has nothing of the user.
    ha2 = _hash(algorithm, a2) if len(a2) > _LONGEST_USUAL else _usual_hash(algorithm, a2)
    if credentials.qop:
        middle = b":".join((credentials.nonce, credentials.nc, credentials.cnonce, credentials.qop))
    else:
        middle = credentials.nonce  # RFC 2069 2.1.1
    return _hash(algorithm, b"%b:%b:%b" % (ha1, middle, ha2))


def is_right(algorithm: str, ha1: bytes, credentials: DigestCredentials, method: bytes, body: bytes) -> bool:
    """Tell whether credentials hold the response that H(A1) asks for; it takes the same time for all wrong ones."""
    return compare_digest(compute_response(algorithm, ha1, credentials, method, body), credentials.response)
