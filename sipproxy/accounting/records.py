"""Accounting records and their attributes (RFC 2866 5, RFC 2869 5.3, RFC 3398 8.2.6.1, Cisco's VSAs). *Pure*.

A record is a call and one of Start, Interim-Update and Stop. Cisco's text
attributes hold C{name=value}. Acct-Delay-Time is not here, as it changes from
one sending to the next.
"""

import hashlib
import json
import time
from collections.abc import Iterator, Sequence
from functools import lru_cache

from sipproxy.accounting.call import INTERIM, START, STOP, Call
from sipproxy.wire.radius import LONGEST_VALUE, Attribute

#: Acct-Status-Type of the records.
NAMES = {START: "Start", INTERIM: "Interim-Update", STOP: "Stop"}

#: Acct-Terminate-Cause (RFC 2866 5.10).
USER_REQUEST, LOST_CARRIER, NAS_REQUEST, USER_ERROR = 1, 2, 10, 17
TERMINATE_NAMES = {
    USER_REQUEST: "User-Request",
    LOST_CARRIER: "Lost-Carrier",
    NAS_REQUEST: "NAS-Request",
    USER_ERROR: "User-Error",
}

#: Causes of Q.931 that stand for no status.
NORMAL_CLEARING, TIMER_EXPIRY = 16, 102
_UNSPECIFIED = 31
_INTERWORKING = 127

# RFC 3398 8.2.6.1. 488 and 606 go by their Warning, whose usual cause is 31; 487 has none where nobody sent CANCEL.
_CAUSES = {
    400: 41,
    401: 21,
    402: 21,
    403: 21,
    404: 1,
    405: 63,
    406: 79,
    407: 21,
    408: TIMER_EXPIRY,
    410: 22,
    413: _INTERWORKING,
    414: _INTERWORKING,
    415: 79,
    416: _INTERWORKING,
    420: _INTERWORKING,
    421: _INTERWORKING,
    423: _INTERWORKING,
    480: 18,
    481: 41,
    482: 25,
    483: 25,
    484: 28,
    485: 1,
    486: 17,
    487: _UNSPECIFIED,
    488: _UNSPECIFIED,
    500: 41,
    501: 79,
    502: 38,
    503: 41,
    504: TIMER_EXPIRY,
    505: _INTERWORKING,
    513: _INTERWORKING,
    600: 17,
    603: 21,
    604: 1,
    606: _UNSPECIFIED,
}

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")

#: Name of the key in a Cisco-AVPair, see L{attempt_of}.
ATTEMPT = "sip-attempt"

# What tells calls apart.
_IDENTIFYING = ("call-id", ATTEMPT)

_encode = json.JSONEncoder(separators=(",", ":")).encode


def cause_of(status: int) -> int:
    """Give the Q.931 cause of the final response to an INVITE (RFC 3398 8.2.6.1)."""
    # What is not in the table "should be mapping to cause code 31".
    return _CAUSES.get(status, _UNSPECIFIED)


def terminate_of(status: int) -> int:
    """Give the Acct-Terminate-Cause of the final response to an INVITE that nobody cancelled."""
    return NAS_REQUEST if status == 408 else USER_ERROR


def cisco_time(seconds: float) -> str:
    """Write C{23:24:19.810 UTC Sun Sep 26 2001}."""
    whole, milliseconds = divmod(round(seconds * 1000), 1000)
    return _second(whole) % milliseconds


# The records of a call tell of the same moments.
@lru_cache(maxsize=1024)
def _second(seconds: int) -> str:
    """Write a second, with room for its milliseconds."""
    moment = time.gmtime(seconds)
    return (
        f"{moment.tm_hour:02}:{moment.tm_min:02}:{moment.tm_sec:02}.%03d UTC"
        f" {_DAYS[moment.tm_wday]} {_MONTHS[moment.tm_mon - 1]} {moment.tm_mday} {moment.tm_year}"
    )


def conf_id(guid: str) -> str:
    """Write a Cisco-Guid, four decimal numbers, as h323-conf-id has it: in hexadecimal; what is no such thing stays."""
    parts = guid.split("-")
    if len(parts) != 4 or not all(part.isascii() and part.isdigit() and int(part[:11]) < 2**32 for part in parts):
        return guid
    return " ".join(f"{int(part[:11]):08X}" for part in parts)


def attempt_of(call: Call) -> str:
    """Give the key of a call's records: one that comes twice has the same key and Acct-Status-Type."""
    invite = call.invite
    return f"{invite.call_id};{invite.from_tag};{invite.cseq}"


def duration_of(call: Call) -> int:
    """Give the seconds for which a call that has ended was connected."""
    if call.end is None or call.connected is None:
        return 0
    return max(0, round(call.end.time - call.connected))


def standard_texts(call: Call) -> Iterator[tuple[str, str]]:
    """Give the attributes of RFC 2866 and 2865 that are the same in all records of a call."""
    invite = call.invite
    yield "Acct-Session-Id", invite.call_id
    yield "User-Name", invite.user
    yield "Called-Station-Id", invite.called
    yield "Calling-Station-Id", invite.calling


def own_standard_values(call: Call, kind: int) -> Iterator[tuple[str, str | int]]:
    """Give the attributes of RFC 2866 and 2869 that are a record's own, but for what kind it is."""
    yield "Event-Timestamp", int(call.time_of(kind))
    if kind == STOP and call.end is not None:
        yield "Acct-Session-Time", duration_of(call)
        yield "Acct-Terminate-Cause", TERMINATE_NAMES[call.end.terminate]


def cisco_texts(call: Call) -> Iterator[tuple[str, str]]:
    """Give Cisco's attributes that are the same in all records of a call, without the names in their text."""
    invite = call.invite
    yield "h323-setup-time", cisco_time(invite.setup)
    yield "h323-call-origin", "proxy"
    if invite.conf_id:
        yield "h323-conf-id", invite.conf_id
    yield "call-id", invite.call_id
    yield "session-protocol", "sipv2"
    yield "prev-hop-ip", invite.source
    yield "incoming-req-uri", invite.uri


def own_cisco_texts(call: Call, kind: int) -> Iterator[tuple[str, str]]:
    """Give Cisco's attributes that are a record's own."""
    method = "INVITE"
    if kind != START and call.connected is not None:
        yield "h323-connect-time", cisco_time(call.connected)
    if kind == STOP and call.end is not None:
        method = call.end.method
        yield "h323-disconnect-time", cisco_time(call.end.time)
        yield "h323-disconnect-cause", f"{call.end.cause:X}"
    yield "method", method
    branch = call.branches[0 if kind == START else call.chosen]
    yield "next-hop-ip", branch.host
    yield "outgoing-req-uri", branch.uri


def as_fields(call: Call, kind: int, nas: Sequence[Attribute]) -> dict[str, object]:
    """Give a record for JSON: the same attributes, but text without its own name, and nothing that is empty.

    @param kind: L{START}, L{INTERIM} or L{STOP}
    @param nas: who sends it
    """
    fields: dict[str, object] = {"Acct-Status-Type": NAMES[kind]}
    fields.update(own_standard_values(call, kind))
    fields.update(standard_texts(call))
    fields.update(nas)
    fields.update(cisco_texts(call))
    fields.update(own_cisco_texts(call, kind))
    fields[ATTEMPT] = attempt_of(call)
    return {name: value for name, value in fields.items() if value != ""}


def as_json(call: Call, kind: int, nas: Sequence[Attribute]) -> str:
    """Write a record as one JSON object, without line end."""
    return _encode(as_fields(call, kind, nas))


def shortened(name: str, value: bytes, room: int) -> bytes:
    """Give what goes out of a text of Cisco's that is too long.

    @param name: of the text
    @param room: octets that there are for it
    """
    # What tells calls apart is no more the same when it is cut.
    return _identifying(value, room) if name in _IDENTIFYING else _cut(value, room)


def identity(value: bytes) -> str:
    """Give a Call-ID or a tag as it is kept: a longer one than an attribute holds as its SHA-256."""
    return text_of(_identifying(value, LONGEST_VALUE))


def fact(value: bytes) -> str:
    """Give any other text as it is kept: no more of it than an attribute holds."""
    return text_of(_cut(value, LONGEST_VALUE))


def _identifying(value: bytes, room: int) -> bytes:
    return value if len(value) <= room else hashlib.sha256(value).hexdigest().encode("ascii")


def _cut(value: bytes, room: int) -> bytes:
    """Give octets up to the last character that has room."""
    if len(value) <= room:
        return value
    # 10xxxxxx goes on with a character (RFC 3629 3), which has four octets at most.
    end = next((end for end in range(room, room - 4, -1) if value[end] & 0xC0 != 0x80), room)
    return value[:end]


def octets(text: str) -> bytes:
    """Give the octets that a text was made of."""
    return text.encode("utf-8", "surrogateescape")


def text_of(value: bytes) -> str:
    """Make a text of octets; L{octets} gives them back."""
    return value.decode("utf-8", "surrogateescape")
