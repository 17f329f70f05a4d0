"""Subscribers, requests and a client for tests of access."""

import hashlib
import re
from collections.abc import Sequence
from random import Random

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from zope.interface import implementer

from sipproxy.access.access import Access
from sipproxy.access.checks import SubscriberCheck
from sipproxy.access.failures import FailureLimit, Rate
from sipproxy.access.keys import CallerKeys
from sipproxy.access.nonces import Nonces
from sipproxy.access.schemes import DigestScheme
from sipproxy.access.settings import Network, Policy
from sipproxy.errors import RequestError
from sipproxy.interfaces import Address, ISubscriber, ISubscribers
from sipproxy.message import Request, parse_message

NOW = 1_790_000_000.0
PHONE: Address = ("192.0.2.7", 5060)
REALM = "example.com"

_HASHES = {"MD5": hashlib.md5, "SHA-256": hashlib.sha256}


@implementer(ISubscriber)
class Person:
    """A subscriber whose password is known."""

    display_name = unconditional = busy = no_answer = unavailable = ""
    ring_time = None

    def __init__(
        self, key: str, password: str = "secret", enabled: bool = True, algorithms: str = "MD5 SHA-256"
    ) -> None:
        self.key = key
        self.domain = REALM
        self.password = password
        self.enabled = enabled
        self._algorithms = algorithms.split()

    def ha1(self, algorithm: str, username: str, realm: str) -> str | None:
        """Compute it, where the algorithm is kept."""
        if algorithm not in self._algorithms:
            return None
        return _HASHES[algorithm](f"{username}:{realm}:{self.password}".encode()).hexdigest()


@implementer(ISubscribers)
class Book:
    """Subscribers at hand.

    @ivar late: the questions that are not answered yet, None where it answers at once
    @ivar error: what to raise instead, where it is set
    @ivar asked: the keys of each question
    """

    def __init__(self, *people: Person) -> None:
        self._people = {person.key: person for person in people}
        self.late: list[Deferred[ISubscriber | None]] | None = None
        self.error: Exception | None = None
        self.asked: list[tuple[str, ...]] = []

    def find(self, keys: Sequence[str]) -> "ISubscriber | Deferred[ISubscriber | None] | None":
        """Look."""
        self.asked.append(tuple(keys))
        if self.error is not None:
            raise self.error
        if self.late is not None:
            answered: Deferred[ISubscriber | None] = Deferred()
            self.late.append(answered)
            return answered
        return next((self._people[key] for key in keys if key in self._people), None)

    def answer(self, found: "ISubscriber | Failure | None") -> None:
        """Answer what has waited, all alike."""
        waiting, self.late = self.late or [], None
        for answered in waiting:
            answered.callback(found)


def request(
    *lines: str,
    method: str = "INVITE",
    uri: str = "sip:alice@example.com",
    from_: str = "<sip:bob@example.com>;tag=f1",
    to: str = "<sip:alice@example.com>",
    call_id: str = "c1@phone",
    cseq: int = 1,
    body: str = "",
) -> Request:
    """Give a request with some more header lines."""
    head = (
        f"{method} {uri} SIP/2.0",
        "Via: SIP/2.0/UDP 192.0.2.7:5060;branch=z9hG4bK1",
        "Max-Forwards: 70",
        f"From: {from_}",
        f"To: {to}",
        f"Call-ID: {call_id}",
        f"CSeq: {cseq} {method}",
        *lines,
        f"Content-Length: {len(body)}",
        "",
        body,
    )
    message = parse_message("\r\n".join(head).encode())
    assert isinstance(message, Request)
    return message


def challenge_of(error: RequestError, algorithm: str = "MD5") -> dict[str, str]:
    """Give the parameters of a challenge."""
    for header in error.headers:
        found = dict(re.findall(r'(\w+)="?([^",]*(?:,[^"=]*(?="))?)"?', header.decode()))
        if found["algorithm"] == algorithm:
            return found
    raise AssertionError(f"no challenge with {algorithm} in {error.headers!r}")


def answer(
    challenge: dict[str, str],
    user: str = "bob",
    password: str = "secret",
    method: str = "INVITE",
    uri: str = "sip:alice@example.com",
    nc: int = 1,
    qop: str = "auth",
    body: str = "",
    header: str = "Proxy-Authorization",
) -> str:
    """Give the header line that a client answers a challenge with; it computes by itself."""

    def of(text: str) -> str:
        return _HASHES[challenge["algorithm"]](text.encode()).hexdigest()

    realm, nonce = challenge["realm"], challenge["nonce"]
    ha1 = of(f"{user}:{realm}:{password}")
    ha2 = of(f"{method}:{uri}:{of(body)}" if qop == "auth-int" else f"{method}:{uri}")
    more = ""
    if qop:
        response = of(f"{ha1}:{nonce}:{nc:08x}:c0ffee:{qop}:{ha2}")
        more = f', qop={qop}, nc={nc:08x}, cnonce="c0ffee"'
    else:
        response = of(f"{ha1}:{nonce}:{ha2}")
    return (
        f'{header}: Digest username="{user}", realm="{realm}", nonce="{nonce}", uri="{uri}", response="{response}", '
        f'algorithm={challenge["algorithm"]}, opaque="{challenge["opaque"]}"{more}'
    )


class Door:
    """An access with all that belongs to it.

    @ivar access: what is tested
    @ivar clock: its time
    @ivar book: its subscribers
    """

    def __init__(
        self,
        *people: Person,
        methods: tuple[str, ...] = ("REGISTER", "INVITE"),
        trusted: tuple[Network, ...] = (),
        check_user: bool = True,
        algorithms: tuple[str, ...] = ("MD5", "SHA-256"),
        qops: tuple[str, ...] = ("auth", "auth-int"),
        rate: Rate | None = None,
        keys: CallerKeys | None = None,
    ) -> None:
        self.clock = Clock()
        self.clock.advance(NOW)
        random = Random(7)
        self.book = Book(*(people or (Person("bob"),)))
        self.nonces = Nonces(random, self.clock.seconds, 300)
        policy = Policy(frozenset(method.encode() for method in methods), trusted, check_user)
        self.access = Access(
            policy,
            DigestScheme(REALM, algorithms, qops, self.nonces),
            SubscriberCheck(self.book, random),
            FailureLimit(rate, self.clock),
            keys or CallerKeys(REALM, "Auth"),
        )
