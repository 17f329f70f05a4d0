"""Open calls: what the proxy does with INVITE and BYE becomes Start, Interim-Update and Stop.

A call is an attempt: Call-ID, From tag and CSeq number. A request that comes
back here while its attempt is open (a spiral) is no other call, nor is a branch
of a fork, nor an INVITE within a dialog. Several 2xx open several dialogs; the
last BYE ends the call.

A BYE ends a dialog when it was forwarded, whatever is answered ("as soon as the
BYE request is passed to the client transaction", RFC 3261 15.1.1), but for a
challenge, after which it comes again. A call whose BYE never comes ends by its
age, or when its session expires (RFC 4028). Of a session the interval of the
2xx counts; later that of the request which refreshes it, as the response to
that is not seen here: the interval is never taken for shorter than it is.
"""

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple, Protocol

from twisted.internet.interfaces import IReactorTime
from zope.interface import implementer

from sipproxy.accounting.call import INTERIM, START, STOP, Branch, Call, End, Invite
from sipproxy.accounting.deadlines import Deadlines
from sipproxy.accounting.records import (
    LOST_CARRIER,
    NORMAL_CLEARING,
    TIMER_EXPIRY,
    USER_REQUEST,
    cause_of,
    conf_id,
    fact,
    identity,
    octets,
    terminate_of,
)
from sipproxy.errors import RequestError
from sipproxy.interfaces import ICallObserver, IOutcome
from sipproxy.message import Request, Response
from sipproxy.message.headers import parse_seconds

#: Seconds by which an expired session is outlived: a refresh may be under way (RFC 4028 10, 64*T1 of RFC 3261 17).
SESSION_GRACE = 32.0

_CHALLENGES = (401, 407)

#: The shortest session interval (RFC 4028 4).
_SHORTEST_SESSION = 90.0
# Dialogs of one call that are remembered; a callee can open as many as it likes.
_MOST_DIALOGS = 20

Key = tuple[str, str, int]
DialogKey = tuple[str, str, str]


class Rules(NamedTuple):
    """What the configuration says of calls.

    @ivar max_age: seconds after which a call whose BYE never came has ended
    @ivar most: how many calls may be open
    @ivar user_source: OrigUserNameSource
    @ivar add_domain: whether User-Name is user@domain
    """

    max_age: float
    most: int
    user_source: str = "Auth"
    add_domain: bool = False


class Book(Protocol):
    """Where calls are written down (L{sipproxy.accounting.spool.Spool})."""

    def record(self, call: Call, kind: int) -> None:
        """Keep a call, and a new record of it."""

    def keep(self, call: Call) -> None:
        """Keep what has changed of a call."""

    def refuse(self, call: Call, kind: int, reason: str) -> None:
        """Tell of a record that is not kept."""


@implementer(ICallObserver)
class Calls:
    """The calls that are open."""

    def __init__(self, clock: IReactorTime, now: Callable[[], float], book: Book, rules: Rules) -> None:
        """
        @param now: gives the time in seconds since 1970
        """
        self._now = now
        self._book = book
        self._rules = rules
        self._attempts: dict[Key, Call] = {}
        self._dialogs: dict[DialogKey, Call] = {}
        self._deadlines = Deadlines(clock, now, self._due, self._expired)

    def __len__(self) -> int:
        """How many calls are open."""
        return len(self._attempts)

    def restore(self, calls: Iterable[Call]) -> None:
        """Take calls that were open when the server ended."""
        not_before = self._now() + SESSION_GRACE
        for call in calls:
            self._attempts.setdefault(_key_of(call), call)
            for tag in call.dialogs:
                self._dialogs[_dialog_key(call, tag)] = call
            self._deadlines.watch(call, not_before)

    def stop(self) -> None:
        """Watch no calls any more."""
        self._deadlines.stop()

    # ICallObserver.

    def forwarded(self, outcome: IOutcome, hop: Any, request_uri: bytes) -> None:
        """An INVITE leaves on a branch."""
        key = _attempt(outcome.request)
        call = self._attempts.get(key)
        branch = Branch(hop.host, hop.port, fact(request_uri))
        if call is None:
            self._begin(key, Call(self._read(key, outcome), branch, outcome))
        elif call.outcome is outcome:
            call.branches.append(branch)
        elif call.outcome is None and call.connected is None:
            # It was read back, and the caller, who heard nothing, sends its INVITE again.
            call.outcome = outcome
            call.branches.append(branch)

    def answered(self, outcome: IOutcome, hop: Any, response: Response) -> None:
        """A 2xx goes upstream."""
        call = self._attempts.get(_attempt(outcome.request))
        if call is None or call.outcome not in (None, outcome):
            return
        tag = _to_tag(response)
        if tag not in call.dialogs and len(call.dialogs) < _MOST_DIALOGS:
            call.dialogs.append(tag)
            self._dialogs[_dialog_key(call, tag)] = call
            if call.connected is None:
                self._connect(call, hop, response)
            else:
                self._book.keep(call)

    def finished(self, outcome: IOutcome) -> None:
        """A request is done."""
        request = outcome.request
        method = request.method
        if method == b"BYE":
            self._hung_up(outcome)
        elif method == b"INVITE":
            if request.to.tag:
                self._refreshed(outcome)
            else:
                self._ended(outcome)
        elif method == b"UPDATE":
            self._refreshed(outcome)
        elif method == b"CANCEL":
            self._cancelled(request)

    # Beginning.

    def _begin(self, key: Key, call: Call) -> None:
        if len(self._attempts) >= self._rules.most:
            self._book.refuse(call, START, "too many calls are open")
            return
        self._attempts[key] = call
        self._deadlines.watch(call)
        self._book.record(call, START)

    def _read(self, key: Key, outcome: IOutcome) -> Invite:
        """Read what the records need of an INVITE."""
        request = outcome.request
        calling = request.from_.uri
        guid = request.header("cisco-guid") if "cisco-guid" in request.names else None
        return Invite(
            *key,
            self._user(outcome, calling),
            fact(request.to.uri.raw),
            fact(calling.raw),
            conf_id(fact(guid)) if guid else "",
            outcome.source[0],
            fact(request.uri),
            outcome.started,
        )

    def _user(self, outcome: IOutcome, calling: Any) -> str:
        """Give the User-Name."""
        rules = self._rules
        name = octets(outcome.notes.get("user", "")) if rules.user_source == "Auth" else b""
        name = name or calling.user or b""
        if rules.add_domain and calling.host and b"@" not in name:
            name += b"@" + calling.host
        return fact(name)

    def _connect(self, call: Call, hop: Any, response: Response) -> None:
        call.connected = call.refreshed = self._now()
        self._choose(call, hop.host, hop.port)
        # Where no proxy stays in the path, no refresh would be seen.
        if "session-expires" in response.names and "record-route" in response.names:
            call.session = _session_of(response)
            self._deadlines.advance(call)
        self._book.record(call, INTERIM)

    def _choose(self, call: Call, host: str, port: int) -> None:
        """Take the last branch to a next hop as the call's; of the others only the first is kept."""
        first, *further = call.branches
        found = next((branch for branch in reversed(further) if branch[:2] == (host, port)), first)
        call.branches = [first] if found is first else [first, found]
        call.chosen = len(call.branches) - 1

    # Ending.

    def _ended(self, outcome: IOutcome) -> None:
        """An INVITE without To tag has its final response."""
        call = self._attempts.get(_attempt(outcome.request))
        if call is None or call.outcome is not outcome:
            return
        call.outcome = None
        status = outcome.status
        if call.connected is not None or status is None or status < 300:
            return
        host, _, port = outcome.notes.get("next-hop", "").rpartition(":")
        if port.isdigit():
            self._choose(call, host.strip("[]"), int(port))
        ended = outcome.started + outcome.duration
        if call.was_cancelled:
            self._end(call, End(ended, NORMAL_CLEARING, USER_REQUEST, "INVITE"))
        else:
            self._end(call, End(ended, cause_of(status), terminate_of(status), "INVITE"))

    def _cancelled(self, request: Request) -> None:
        call = self._attempts.get(_attempt(request))
        if call is None or call.connected is not None:
            return
        call.was_cancelled = True
        if call.outcome is None:
            # It was read back: nobody else will tell of its end.
            self._end(call, End(self._now(), NORMAL_CLEARING, USER_REQUEST, "INVITE"))

    def _hung_up(self, outcome: IOutcome) -> None:
        request = outcome.request
        found = self._dialog_of(request)
        if found is None or "next-hop" not in outcome.notes or outcome.status in _CHALLENGES:
            return
        call, tag = found
        call.dialogs.remove(tag)
        del self._dialogs[_dialog_key(call, tag)]
        if call.dialogs:
            self._book.keep(call)
        else:
            self._end(call, End(outcome.started, NORMAL_CLEARING, USER_REQUEST, "BYE"))

    def _dialog_of(self, request: Request) -> tuple[Call, str] | None:
        """Give the call of a request within a dialog, whoever of the two has sent it, and the callee's tag."""
        call_id, sender, other = identity(request.call_id), identity(request.from_.tag), identity(request.to.tag)
        for caller, callee in ((sender, other), (other, sender)):
            call = self._dialogs.get((call_id, caller, callee))
            if call is not None:
                return call, callee
        return None

    def _end(self, call: Call, end: End) -> None:
        call.end = end
        call.outcome = None
        key = _key_of(call)
        if self._attempts.get(key) is call:
            del self._attempts[key]
        for tag in call.dialogs:
            self._dialogs.pop(_dialog_key(call, tag), None)
        self._deadlines.forget(call)
        self._book.record(call, STOP)

    # Age.

    def _refreshed(self, outcome: IOutcome) -> None:
        """An INVITE or UPDATE within a dialog has its final response (RFC 4028 7.4, 9)."""
        status = outcome.status
        if status is None or not 200 <= status < 300:
            return
        request = outcome.request
        found = self._dialog_of(request)
        if found is None:
            return
        call, _ = found
        session = _session_of(request)
        if call.session or session:
            call.session, call.refreshed = session, self._now()
            self._deadlines.advance(call)
            self._book.keep(call)

    def _due(self, call: Call) -> float:
        """Give the moment at which a call is given up."""
        aged = call.invite.setup + self._rules.max_age
        if not call.session:
            return aged
        return min(aged, call.refreshed + call.session + SESSION_GRACE)

    def _expired(self, call: Call) -> None:
        """Stop a call whose BYE did not come: it has lasted no longer than it could."""
        due = self._due(call)
        aged = call.invite.setup + self._rules.max_age
        ended = aged if due == aged else due - SESSION_GRACE
        self._end(call, End(ended, TIMER_EXPIRY, LOST_CARRIER, "INVITE"))


def _attempt(request: Request) -> Key:
    return identity(request.call_id), identity(request.from_.tag), request.cseq[0]


def _key_of(call: Call) -> Key:
    return call.invite[:3]


def _dialog_key(call: Call, tag: str) -> DialogKey:
    return call.invite.call_id, call.invite.from_tag, tag


def _to_tag(response: Response) -> str:
    try:
        return identity(response.to.tag)
    except RequestError:
        return ""  # the caller reads it as little as we do


def _session_of(message: Request | Response) -> float:
    """Give the session interval that a message names (RFC 4028 4), in seconds, 0 for none."""
    value = message.header("session-expires")
    try:
        return max(_SHORTEST_SESSION, parse_seconds(value.partition(b";")[0].strip())) if value else 0.0
    except RequestError:
        return 0.0
