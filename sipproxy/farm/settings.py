"""mod_sip_farm.c: the directives of the server farm.

The password is a file of its own, so that sipd.conf can be shown to others. One
final line end of it is not part of the password.
"""

import re
import stat
from collections.abc import Iterator
from pathlib import Path

from sipproxy.config import (
    Computed,
    ConfigError,
    Directive,
    Module,
    Problem,
    Settings,
    each,
    host,
    joined,
    milliseconds,
    on_off,
    one_of,
    path,
    repeated,
    seconds,
    text,
)
from sipproxy.config.kinds import one_word
from sipproxy.errors import SipproxyError

# Octets of a password file, at most: a wrong path may lead to anything.
_LONGEST = 1024
_URL = re.compile(r"(https?)://(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(:[0-9]{1,5})?/?", re.IGNORECASE)
_NAME = re.compile(r"[A-Za-z0-9._-]{1,100}")
DATABASES = ("registry", "routing", "numbers")


class PasswordFileError(SipproxyError):
    """A password file that cannot be used; the text is what is expected instead."""


def _read_url(word: str) -> str:
    found = _URL.fullmatch(word)
    if found is None or not 0 < int((found[3] or ":2379")[1:]) <= 65535:
        raise ValueError
    return f"{found[1].lower()}://{found[2].lower()}{found[3] or ':2379'}"


def _read_name(word: str) -> str:
    if _NAME.fullmatch(word) is None:
        raise ValueError
    return word


FARM = Directive("Farm", on_off(), False, "Share databases with the other members of a farm, by way of etcd.")
FARM_NAME = Directive(
    "FarmName",
    one_word(_read_name, "a name of letters, digits, dots and hyphens", "name"),
    "sipproxy",
    "The name of the farm: one etcd may serve several.",
)
ENDPOINT: Directive[tuple[str, ...]] = Directive(
    "FarmEndpoint",
    repeated(one_word(_read_url, "http://host[:port] or https://host[:port]", "url")),
    (),
    "A server of etcd, port 2379 where none is named. The first one that answers is asked, until it fails.",
)
CERTIFICATE: Directive[Path | None] = Directive(
    "FarmCertificate", path(), None, "The certificate by which etcd knows this server, in PEM."
)
KEY: Directive[Path | None] = Directive("FarmKey", path(), None, "The private key of that, in PEM.")
CA: Directive[Path | None] = Directive(
    "FarmCA", path(), None, "The certificates of those who vouch for etcd, in PEM; without it, those the system knows."
)
SHARED = Directive(
    "FarmDatabases", joined(each(one_of(*DATABASES))), DATABASES, "The databases that the members share."
)
ACKNOWLEDGE = Directive(
    "FarmAcknowledge",
    one_of("Majority", "Strict"),
    "Majority",
    "A registration that the farm does not take in time is kept here until it does, and accepted (Majority), or "
    "answered 503 (Strict).",
)
WRITE_TIMEOUT = Directive(
    "FarmWriteTimeoutInMs",
    milliseconds(minimum=10, maximum=30_000),
    1.0,
    "How long the farm may take to take a registration.",
)
USER: Directive[str | None] = Directive("FarmUser", text(), None, "The user as which etcd knows this server.")
PASSWORD_FILE: Directive[Path | None] = Directive("FarmPasswordFile", path(), None, "The file with its password.")
LOCK_TTL = Directive(
    "FarmLockTTLInS",
    seconds(minimum=3, maximum=3600),
    10.0,
    "After how long a member that says nothing is taken for dead, and its locks are open.",
)
EXPECT_MEMBERS: Directive[tuple[str, ...]] = Directive(
    "FarmExpectMembers", joined(each(host())), (), "The members that there should be; the status tells who is missing."
)
DRAIN_TIMEOUT = Directive(
    "DrainTimeoutInS",
    seconds(maximum=86_400),
    300.0,
    "How long a server that is drained waits for calls that are being set up before it ends.",
)


def farm_member(server_name: Directive[str]) -> Directive[str]:
    """Declare FarmMember.

    @param server_name: what it is by default
    """
    return Directive(
        "FarmMember",
        host(),
        Computed(lambda settings: settings[server_name], "ServerName"),
        "The name of this member; no two may have the same.",
    )


DIRECTIVES: tuple[Directive[object], ...] = (
    FARM,
    FARM_NAME,
    ENDPOINT,
    CERTIFICATE,
    KEY,
    CA,
    SHARED,
    ACKNOWLEDGE,
    WRITE_TIMEOUT,
    USER,
    PASSWORD_FILE,
    LOCK_TTL,
    EXPECT_MEMBERS,
    DRAIN_TIMEOUT,
)


def mod_sip_farm(member: Directive[str]) -> Module:
    """Declare the module.

    @param member: L{farm_member}
    """
    return Module("mod_sip_farm.c", (*DIRECTIVES, member), check=check)


def check(settings: Settings) -> Iterator[Problem]:
    """Give what is wrong with the values of these directives."""
    if settings[FARM] and not settings[ENDPOINT]:
        yield settings.error(FARM, "Off, as there is no FarmEndpoint")
    for one, other in ((CERTIFICATE, KEY), (KEY, CERTIFICATE), (USER, PASSWORD_FILE), (PASSWORD_FILE, USER)):
        if settings[one] is not None and settings[other] is None:
            yield settings.error(one, f"a {other.name} beside it")
    password_file = settings[PASSWORD_FILE]
    if password_file is not None:
        try:
            read_password(password_file)
        except PasswordFileError as error:
            yield settings.error(PASSWORD_FILE, str(error))
    plain = [url for url in settings[ENDPOINT] if url.startswith("http:")]
    if plain and settings[USER] is not None:
        yield settings.warning(USER, "https in each FarmEndpoint, or the password can be read on the way")


def read_password(file: Path) -> str:
    """Give the password in a file.

    @raise PasswordFileError: it cannot be read, or there is none in it
    """
    try:
        # Looked at first, as to open a pipe would wait for its other end.
        if not stat.S_ISREG(file.stat().st_mode):
            raise PasswordFileError(f"{file} to be a file")
        with open(file, "rb") as opened:
            content = opened.read(_LONGEST + 1)
    except OSError as error:
        raise PasswordFileError(f"a password file that can be read ({file}: {error.strerror})") from error
    try:
        password = (content[:-2] if content.endswith(b"\r\n") else content.removesuffix(b"\n")).decode()
    except UnicodeDecodeError:
        password = ""
    if not password or len(content) > _LONGEST:
        raise PasswordFileError(f"a password of 1 to {_LONGEST} octets in {file}")
    return password


def configured_password(settings: Settings) -> str:
    """Give the password of FarmUser.

    @raise ConfigError: it cannot be read any more
    """
    try:
        return read_password(settings[PASSWORD_FILE] or Path())
    except PasswordFileError as error:
        raise ConfigError([settings.error(PASSWORD_FILE, str(error))]) from error
