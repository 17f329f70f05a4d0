"""The client of H.323 gatekeepers: asks where numbers are (H.225.0 RAS: LRQ; LCF, LRJ, RIP).

Gatekeepers are in clusters, which are asked by priority; in a cluster the first
one is drawn, the others follow round it. How a question goes on is in
L{sipproxy.net.ras_question}.

An answer is matched by its requestSeqNum alone, whoever it is from: the last of
several gatekeepers that pass a question on is the one that answers. So numbers
are drawn, none is used again while its answer may still come, and RASAllowFrom
may say whose answers count.

Nothing is registered or kept at a gatekeeper, and there is no multicast.
"""

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from ipaddress import IPv4Network, IPv6Network, ip_address
from random import Random
from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import Deferred, fail
from twisted.logger import Logger
from zope.interface import implementer

from sipproxy.errors import UnavailableError
from sipproxy.interfaces import Address, IDatagramUser, INetwork, IPort, IResolver
from sipproxy.net.ras_asking import Answer, Asking, Exchange, Manner, Means
from sipproxy.net.ras_gatekeeper import Gatekeeper, GatekeeperState
from sipproxy.net.ras_ports import RasPorts
from sipproxy.net.ras_question import Question
from sipproxy.wire.h225.messages import DecodeError, LocationRequest, decode

__all__ = ["Answer", "Cluster", "Exchange", "GatekeeperState", "Manner", "RasClient"]

log = Logger(namespace="mod_sip_ras")

#: LRQs that may be open at a time; a draw among 65,535 numbers then soon finds a free one.
MOST_OPEN = 16_384
#: Ended LRQs whose numbers are not used again yet, and whose late answers are known.
MOST_ENDED = 16_384
_LARGEST_SEQ = 65_535

#: Its priority, and host and port of its gatekeepers.
Cluster = tuple[int, Sequence[Address]]


@dataclass(slots=True)
class Strays:
    """Datagrams that are nobody's answer.

    @ivar forbidden: from where answers do not count
    @ivar malformed: no RAS message about a location
    @ivar unasked: with the number of no question
    """

    forbidden: int = 0
    malformed: int = 0
    unasked: int = 0


@implementer(IDatagramUser)
class RasClient(Service):
    """Asks gatekeepers.

    @ivar gatekeepers: each gatekeeper, in the order of their clusters
    """

    def __init__(
        self,
        clock: Any,
        network: INetwork,
        resolver: IResolver,
        clusters: Iterable[Cluster],
        random: Random,
        manner: Manner,
        bind: Address = ("0.0.0.0", 0),
        allowed: Sequence[IPv4Network | IPv6Network] | None = None,
        most_open: int = MOST_OPEN,
    ) -> None:
        """
        @param clock: provider of IReactorTime
        @param random: source of sequence numbers, unpredictable, and of who is asked first
        @param bind: literal address and port that LRQs leave from
        @param allowed: networks whose answers count, None for all
        @param most_open: LRQs that may be open at a time
        """
        self.setName("ras")  # type: ignore[no-untyped-call]
        self._clusters = tuple(
            tuple(Gatekeeper(priority, place, clock.seconds) for place in places)
            for priority, places in sorted(clusters, key=lambda cluster: cluster[0])
        )
        self.gatekeepers = tuple(gatekeeper for cluster in self._clusters for gatekeeper in cluster)
        self._random = random
        self._allowed = None if allowed is None else tuple(allowed)
        self._ports = RasPorts(clock, network, bind, self)
        self._most_open = most_open
        self._means = Means(clock, resolver, self._ports, manner, self)
        self._questions: set[Question] = set()
        self._open: dict[int, Asking] = {}
        self._ended: OrderedDict[int, Gatekeeper] = OrderedDict()
        self._strays = Strays()

    @property
    def states(self) -> list[GatekeeperState]:
        """How each gatekeeper is, in the order of their clusters."""
        return [gatekeeper.state for gatekeeper in self.gatekeepers]

    @property
    def strays(self) -> dict[str, int]:
        """How many datagrams were nobody's answer, by what was wrong with them."""
        return {field.name: getattr(self._strays, field.name) for field in fields(Strays)}

    @property
    def pending(self) -> int:
        """Questions that are open."""
        return len(self._questions)

    def stopService(self) -> None:
        """End all questions, with UnavailableError, and close the ports."""
        super().stopService()  # type: ignore[no-untyped-call]
        for question in list(self._questions):
            question.fail(UnavailableError(b"The RAS client stops"))
        self._ports.stop()

    def ask(self, request: LocationRequest) -> "Deferred[Answer]":
        """Ask where a number is.

        @param request: the question; sequence number and reply address are set for each gatekeeper
        @return: fires with the answer, also where nobody knows it; cancel it to give up. Fails with UnavailableError
            where nothing can be asked now, with EncodeError where the question has no form
        """
        if not self.running:
            return fail(UnavailableError(b"The RAS client is not running"))
        if len(self._open) + len(self.gatekeepers) > self._most_open:
            return fail(UnavailableError(b"Too many questions to gatekeepers"))
        question = Question(self._means, request, [self._in_order(cluster) for cluster in self._clusters], self._over)
        self._questions.add(question)
        question.start()
        return question.result

    def _in_order(self, cluster: tuple[Gatekeeper, ...]) -> tuple[Gatekeeper, ...]:
        """Draw who is the first of a cluster."""
        first = self._random.randrange(len(cluster)) if len(cluster) > 1 else 0
        return cluster[first:] + cluster[:first]

    def _over(self, question: Question) -> None:
        self._questions.discard(question)
        if not self._questions:
            self._ports.release()

    # What is open, for questions.

    def enter(self, asking: Asking) -> int:
        """Give an LRQ a sequence number, and take what comes for it."""
        while True:
            seq = self._random.randint(1, _LARGEST_SEQ)
            if seq not in self._open and seq not in self._ended:
                self._open[seq] = asking
                return seq

    def leave(self, asking: Asking) -> None:
        """Take what comes for an LRQ no more."""
        del self._open[asking.seq]
        self._ended[asking.seq] = asking.gatekeeper
        if len(self._ended) > MOST_ENDED:
            self._ended.popitem(last=False)

    # IDatagramUser.

    def makeConnection(self, port: IPort) -> None:
        """See IDatagramUser; who opens a port has it."""

    def datagramReceived(self, datagram: bytes, addr: Address) -> None:
        """Give an answer to its question."""
        if self._allowed is not None and not self._is_allowed(addr[0]):
            self._strays.forbidden += 1
            log.debug("an answer from {host} does not count", host=addr[0])
            return
        try:
            message = decode(datagram)
        except DecodeError as error:
            self._strays.malformed += 1
            log.debug("what {host} sends cannot be read: {error}", host=addr[0], error=error)
            return
        asking = self._open.get(message.seq)
        if isinstance(message, LocationRequest):
            self._strays.unasked += 1
        elif asking is not None:
            asking.question.received(asking, message, addr)
        elif message.seq in self._ended:
            self._ended[message.seq].counters.late += 1
        else:
            self._strays.unasked += 1
            log.debug("{host} answers question {seq}, which is none of ours", host=addr[0], seq=message.seq)

    def _is_allowed(self, host: str) -> bool:
        address = ip_address(host.partition("%")[0])
        return any(address in network for network in self._allowed or ())

    def datagramFailed(self, datagram: bytes, addr: Address, reason: str) -> None:
        """Tell a question that its LRQ did not get there; without a word of which one, all that went there."""
        for asking in [asking for asking in self._open.values() if asking.destination == addr]:
            if asking.datagram.startswith(datagram):
                asking.question.refused(asking, reason)
