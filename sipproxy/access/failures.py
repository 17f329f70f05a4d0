"""How often one may fail to authenticate (AuthFailureLimit).

Failures of an address and a user together fill a bucket, which leaks at the
rate of the limit. Up to the limit they are answered at once, up to twice the
limit late, and beyond it not at all, right or wrong, until enough has leaked.
So whoever guesses has no more guesses in the long run than the limit says, and
an office behind one address does not suffer for one telephone in it.

Not here: many users tried from one address; the log has a line for each
failure that fail2ban reads (etc/fail2ban/filter.d/sipproxy.conf).
"""

from collections import OrderedDict
from hashlib import blake2b
from typing import NamedTuple

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime

from sipproxy.errors import SilenceError

#: Seconds that a late answer waits at most: less than a client does before it gives up (RFC 3261 17.1.2.2).
LONGEST_DELAY = 2.0
#: Pairs of an address and a user that are remembered; the one that failed least recently is forgotten.
MOST_PAIRS = 20_000
#: Answers that wait at one time; what is more is not answered.
MOST_WAITING = 1000


class Rate(NamedTuple):
    """Failures in some seconds."""

    most: int
    seconds: float


class FailureLimit:
    """Counts failures, and tells how to answer.

    @param rate: None for no limit
    @param clock: the time, and delays
    @param most_pairs: pairs that are remembered at most
    """

    def __init__(self, rate: Rate | None, clock: IReactorTime, most_pairs: int = MOST_PAIRS) -> None:
        self._rate = rate
        self._clock = clock
        self._most_pairs = most_pairs
        # By pair: the level of its bucket, and when it was that.
        self._buckets: OrderedDict[bytes, tuple[float, float]] = OrderedDict()
        self._waiting = 0

    def __len__(self) -> int:
        """How many pairs are remembered."""
        return len(self._buckets)

    def check(self, host: str, user: str) -> None:
        """See whether a pair may try once more.

        @raise SilenceError: it may not
        """
        rate = self._rate
        if rate is not None and self._buckets and self._level(_pair(host, user), rate) > 2 * rate.most - 1:
            raise SilenceError("too many authentication failures")

    def failed(self, host: str, user: str) -> "Deferred[None] | None":
        """Count a failure.

        @return: None where it is to be answered at once, or what fires with None when it is time to answer
        @raise SilenceError: it is not to be answered
        """
        rate = self._rate
        if rate is None:
            return None
        pair = _pair(host, user)
        level = self._level(pair, rate) + 1
        self._buckets[pair] = level, self._clock.seconds()
        self._buckets.move_to_end(pair)
        if len(self._buckets) > self._most_pairs:
            self._buckets.popitem(last=False)
        if level <= rate.most:
            return None
        if level > 2 * rate.most or self._waiting >= MOST_WAITING:
            raise SilenceError("too many authentication failures")
        return self._wait(min(LONGEST_DELAY, rate.seconds / rate.most))

    def _level(self, pair: bytes, rate: Rate) -> float:
        bucket = self._buckets.get(pair)
        if bucket is None:
            return 0.0
        level, when = bucket
        leaked = max(0.0, self._clock.seconds() - when) * rate.most / rate.seconds
        return max(0.0, level - leaked)

    def _wait(self, delay: float) -> "Deferred[None]":
        waited: Deferred[None] = Deferred()
        self._waiting += 1
        self._clock.callLater(delay, self._waited, waited)
        return waited

    def _waited(self, waited: "Deferred[None]") -> None:
        self._waiting -= 1
        waited.callback(None)


def _pair(host: str, user: str) -> bytes:
    """Give a pair's key: of one size, as strangers choose the user."""
    return blake2b(f"{host}\0{user}".encode("utf-8", "surrogatepass"), digest_size=16).digest()
