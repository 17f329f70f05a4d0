"""The record of one subscriber, and what its fields may hold.

No forwarding target is parsed here: who sets one checks that it is a URI, and
who follows one that is none goes on without.
"""

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields

from zope.interface import implementer

from sipproxy.databases import passwords
from sipproxy.errors import StoreError
from sipproxy.interfaces import ISubscriber


class RefusedError(StoreError):
    """A change that cannot be made as it is asked for; the database itself is well, and nothing has changed."""


class ExistsError(RefusedError):
    """There is a subscriber with this key."""


class MissingError(RefusedError):
    """There is no subscriber with this key."""


@implementer(ISubscriber)
@dataclass(frozen=True, slots=True)
class Subscriber:
    """A person or a number of ours.

    @ivar key: user, or user@domain; compared octet by octet, in whatever Unicode form it has
    @ivar password: the clear password; None where there is none, or only hashes are kept
    @ivar realm: what the hashes were made for
    @ivar ha1_md5: hash with the key as user name, C{""} for none, as C{ha1_sha256}
    @ivar ha1b_md5: hash with the key's user part as user name, as C{ha1b_sha256}
    @ivar unconditional: URI that all calls are forwarded to, C{""} for none; likewise the others
    @ivar ring_time: seconds until nobody has answered, None for the configured ones; whole milliseconds are kept
    @ivar created: seconds since 1970, 0 where it is not known; as C{updated}, the last change
    """

    key: str
    domain: str = ""
    display_name: str = ""
    password: str | None = field(default=None, repr=False)
    realm: str = ""
    ha1_md5: str = field(default="", repr=False)
    ha1_sha256: str = field(default="", repr=False)
    ha1b_md5: str = field(default="", repr=False)
    ha1b_sha256: str = field(default="", repr=False)
    unconditional: str = ""
    busy: str = ""
    no_answer: str = ""
    unavailable: str = ""
    ring_time: float | None = None
    enabled: bool = True
    created: float = 0.0
    updated: float = 0.0

    def ha1(self, algorithm: str, username: str, realm: str) -> str | None:
        """Give H(username:realm:password) in lower-case hexadecimal (RFC 7616 3.4.2).

        @param algorithm: C{MD5} or C{SHA-256}
        @param username: the key or, where that has a domain, its user part; hashes of other names, such as a number
            before it is expanded, are not kept, but can be computed where the password is known in clear
        @return: None where it can neither be computed nor is kept
        """
        if self.password is not None:
            return passwords.ha1(algorithm, username, realm, self.password)
        is_key = username == self.key
        if realm != self.realm or not (is_key or username == passwords.user_part(self.key)):
            return None
        if algorithm == "MD5":
            kept = self.ha1_md5 if is_key else self.ha1b_md5
        elif algorithm == "SHA-256":
            kept = self.ha1_sha256 if is_key else self.ha1b_sha256
        else:
            return None
        return kept.lower() or None  # Written by hand it may be in capitals.


FIELDS = tuple(each.name for each in fields(Subscriber))

#: Longest text of each field, in characters. MySQL's columns are as wide.
LONGEST = {
    "key": 255,
    "domain": 255,
    "display_name": 255,
    "password": 255,
    "realm": 255,
    "ha1_md5": 32,
    "ha1_sha256": 64,
    "ha1b_md5": 32,
    "ha1b_sha256": 64,
    "unconditional": 1023,
    "busy": 1023,
    "no_answer": 1023,
    "unavailable": 1023,
}
#: Longest time until nobody has answered, seconds: what 32 bits hold in milliseconds.
LONGEST_RING_TIME = (2**32 - 1) / 1000
#: Latest time that is taken for one, seconds since 1970.
LATEST = 1e12

_HASH = re.compile(r"(?:[0-9a-fA-F]{32}){0,2}")


def check(subscriber: Subscriber) -> None:
    """See that a subscriber can be stored and comes back as it was.

    @raise RefusedError: it cannot; the text says which field and why
    """
    _check((name, getattr(subscriber, name)) for name in FIELDS)


def check_all(subscribers: Iterable[Subscriber]) -> None:
    """See that subscribers can be stored together.

    @raise RefusedError: they cannot; the text says which one, and why
    """
    keys: set[str] = set()
    for subscriber in subscribers:
        try:
            check(subscriber)
        except RefusedError as error:
            raise RefusedError(f"subscriber {subscriber.key}: {error}") from error
        if subscriber.key in keys:
            raise RefusedError(f"subscriber {subscriber.key}: it is there twice")
        keys.add(subscriber.key)


def check_changes(changes: Mapping[str, object]) -> None:
    """See that fields can be given these values; the key cannot be changed.

    @raise RefusedError: they cannot; the text says which field and why
    """
    for name in changes:
        if name not in FIELDS or name == "key":
            raise RefusedError(f"{name}: not a field that can be changed")
    _check(changes.items())


def is_storable(text: str) -> bool:
    """Tell whether text is Unicode: a lone surrogate (octets of a message that are no UTF-8) is none."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def is_key(text: str) -> bool:
    """Tell whether a subscriber may have this key."""
    return 0 < len(text) <= LONGEST["key"] and is_storable(text)


def _check(values: Iterable[tuple[str, object]]) -> None:
    for name, value in values:
        problem = _problem(name, value)
        if problem:
            raise RefusedError(f"{name}: {problem}")


def _problem(name: str, value: object) -> str:
    """Say what is wrong with a value, nothing where it is right."""
    if name in LONGEST:
        return _problem_of_text(name, value)
    if name == "enabled":
        return "" if isinstance(value, bool) else "expected true or false"
    if name == "ring_time":
        right = value is None or (_is_number(value) and 0.001 <= value <= LONGEST_RING_TIME)  # type: ignore[operator]
        return "" if right else f"expected none, or 1 to {round(LONGEST_RING_TIME * 1000)} milliseconds"
    right = _is_number(value) and 0 <= value <= LATEST  # type: ignore[operator]
    return "" if right else "expected seconds since 1970"


def _problem_of_text(name: str, value: object) -> str:
    if value is None and name == "password":
        return ""
    if not isinstance(value, str):
        return "expected text"
    if not value and name in ("key", "password"):
        return "it is empty"
    if len(value) > LONGEST[name]:
        return f"{len(value)} characters, at most {LONGEST[name]} are stored"
    if not is_storable(value):
        return "not Unicode text"
    if name.startswith("ha1") and (_HASH.fullmatch(value) is None or len(value) not in (0, LONGEST[name])):
        return f"expected {LONGEST[name]} hexadecimal digits"
    return ""


def _is_number(value: object) -> bool:
    return not isinstance(value, bool) and (
        isinstance(value, int) or (isinstance(value, float) and math.isfinite(value))
    )
