"""RADIUS servers as the client knows them: whether they answer, since when not and why, and what was counted.

A server that does not answer is passed over for a while, the dead time, unless
no other is left. After that one question, and no more, tries it again; its
answer brings it back.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from math import inf
from typing import Literal, NamedTuple

from twisted.logger import Logger

from sipproxy.interfaces import Address
from sipproxy.wire.radius import RadiusError, Reply

_log = Logger(namespace="mod_sip_radius")

Kind = Literal["auth", "acct"]


class RadiusServer(NamedTuple):
    """A server, as configured.

    @ivar kind: C{"auth"} or C{"acct"}: what is asked of it
    @ivar host: a name or a literal address
    @ivar secret: what it shares with us, not empty
    @ivar priority: the lowest is asked first; of equal ones the first
    """

    kind: Kind
    host: str
    port: int
    secret: bytes
    priority: int = 1


@dataclass(slots=True)
class Counters:
    """What happened with a server, after the MIBs of RFC 4668 and 4670.

    @ivar requests: questions put to it, each counted once
    @ivar retransmissions: the same again
    @ivar replies: answers taken, by their code
    @ivar timeouts: waits that ended without an answer
    @ivar refused: sendings that the network or the machine refused
    @ivar malformed: answers dropped since they are damaged
    @ivar bad_authenticators: answers dropped since they are forged, or the secret differs
    @ivar unknown_types: answers dropped since their code is no answer
    @ivar unexpected: answers dropped since nobody waits for them: late ones and duplicates
    """

    requests: int = 0
    retransmissions: int = 0
    replies: dict[int, int] = field(default_factory=dict)
    timeouts: int = 0
    refused: int = 0
    malformed: int = 0
    bad_authenticators: int = 0
    unknown_types: int = 0
    unexpected: int = 0


class ServerState:
    """One server, while the client runs.

    @ivar server: as configured
    @ivar name: what the status and the log call it
    @ivar address: where it was last found, None before that
    @ivar away_since: since when it does not answer, seconds since 1970; None while it does, or before it was asked
    @ivar away_reason: why it is away
    @ivar last_answer: when it last answered
    @ivar pending: questions that wait for it
    """

    def __init__(self, server: RadiusServer, dead_time: float, seconds: Callable[[], float]) -> None:
        """
        @param dead_time: seconds for which it is passed over once it is away
        """
        host = f"[{server.host}]" if ":" in server.host else server.host
        self.server = server
        self.name = f"radius {server.kind} {host}:{server.port}"
        self.address: Address | None = None
        self.away_since: float | None = None
        self.away_reason = ""
        self.last_answer = -inf
        self.pending = 0
        self.counters = Counters()
        self._dead_time = dead_time
        self._dead_until = -inf
        self._seconds = seconds

    @property
    def is_asked(self) -> bool:
        """Whether it is known how it is."""
        return self.away_since is not None or self.last_answer > -inf

    def answered(self, reply: Reply) -> None:
        """It has answered."""
        self.last_answer = self._seconds()
        self.counters.replies[reply.code] = self.counters.replies.get(reply.code, 0) + 1
        if self.away_since is not None:
            self.away_since, self.away_reason = None, ""
            _log.info("{server} answers again", server=self.name, severity="notice")

    def failed(self, reason: str) -> None:
        """It does not answer."""
        now = self._seconds()
        self._dead_until = now + self._dead_time
        if self.away_since is None:
            self.away_since = now
            _log.warn("{server} is away: {reason}", server=self.name, reason=reason)
        self.away_reason = reason

    def dropped(self, error: RadiusError) -> None:
        """An answer of it was dropped."""
        if error.fault == "malformed":
            self.counters.malformed += 1
        elif error.fault == "authenticator":
            self.counters.bad_authenticators += 1
        else:
            self.counters.unknown_types += 1
        _log.debug("{server}: an answer was dropped: {error}", server=self.name, error=error)

    def take_turn(self) -> bool:
        """Tell whether it is to be asked in its place; after the dead time only the first who asks is told so."""
        if self.away_since is None:
            return True
        now = self._seconds()
        if now < self._dead_until:
            return False
        self._dead_until = now + self._dead_time
        return True


def take_next(states: list[ServerState]) -> ServerState:
    """Take out of servers the one to be asked next: the first that is not passed over, else the first.

    @param states: by priority, not empty
    """
    chosen = next((state for state in states if state.take_turn()), states[0])
    states.remove(chosen)
    return chosen
