"""Where things stand in the keyspace, and how they are written: text, to be read with C{etcdctl get --prefix}.

Under C{/sipproxy/NAME/} of a farm:

    - C{schema}: the version of all this, and the farm's own random name
    - C{members/NAME}: who is there, with a lease
    - C{locks/DATABASE}: who may change a table, with a lease
    - C{registry/user@domain}: bindings, as L{sipproxy.databases.registry_sqlite} writes them
    - C{routing/head}: which generation of the rows counts; C{routing/rows/GENERATION/KEY}: a row; C{numbers/} likewise

A generation whose number is not in C{head} is an import that has not ended, or
never will.
"""

import json
from collections.abc import Iterable, Mapping
from hashlib import sha256
from typing import Any

from sipproxy.databases.records import Key, Row
from sipproxy.databases.registry_sqlite import from_json, to_json
from sipproxy.errors import SipproxyError
from sipproxy.registrar.bindings import Bindings

#: Version of the layout, in C{schema} and in each value.
VERSION = 1

_BINDINGS = b'{"v":1,"bindings":'
_END = b"}"


class UnreadableError(SipproxyError):
    """A value that is none of ours; the text says whose it is, or what is wrong."""


class Keys:
    """The keys of a farm.

    @ivar root: what all of them begin with
    """

    def __init__(self, farm: str) -> None:
        self.root = f"/sipproxy/{farm}/".encode()
        self.schema = self.root + b"schema"
        self.members = self.root + b"members/"

    def member(self, name: str) -> bytes:
        """Give the key of a member."""
        return self.members + name.encode()

    def lock(self, database: str) -> bytes:
        """Give the key of the lock of a database."""
        return self.root + b"locks/" + database.encode()

    def database(self, name: str) -> bytes:
        """Give what the keys of a database begin with."""
        return self.root + name.encode() + b"/"


def write_bindings(bindings: Bindings) -> bytes:
    """Give the value of an address of record."""
    return _BINDINGS + to_json(bindings).encode("ascii") + _END


def read_bindings(value: bytes) -> Bindings:
    """Read what L{write_bindings} wrote.

    @raise UnreadableError: it is something else
    """
    if not value.startswith(_BINDINGS) or not value.endswith(_END):
        raise UnreadableError(f"no bindings of version {VERSION}: {value[:80]!r}")
    try:
        return from_json(value[len(_BINDINGS) : -len(_END)].decode("ascii"))
    except (ValueError, LookupError, TypeError, AttributeError):
        raise UnreadableError(f"no bindings: {value[:80]!r}") from None


def checksum(pairs: Iterable[tuple[bytes, bytes]]) -> str:
    """Give a text that two members have in common just where they have the same keys and values.

    @param pairs: keys, of which none is there twice, and what is written there, in any order
    """
    whole = sha256()
    for key, value in sorted(pairs):
        whole.update(b"%d:%b%d:%b" % (len(key), key, len(value), value))
    return whole.hexdigest()[:16]


def write_row_key(key: Key) -> bytes:
    """Give the last part of the key of a row."""
    return json.dumps(key, separators=(",", ":")).encode("ascii")


def write_row(row: Row, keys: int) -> bytes:
    """Give the value of a row.

    @param keys: how many of its fields are its key, which does not stand in the value again
    """
    return write_object({"row": row[keys:]})


def read_row(key: bytes, value: bytes) -> Row:
    """Read a row.

    @param key: the last part of its key
    @raise UnreadableError: it is none
    """
    first, rest = read_row_key(key), read_object(value).get("row")
    if not isinstance(rest, list) or not all(isinstance(field, str | int) for field in rest):
        raise UnreadableError(f"no row: {value[:80]!r}")
    return (*first, *rest)


def read_row_key(key: bytes) -> Key:
    """Read what L{write_row_key} wrote.

    @raise UnreadableError: it is something else
    """
    try:
        fields = json.loads(key)
    except ValueError:
        fields = None
    if not isinstance(fields, list) or not all(isinstance(field, str | int) for field in fields):
        raise UnreadableError(f"no key of a row: {key[:80]!r}")
    return tuple(fields)


def write_object(content: Mapping[str, Any]) -> bytes:
    """Write a JSON object with the version before all else."""
    return json.dumps({"v": VERSION, **content}, separators=(",", ":")).encode("ascii")


def read_object(value: bytes) -> dict[str, Any]:
    """Read what L{write_object} wrote.

    @raise UnreadableError: it is something else, or of a later version
    """
    try:
        content = json.loads(value)
    except ValueError:
        content = None
    if not isinstance(content, dict) or not isinstance(content.get("v"), int):
        raise UnreadableError(f"no value of a farm: {value[:80]!r}")
    if content["v"] > VERSION:
        raise UnreadableError(f"of a later release: version {content['v']}, known here: {VERSION}")
    return content
