"""Subscribers in an LDAP directory, as H.350.4 (RFC 3944) describes them.

A subscriber is an entry of the class C{SIPIdentity}. What it is found by is each
value of one attribute, C{SIPIdentityUserName} unless configured otherwise. The
directory may compare names as it likes; here a name is a key only octet by octet.

C{SIPIdentityPassword} is the clear password. Where a directory is not to have
that, a value may be C{{HA1-MD5}} or C{{HA1-SHA-256}} and the hexadecimal digits of
H(user name:realm:password) instead, or there may be one value of each. Without
one that can be used a subscriber is known, but cannot authenticate.

C{SIPIdentitySIPURI} tells the domain. H.350.4 has no forwarding targets, and
nothing else of it is of use here; nothing is ever written.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from heapq import nsmallest
from typing import Any, Protocol, TypeVar

from twisted.internet.defer import Deferred, fail, succeed
from twisted.logger import Logger
from zope.interface import implementer

from sipproxy.databases.subscribers import ISubscriberStore
from sipproxy.databases.subscribers_fields import LONGEST, RefusedError, Subscriber, is_key
from sipproxy.errors import SipParseError
from sipproxy.message import parse_uri

T = TypeVar("T")

#: Entries that a list of all looks at, at most.
MOST_LISTED = 100_000

_CLASS = "SIPIdentity"
_PASSWORD = "SIPIdentityPassword"
_URI = "SIPIdentitySIPURI"
_SCHEME = re.compile(r"\{(HA1-MD5|HA1-SHA-256)\}(.*)", re.IGNORECASE | re.DOTALL)
_HASHES = {"HA1-MD5": ("ha1_md5", 32), "HA1-SHA-256": ("ha1_sha256", 64)}
_HEXADECIMAL = re.compile(r"[0-9a-f]*", re.IGNORECASE)

_log = Logger(namespace="mod_sip_authen")


class Entry(Protocol):
    """An entry of the directory."""

    @property
    def name(self) -> str:
        """Its distinguished name."""

    @property
    def values(self) -> Mapping[str, Sequence[bytes]]:
        """Values by the names of attributes in small letters."""


E = TypeVar("E", bound=Entry)


class Directory(Protocol[E]):
    """What can be searched. Conditions are values of attributes, one of which an entry must have; any where none is."""

    def open(self) -> Deferred[None]:
        """See that it can be searched.

        @raise StoreError: in the Deferred
        """

    def search(self, conditions: Mapping[str, Sequence[str]], attributes: Sequence[str]) -> Deferred[list[E]]:
        """Find a few entries.

        @raise StoreError: in the Deferred
        """

    def scan(
        self,
        conditions: Mapping[str, Sequence[str]],
        attributes: Sequence[str],
        take: Callable[[E], object],
        most: int,
    ) -> Deferred[None]:
        """Look at all entries.

        @raise StoreError: in the Deferred; also where there are more than C{most}
        """

    def close(self) -> Deferred[None]:
        """Let go of what is held."""


class _First:
    """The first few keys behind one, of subscribers that come in any order; no more than twice as many are held."""

    def __init__(self, after: str, limit: int) -> None:
        self._after = after
        self._limit = limit
        self._found: dict[str, Subscriber] = {}

    def take(self, subscriber: Subscriber) -> None:
        """Look at another one."""
        key = subscriber.key
        if key <= self._after:
            return
        self._found[key] = _one_of(self._found.get(key), subscriber)
        if len(self._found) > 2 * self._limit:
            self._found = {each.key: each for each in self.in_order()}

    def in_order(self) -> list[Subscriber]:
        """Give them."""
        return [self._found[key] for key in nsmallest(self._limit, self._found)]


@implementer(ISubscriberStore)
class LdapStore:
    """Reads subscribers of a directory."""

    def __init__(self, directory: Directory[Any], attribute: str, realm: str) -> None:
        """
        @param directory: is closed with the store
        @param attribute: whose values are the keys of subscribers
        @param realm: what hashes in the directory were made for: that of our challenges
        """
        self._directory = directory
        self._attribute = attribute
        self._realm = realm
        self._wanted = (attribute, _PASSWORD, _URI)

    def open(self) -> Deferred[None]:
        """See that it can be searched."""
        return self._directory.open()

    def find(self, keys: Sequence[str]) -> Deferred[Mapping[str, Subscriber]]:
        """Search for all keys at once."""
        if not keys:
            return succeed({})
        found = self._directory.search({"objectClass": (_CLASS,), self._attribute: keys}, self._wanted)
        return found.addCallback(self._by_key, frozenset(keys))

    def page(self, after: str, limit: int) -> Deferred[list[Subscriber]]:
        """Look through all for the next few, as directories have no order."""
        first = _First(after, limit)

        def take(entry: Entry) -> None:
            for subscriber in read_entry(entry, self._attribute, self._realm)[0]:
                first.take(subscriber)

        scanned = self._directory.scan({"objectClass": (_CLASS,), self._attribute: ()}, self._wanted, take, MOST_LISTED)
        return scanned.addCallback(lambda _: first.in_order())

    def add(self, subscribers: Sequence[Subscriber], overwrite: bool, now: float) -> Deferred[int]:
        """Refuse."""
        return _refuse()

    def change(self, key: str, changes: Mapping[str, object]) -> Deferred[Subscriber]:
        """Refuse."""
        return _refuse()

    def delete(self, key: str) -> Deferred[None]:
        """Refuse."""
        return _refuse()

    def close(self) -> Deferred[None]:
        """Let go of the directory."""
        return self._directory.close()

    def _by_key(self, entries: Sequence[Entry], keys: frozenset[str]) -> Mapping[str, Subscriber]:
        found: dict[str, Subscriber] = {}
        for entry in entries:
            subscribers, problem = read_entry(entry, self._attribute, self._realm)
            mine = [subscriber for subscriber in subscribers if subscriber.key in keys]
            if mine and problem:
                _log.warn("{name} cannot authenticate: {problem}", name=entry.name, problem=problem)
            for subscriber in mine:
                before = found.get(subscriber.key)
                found[subscriber.key] = _one_of(before, subscriber)
                if before is not None:
                    _log.warn("{key} cannot authenticate: several entries have it", key=subscriber.key)
        return found


def read_entry(entry: Entry, attribute: str, realm: str) -> tuple[list[Subscriber], str]:
    """Give the subscribers that an entry describes: one for each name that can be a key.

    @param attribute: the one with the names
    @param realm: what a hash was made for
    @return: they, and why they cannot authenticate where the directory says something that is of no use
    """
    problem = ""
    try:
        fields = _credentials(entry.values.get(_PASSWORD.lower(), ()))
    except ValueError as error:
        fields, problem = {}, str(error)
    domain = _domain(entry.values.get(_URI.lower(), ()))
    keys = [_text(name) for name in entry.values.get(attribute.lower(), ())]
    hashed = realm if fields.keys() - {"password"} else ""
    return [
        Subscriber(key, domain=domain, realm=hashed, **fields)  # type: ignore[arg-type]
        for key in keys
        if key is not None and is_key(key)
    ], problem


def _one_of(before: Subscriber | None, subscriber: Subscriber) -> Subscriber:
    """Join two subscribers with one key: nobody can tell which password counts, so none does."""
    if before is None:
        return subscriber
    return replace(before, password=None, realm="", ha1_md5="", ha1_sha256="")


def _credentials(values: Sequence[bytes]) -> dict[str, str]:
    """Give the fields of a subscriber that the values of SIPIdentityPassword fill.

    @raise ValueError: they are of no use; the text says why
    """
    fields: dict[str, str] = {}
    for value in values:
        name, text = _credential(value)
        if name in fields:
            raise ValueError(f"{_PASSWORD} has several values")
        fields[name] = text
    return fields


def _credential(value: bytes) -> tuple[str, str]:
    """Give the name of the field that a value fills, and the field.

    @raise ValueError: it fills none
    """
    text = _text(value)
    if not text or len(text) > LONGEST["password"]:
        raise ValueError(f"{_PASSWORD} is empty, too long or not UTF-8")
    found = _SCHEME.fullmatch(text)
    if found is None:
        return "password", text
    scheme = found[1].upper()
    name, length = _HASHES[scheme]
    if len(found[2]) != length or _HEXADECIMAL.fullmatch(found[2]) is None:
        raise ValueError(f"{_PASSWORD} has no {length} hexadecimal digits behind {{{scheme}}}")
    return name, found[2]


def _domain(uris: Sequence[bytes]) -> str:
    """Give the domain of the first URI that has one."""
    for uri in sorted(uris):
        try:
            return parse_uri(uri).host.decode("utf-8", "replace")[: LONGEST["domain"]]
        except SipParseError:
            continue
    return ""


def _text(octets: bytes) -> str | None:
    try:
        return octets.decode()
    except UnicodeDecodeError:
        return None


def _refuse() -> Deferred[T]:
    return fail(RefusedError("subscribers are in an LDAP directory, which is changed by its own tools"))
