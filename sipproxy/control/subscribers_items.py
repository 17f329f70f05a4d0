"""Subscribers as the control socket has them: what is shown, what is given, who is asked for.

A forwarding target that could not be called is refused here. Passwords and
hashes never stand in what is shown.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sipproxy.config.problems import quotation
from sipproxy.control.declarations import Arguments, Json
from sipproxy.control.patterns import Pattern
from sipproxy.databases.subscribers_fields import FIELDS, LONGEST_RING_TIME, RefusedError, Subscriber
from sipproxy.errors import SipParseError
from sipproxy.message import parse_uri

#: Where calls may be forwarded to.
TARGETS = ("unconditional", "busy", "no_answer", "unavailable")
#: What gives a password away, or is of use only with it.
SECRETS = ("password", "realm", "ha1_md5", "ha1_sha256", "ha1b_md5", "ha1b_sha256")
#: How a password is kept.
KEPT = ("clear", "hashed", "none")
#: The longest ring time.
MOST_MILLISECONDS = round(LONGEST_RING_TIME * 1000)

# RFC 3966 3: digits of a global or a local number, and visual separators.
_NUMBER = re.compile(rb"\+?[0-9A-Fa-f*#\-.()]+")


def fields_of(given: Mapping[str, Any]) -> dict[str, Any]:
    """Give the fields of a subscriber as JSON has them; what is empty is none.

    @raise RefusedError: a target is none that can be called, or a time is no number
    """
    fields = dict(given)
    for name in TARGETS:
        if fields.get(name):
            see_target(name, fields[name])
    if "password" in fields:
        fields["password"] = fields["password"] or None
    if "ring_time" in fields:
        fields["ring_time"] = _seconds(fields["ring_time"])
    return fields


def _seconds(milliseconds: object) -> float | None:
    """Read a ring time; 0 is none.

    @raise RefusedError: it is no time
    """
    if milliseconds is None:
        return None
    if (
        isinstance(milliseconds, bool)
        or not isinstance(milliseconds, int)
        or not 0 <= milliseconds <= MOST_MILLISECONDS
    ):
        raise RefusedError(f"ring_time: expected a whole number of milliseconds, at most {MOST_MILLISECONDS}")
    return milliseconds / 1000 or None


def see_targets(subscriber: Subscriber) -> None:
    """See that all targets of a subscriber can be called.

    @raise RefusedError: one cannot; the text says which
    """
    for name in TARGETS:
        target = getattr(subscriber, name)
        if target:
            see_target(name, target)


def see_target(name: str, text: object) -> None:
    """See that calls can be forwarded to a target.

    @param name: of its field
    @raise RefusedError: they cannot
    """
    if not isinstance(text, str):
        raise RefusedError(f"{name}: expected text")
    try:
        uri = parse_uri(text.encode("utf-8", "backslashreplace"))
        if uri.scheme == b"tel":
            # It is called as the user part of a sip: URI (RFC 3261 19.1.6).
            parse_uri(b"sip:%b@localhost" % uri.raw[4:])
            is_callable = _NUMBER.fullmatch(uri.user or b"") is not None
        else:
            is_callable = uri.scheme == b"sip"
    except SipParseError:
        is_callable = False
    if not is_callable:
        secure = ", as there is no transport for sips:" if text[:5].lower() == "sips:" else ""
        raise RefusedError(f"{name}: expected a sip: or tel: URI{secure}, got {quotation(text)}")


def item_of(subscriber: Subscriber) -> Json:
    """Give a subscriber as it is shown: without secrets."""
    names = [name for name in FIELDS if name not in SECRETS]
    return {**values_of(subscriber, names), "password": _kept(subscriber), "realm": subscriber.realm}


def _kept(subscriber: Subscriber) -> str:
    if subscriber.password is not None:
        return "clear"
    hashes = (subscriber.ha1_md5, subscriber.ha1_sha256, subscriber.ha1b_md5, subscriber.ha1b_sha256)
    return "hashed" if any(hashes) else "none"


def values_of(subscriber: Subscriber, names: Sequence[str]) -> Json:
    """Give fields of a subscriber by their names, as JSON has them."""
    values: Json = {name: getattr(subscriber, name) for name in names}
    ring_time = subscriber.ring_time
    values["ring_time"] = None if ring_time is None else round(ring_time * 1000)
    values["created"] = subscriber.created or None
    values["updated"] = subscriber.updated or None
    return values


def filter_of(arguments: Arguments) -> Callable[[Json], bool]:
    """Give what tells whether a subscriber, as it is shown, is one of those asked for."""
    keys, names = Pattern(arguments.get("key", "*")), Pattern(arguments.get("display_name", "*"))
    targets = Pattern(arguments["target"]) if "target" in arguments else None
    exact = {name: arguments[name] for name in ("password", "enabled") if name in arguments}

    def matches(item: Json) -> bool:
        return (
            keys.matches(item["key"])
            and names.matches(item["display_name"])
            and all(item[name] == value for name, value in exact.items())
            and (targets is None or any(item[name] and targets.matches(item[name]) for name in TARGETS))
        )

    return matches


def before(prefix: str) -> str:
    """Give a key that stands shortly before all that begins with a prefix, and behind most else."""
    if not prefix:
        return ""
    last = ord(prefix[-1])
    if not last:
        return prefix[:-1]
    # There are no characters from D800 to DFFF that stand for themselves.
    return prefix[:-1] + chr(last - 1 if last != 0xE000 else 0xD7FF) + chr(0x10FFFF) * 8
