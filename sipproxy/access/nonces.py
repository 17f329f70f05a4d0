"""Nonces that carry what is to be known of them (RFC 7616 3.3 nonce, 3.4 nc, 5.4, 5.5).

A nonce is the time and number of its making and the address that it was given
to, under a keyed hash. So a challenge costs no memory, whoever asks. Memory is
taken by nonces that a right password was used with: which counts of each were
used lately, and by which request. It is bounded: where it is full the older
half is forgotten, and the nonces of that half have to be replaced (stale).

The address is that of the one who received the nonce: who guesses passwords
pays for it there, even if the sender's address of a datagram is made up.

Not here: the same nonces in several processes. A nonce of another one is
stale, which costs its user one round trip.
"""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error
from collections.abc import Callable
from enum import Enum
from hashlib import blake2b
from hmac import compare_digest
from random import Random
from socket import AF_INET, AF_INET6, inet_ntop, inet_pton
from struct import Struct
from typing import NamedTuple

_HEAD = Struct(">IQ")  # second of its making, number
_MARK_SIZE = 11
#: Octets of a nonce before encoding; both are a multiple of 3, so that each has one spelling.
_FAMILIES = {_HEAD.size + 4 + _MARK_SIZE: AF_INET, _HEAD.size + 16 + _MARK_SIZE: AF_INET6}

#: Nonces in use that are remembered.
MOST_NONCES = 65536
#: How far a nonce count may lag behind the highest one: requests overtake each other.
WINDOW = 64


class Issued(NamedTuple):
    """A nonce of ours, read.

    @ivar host: the address that it was given to
    @ivar number: which one it is
    """

    host: str
    number: int


class Use(Enum):
    """What a nonce with its count is used for."""

    NEW = "new"
    RETRANSMISSION = "retransmission"
    REPLAY = "replay"


class _Window:
    """The counts that a nonce was used with lately, and the mark of each one's request."""

    __slots__ = ("_highest", "_marks")

    def __init__(self) -> None:
        self._highest = 0
        self._marks: dict[int, bytes] = {}

    def spend(self, count: int, mark: bytes) -> Use:
        """Use a count for a request."""
        known = self._marks.get(count)
        if known is not None:
            return Use.RETRANSMISSION if known == mark else Use.REPLAY
        if count <= self._highest - WINDOW:
            return Use.REPLAY
        self._marks[count] = mark
        if count > self._highest:
            self._highest = count
        if len(self._marks) > WINDOW:
            lowest = self._highest - WINDOW
            self._marks = {each: mark for each, mark in self._marks.items() if each > lowest}
        return Use.NEW


class Nonces:
    """Makes nonces, knows them again, and minds that each count of one is used once.

    @ivar opaque: for the challenges of this server (RFC 7616 3.3)
    @param random: source of the secret
    @param now: gives the time in seconds since 1970
    @param lifetime: seconds that a nonce may be used
    @param most: nonces in use that are remembered at most
    """

    def __init__(self, random: Random, now: Callable[[], float], lifetime: float, most: int = MOST_NONCES) -> None:
        # To copy it takes half as long as to begin anew with the key.
        self._keyed = blake2b(key=random.getrandbits(256).to_bytes(32, "big"), digest_size=_MARK_SIZE)
        self.opaque = b"%016x" % random.getrandbits(64)
        self._now = now
        self._lifetime = lifetime
        self._most = most
        self._number = 0
        # Two halves: the younger one is filled, the older one forgotten as a whole.
        self._younger: dict[int, _Window] = {}
        self._older: dict[int, _Window] = {}
        self._turned = now()
        #: The highest number whose uses may be forgotten; it and all lower ones are stale.
        self._forgotten = 0

    def __len__(self) -> int:
        """How many nonces in use are remembered."""
        return len(self._younger) + len(self._older)

    def make(self, host: str) -> bytes:
        """Make a nonce for the one at an address.

        @param host: literal address
        """
        self._number += 1
        second = int(self._now()) & 0xFFFFFFFF
        content = _HEAD.pack(second, self._number) + _packed(host)
        return urlsafe_b64encode(content + self._mark(content))

    def read(self, nonce: bytes) -> Issued | None:
        """Read a nonce.

        @return: None where it is none of ours, or too old
        """
        try:
            octets = urlsafe_b64decode(nonce)
        except Error:
            return None
        family = _FAMILIES.get(len(octets))
        if family is None:
            return None
        content = octets[:-_MARK_SIZE]
        if not compare_digest(self._mark(content), octets[-_MARK_SIZE:]):
            return None
        second, number = _HEAD.unpack_from(content)
        # Both ways, as clocks are set back too.
        if abs(int(self._now()) - second) > self._lifetime or number <= self._forgotten:
            return None
        return Issued(inet_ntop(family, content[_HEAD.size :]), number)

    def spend(self, issued: Issued, count: int, mark: bytes) -> Use:
        """Use a nonce with a count for a request; only ask where the password was right.

        @param count: the nonce count, 0 where the client sends none: then the nonce is good for one request
        @param mark: what is the same for retransmissions of the request only
        """
        number = issued.number
        if number <= self._forgotten:
            return Use.REPLAY  # forgotten while the password was looked up
        window = self._younger.get(number) or self._older.get(number)
        if window is None:
            window = self._younger[number] = _Window()
            if len(self._younger) > self._most // 2 or self._now() - self._turned > self._lifetime:
                self._turn()
        return window.spend(count, mark)

    def _turn(self) -> None:
        """Forget the older half."""
        if self._older:
            self._forgotten = max(self._forgotten, *self._older)
        self._older, self._younger = self._younger, {}
        self._turned = self._now()

    def _mark(self, content: bytes) -> bytes:
        hashed = self._keyed.copy()
        hashed.update(content)
        return hashed.digest()


def _packed(host: str) -> bytes:
    if ":" not in host:
        return inet_pton(AF_INET, host)
    return inet_pton(AF_INET6, host.partition("%")[0])  # A scope is no part of the address.
