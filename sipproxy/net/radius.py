"""A RADIUS client: questions to servers, many at a time, by priority (RFC 2865 2.5, RFC 2866).

Each question is a L{sipproxy.net.radius_question.Question}; identifiers and
source ports are in L{sipproxy.net.radius_ports}, the servers' state in
L{sipproxy.net.radius_server}.

There is no stream transport, and nothing is kept: who cannot lose a question
(accounting) asks again.
"""

from collections.abc import Callable, Iterable, Sequence
from random import Random
from typing import Any

from twisted.internet.defer import Deferred, fail
from twisted.internet.interfaces import IReactorTime

from sipproxy.errors import UnavailableError
from sipproxy.interfaces import Address, INetwork, IResolver
from sipproxy.net.radius_ports import IDENTIFIERS, Slots
from sipproxy.net.radius_question import Means, Question
from sipproxy.net.radius_server import Kind, RadiusServer, ServerState
from sipproxy.transaction.timers import TimerWheel
from sipproxy.wire.radius import ACCESS_REQUEST, ACCOUNTING_REQUEST, Attribute, Packer, Reply

__all__ = ["MOST_PORTS", "RadiusClient", "RadiusServer", "ServerState"]

#: Source ports that may be open: 16,384 requests at a time.
MOST_PORTS = 64

_KINDS: dict[int, Kind] = {ACCESS_REQUEST: "auth", ACCOUNTING_REQUEST: "acct"}


class RadiusClient:
    """Asks RADIUS servers.

    @ivar servers: each server's state and counters, in the order configured
    @ivar packer: writes attributes
    @ivar strangers: datagrams dropped since they came from no server
    """

    def __init__(
        self,
        clock: IReactorTime,
        network: INetwork,
        resolver: IResolver,
        servers: Iterable[RadiusServer],
        dictionary: Any,
        random: Random,
        timeout: float = 1.0,
        retries: int = 3,
        dead_time: float = 30.0,
        most_ports: int = MOST_PORTS,
    ) -> None:
        """
        @param dictionary: of L{sipproxy.wire.radius.load_dictionary}
        @param random: source of identifiers, authenticators and jitter; unpredictable (RFC 2865 3)
        @param timeout: seconds until a request is repeated for the first time
        @param retries: how often it is repeated
        @param dead_time: seconds for which a server that is away is passed over
        @param most_ports: source ports that may be open; each carries 256 requests
        """
        self.servers = tuple(ServerState(server, dead_time, clock.seconds) for server in servers)
        self.strangers = 0
        by_priority = sorted(self.servers, key=lambda state: state.server.priority)
        self._by_code = {
            code: [state for state in by_priority if state.server.kind == kind] for code, kind in _KINDS.items()
        }
        self.packer = Packer(dictionary)
        self._slots = Slots(network, random, most_ports, self)
        self._wheel = TimerWheel(clock)
        self._means = Means(clock, self._wheel, resolver, self._slots, dictionary, random, timeout, retries)
        self._most_questions = most_ports * IDENTIFIERS
        self._questions: set[Question] = set()
        self._is_running = False

    @property
    def pending(self) -> int:
        """Questions that are open."""
        return len(self._questions)

    @property
    def timers(self) -> int:
        """Timers that run."""
        return len(self._wheel)

    @property
    def ports(self) -> int:
        """Source ports that are open."""
        return self._slots.ports

    def start(self) -> None:
        """Take questions; ports are opened as they are needed."""
        self._is_running = True

    def stop(self) -> None:
        """End all questions, with UnavailableError, and close the ports."""
        self._is_running = False
        for question in list(self._questions):
            question.fail(UnavailableError(b"The RADIUS client stops"))
        self._slots.close()
        self._wheel.stop()

    def send(self, code: int, attributes: Sequence[Attribute]) -> "Deferred[Reply]":
        """Ask a question.

        @param code: C{ACCESS_REQUEST} or C{ACCOUNTING_REQUEST}
        @param attributes: see L{sipproxy.wire.radius_packing.Packer.pack}
        @return: the answer; cancel it to give up. Fails with UnavailableError where there is none; with KeyError
            where the dictionary does not know an attribute, ValueError where a value or all together are too long
        """
        try:
            content = self.packer.pack(attributes)
        except (KeyError, TypeError, ValueError) as error:
            return fail(error)
        return self._ask(code, lambda: content)

    def account(self, content: Callable[[], bytes]) -> "Deferred[Reply]":
        """Send a record.

        @param content: gives its attributes as octets, of L{sipproxy.wire.radius_packing.Packer.pack}; it is asked
            before each sending and, where it gives something else than before, the repetition is a request of its
            own (RFC 2866 5.2)
        @return: as L{send}
        """
        return self._ask(ACCOUNTING_REQUEST, content)

    def _ask(self, code: int, content: Callable[[], bytes]) -> "Deferred[Reply]":
        states = self._by_code[code]
        if not self._is_running or not states:
            return fail(UnavailableError(b"No RADIUS server to ask"))
        if len(self._questions) >= self._most_questions:
            return fail(UnavailableError(b"Too many RADIUS requests"))
        question = Question(self._means, code, content, states.copy(), self._questions.discard)
        self._questions.add(question)
        question.ask_next()
        return question.result

    def stray(self, source: Address) -> None:
        """Count a datagram that is nobody's answer."""
        for state in self.servers:
            if state.address == source:
                state.counters.unexpected += 1
                return
        self.strangers += 1
