"""Directives of the subscriber database, and the database that they describe."""

import stat
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from sipproxy.config import (
    Directive,
    Kind,
    Problem,
    Settings,
    host,
    milliseconds,
    one_of,
    path,
    seconds,
    text,
    whole,
)
from sipproxy.config.kinds import one_word
from sipproxy.databases.mysql import MysqlAddress
from sipproxy.databases.passwords import CLEAR, HASHED
from sipproxy.databases.schema import TABLE, is_identifier
from sipproxy.databases.subscribers import ISubscriberStore, Subscribers
from sipproxy.databases.subscribers_mysql import MysqlStore
from sipproxy.databases.subscribers_sqlite import SqliteStore

#: Octets of a password file, at most: a wrong path may lead to anything.
LONGEST_SECRET = 4096

_FILE = "sqlite:"
_SERVERS = ("mysql", "ldap")


def _store() -> Kind[Path | str]:
    """Read where subscribers are: the path of a SQLite file, C{mysql} or C{ldap}."""

    def parse(word: str) -> Path | str:
        if word.lower() in _SERVERS:
            return word.lower()
        if not word.lower().startswith(_FILE) or len(word) == len(_FILE):
            raise ValueError
        return Path(word[len(_FILE) :])

    def show(value: object) -> str:
        return f"{_FILE}{value}" if isinstance(value, Path) else str(value)

    syntax = f"mysql | {_FILE}PATH | ldap"
    return one_word(parse, f"mysql, {_FILE}PATH or ldap", syntax, (*_SERVERS, _FILE), show, path(_SERVERS).resolve)


def _table() -> Kind[str]:
    """Read the name of a table."""

    def parse(word: str) -> str:
        if not is_identifier(word):
            raise ValueError
        return word

    return one_word(parse, "a letter or _, then letters, digits, _ or $, 64 in all at most", "name")


SUBSCRIBER_DATABASE: Directive[Path | str] = Directive(
    "SubscriberDatabase", _store(), Path("data/subscribers.db"), "Where subscribers, their passwords and targets are."
)
SUBSCRIBER_CACHE = Directive(
    "SubscriberCacheInS", seconds(), 60.0, "How long an answer of the subscriber database is believed; 0: not at all."
)
SUBSCRIBER_PASSWORDS = Directive(
    "SubscriberPasswords",
    one_of(CLEAR, HASHED),
    HASHED,
    "What sipproxyctl writes: passwords as they are, or hashes of them for AuthRealm.",
)
DB_HOST: Directive[str | None] = Directive(
    "DB_MySQL_HostName", host(), None, "The MySQL server; must be set where SubscriberDatabase is mysql."
)
DB_PORT = Directive("DB_MySQL_Port", whole(1, 65535), 3306, "Its TCP port.")
DB_NAME: Directive[str | None] = Directive("DB_MySQL_DB", text(), None, "The database in it.")
DB_USER: Directive[str | None] = Directive("DB_MySQL_UserName", text(), None, "Who we are there.")
DB_PASSWORD: Directive[Path | None] = Directive(
    "DB_MySQL_PasswordFile", path(), None, "File with the password, whose final line end does not count."
)
DB_TABLE = Directive("DB_MySQL_Table", _table(), TABLE, "The table with subscribers.")
DB_POOL = Directive(
    "DB_MySQL_PoolSize", whole(1, 100), 4, "Connections at most; a long import has one of them to itself."
)
DB_TIMEOUT = Directive(
    "DB_MySQL_TimeoutInMs", milliseconds(minimum=1), 2.0, "How long each answer of the server may take."
)

DIRECTIVES: tuple[Directive[Any], ...] = (
    SUBSCRIBER_PASSWORDS,
    SUBSCRIBER_DATABASE,
    SUBSCRIBER_CACHE,
    DB_HOST,
    DB_PORT,
    DB_NAME,
    DB_USER,
    DB_PASSWORD,
    DB_TABLE,
    DB_POOL,
    DB_TIMEOUT,
)


def check_subscribers(settings: Settings) -> Iterable[Problem]:
    """Give the problems between the values."""
    if settings[SUBSCRIBER_DATABASE] == "mysql":
        needed = ((DB_HOST, "the MySQL server"), (DB_NAME, "the database"), (DB_USER, "the user"))
        for directive, what in needed:
            if not settings[directive]:
                yield settings.error(directive, f"{what}, as SubscriberDatabase is mysql")
    file = settings[DB_PASSWORD]
    if file is not None:
        yield from _check_secret(settings, file)


def _check_secret(settings: Settings, file: Path) -> Iterable[Problem]:
    try:
        read_secret(file)
        mode = file.stat().st_mode
    except OSError as error:
        yield settings.error(DB_PASSWORD, f"a file that can be read ({error.strerror})")
    except ValueError as error:
        yield settings.error(DB_PASSWORD, str(error))
    else:
        if mode & stat.S_IROTH:
            yield settings.warning(DB_PASSWORD, "a file that others cannot read (chmod o-r)")


def read_secret(file: Path) -> bytes:
    """Read a password, without one final line end.

    @raise OSError: it cannot be read
    @raise ValueError: it is too long for one; the text says what was expected
    """
    with open(file, "rb") as opened:
        secret = opened.read(LONGEST_SECRET + 1)
    if len(secret) > LONGEST_SECRET:
        raise ValueError(f"a file with a password of {LONGEST_SECRET} octets at most")
    return secret.removesuffix(b"\n").removesuffix(b"\r") if secret.endswith(b"\n") else secret


def make_subscribers(
    settings: Settings, reactor: Any, ldap: Callable[[], ISubscriberStore] | None = None
) -> Subscribers:
    """Make the configured database; nothing is opened before it is started.

    @param reactor: a real reactor, whose threads SQL runs in
    @param ldap: makes the store where SubscriberDatabase is ldap
    @raise OSError: the password file, which could be read when the settings were checked, no longer can be
    """
    return Subscribers(_make_store(settings, reactor, ldap), reactor, settings[SUBSCRIBER_CACHE])


def _make_store(settings: Settings, reactor: Any, ldap: Callable[[], ISubscriberStore] | None) -> ISubscriberStore:
    place = settings[SUBSCRIBER_DATABASE]
    if isinstance(place, Path):
        return SqliteStore(place, reactor)
    if place == "mysql":
        return MysqlStore(address_of(settings), settings[DB_TABLE], reactor, settings[DB_POOL], settings[DB_TIMEOUT])
    if ldap is None:
        raise TypeError("SubscriberDatabase is ldap, and nothing makes its store")
    return ldap()


def address_of(settings: Settings) -> MysqlAddress:
    """Give where the MySQL database is, of settings that have been checked.

    @raise OSError: the password file cannot be read
    """
    file = settings[DB_PASSWORD]
    return MysqlAddress(
        settings[DB_HOST] or "",
        settings[DB_PORT],
        settings[DB_NAME] or "",
        settings[DB_USER] or "",
        b"" if file is None else read_secret(file),
    )
