"""What is known of one gatekeeper: how it is, since when and why, how fast it answers, and what has happened."""

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import NamedTuple

from twisted.logger import Logger

from sipproxy.interfaces import Address
from sipproxy.net.sockets import address_text

log = Logger(namespace="mod_sip_ras")

UNASKED, UP, AWAY = "unasked", "up", "away"
#: Share of the newest response time in the mean one.
_NEWEST = 0.125


@dataclass(slots=True)
class Counters:
    """What has happened with a gatekeeper.

    @ivar asked: questions that went to it
    @ivar retransmitted: LRQs that went to it once more
    @ivar confirmed: LCF
    @ivar rejected: LRJ
    @ivar in_progress: RIP
    @ivar timed_out: questions that it has not answered in time
    @ivar refused: LRQs that did not get there
    @ivar not_found: questions for which its name had no address
    @ivar unusable: LCF that name no address for a call
    @ivar late: answers that came when it was no longer waited for
    @ivar repeated: answers to what it had answered already
    """

    asked: int = 0
    retransmitted: int = 0
    confirmed: int = 0
    rejected: int = 0
    in_progress: int = 0
    timed_out: int = 0
    refused: int = 0
    not_found: int = 0
    unusable: int = 0
    late: int = 0
    repeated: int = 0


class GatekeeperState(NamedTuple):
    """How a gatekeeper is.

    @ivar cluster: the priority of its cluster
    @ivar gatekeeper: host and port, as configured
    @ivar state: C{unasked}, C{up} or C{away}
    @ivar since: since when, seconds since 1970
    @ivar reason: why it is away, empty where it is not
    @ivar open_questions: how many wait for its answer
    @ivar last: seconds that its last answer took, None where there was none
    @ivar mean: seconds that an answer takes of late, None likewise
    @ivar longest: seconds that its slowest answer took, None likewise
    @ivar counters: what has happened, by name
    """

    cluster: int
    gatekeeper: str
    state: str
    since: float
    reason: str
    open_questions: int
    last: float | None
    mean: float | None
    longest: float | None
    counters: dict[str, int]


class Gatekeeper:
    """A gatekeeper of a cluster.

    @ivar cluster: the priority of its cluster
    @ivar host: name or literal address
    @ivar open_questions: how many wait for its answer
    """

    def __init__(self, cluster: int, place: Address, seconds: Callable[[], float]) -> None:
        """
        @param place: its host, which may be a name, and port
        @param seconds: the clock (IReactorTime.seconds)
        """
        self.cluster = cluster
        self.host, self.port = place
        self.name = address_text(place)
        self.counters = Counters()
        self.open_questions = 0
        self._seconds = seconds
        self._state = UNASKED
        self._since = seconds()
        self._reason = ""
        self._heard = float("-inf")
        self._last: float | None = None
        self._mean: float | None = None
        self._longest: float | None = None

    @property
    def state(self) -> GatekeeperState:
        """How it is."""
        counters = {field.name: getattr(self.counters, field.name) for field in fields(Counters)}
        how = (self._state, self._since, self._reason, self.open_questions)
        return GatekeeperState(self.cluster, self.name, *how, self._last, self._mean, self._longest, counters)

    @property
    def away_since(self) -> float | None:
        """Since when it is away, seconds since 1970; None while nothing says that it is."""
        return self._since if self._state == AWAY else None

    @property
    def away_reason(self) -> str:
        """Why it is away."""
        return self._reason

    def answered(self, took: float) -> None:
        """It has answered a question for good.

        @param took: seconds since the LRQ
        """
        self.heard()
        self._last = took
        self._mean = took if self._mean is None else self._mean + (took - self._mean) * _NEWEST
        self._longest = took if self._longest is None else max(took, self._longest)

    def heard(self) -> None:
        """It has said something."""
        self._heard = self._seconds()
        if self._state == AWAY:
            log.info("gatekeeper {name} of cluster {cluster} answers again", name=self.name, cluster=self.cluster)
        self._turn(UP, "")

    def failed(self, reason: str, asked: float) -> None:
        """It has left a question without an answer.

        One that has answered others since has only lost this question.

        @param asked: when it was asked
        """
        if self._heard > asked:
            return
        if self._state != AWAY:
            log.warn(
                "gatekeeper {name} of cluster {cluster} is away: {reason}",
                name=self.name,
                cluster=self.cluster,
                reason=reason,
            )
        self._turn(AWAY, reason)

    def _turn(self, state: str, reason: str) -> None:
        self._reason = reason
        if state != self._state:
            self._state = state
            self._since = self._seconds()
