"""How clients are asked for credentials, and what they answer: the seam for auth-schemes, and Digest.

Digest for SIP: RFC 3261 22.4, RFC 8760. The realm alone is the protection space.
Credentials for other realms are somebody else's (22.3). Of several for ours that
one counts whose nonce is fresh, then whose algorithm we like best.

The uri in credentials need not be the Request-URI: a proxy before us may have
changed that, and we take requests for whomever they are (RFC 3261 22.4 item 6,
RFC 8760 2.6 item 6). It has to be a URI, and is hashed as the client wrote it.

Without qop a client is of RFC 2069's kind; missing qop counts as C{auth} (RFC
8760 2.6 item 8), so such clients are let in where C{auth} is among what we
offer. As they count no nonces, each nonce is good for one request of theirs.
"""

from collections.abc import Sequence
from enum import Enum
from hashlib import blake2b

from zope.interface import Interface, implementer

from sipproxy.access.checks import Presented
from sipproxy.access.credentials import (
    ChallengeWriter,
    DigestCredentials,
    parse_auth_params,
    read_credentials,
    split_scheme,
)
from sipproxy.access.digest import SPELLINGS
from sipproxy.access.keys import key_text
from sipproxy.access.nonces import Issued, Nonces, Use
from sipproxy.errors import SipParseError
from sipproxy.message import Request, parse_uri


class Lacking(Enum):
    """Why a client is challenged."""

    CREDENTIALS = "credentials"
    FRESHNESS = "freshness"


class IScheme(Interface):
    """An auth-scheme (RFC 7235 2.1)."""

    def challenges(host: str, lacking: Lacking) -> Sequence[bytes]:
        """Give the values of the challenge headers for the one at an address, most preferred first."""

    def presented(values: Sequence[bytes], request: Request, host: str) -> Presented | Lacking:
        """Find the credentials for our realm.

        @param values: of the header lines that hold credentials
        @param host: address that the request came from
        @raise sipproxy.errors.RequestError: 400: they are for our realm, but improper
        """

    def spend(presented: Presented, request: Request, host: str) -> Lacking | None:
        """Use credentials that are right for a request.

        @return: None where they are, or what they lack: they have been used for another request
        """


@implementer(IScheme)
class DigestScheme:
    """The Digest scheme of one realm.

    @param algorithms: in the order of challenges
    @param qops: what is offered
    """

    def __init__(self, realm: str, algorithms: Sequence[str], qops: Sequence[str], nonces: Nonces) -> None:
        self._realm = realm.encode("utf-8")
        self._ranks = {name.lower().encode("ascii"): rank for rank, name in enumerate(algorithms)}
        self._qops = frozenset(qop.encode("ascii") for qop in qops)
        self._nonces = nonces
        self._writer = ChallengeWriter(
            self._realm,
            [SPELLINGS[name.lower().encode("ascii")].encode("ascii") for name in algorithms],
            [qop.encode("ascii") for qop in qops],
            nonces.opaque,
        )

    def challenges(self, host: str, lacking: Lacking) -> Sequence[bytes]:
        """Give a challenge for each algorithm."""
        nonce = self._nonces.make(host)
        return self._writer.stale(nonce) if lacking is Lacking.FRESHNESS else self._writer.first(nonce)

    def presented(self, values: Sequence[bytes], request: Request, host: str) -> Presented | Lacking:
        """Find the credentials that answer a challenge of ours."""
        lacking = Lacking.CREDENTIALS
        best: tuple[int, DigestCredentials, Issued] | None = None
        for value in values:
            credentials = self._ours(value)
            if credentials is None:
                continue
            issued = self._nonces.read(credentials.nonce)
            rank = self._ranks[credentials.algorithm.lower()]
            if issued is None:
                lacking = Lacking.FRESHNESS
            elif best is None or rank < best[0]:
                best = rank, credentials, issued
        if best is None:
            return lacking
        _, credentials, issued = best
        if credentials.uri != request.uri:
            parse_uri(credentials.uri)
        return Presented(key_text(credentials.username), issued.host, credentials, issued)

    def _ours(self, value: bytes) -> DigestCredentials | None:
        """Read a header value; None where it answers no challenge of ours."""
        try:
            scheme, rest = split_scheme(value)
            params = parse_auth_params(rest) if scheme == b"digest" else {}
        except SipParseError:
            return None  # Nobody can tell whose it is; to be challenged is answer enough.
        if params.get(b"realm") != self._realm or not params.get(b"nonce") or not params.get(b"response"):
            return None  # RFC 8760 2.7: one who was not challenged yet may leave them empty.
        if (params.get(b"algorithm") or b"MD5").lower() not in self._ranks:
            return None
        credentials = read_credentials(params)
        return credentials if (credentials.qop or b"auth") in self._qops else None

    def spend(self, presented: Presented, request: Request, host: str) -> Lacking | None:
        """Use the nonce with its count."""
        assert presented.nonce is not None
        credentials: DigestCredentials = presented.credentials
        use = self._nonces.spend(presented.nonce, credentials.nonce_count, _mark(request, host))
        return Lacking.FRESHNESS if use is Use.REPLAY else None


def _mark(request: Request, host: str) -> bytes:
    """Give what only retransmissions of a request have in common.

    Call-ID and CSeq tell them, also of a request that forked before us. Whoever
    read them on their way can repeat them: not from another address, and not
    to have calls sent elsewhere.
    """
    number, method = request.cseq
    parts = (host.encode("ascii"), request.call_id, b"%d %b" % (number, method), *request.headers("contact"))
    return blake2b(b"\0".join(parts), digest_size=8).digest()
