"""mod_sip_radius.c: the directives of the RADIUS client; those of accounting are declared beside its code.

A secret is a file of its own, so that sipd.conf can be shown to others. One
final line end of it is not part of the secret.
"""

import stat
from collections.abc import Iterator, Sequence
from ipaddress import ip_address
from pathlib import Path
from random import Random
from typing import NamedTuple, TypeVar

from twisted.internet.interfaces import IReactorTime

from sipproxy.config import (
    Computed,
    ConfigError,
    Directive,
    Kind,
    Position,
    Problem,
    Settings,
    WrongValueError,
    address_port,
    milliseconds,
    on_off,
    one_of,
    path,
    repeated,
    seconds,
    whole,
    words,
)
from sipproxy.config.kinds import absolute, one_word
from sipproxy.errors import SipproxyError
from sipproxy.interfaces import INetwork, IResolver
from sipproxy.net.radius import RadiusClient, RadiusServer
from sipproxy.net.radius_server import Kind as ServerKind
from sipproxy.wire.radius import DICTIONARY, DictionaryError, load_dictionary
from sipproxy.wire.radius_digest import FORMS

T = TypeVar("T")

_PORTS: dict[ServerKind, int] = {"auth": 1812, "acct": 1813}
_SYNTAX = "auth|acct host[:port] secret-file [priority=number]"
_PRIORITIES = whole(minimum=0, maximum=1000)
# Octets of a file with a secret, at most: a wrong path may lead to anything.
_LONGEST_SECRET = 1024


class ServerLine(NamedTuple):
    """A server as it is written.

    @ivar secret_file: the file with what it shares with us
    """

    kind: ServerKind
    host: str
    port: int
    secret_file: Path
    priority: int


class SecretFileError(SipproxyError):
    """A secret file that cannot be used; the text is what is expected instead."""


def _parse_server(given: Sequence[str]) -> ServerLine:
    """Read the words of a RadiusServer.

    @raise WrongValueError: they are none
    """
    if len(given) < 3:
        raise WrongValueError(_SYNTAX, len(given))
    if len(given) > 4:
        raise WrongValueError("end of line", 4)
    kind: ServerKind = "auth" if _read(one_of(*_PORTS), given[0], 0) == "auth" else "acct"
    host, port = _read(address_port(_PORTS[kind]), given[1], 1)
    return ServerLine(kind, host, port, _read(path(), given[2], 2), _priority(given[3:]))


def _priority(given: Sequence[str]) -> int:
    """Read the last word of a RadiusServer, which may be left out."""
    if not given:
        return 1
    name, _, number = given[0].partition("=")
    if name.lower() != "priority":
        raise WrongValueError("priority=number", 3)
    return _read(_PRIORITIES, number, 3)


def _read(kind: Kind[T], word: str, index: int) -> T:
    """Read one word of several."""
    try:
        return kind.parse((word,))
    except WrongValueError as wrong:
        raise WrongValueError(wrong.expected, index) from None


def _resolved(line: ServerLine, root: Path) -> ServerLine:
    return line._replace(secret_file=absolute(line.secret_file, root))


def _literal(word: str) -> str:
    """Read a literal address.

    @raise ValueError: it is none
    """
    if "%" in word:
        raise ValueError
    try:
        return str(ip_address(word))
    except ValueError:
        raise ValueError from None


RADIUS_SERVER: Directive[tuple[ServerLine, ...]] = Directive(
    "RadiusServer",
    repeated(words(_parse_server, _SYNTAX, resolve=_resolved)),
    (),
    "A server that is asked for authentication (auth, port 1812) or told of calls (acct, port 1813), with the file "
    "of the secret it shares with us. The server of the lowest priority that answers is used.",
)
DIGEST_FORM = Directive(
    "RadiusDigestForm",
    one_of(*FORMS),
    "Both",
    "Which attributes carry digest credentials: those of RFC 5090, of the older draft-sterman-aaa-sip, or both at "
    "once, so that either kind of server understands them.",
)
NAS_IP_ADDRESS: Directive[str | None] = Directive(
    "NASIPAddress",
    one_word(_literal, "a literal IP address", "address"),
    Computed(lambda settings: None, "the address of the first Listen"),
    "The address by which RADIUS servers know this one, whatever their packets come from.",
)
TIMEOUT = Directive(
    "RadiusTimeoutInMs",
    milliseconds(minimum=10, maximum=30_000),
    1.0,
    "How long a RADIUS server may take before it is asked again; each further time may take twice as long as the one "
    "before.",
)
RETRIES = Directive("RadiusRetries", whole(maximum=10), 3, "How often a RADIUS server is asked again.")
DEAD_TIME = Directive(
    "RadiusDeadTimeInS",
    seconds(maximum=86_400),
    30.0,
    "How long a RADIUS server that does not answer is passed over while there is another one.",
)
RADIUS_DICTIONARY = Directive(
    "RadiusDictionary",
    path(),
    Computed(lambda settings: DICTIONARY, "the package's own"),
    "Names and types of RADIUS attributes, in FreeRADIUS's format; all of the package's own must be there.",
)
ADD_DOMAIN = Directive(
    "RadiusUserNameAttrAddDomain",
    on_off(),
    False,
    "Send User-Name as user@domain, with the domain of From, rather than the user alone.",
)

DIRECTIVES: tuple[Directive[object], ...] = (
    RADIUS_SERVER,
    DIGEST_FORM,
    NAS_IP_ADDRESS,
    TIMEOUT,
    RETRIES,
    DEAD_TIME,
    RADIUS_DICTIONARY,
    ADD_DOMAIN,
)


def read_secret(file: Path) -> bytes:
    """Give the secret in a file.

    @raise SecretFileError: it cannot be read, or there is none in it
    """
    try:
        # Looked at first, as to open a pipe would wait for its other end.
        if not stat.S_ISREG(file.stat().st_mode):
            raise SecretFileError(f"{file} to be a file")
        with open(file, "rb") as opened:
            content = opened.read(_LONGEST_SECRET + 1)
    except OSError as error:
        raise SecretFileError(f"a secret file that can be read ({file}: {error.strerror})") from error
    secret = content[:-2] if content.endswith(b"\r\n") else content.removesuffix(b"\n")
    if not secret or len(content) > _LONGEST_SECRET:
        raise SecretFileError(f"a secret of 1 to {_LONGEST_SECRET} octets in {file}")
    return secret


def check(settings: Settings) -> Iterator[Problem]:
    """Give what is wrong with the values of these directives."""
    lines, positions = settings[RADIUS_SERVER], settings.positions(RADIUS_SERVER)
    seen: set[tuple[str, str, int]] = set()
    for line, position in zip(lines, positions, strict=True):
        if line[:3] in seen:
            yield Problem(position, "each server once", f"{line.kind} {line.host}:{line.port} again")
        seen.add(line[:3])
        yield from _check_secret(line.secret_file, position)
    try:
        load_dictionary(settings[RADIUS_DICTIONARY])
    except DictionaryError as error:
        yield settings.error(RADIUS_DICTIONARY, f"a RADIUS dictionary ({error})")


def _check_secret(file: Path, position: Position) -> Iterator[Problem]:
    try:
        read_secret(file)
    except SecretFileError as error:
        yield Problem(position, str(error), str(file))
        return
    if file.stat().st_mode & stat.S_IROTH:
        yield Problem(position, "a secret file that others cannot read", str(file), severity="warning")


def configured_servers(settings: Settings) -> tuple[RadiusServer, ...]:
    """Give the servers of a configuration, with their secrets.

    @raise ConfigError: a secret cannot be read any more
    """
    servers = []
    for line, position in zip(settings[RADIUS_SERVER], settings.positions(RADIUS_SERVER), strict=True):
        try:
            secret = read_secret(line.secret_file)
        except SecretFileError as error:
            raise ConfigError([Problem(position, str(error), str(line.secret_file))]) from error
        servers.append(RadiusServer(line.kind, line.host, line.port, secret, line.priority))
    return tuple(servers)


def configured_client(
    settings: Settings, clock: IReactorTime, network: INetwork, resolver: IResolver, random: Random
) -> RadiusClient:
    """Make the client that a configuration describes; it is not started.

    @raise ConfigError: a secret cannot be read any more
    @raise DictionaryError: nor can the dictionary
    """
    return RadiusClient(
        clock,
        network,
        resolver,
        configured_servers(settings),
        load_dictionary(settings[RADIUS_DICTIONARY]),
        random,
        settings[TIMEOUT],
        settings[RETRIES],
        settings[DEAD_TIME],
    )
