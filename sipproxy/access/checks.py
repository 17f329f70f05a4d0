"""Whether credentials are right: the seam for those who know passwords, and the check by the subscriber database."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any, NamedTuple

from twisted.internet.defer import Deferred
from zope.interface import Interface, implementer

from sipproxy.access.credentials import DigestCredentials
from sipproxy.access.digest import SPELLINGS, hash_a1, is_right
from sipproxy.access.nonces import Issued
from sipproxy.errors import RequestError
from sipproxy.interfaces import ISubscriber, ISubscribers
from sipproxy.message import Request


class Presented(NamedTuple):
    """Credentials for our realm, well formed and timely, that a request carries.

    @ivar username: the user name, C{""} where it can be nobody's
    @ivar origin: the address that a failure is charged to
    @ivar credentials: of the scheme's own kind; L{DigestCredentials} for Digest
    @ivar nonce: the nonce, for Digest
    """

    username: str
    origin: str
    credentials: Any
    nonce: Issued | None = None


@dataclass(frozen=True, slots=True)
class Accepted:
    """The credentials are right.

    @ivar user: the subscriber's key, or the name that a RADIUS server knows
    @ivar notes: for the logs and the call: Session-Timeout, Reply-Message
    """

    user: str
    notes: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Refused:
    """The credentials are wrong.

    @ivar reason: for our log; the sender is not told
    @ivar user: whose they are, where that is known
    """

    reason: str
    user: str = ""


Verdict = Accepted | Refused


class ICheck(Interface):
    """Something that knows passwords, or whom to ask."""

    def check(presented: Presented, request: Request, keys: Sequence[str]) -> "Verdict | Deferred[Verdict]":
        """Judge credentials, at once where that can be.

        To refuse an unknown user must look and last the same as to refuse a wrong password.

        @param keys: the subscriber is the first of these that there is; empty where the user name is nobody's
        @raise sipproxy.errors.UnavailableError: who knows is away; raised, or in the Deferred
        @raise sipproxy.errors.RequestError: 403: the credentials are right, but their owner may do nothing
        """


@implementer(ICheck)
class SubscriberCheck:
    """Digest by the passwords, or their hashes, of the subscriber database (AuthScheme HTTP_Digest)."""

    def __init__(self, subscribers: ISubscribers, random: Random) -> None:
        self._subscribers = subscribers
        self._nobodys_password = b"%032x" % random.getrandbits(128)

    def check(self, presented: Presented, request: Request, keys: Sequence[str]) -> "Verdict | Deferred[Verdict]":
        """Look the subscriber up, and compute."""
        found = self._subscribers.find(keys) if keys else None
        if isinstance(found, Deferred):
            return found.addCallback(self._judge, presented, request)
        return self._judge(found, presented, request)

    def _judge(self, subscriber: ISubscriber | None, presented: Presented, request: Request) -> Verdict:
        credentials: DigestCredentials = presented.credentials
        algorithm = SPELLINGS[credentials.algorithm.lower()]
        ha1 = self._ha1(subscriber, algorithm, presented)
        compared = ha1 or self._nobodys(algorithm, credentials)
        right = is_right(algorithm, compared, credentials, request.method, request.body)
        if subscriber is None:
            return Refused("unknown user")
        if ha1 is None:
            return Refused(f"no {algorithm} hash for this user name and realm", subscriber.key)
        if not right:
            return Refused("wrong password", subscriber.key)
        if not subscriber.enabled:
            raise RequestError(403, b"Subscriber Is Disabled")
        return Accepted(subscriber.key)

    def _ha1(self, subscriber: ISubscriber | None, algorithm: str, presented: Presented) -> bytes | None:
        if subscriber is None or not presented.username:
            return None
        realm = presented.credentials.realm.decode("utf-8")  # ours
        ha1 = subscriber.ha1(algorithm, presented.username, realm)
        return None if ha1 is None else ha1.encode("ascii")

    def _nobodys(self, algorithm: str, credentials: DigestCredentials) -> bytes:
        """Give a hash that nobody's password has."""
        return hash_a1(algorithm, credentials.username, credentials.realm, self._nobodys_password)
