"""mod_sip_control.c: the bus of D-Bus that the server is on (D-Bus Specification, "Server Addresses").

Of the kinds of addresses those are known that lead to a bus by themselves:
C{unix:path=}, C{unix:abstract=} and C{tcp:}. C{autolaunch:}, C{unixexec:},
C{launchd:} and C{nonce-tcp:} would start something or read a secret first.
"""

import re
from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import quote, unquote_to_bytes

from sipproxy.config import Directive
from sipproxy.config.kinds import one_word
from sipproxy.errors import SipproxyError

SYSTEM, SESSION = "system", "session"
#: Where the system's bus is, unless the environment says otherwise.
SYSTEM_ADDRESS = "unix:path=/run/dbus/system_bus_socket"

_EXPECTED = "system, session, or an address such as unix:path=/run/dbus/system_bus_socket or tcp:host=127.0.0.1,port=1"
#: What may stand in a value as it is; all else is %XX.
_VALUE = re.compile(r"(?:[-0-9A-Za-z_/.\\*]|%[0-9A-Fa-f]{2})+")


class BusAddressError(SipproxyError):
    """Nobody says where the bus is, or says it in a way that is not known here; the text is one line."""


class UnixPlace(NamedTuple):
    """A bus on a Unix socket.

    @ivar path: its name; one that begins with NUL is abstract
    """

    path: str


class TcpPlace(NamedTuple):
    """A bus on a TCP port.

    @ivar host: literal address or name
    """

    host: str
    port: int


Place = UnixPlace | TcpPlace


def parse_address(text: str) -> tuple[Place, ...]:
    """Read an address: places to try in order, separated by semicolons.

    @raise BusAddressError: it is none that leads to a bus
    """
    found = tuple(_place(part) for part in text.split(";") if part)
    if not found:
        raise _wrong(text)
    return found


def _place(text: str) -> Place:
    kind, separator, rest = text.partition(":")
    values = dict(_pair(pair) for pair in rest.split(",")) if separator else {}
    port = values.get("port", "")
    if kind == "unix" and "path" in values:
        return UnixPlace(values["path"])
    if kind == "unix" and "abstract" in values:
        return UnixPlace("\0" + values["abstract"])
    if kind == "tcp" and "host" in values and port.isascii() and port.isdigit() and 0 < int(port) < 65536:
        return TcpPlace(values["host"], int(port))
    raise _wrong(text)


def _pair(text: str) -> tuple[str, str]:
    key, _, value = text.partition("=")
    octets = unquote_to_bytes(value)
    if not _VALUE.fullmatch(value) or b"\0" in octets:
        raise _wrong(text)
    try:
        return key, octets.decode("utf-8")
    except UnicodeDecodeError:
        raise _wrong(text) from None


def _wrong(text: str) -> BusAddressError:
    return BusAddressError(f"{text!a} is no address of a bus that is known here")


def _parse_bus(word: str) -> str:
    if word.lower() in (SYSTEM, SESSION):
        return word.lower()
    try:
        parse_address(word)
    except BusAddressError:
        raise ValueError from None
    return word


DBUS: Directive[str | None] = Directive(
    "DBus",
    one_word(_parse_bus, _EXPECTED, "system | session | address", (SYSTEM, SESSION)),
    None,
    "The bus of D-Bus on which the server can be asked, and tells what happens, as org.sipproxy.Server1; none: it is "
    "on none. Who may ask is a matter of the bus's own configuration.",
)

DIRECTIVES: tuple[Directive[object], ...] = (DBUS,)


def places(bus: str, environ: Mapping[str, str]) -> tuple[Place, ...]:
    """Give the places to look for a bus.

    @param bus: the value of L{DBUS}
    @raise BusAddressError: the environment does not say where the session's bus is, or says it in an unknown way
    """
    if bus == SYSTEM:
        return parse_address(environ.get("DBUS_SYSTEM_BUS_ADDRESS", SYSTEM_ADDRESS))
    if bus != SESSION:
        return parse_address(bus)
    address = environ.get("DBUS_SESSION_BUS_ADDRESS")
    folder = environ.get("XDG_RUNTIME_DIR")
    if address is None and folder is None:
        raise BusAddressError("neither DBUS_SESSION_BUS_ADDRESS nor XDG_RUNTIME_DIR says where the session's bus is")
    return parse_address(address or f"unix:path={quote(f'{folder}/bus')}")
