"""Cached questions to the DNS, of any record type.

Answers are remembered by (name, type) as long as their TTL says (RFC 2181),
absences as RFC 2308 says, failures of the servers for a few seconds (RFC 9520).
Equal questions asked at one time are one question; each question has one
deadline.  Optionally answers are used past their TTL while no server answers
(RFC 8767); they say so.

How a question travels is not known here: see L{sipproxy.net.lookup}.
"""

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from twisted.internet import defer, error
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.names import dns
from twisted.names.error import (
    DNSFormatError,
    DNSNameError,
    DNSNotImplementedError,
    DNSQueryRefusedError,
    DNSServerError,
    DomainError,
)
from twisted.python.failure import Failure
from zope.interface import implementer

from sipproxy.errors import NameNotFoundError, ResolverTimeoutError
from sipproxy.interfaces import IAnswer
from sipproxy.net.replies import MAX_TTL, absence_ttl, canonical_name, follow

_log = Logger()

# RFC 9520 3.2: a failure is remembered at least 1 second; it proposes 5 to begin with.
FAILURE_LIFETIME = 5.0

# Each question holds a socket while it is open.
MAX_OPEN_QUESTIONS = 400

Reply = tuple[Sequence[dns.RRHeader], Sequence[dns.RRHeader], Sequence[dns.RRHeader]]
"""The answer, authority and additional sections of a reply."""

Lookup = Callable[[str, int], "Deferred[Reply]"]
"""Puts one question (name, record type) to the servers; fails as L{twisted.names} resolvers do."""

#: What a lookup fails with when it is the servers' or the network's fault; anything else is ours.
SERVER_FAILURES = (
    ResolverTimeoutError,
    DomainError,
    defer.TimeoutError,
    error.ConnectError,
    error.ConnectionClosed,
    error.CannotListenError,
    OSError,
)


@implementer(IAnswer)
@dataclass(frozen=True, slots=True)
class Answer:
    """The records found.

    @ivar records: record objects of L{twisted.names.dns}, all of the type asked for, in the order served
    @ivar received: reactor time at which they came
    @ivar expires: reactor time until which they may be believed
    @ivar is_stale: they have expired, and no server has answered since
    """

    records: tuple[Any, ...]
    received: float
    expires: float
    is_stale: bool = False

    def give(self) -> "Answer":
        """Give the answer."""
        return self


@dataclass(frozen=True, slots=True)
class Absence:
    """It is known that there are no such records."""

    text: str
    expires: float

    def give(self) -> Answer:
        """Raise NameNotFoundError."""
        raise NameNotFoundError(self.text)


@dataclass(frozen=True, slots=True)
class Outage:
    """No server has answered; until it expires none is asked again.

    @ivar last: the answer that is served meanwhile, None for none
    """

    text: str
    expires: float
    last: Answer | None

    def give(self) -> Answer:
        """Give the stale answer, or raise ResolverTimeoutError."""
        if self.last is None:
            raise ResolverTimeoutError(self.text)
        return self.last


Entry = Answer | Absence | Outage
_Key = tuple[str, int]


class DnsCache:
    """What is known, by (name, type): a bounded memory that forgets its oldest entry first."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._entries: OrderedDict[_Key, Entry] = OrderedDict()
        self.get = self._entries.get

    def __len__(self) -> int:
        return len(self._entries)

    def put(self, key: _Key, entry: Entry) -> None:
        """Remember an entry as the newest, in place of an older one of the same key."""
        self._entries.pop(key, None)
        self._entries[key] = entry
        if len(self._entries) > self._size:
            self._entries.popitem(last=False)

    def forget(self, key: _Key) -> None:
        """Drop what is known of a key."""
        self._entries.pop(key, None)


class Questions:
    """Questions of any type, answered from the cache or by a lookup."""

    def __init__(
        self,
        clock: IReactorTime,
        lookup: Lookup,
        *,
        timeout: float,
        cache_size: int,
        negative_ttl: float,
        serve_stale: float = 0.0,
    ) -> None:
        """
        @param lookup: puts a question to the servers
        @param timeout: seconds that a question may take in all
        @param cache_size: entries remembered
        @param negative_ttl: most seconds that an absence is believed
        @param serve_stale: seconds past their TTL that answers serve while no server answers, 0 for never
        """
        self._clock = clock
        self._seconds = clock.seconds
        self._lookup = lookup
        self._timeout = timeout
        self._negative_ttl = negative_ttl
        self._serve_stale = serve_stale
        self._cache = DnsCache(cache_size)
        self._open: dict[_Key, list[Deferred[Answer]]] = {}

    def query(self, name: str, record_type: int) -> "Answer | Deferred[Answer]":
        """Ask for the records of a name.

        @param record_type: C{dns.A}, C{dns.SRV}, ... of L{twisted.names}
        @return: the answer where it is known, or a Deferred of it; cancelling that
            concerns nobody else who has asked the same
        @raise NameNotFoundError: there are none; raised, or in the Deferred
        @raise ResolverTimeoutError: no server has answered; raised, or in the Deferred
        """
        key = (name, record_type)
        entry = self._cache.get(key)
        if entry is None:
            key = (canonical_name(name), record_type)
            entry = self._cache.get(key)
        if entry is not None and self._seconds() < entry.expires:
            return entry.give()
        waiting = self._open.get(key)
        if waiting is not None:
            return _join(waiting)
        if len(self._open) >= MAX_OPEN_QUESTIONS:
            raise ResolverTimeoutError(f"{name}: too many questions are waiting for an answer")
        waiting = self._open[key] = []
        joined = _join(waiting)
        self._ask(key)
        return joined

    def _ask(self, key: _Key) -> None:
        asked = Deferred.fromCoroutine(self._resolve(*key))
        asked.addTimeout(self._timeout, self._clock, onTimeoutCancel=_timed_out)
        asked.addErrback(self._failed, key)
        asked.addBoth(self._settle, key)

    async def _resolve(self, name: str, record_type: int) -> Entry:
        chain, ttl = [name], MAX_TTL
        try:
            while True:
                length = len(chain)
                answers, authority, _ = await self._lookup(chain[-1], record_type)
                records, reply_ttl = follow(chain, record_type, answers)
                ttl = min(ttl, reply_ttl)
                if records:
                    now = self._seconds()
                    return Answer(tuple(records), now, now + ttl)
                # A server that knows only the alias says nothing of its target; we ask.
                # RFC 2308 2.2: an SOA record says that the target has no such record.
                if len(chain) == length or absence_ttl(authority) is not None:
                    return self._absence(f"{name} has no {_type_text(record_type)} record", authority)
        except DNSNameError as missing:
            message = missing.args[0] if missing.args else None
            authority = message.authority if isinstance(message, dns.Message) else ()
            return self._absence(f"{name} does not exist", authority)
        except NameNotFoundError as endless:
            return self._absence(str(endless), ())

    def _absence(self, text: str, authority: Sequence[dns.RRHeader]) -> Absence:
        said = absence_ttl(authority)
        lifetime = self._negative_ttl if said is None else min(self._negative_ttl, said)
        return Absence(text, self._seconds() + lifetime)

    def _failed(self, failure: Failure, key: _Key) -> Outage | Failure:
        if not isinstance(failure.value, SERVER_FAILURES):
            return failure
        now = self._seconds()
        text = f"{key[0]}: {_failure_text(failure.value)}"
        last = self._last_answer(key)
        if last is not None:
            limit = last.expires + self._serve_stale
            if now < limit:
                return Outage(text, min(now + FAILURE_LIFETIME, limit), replace(last, is_stale=True))
        return Outage(text, now + FAILURE_LIFETIME, None)

    def _last_answer(self, key: _Key) -> Answer | None:
        entry = self._cache.get(key)
        if isinstance(entry, Outage):
            return entry.last
        return entry if isinstance(entry, Answer) else None

    def _settle(self, result: "Entry | Failure", key: _Key) -> None:
        waiting = self._open.pop(key)
        if isinstance(result, Failure):
            if not waiting:
                _log.failure("the question for {name} failed", failure=result, name=key[0])
        elif result.expires > self._seconds():
            self._cache.put(key, result)
        else:
            self._cache.forget(key)
        # One whom an answer reaches may cancel another's waiting: see _join.
        while waiting:
            waiter = waiting.pop(0)
            if isinstance(result, Failure):
                waiter.errback(result)
            else:
                _deliver(result, waiter)


def _join(waiting: "list[Deferred[Answer]]") -> "Deferred[Answer]":
    waiter: Deferred[Answer] = Deferred(waiting.remove)
    waiting.append(waiter)
    return waiter


def _deliver(entry: Entry, waiter: "Deferred[Answer]") -> None:
    try:
        answer = entry.give()
    except (NameNotFoundError, ResolverTimeoutError) as absent:
        waiter.errback(absent)
    else:
        waiter.callback(answer)


def _timed_out(result: object, timeout: float) -> object:
    raise ResolverTimeoutError(f"no answer within {timeout:g} s")


def _failure_text(failure: BaseException) -> str:
    if isinstance(failure, ResolverTimeoutError):
        return str(failure)
    if isinstance(failure, defer.TimeoutError):
        return "no name server answered"
    if isinstance(failure, DomainError):
        return f"the name server answered {_REFUSALS.get(type(failure), 'with an error')}"
    return f"no name server can be asked: {failure}"


_REFUSALS: "dict[type[BaseException], str]" = {
    DNSFormatError: "FORMERR",
    DNSServerError: "SERVFAIL",
    DNSNotImplementedError: "NOTIMP",
    DNSQueryRefusedError: "REFUSED",
}


def _type_text(record_type: int) -> str:
    return dns.QUERY_TYPES.get(record_type, f"TYPE{record_type}")
