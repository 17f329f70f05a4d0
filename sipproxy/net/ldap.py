"""An LDAP directory (RFC 4511) that is searched: a few connections, and what happens when the server is away.

Connections are opened when they are needed, up to a number, and then stay. Each
carries many questions at a time. Each is a new start: TLS with a certificate
that is verified where it is asked for, then the bind. A question whose connection
is lost, as a server closes what was idle, or restarts, is asked once more.

A question has a deadline, which covers all of that. A server that cannot be
connected to, refuses us, or has said nothing on any connection since a question
was asked until its deadline, is left alone for L{HOLD_OFF}: questions fail at
once then. No answer, however late, no refusal and no loss leaves anything open.

Referrals are not followed, and nothing is written.
"""

import math
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, TypeVar

from twisted.internet.defer import Deferred, DeferredList, DeferredLock
from twisted.internet.interfaces import IReactorTime
from twisted.internet.protocol import Factory
from twisted.python.failure import Failure

from sipproxy.errors import StoreError
from sipproxy.interfaces import IResolver
from sipproxy.net.ldap_connection import LATE, Answer, LdapConnection, LostError, SilentError
from sipproxy.net.ldap_connector import CLOSED, Connector, LdapServer, failure_text, out_of_time
from sipproxy.net.ldap_messages import (
    NO_ATTRIBUTES,
    SIZE_LIMIT_EXCEEDED,
    SUCCESS,
    Conditions,
    Entry,
    Result,
    Search,
)

T = TypeVar("T")

#: How long a server that is away is left alone, seconds; less than the time after which the database is tried again.
HOLD_OFF = 1.0
#: Entries that a search brings, at most.
MOST_FOUND = 100
#: Entries of one page of a scan: to read them takes some 10 ms, in which nothing else is done.
PAGE = 100
#: Questions on one connection, at most. A server that holds too many closes it (OpenLDAP: more than 100).
MOST_OPEN = 50


class LdapDirectory:
    """A directory."""

    def __init__(self, reactor: Any, resolver: IResolver, server: LdapServer, size: int, timeout: float) -> None:
        """Prepare it; nothing is connected before the first question.

        @param reactor: an L{IReactorTCP} and L{IReactorTime}
        @param size: connections at most; a scan has one more for itself
        @param timeout: how long an answer may take, seconds
        """
        self._clock: IReactorTime = reactor
        self._server = server
        self._connector = Connector(reactor, resolver, server, timeout)
        self._size = size
        self._timeout = timeout
        self._factory = Factory.forProtocol(self._make)
        self._factory.noisy = False
        self._made: set[LdapConnection] = set()
        self._ready: list[LdapConnection] = []
        self._attempts: set[Deferred[LdapConnection]] = set()
        # In order, as a dict is.
        self._waiting: dict[Deferred[LdapConnection], None] = {}
        self._scans = DeferredLock()
        self._last_heard = -math.inf
        self._away_until = -math.inf
        self._reason = ""
        self._is_closed = False

    # For who asks

    def open(self) -> Deferred[None]:
        """See that the directory answers and has the entry that searches begin at.

        @raise StoreError: in the Deferred
        """
        return self._run(self._look())

    def search(self, conditions: Conditions, attributes: Sequence[str]) -> Deferred[list[Entry]]:
        """Find entries, L{MOST_FOUND} of them at most.

        @param conditions: what they must have
        @param attributes: names of what is wanted of them
        @raise StoreError: in the Deferred
        """
        return self._run(self._search(conditions, attributes))

    def scan(
        self, conditions: Conditions, attributes: Sequence[str], take: Callable[[Entry], object], most: int
    ) -> Deferred[None]:
        """Look at all entries, in no order, page by page (RFC 2696); one scan runs at a time.

        @param take: called with each entry
        @param most: entries; where there are more it fails
        @return: fires with None once all have been looked at
        @raise StoreError: in the Deferred
        """
        return self._scans.run(lambda: self._run(self._scan(conditions, attributes, take, most)))

    def close(self) -> Deferred[None]:
        """Close all connections; what is open fails.

        @return: fires with None once they are closed
        """
        self._is_closed, self._reason = True, CLOSED
        for attempt in list(self._attempts):
            attempt.cancel()
        self._ready.clear()
        made = list(self._made)
        for connection in made:
            connection.close()
        self._serve()
        return DeferredList([connection.closed for connection in made]).addCallback(lambda _: None)

    # Questions

    def _run(self, question: Coroutine[Deferred[Any], Any, T]) -> Deferred[T]:
        return Deferred.fromCoroutine(question).addErrback(self._failed)

    def _failed(self, failure: Failure) -> Failure:
        """Say whose failure it is."""
        error = failure.value
        if isinstance(error, StoreError):
            raise StoreError(f"{self._server}: {error}") from error
        return failure

    async def _look(self) -> None:
        search = self._question(False, {"objectClass": ()}, (NO_ATTRIBUTES,), 1)
        _, result = await self._ask(search)
        _see_done(result)

    async def _search(self, conditions: Conditions, attributes: Sequence[str]) -> list[Entry]:
        entries, result = await self._ask(self._question(True, conditions, attributes, MOST_FOUND))
        if result.code != SIZE_LIMIT_EXCEEDED:
            _see_done(result)
        return entries

    def _question(self, is_subtree: bool, conditions: Conditions, attributes: Sequence[str], most: int) -> Search:
        time = math.ceil(self._timeout)
        return Search(self._server.base, is_subtree, conditions, attributes, most, time)

    async def _ask(self, search: Search) -> Answer:
        end = self._clock.seconds() + self._timeout
        try:
            return await self._ask_once(search, end)
        except LostError:
            # Most servers close what has been idle for a while; that is no reason to fail.
            return await self._ask_once(search, end)

    async def _ask_once(self, search: Search, end: float) -> Answer:
        connection = self._idle() or await self._wait(end)
        try:
            return await connection.ask(search, end, search.most)
        finally:
            self._serve()

    async def _scan(
        self, conditions: Conditions, attributes: Sequence[str], take: Callable[[Entry], object], most: int
    ) -> None:
        """Read pages on a connection of their own: where one ends is between the server and a connection."""
        self._see_present()
        connection = await self._attempt()
        seen, cookie = 0, b""
        try:
            while True:
                search = self._question(True, conditions, attributes, PAGE)._replace(page=cookie)
                # A server that knows no pages gives all at once.
                entries, result = await connection.ask(search, self._clock.seconds() + self._timeout, most)
                _see_done(result)
                cookie = result.cookie
                # An empty page counts too, so that there is an end in any case.
                seen += max(1, len(entries))
                if seen > most:
                    raise StoreError(f"it has more than {most} entries")
                for entry in entries:
                    take(entry)
                if not cookie:
                    return
        finally:
            connection.close()

    # Connections for questions

    def _free(self) -> LdapConnection | None:
        """Give the connection that has least to do, and may have more."""
        connection = min(self._ready, key=lambda each: each.open_questions, default=None)
        return None if connection is None or connection.open_questions >= MOST_OPEN else connection

    def _idle(self) -> LdapConnection | None:
        """Give one that has nothing to do."""
        connection = self._free()
        return None if connection is None or connection.open_questions else connection

    def _wait(self, end: float) -> Deferred[LdapConnection]:
        """Wait for a connection, or share one; there will be another one where that may be."""
        waiting: Deferred[LdapConnection] = Deferred(self._leave)
        self._waiting[waiting] = None
        self._open_another()
        self._serve()
        if not waiting.called:
            waiting.addTimeout(max(0.0, end - self._clock.seconds()), self._clock, out_of_time)
        return waiting

    def _leave(self, waiting: Deferred[LdapConnection]) -> None:
        self._waiting.pop(waiting, None)

    def _serve(self) -> None:
        """Give connections to those who wait, as far as there are any now."""
        if self._waiting and not self._ready and not self._attempts:
            self._open_another()
        while self._waiting and (connection := self._free()) is not None:
            self._next().callback(connection)
        if not self._ready and not self._attempts:
            while self._waiting:
                self._next().errback(StoreError(self._reason))

    def _next(self) -> Deferred[LdapConnection]:
        waiting = next(iter(self._waiting))
        del self._waiting[waiting]
        return waiting

    # Opening connections

    def _see_present(self) -> None:
        """See that the server may be connected to now.

        @raise StoreError: it is left alone; the text says why
        """
        if self._is_closed or self._clock.seconds() < self._away_until:
            raise StoreError(self._reason)

    def _open_another(self) -> None:
        """Begin to open a connection, where it may be done and there is room."""
        if len(self._ready) + len(self._attempts) >= self._size:
            return
        try:
            self._see_present()
        except StoreError:
            return
        self._attempt().addCallbacks(self._opened, self._not_opened)

    def _attempt(self) -> Deferred[LdapConnection]:
        """Open a connection.

        @return: fires with it once it is of use
        @raise StoreError: in the Deferred; the server is left alone for a while then
        """
        attempt = Deferred.fromCoroutine(self._connector.open(self._factory, self._clock.seconds() + self._timeout))
        self._attempts.add(attempt)
        attempt.addTimeout(self._timeout, self._clock, out_of_time)
        return attempt.addBoth(self._attempted, attempt)

    def _attempted(
        self, result: LdapConnection | Failure, attempt: Deferred[LdapConnection]
    ) -> LdapConnection | Failure:
        self._attempts.discard(attempt)
        if not isinstance(result, Failure):
            return result
        reason = failure_text(result.value)
        if reason is None:
            return result
        self._hold_off(reason)
        raise StoreError(self._reason) from result.value

    def _opened(self, connection: LdapConnection) -> None:
        self._ready.append(connection)
        self._serve()

    def _not_opened(self, failure: Failure) -> None:
        if not isinstance(failure.value, StoreError):
            while self._waiting:
                self._next().errback(failure)
        self._serve()

    def _make(self) -> LdapConnection:
        connection = LdapConnection(self._clock, self)
        self._made.add(connection)
        connection.closed.addCallback(lambda _: self._made.discard(connection))
        return connection

    # What connections tell

    def connection_heard(self) -> None:
        """See L{sipproxy.net.ldap_connection.ConnectionUser}."""
        self._last_heard = self._clock.seconds()

    def connection_lost(self, connection: LdapConnection, silent_since: float | None) -> None:
        """See L{sipproxy.net.ldap_connection.ConnectionUser}."""
        if connection in self._ready:
            self._ready.remove(connection)
        if silent_since is not None and self._last_heard <= silent_since:
            self._hold_off(LATE)
            for other in list(self._ready):
                other.give_up(SilentError(LATE))
        self._serve()

    def _hold_off(self, reason: str) -> None:
        """Leave the server alone."""
        if not self._is_closed:
            self._reason = reason
            self._away_until = self._clock.seconds() + HOLD_OFF


def _see_done(result: Result) -> None:
    """See that a question was answered in full.

    @raise StoreError: it was not
    """
    if result.code != SUCCESS:
        raise StoreError(result.text)
