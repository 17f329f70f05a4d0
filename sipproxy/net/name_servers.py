"""Whether the name servers answer: a lookup that watches another one.

A reply is an answer whatever it says, SERVFAIL too, which may be the fault of
one domain. The servers are away where nothing at all was heard from them since a
question was asked until it was given up.

Nothing runs by itself. While they are away, who asks how they are (L{NameServers.look})
has a question put to them, so that they are found back though no call needs
them. It is one that no call has: C{twisted.names} joins equal questions, and
the deadline of the one who asked first is then the end of all.
"""

from math import inf

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.names import dns
from twisted.names.error import DomainError
from twisted.python.failure import Failure

from sipproxy.net.dns import SERVER_FAILURES, Lookup, Reply

_log = Logger(namespace="mod_sip_routing")

#: For the servers of the root, whose name is empty: whoever resolves knows them, others say at least that they do not.
_PROBE = ("", dns.NS)


class NameServers:
    """The name servers of a configuration, all together; a L{Lookup}.

    @ivar is_asked: whether it is known how they are
    @ivar away_since: since when they do not answer, seconds since 1970; None while they do, or before they were asked
    @ivar away_reason: why
    """

    def __init__(self, lookup: Lookup, clock: IReactorTime, timeout: float) -> None:
        """
        @param lookup: puts a question to them
        @param timeout: seconds that a question of L{look} may take
        """
        self._lookup = lookup
        self._clock = clock
        self._timeout = timeout
        self._heard = -inf
        self._is_looking = False
        self.is_asked = False
        self.away_since: float | None = None
        self.away_reason = ""

    def __call__(self, name: str, record_type: int) -> "Deferred[Reply]":
        """Put a question to them."""
        asked = self._clock.seconds()
        answer = self._lookup(name, record_type)
        return answer.addCallbacks(self._answered, self._failed, errbackArgs=(asked,))

    def look(self) -> None:
        """Ask again where they are away; what comes of it is seen later."""
        if self.away_since is None or self._is_looking:
            return
        self._is_looking = True
        self(*_PROBE).addTimeout(self._timeout, self._clock).addBoth(self._looked)

    def _looked(self, result: object) -> None:
        self._is_looking = False
        if isinstance(result, Failure) and not result.check(*SERVER_FAILURES):  # type: ignore[no-untyped-call]
            _log.failure("a question to the name servers failed", result)

    def _answered(self, reply: Reply) -> Reply:
        self._note_reply()
        return reply

    def _failed(self, failure: Failure, asked: float) -> Failure:
        if failure.check(DomainError):  # type: ignore[no-untyped-call]
            self._note_reply()
        elif failure.check(CancelledError):  # type: ignore[no-untyped-call]
            # Nobody but a deadline cancels a lookup.
            self._note_silence("no answer in time", asked)
        elif failure.check(*SERVER_FAILURES):  # type: ignore[no-untyped-call]
            self._note_silence(str(failure.value) or "no answer", asked)
        return failure

    def _note_reply(self) -> None:
        self.is_asked, self._heard = True, self._clock.seconds()
        if self.away_since is not None:
            self.away_since, self.away_reason = None, ""
            _log.info("the name servers answer again", severity="notice")

    def _note_silence(self, reason: str, asked: float) -> None:
        if self._heard >= asked:
            return
        self.is_asked, self.away_reason = True, reason
        if self.away_since is None:
            self.away_since = self._clock.seconds()
            _log.error("the name servers are away: {reason}", reason=reason)
