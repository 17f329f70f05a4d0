"""Credentials checked by a RADIUS server: CHAP (RFC 2865 2.2, 5.3) and digest (RFC 5090, draft-sterman-aaa-sip-01).

CHAP: the telephone answers a Basic challenge, so that the password is known
here; it goes on as CHAP-Password over a CHAP-Challenge of ours.
Cisco: RFC 3261 22 forbids Basic. The original had nothing else for RADIUS.

Digest: nonces are ours, the server computes the response anew. It does not see
our nonces' age, so an Access-Challenge, with which it would give one of its
own, is a refusal (RFC 2865 4.4).

Of an Access-Accept the Session-Timeout and the Reply-Message count. Whether
there are credentials, and whether they are for this request, is not looked at
here.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Literal, Protocol

from twisted.internet.defer import Deferred, fail

from sipproxy.errors import RequestError
from sipproxy.wire.radius import ACCESS_ACCEPT, ACCESS_REJECT, ACCESS_REQUEST, LONGEST_VALUE, Attribute, Reply
from sipproxy.wire.radius_digest import digest_attributes, octets

#: What is expected instead of AuthScheme CHAP where a listener is not protected, for a warning of the configuration.
CHAP_WARNING = (
    "HTTP_Digest or RADIUS_Digest: with CHAP every telephone sends its password, as good as in the clear, with every "
    "request, for all on the way to read and use; let only links that IPsec or TLS protects carry it"
)

# Octets of a user's credentials in all. Twice as much, for both forms of digest, stays below a packet of 4096.
_LONGEST_CREDENTIALS = 1500

_CHALLENGED = "the server asks for another round, which there is none of"


class Sender(Protocol):
    """What is needed of the RADIUS client."""

    def send(self, code: int, attributes: Sequence[Attribute]) -> "Deferred[Reply]":
        """Give the answer to a request; fail with UnavailableError where there is none."""


@dataclass(frozen=True, slots=True)
class RadiusVerdict:
    """What a server says of credentials.

    @ivar outcome: C{"accepted"} or C{"refused"}
    @ivar session_timeout: seconds that a call may last, None where nothing is said
    @ivar reply_message: the server's words, C{""} for none
    """

    outcome: Literal["accepted", "refused"]
    session_timeout: int | None = None
    reply_message: str = ""


class ChapCheck:
    """AuthScheme CHAP."""

    def __init__(self, client: Sender, nas: Sequence[Attribute], random: Random) -> None:
        """
        @param nas: who asks, see L{sipproxy.wire.radius.nas_attributes}
        @param random: source of challenges; unpredictable
        """
        self._client = client
        self._nas = tuple(nas)
        self._random = random

    def check(
        self, fields: Mapping[str, str], method: bytes, uri: bytes, body: bytes, user: str
    ) -> "Deferred[RadiusVerdict]":
        """Have Basic credentials checked.

        @param fields: C{username} and C{password}, decoded
        @param user: the User-Name
        @return: fails with UnavailableError where no server answers, with RequestError where the name is none
        """
        if not 0 < len(octets(user)) <= LONGEST_VALUE:
            return fail(RequestError(400, b"Bad user name"))
        identifier, *challenge = self._random.getrandbits(17 * 8).to_bytes(17, "big")
        asked = bytes(challenge)
        # RFC 2865 5.3: the identifier, then MD5 of identifier, secret and challenge (RFC 1994 4.1).
        answer = hashlib.md5(
            bytes((identifier,)) + octets(fields.get("password", "")) + asked, usedforsecurity=False
        ).digest()
        attributes: list[Attribute] = [
            ("User-Name", octets(user)),
            ("CHAP-Password", bytes((identifier,)) + answer),
            ("CHAP-Challenge", asked),
            *self._nas,
        ]
        return self._client.send(ACCESS_REQUEST, attributes).addCallback(_verdict)


class RadiusDigestCheck:
    """AuthScheme RADIUS_Digest."""

    def __init__(self, client: Sender, nas: Sequence[Attribute], form: str = "Both") -> None:
        """
        @param nas: who asks, see L{sipproxy.wire.radius.nas_attributes}
        @param form: RadiusDigestForm
        """
        self._client = client
        self._nas = tuple(nas)
        self._form = form

    def check(
        self, fields: Mapping[str, str], method: bytes, uri: bytes, body: bytes, user: str
    ) -> "Deferred[RadiusVerdict]":
        """Have digest credentials checked.

        @param fields: their parameters, without quotes, otherwise as they stand in the header
        @param method: of the request
        @param uri: the Request-URI
        @param body: of the request
        @param user: the User-Name
        @return: fails with UnavailableError where no server answers, with RequestError where the credentials are none
            or too long for RADIUS
        """
        if not 0 < len(octets(user)) <= LONGEST_VALUE:
            return fail(RequestError(400, b"Bad user name"))
        if len(uri) + len(method) + sum(len(octets(value)) for value in fields.values()) > _LONGEST_CREDENTIALS:
            return fail(RequestError(400, b"Credentials too long"))
        try:
            credentials = list(digest_attributes(self._form, fields, method, uri, body))
        except ValueError as error:
            return fail(RequestError(400, f"Credentials: {error}".encode("ascii")))
        attributes: list[Attribute] = [("User-Name", octets(user)), *credentials, *self._nas]
        return self._client.send(ACCESS_REQUEST, attributes).addCallback(_verdict)


def _verdict(reply: Reply) -> RadiusVerdict:
    """Read an answer to an Access-Request."""
    words = "".join(
        text if isinstance(text, str) else text.decode("utf-8", "replace")
        for text in reply.attributes.get("Reply-Message", ())
    )
    if reply.code == ACCESS_ACCEPT:
        return RadiusVerdict("accepted", next(iter(reply.attributes.get("Session-Timeout", ())), None), words)
    if reply.code == ACCESS_REJECT:
        return RadiusVerdict("refused", None, words)
    return RadiusVerdict("refused", None, words or _CHALLENGED)
