"""The peers of a configuration as the code needs them, with their keys."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from sipproxy.config import ConfigError, Directive, Problem, Section, Settings
from sipproxy.ipsec.keys import KeyFileError, Keys, read_file, read_keys, read_private_key, read_secret
from sipproxy.ipsec.settings import (
    ADDRESS,
    ALGORITHMS,
    AUTHORITIES,
    CERTIFICATE,
    IDENTITY,
    KEY,
    KEY_FILE,
    METHOD,
    MODE,
    PEER,
    PRESHARED_KEY,
    PROPOSALS,
    REQUIRE,
    SELECTORS,
    SPI,
)


@dataclass(frozen=True)
class Ike:
    """How a peer is authenticated by IKE.

    @ivar identity: who it has to prove to be
    @ivar own_identity: who we are; empty for charon's choice
    @ivar secret: the preshared key; empty where there are certificates
    """

    identity: str
    own_identity: str
    secret: bytes = field(repr=False)
    certificate: bytes = field(repr=False)
    key: bytes = field(repr=False)
    authorities: tuple[bytes, ...] = field(repr=False)
    proposals: tuple[str, ...]


@dataclass(frozen=True)
class Manual:
    """The keys of a peer without IKE.

    @ivar keys: for what comes in, and for what goes out
    """

    spi_in: int
    spi_out: int
    encryption: str
    authentication: str
    keys: tuple[Keys, Keys] = field(repr=False)


@dataclass(frozen=True)
class Peer:
    """One IPSecPeer.

    @ivar address: literal address
    @ivar own_address: ours; empty for where the way there begins
    @ivar method: C{Transport} or C{Tunnel}
    @ivar selectors: C{SIP} or C{Host}
    @ivar is_required: whether it is refused in the clear
    """

    name: str
    address: str
    own_address: str
    method: str
    selectors: str
    is_required: bool
    keying: Ike | Manual

    @property
    def mode(self) -> str:
        """C{IKE} or C{Manual}."""
        return "IKE" if isinstance(self.keying, Ike) else "Manual"


def configured_peers(settings: Settings) -> tuple[Peer, ...]:
    """Give the peers of a configuration with their keys.

    @raise ConfigError: a file cannot be read any more
    """
    return tuple(map(_peer, settings.blocks(PEER)))


def _peer(section: Section[str]) -> Peer:
    inner = section.settings
    address, own_address = inner[ADDRESS] or ("", None)
    try:
        keying = _ike(inner, address) if inner[MODE] == "IKE" else _manual(inner)
    except KeyFileError as error:
        raise ConfigError([Problem(section.position, str(error), section.arguments)]) from error
    return Peer(section.arguments, address, own_address or "", inner[METHOD], inner[SELECTORS], inner[REQUIRE], keying)


def _ike(inner: Settings, address: str) -> Ike:
    theirs, ours = inner[IDENTITY] or (address, None)
    return Ike(
        theirs,
        ours or "",
        _read(inner, PRESHARED_KEY, read_secret),
        _read(inner, CERTIFICATE, read_file),
        _read(inner, KEY, read_private_key),
        tuple(map(read_file, inner[AUTHORITIES])),
        inner[PROPOSALS],
    )


def _read(inner: Settings, directive: Directive[Path | None], read: Callable[[Path], bytes]) -> bytes:
    file = inner[directive]
    return b"" if file is None else read(file)


def _manual(inner: Settings) -> Manual:
    spi_in, spi_out = inner[SPI] or (0, 0)
    file = inner[KEY_FILE]
    if file is None:
        raise KeyFileError(KEY_FILE.name)
    return Manual(spi_in, spi_out, *inner[ALGORITHMS], read_keys(file, *inner[ALGORITHMS]))
