"""HTTP digest credentials as RADIUS attributes: RFC 5090, and draft-sterman-aaa-sip-01 before it.

RFC 5090 has an attribute for each parameter. The draft has one for the response
(206) and one (207) whose content has types of its own: octets of type, length
and value, which may be in one attribute or, as here, each in its own. Values
are those of the credentials without their quotes; what is escaped in them stays
so (RFC 5090 2.1.2).
"""

import hashlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any

#: What RadiusDigestForm can be: the attributes of RFC 5090, those of the draft, or both.
FORMS = ("Both", "RFC5090", "Sterman")

#: Octets of a parameter that fit into the draft's attribute within an attribute.
LONGEST_PARAMETER = 251

# RFC 5090 3: the attribute of each parameter.
_ATTRIBUTES = {
    "realm": "Digest-Realm",
    "nonce": "Digest-Nonce",
    "method": "Digest-Method",
    "uri": "Digest-URI",
    "qop": "Digest-Qop",
    "algorithm": "Digest-Algorithm",
    "body": "Digest-Entity-Body-Hash",
    "cnonce": "Digest-CNonce",
    "nc": "Digest-Nonce-Count",
    "username": "Digest-Username",
    "opaque": "Digest-Opaque",
    "response": "Digest-Response",
}
# The draft's types of the same.
_TYPES = {
    "realm": 1,
    "nonce": 2,
    "method": 3,
    "uri": 4,
    "qop": 5,
    "algorithm": 6,
    "body": 7,
    "cnonce": 8,
    "nc": 9,
    "username": 10,
}
_HASHES: dict[str, Callable[..., Any]] = {"MD5": hashlib.md5, "SHA-256": hashlib.sha256}


def octets(text: str) -> bytes:
    """Give the octets of a text that was read from a message: those that are not UTF-8 come back as they were."""
    return text.encode("utf-8", "surrogateescape")


def digest_attributes(
    form: str, fields: Mapping[str, str], method: bytes, uri: bytes, body: bytes
) -> Iterator[tuple[str, bytes]]:
    """Give the attributes of an Access-Request that has digest credentials checked.

    @param form: one of L{FORMS}
    @param fields: the parameters of the credentials by name, without their quotes
    @param uri: the Request-URI, which counts where the credentials name none
    @param body: of the request; its hash is sent with qop auth-int
    @raise ValueError: a parameter is longer than L{LONGEST_PARAMETER}
    """
    values = {name: octets(value) for name, value in fields.items() if name in _ATTRIBUTES}
    values = {"uri": uri, **values, "method": method, "body": _body_hash(fields, body)}
    for name, value in values.items():
        if len(value) > LONGEST_PARAMETER:
            raise ValueError(f"{name} is too long")
    if form != "Sterman":
        yield from ((_ATTRIBUTES[name], value) for name, value in values.items() if value)
    if form != "RFC5090":
        yield "Sterman-Digest-Response", values.get("response", b"")
        for name, number in _TYPES.items():
            value = values.get(name, b"")
            if value:
                yield "Sterman-Digest-Attributes", bytes((number, len(value) + 2)) + value


def _body_hash(fields: Mapping[str, str], body: bytes) -> bytes:
    """Give H(entity-body), nothing where it does not count or the algorithm is unknown."""
    if fields.get("qop", "").lower() != "auth-int":
        return b""
    algorithm = fields.get("algorithm", "MD5").upper().removesuffix("-SESS")
    compute = _HASHES.get(algorithm)
    return b"" if compute is None else compute(body, usedforsecurity=False).hexdigest().encode("ascii")
