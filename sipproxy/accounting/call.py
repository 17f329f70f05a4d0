"""A call as accounting knows it: what its INVITE said, and what became of it. *Pure*.

One object stands for one attempt, which is Call-ID, From tag and CSeq number
(RFC 3261 20.16). Its records are made of it at any time, so that nothing but
this is kept. Octets that are no UTF-8 are lone surrogates in its texts (PEP 383)
and come back as they were.
"""

import json
from typing import NamedTuple

#: The records of a call, as bits, in the order in which they are sent.
START, INTERIM, STOP = 1, 2, 4
KINDS = (START, INTERIM, STOP)

#: What a call's records may wait for, as indices of L{Call.waiting}.
RADIUS, FILE = 0, 1

_encode = json.JSONEncoder(separators=(",", ":")).encode
_decode = json.JSONDecoder().decode


class Invite(NamedTuple):
    """What the INVITE of an attempt says; no text of it is longer than an attribute of RADIUS holds.

    @ivar user: the User-Name
    @ivar called: the URI of To
    @ivar calling: the URI of From
    @ivar conf_id: the conference of a Cisco gateway as h323-conf-id has it, empty for none
    @ivar source: address that it came from
    @ivar uri: the Request-URI that it came with
    @ivar setup: when it came, seconds since 1970
    """

    call_id: str
    from_tag: str
    cseq: int
    user: str
    called: str
    calling: str
    conf_id: str
    source: str
    uri: str
    setup: float


class Branch(NamedTuple):
    """A way that an INVITE took.

    @ivar host: address of the next hop
    @ivar port: port of the next hop
    @ivar uri: the Request-URI there
    """

    host: str
    port: int
    uri: str


class End(NamedTuple):
    """How a call ended.

    @ivar time: when, seconds since 1970
    @ivar cause: as Q.931 has it
    @ivar terminate: Acct-Terminate-Cause
    @ivar method: of the request that ended it
    """

    time: float
    cause: int
    terminate: int
    method: str


class Call:
    """One attempt.

    @ivar number: what it is found by in the spool; it grows from call to call
    @ivar branches: the ways that it took, as far as its records need them
    @ivar chosen: index of the branch that answered, or whose response ended it
    @ivar connected: when it was answered, None while it is not
    @ivar dialogs: To tags of the dialogs that are open
    @ivar session: seconds of its session interval (RFC 4028), 0 for none
    @ivar refreshed: when that began anew
    @ivar end: how it ended, None while it is open
    @ivar waiting: the records not yet delivered, as bits, by destination: L{RADIUS}, L{FILE}
    @ivar written: the records that may be delivered: they are in the spool, or it cannot be written
    @ivar is_stored: whether the spool has a row of it
    @ivar outcome: its request while that is pending here, None for one that was read back
    @ivar packed: see L{sipproxy.accounting.packets}
    @ivar was_cancelled: whether the caller sent CANCEL
    @ivar slot: see L{sipproxy.accounting.deadlines}
    """

    __slots__ = (
        "__weakref__",
        "branches",
        "chosen",
        "connected",
        "dialogs",
        "end",
        "invite",
        "is_stored",
        "number",
        "outcome",
        "packed",
        "refreshed",
        "session",
        "slot",
        "waiting",
        "was_cancelled",
        "written",
    )

    def __init__(self, invite: Invite, branch: Branch, outcome: object = None) -> None:
        self.number = 0
        self.invite = invite
        self.packed = b""
        self.branches = [branch]
        self.chosen = 0
        self.connected: float | None = None
        self.dialogs: list[str] = []
        self.session = 0.0
        self.refreshed = 0.0
        self.end: End | None = None
        self.waiting = [0, 0]
        self.written = 0
        self.is_stored = False
        self.outcome = outcome
        self.was_cancelled = False
        self.slot = 0

    @property
    def is_kept(self) -> bool:
        """Whether the spool needs it: it is open, or records of it wait."""
        return self.end is None or self.waiting != [0, 0]

    @property
    def undelivered(self) -> int:
        """The records that wait for anything, as bits."""
        return self.waiting[RADIUS] | self.waiting[FILE]

    def next_for(self, destination: int) -> int:
        """Give the first of the records that may be delivered to a destination, 0 where there is none."""
        ready = self.waiting[destination] & self.written
        return ready & -ready

    def time_of(self, kind: int) -> float:
        """Give the moment that a record tells of."""
        if kind == STOP and self.end is not None:
            return self.end.time
        if kind == INTERIM and self.connected is not None:
            return self.connected
        return self.invite.setup

    def invite_text(self) -> str:
        """Write what does not change of it, as JSON."""
        # Put together here: the encoder takes several times as long.
        *texts, setup = self.invite
        return f"[{','.join(map(_encode, texts))},{setup!r}]"

    def state_text(self) -> str:
        """Write what changes of it, as JSON, without what only the process knows that it lives in."""
        branches = ",".join([f"[{_encode(host)},{port},{_encode(uri)}]" for host, port, uri in self.branches])
        dialogs = ",".join(map(_encode, self.dialogs))
        end = "null"
        if self.end is not None:
            end = f'[{self.end.time!r},{self.end.cause},{self.end.terminate},"{self.end.method}"]'
        return (
            f"[[{branches}],{self.chosen},{_number(self.connected)},[{dialogs}],{self.session!r},{self.refreshed!r}"
            f",{end},{'true' if self.was_cancelled else 'false'}]"
        )


def _number(value: float | None) -> str:
    return "null" if value is None else repr(value)


def call_of(number: int, invite: str, state: str, radius: int, file: int) -> Call:
    """Read what L{Call.invite_text} and L{Call.state_text} wrote.

    @param radius: the records that wait for RADIUS
    @param file: the records that wait for the file
    @raise ValueError: it is something else
    """
    try:
        branches, chosen, connected, dialogs, session, refreshed, end, was_cancelled = _decode(state)
        call = Call(Invite(*_decode(invite)), Branch(*branches[0]))
        call.branches = [Branch(*branch) for branch in branches]
        call.end = None if end is None else End(*end)
    except (TypeError, IndexError) as error:
        raise ValueError(f"no call: {error}") from error
    call.number = number
    call.chosen, call.connected, call.dialogs = chosen, connected, dialogs
    call.session, call.refreshed, call.was_cancelled = session, refreshed, was_cancelled
    call.waiting = [radius, file]
    call.written = radius | file
    call.is_stored = True
    return call
