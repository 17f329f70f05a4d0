"""mod_sip_gktmp.c: the directives about servers and their protocol, and what is read from them.

The number services, NumberService and NumbersDatabase, are declared beside
their database.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from sipproxy.config import (
    Computed,
    Directive,
    Problem,
    Settings,
    WrongValueError,
    address_port,
    milliseconds,
    on_off,
    path,
    repeated,
    seconds,
    text,
    whole,
    words,
)
from sipproxy.wire.gktmp import GktmpError
from sipproxy.wire.gktmp_tags import TagTable

_SYNTAX = "host:port [priority=number] [id=name]"
#: Characters of a table of tags; a right one has some hundreds.
_LARGEST_TABLE = 65536


class GktmpServer(NamedTuple):
    """A NAM.

    @ivar priority: lower ones are asked first
    @ivar identity: what it is called, in the To header and for the operator
    """

    host: str
    port: int
    priority: int
    identity: str


def parse_server(given: Sequence[str]) -> GktmpServer:
    """Read the words of a GKTMPServer.

    @raise WrongValueError: they are none
    """
    host, port = address_port().parse(given[:1])
    options: dict[str, Any] = {"priority": 1, "id": host}
    seen = set()
    for index, word in enumerate(given[1:], 1):
        name, _, value = word.partition("=")
        name = name.lower()
        if name not in options or name in seen:
            raise WrongValueError("priority=number or id=name, each once", index)
        seen.add(name)
        options[name] = _option(name, value, index)
    return GktmpServer(host, port, options["priority"], options["id"])


def _option(name: str, value: str, index: int) -> str | int:
    try:
        if name == "priority":
            return whole(maximum=65535).parse((value,))
        if not value:
            raise ValueError("a name behind id=")
        return text().parse((value,))
    except ValueError as error:
        raise WrongValueError(str(error), index) from None


def _show_server(server: Any) -> str:
    host = f"[{server.host}]" if ":" in server.host else server.host
    return f"{host}:{server.port} priority={server.priority} id={server.identity}"


GKTMP = Directive("GKTMPModule", on_off(), False, "Ask a NAM about the numbers that a NumberService is for.")
SERVER: Directive[tuple[GktmpServer, ...]] = Directive(
    "GKTMPServer",
    repeated(words(parse_server, "host:port, perhaps with priority=number and id=name", _SYNTAX, _show_server)),
    (),
    "A NAM; the one of the lowest priority that is connected is asked first. Its id, by default its host, stands in "
    "the To header.",
)
TAG_TABLE: Directive[Path | None] = Directive(
    "GKTMPTagTable",
    path(),
    None,
    "A file that says which tags stand in GKTMP bodies, where they differ from those built in: lines of a name "
    f"({', '.join(TagTable.names())}) and its tag, or - for a field that is not used.",
)
RETRY = Directive(
    "GKTMPRetryInS", seconds(minimum=1), 30.0, "The longest wait between two attempts to connect to a NAM."
)
TIMEOUT = Directive("GKTMPTimeoutInMs", milliseconds(minimum=1), 0.5, "How long a NAM may take to answer.")
KEEPALIVE = Directive(
    "GKTMPKeepaliveInS",
    seconds(),
    30.0,
    "How often a NAM is asked whether it is alive; one that says nothing until the next time is reconnected. 0: never.",
)

DIRECTIVES: tuple[Directive[object], ...] = (GKTMP, SERVER, TAG_TABLE, RETRY, TIMEOUT, KEEPALIVE)


def gatekeeper_id(server_name: Directive[str]) -> Directive[str]:
    """Declare GKTMPGatekeeperId, whose default is another directive's value."""
    return Directive(
        "GKTMPGatekeeperId",
        text(),
        Computed(lambda settings: settings[server_name], server_name.name),
        "What this server is called in the From header of GKTMP messages.",
    )


def check(settings: Settings) -> Iterable[Problem]:
    """Find problems between the values, and in the table of tags."""
    if settings[GKTMP] and not settings[SERVER]:
        yield settings.warning(SERVER, "a GKTMPServer for GKTMPModule On")
    try:
        tag_table(settings)
    except GktmpError as error:
        yield settings.error(TAG_TABLE, f"a table of tags ({error})")


def tag_table(settings: Settings) -> TagTable:
    """Read the configured table of tags.

    @raise GktmpError: the file cannot be read, or is wrong
    """
    return read_tag_table(settings[TAG_TABLE])


def read_tag_table(place: Path | None) -> TagTable:
    """Read a table of tags, the one built in where there is no file.

    @raise GktmpError: the file cannot be read, or is wrong
    """
    if place is None:
        return TagTable()
    try:
        with open(place, encoding="utf-8") as table:
            written = table.read(_LARGEST_TABLE + 1)
    except OSError as error:
        raise GktmpError(f"it cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise GktmpError("it is not text") from None
    if len(written) > _LARGEST_TABLE:
        raise GktmpError(f"it has more than {_LARGEST_TABLE} characters")
    return TagTable.read(written)
