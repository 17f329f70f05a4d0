"""What one question to gatekeepers consists of: how it is asked, the LRQ to each gatekeeper, and what came of it."""

from typing import TYPE_CHECKING, NamedTuple, Protocol

from twisted.internet.interfaces import IDelayedCall, IReactorTime

from sipproxy.interfaces import Address, IPort, IResolver
from sipproxy.net.ras_gatekeeper import Gatekeeper
from sipproxy.net.ras_ports import RasPorts
from sipproxy.wire.h225.messages import LocationConfirm

if TYPE_CHECKING:
    from sipproxy.net.ras_question import Question

#: What an exchange is called whose answer is not there yet.
WAITING = "waiting"
#: What it is called when the question has ended without it.
NOT_WAITED_FOR = "not waited for"


class Manner(NamedTuple):
    """How gatekeepers are asked.

    @ivar method: C{Sequential} or C{Blast}
    @ivar accept: C{First} or C{Best}
    @ivar timeout: seconds that one of them may take
    @ivar window: seconds that all of them may take
    @ivar retransmissions: how often an LRQ is sent once more
    """

    method: str = "Sequential"
    accept: str = "First"
    timeout: float = 0.3
    window: float = 3.0
    retransmissions: int = 0


class Exchange(NamedTuple):
    """An LRQ, and what came of it.

    @ivar cluster: the priority of the gatekeeper's cluster
    @ivar begun: seconds from the beginning of the question
    @ivar outcome: one line
    @ivar seconds: that it took
    """

    cluster: int
    gatekeeper: str
    begun: float
    outcome: str
    seconds: float

    def __str__(self) -> str:
        after = f" (asked after {self.begun * 1000:.0f} ms)" if self.begun >= 0.0005 else ""
        return (
            f"LRQ to {self.gatekeeper} of cluster {self.cluster}{after}: {self.outcome} in {self.seconds * 1000:.1f} ms"
        )


class Answer(NamedTuple):
    """What a question has led to.

    @ivar confirm: the LCF, None where there was none
    @ivar gatekeeper: whose it is, empty where there was none
    @ivar seconds: that it took in all
    @ivar exchanges: what was asked of whom, in order
    """

    confirm: LocationConfirm | None
    gatekeeper: str
    seconds: float
    exchanges: tuple[Exchange, ...]


class Open(Protocol):
    """The LRQs that are open: what L{sipproxy.net.ras.RasClient} keeps."""

    def enter(self, asking: "Asking") -> int:
        """Give an LRQ a sequence number."""

    def leave(self, asking: "Asking") -> None:
        """Take what comes for it no more."""


class Means(NamedTuple):
    """What all questions of a client have in common."""

    clock: IReactorTime
    resolver: IResolver
    ports: RasPorts
    manner: Manner
    open: Open


class Asking:
    """An LRQ to one gatekeeper.

    @ivar cluster: which cluster it is of, in the order of asking
    @ivar begun: when its gatekeeper's turn began
    @ivar seq: its requestSeqNum, 0 before it is sent
    @ivar datagram: the LRQ
    @ivar destination: where it went
    @ivar outcome: L{WAITING}, or what came of it
    @ivar is_answered: whether an LCF or LRJ came
    @ivar ended: when it had its outcome
    """

    __slots__ = (
        "begun",
        "cluster",
        "datagram",
        "destination",
        "ended",
        "gatekeeper",
        "is_answered",
        "outcome",
        "port",
        "question",
        "seq",
        "timer",
        "tries",
    )

    def __init__(self, question: "Question", gatekeeper: Gatekeeper, cluster: int, now: float, tries: int) -> None:
        self.question = question
        self.gatekeeper = gatekeeper
        self.cluster = cluster
        self.begun = self.ended = now
        self.tries = tries
        self.seq = 0
        self.datagram = b""
        self.destination: Address | None = None
        self.port: IPort | None = None
        self.timer: IDelayedCall | None = None
        self.outcome = WAITING
        self.is_answered = False

    @property
    def is_waiting(self) -> bool:
        """Whether an answer is waited for."""
        return self.outcome == WAITING

    def exchange(self, begin: float, now: float) -> Exchange:
        """Tell what came of it."""
        outcome, ended = (NOT_WAITED_FOR, now) if self.is_waiting else (self.outcome, self.ended)
        gatekeeper = self.gatekeeper
        return Exchange(gatekeeper.cluster, gatekeeper.name, self.begun - begin, outcome, ended - self.begun)
