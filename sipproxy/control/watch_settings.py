"""mod_sip_control.c: who may look at the server from outside: Prometheus, the manhole, HOMER."""

from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path

from sipproxy.config import Directive, Problem, Settings, address_port, path, whole
from sipproxy.config.kinds import absolute, one_word
from sipproxy.net.radius_settings import SecretFileError, read_secret

Address = tuple[str, int]

#: The manhole's own key, from ServerRoot.
HOST_KEY = Path("data/manhole_host_key")

_ADDRESS = address_port()
_ADDRESS_EXPECTED = "address:port with a literal address and a port from 1 to 65535"
_PLACE_EXPECTED = f"{_ADDRESS_EXPECTED}, or the path of a socket"


def _literal(word: str) -> Address:
    """Read a literal address and a port.

    @raise ValueError: it is none
    """
    host, port = _ADDRESS.parse((word,))
    ip_address(host)
    return host, port


def _parse_address(word: str) -> Address:
    try:
        return _literal(word)
    except ValueError:
        raise ValueError(_ADDRESS_EXPECTED) from None


def _parse_place(word: str) -> Address | Path:
    """Read a literal address and a port, or a path: whatever has a slash, or no colon.

    @raise ValueError: it is none
    """
    # A port alone looks like a path to nothing but a program.
    if "/" in word or (":" not in word and word and not word.isdigit()):
        return Path(word)
    try:
        return _literal(word)
    except ValueError:
        raise ValueError(_PLACE_EXPECTED) from None


def _show_place(value: Address | Path) -> str:
    return str(value) if isinstance(value, Path) else _ADDRESS.show(value)


def _resolve_place(value: Address | Path, root: Path) -> Address | Path:
    return absolute(value, root) if isinstance(value, Path) else value


METRICS_LISTEN: Directive[Address | None] = Directive(
    "MetricsListen",
    one_word(_parse_address, _ADDRESS_EXPECTED, "address:port", show=_show_place),
    None,
    "Where Prometheus finds the metrics, by HTTP at /metrics. Whoever can connect can read them.",
)
MANHOLE_LISTEN: Directive[Address | Path | None] = Directive(
    "ManholeListen",
    one_word(_parse_place, _PLACE_EXPECTED, "address:port | path", show=_show_place, resolve=_resolve_place),
    None,
    "Where Python inside the running server can be reached by SSH: at an address, or on a Unix socket. Who gets in "
    "can do all that the server can.",
)
MANHOLE_KEYS: Directive[Path | None] = Directive(
    "ManholeAuthorizedKeys",
    path(),
    None,
    "The public keys that may log in there, one a line as in OpenSSH's authorized_keys, without options; it is read "
    "at each login.",
)
HEP_SERVER: Directive[Address | None] = Directive(
    "HEPServer",
    address_port(),
    None,
    "Who is sent a copy of each SIP message that is received or sent, as HEP3 over UDP: HOMER, heplify or another.",
)
HEP_CAPTURE_ID = Directive("HEPCaptureId", whole(maximum=2**32 - 1), 1, "The number of this server there.")
HEP_PASSWORD_FILE: Directive[Path | None] = Directive(
    "HEPPasswordFile", path(), None, "The file with the password that it knows this server by; it travels as it is."
)

DIRECTIVES: tuple[Directive[object], ...] = (
    METRICS_LISTEN,
    MANHOLE_LISTEN,
    MANHOLE_KEYS,
    HEP_SERVER,
    HEP_CAPTURE_ID,
    HEP_PASSWORD_FILE,
)


def check(settings: Settings) -> Iterator[Problem]:
    """Find what cannot work, or lets others in."""
    yield from _check_manhole(settings)
    if settings[HEP_PASSWORD_FILE] is not None:
        try:
            hep_password(settings)
        except SecretFileError as error:
            yield settings.error(HEP_PASSWORD_FILE, str(error))


def _check_manhole(settings: Settings) -> Iterator[Problem]:
    place, keys = settings[MANHOLE_LISTEN], settings[MANHOLE_KEYS]
    if place is None:
        return
    if isinstance(place, tuple) and not ip_address(place[0]).is_loopback:
        yield settings.warning(MANHOLE_LISTEN, "a loopback address, or the path of a socket")
    if keys is None:
        yield settings.error(MANHOLE_LISTEN, "ManholeAuthorizedKeys beside it, as only keys let anybody in")
        return
    # Here, as it takes a while to load, and most servers have no manhole.
    from sipproxy.control.manhole_keys import KeyFileError, read_authorized_keys

    try:
        read_authorized_keys(keys)
    except KeyFileError as error:
        yield settings.error(MANHOLE_KEYS, f"a file of public keys ({error})")


def hep_password(settings: Settings) -> bytes:
    """Give the password for HEPServer, empty for none.

    @raise SecretFileError: its file cannot be read, or has none
    """
    file = settings[HEP_PASSWORD_FILE]
    return b"" if file is None else read_secret(file)
