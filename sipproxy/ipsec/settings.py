"""mod_sip_ipsec.c: the directives of IP security, and what goes together in an IPSecPeer.

Keys are files of their own, which others may not read. What stands in them is never part of a text of this module.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from sipproxy.config import Block, Directive, Module, Problem, Settings, each, joined, on_off, one_of, path
from sipproxy.ipsec.keys import KeyFileError, read_file, read_keys, read_private_key, read_secret
from sipproxy.ipsec.kinds import addresses, algorithms, block_name, identities, indexes, proposal

IPSEC = Directive("IPSec", on_off(), False, "Protect what is exchanged with the peers of the IPSecPeer blocks.")
VICI_SOCKET: Directive[Path] = Directive(
    "IPSecViciSocket",
    path(),
    Path("/run/charon.vici"),
    "The socket of strongSwan's charon, which must let this server's user write to it.",
)

ADDRESS: Directive[tuple[str, str | None] | None] = Directive(
    "IPSecAddress",
    addresses(),
    None,
    "The address of the peer, and ours where it is not the one that the way there begins at. It must be there.",
)
MODE = Directive(
    "IPSecMode", one_of("IKE", "Manual"), "IKE", "Whether keys are negotiated by strongSwan, or stand in a file."
)
METHOD = Directive(
    "IPSecMethod",
    one_of("Transport", "Tunnel"),
    "Tunnel",
    "Whether the payload of each packet is protected, or the packet as a whole inside of another (RFC 4301 3.2).",
)
SELECTORS = Directive(
    "IPSecSelectors",
    one_of("SIP", "Host"),
    "SIP",
    "What is protected: UDP at the ports that the server listens on, or all between the two addresses.",
)
IDENTITY: Directive[tuple[str, str | None] | None] = Directive(
    "IPSecIdentity",
    identities(),
    None,
    "Who the peer has to prove to be, by default its address; then who we are, by default the subject of "
    "IPSecCertificate, or our address.",
)
PRESHARED_KEY: Directive[Path | None] = Directive(
    "IPSecPresharedKeyFile",
    path(),
    None,
    "File with the preshared key, whose final line end does not count; others must not be able to read it.",
)
CERTIFICATE: Directive[Path | None] = Directive(
    "IPSecCertificate", path(), None, "Our certificate, for a peer without a preshared key."
)
KEY: Directive[Path | None] = Directive(
    "IPSecKey", path(), None, "Its private key, without a passphrase; others must not be able to read it."
)
AUTHORITIES: Directive[tuple[Path, ...]] = Directive(
    "IPSecCA", joined(each(path())), (), "Certificates of those who may have signed the peer's."
)
PROPOSALS: Directive[tuple[str, ...]] = Directive(
    "IPSecProposals",
    joined(each(proposal())),
    (),
    "Algorithms in strongSwan's notation, the best first, for IKE and for what it protects; by default its own choice.",
)
REQUIRE = Directive(
    "IPSecRequire",
    on_off(),
    True,
    "Take nothing from the peer and send nothing to it while it is not protected; Off: then talk in the clear.",
)
SPI: Directive[tuple[int, int] | None] = Directive(
    "IPSecSPI",
    indexes(),
    None,
    "Security parameter indexes: of what comes in, and of what goes out. For Manual.",
)
ALGORITHMS = Directive(
    "IPSecAlgorithms",
    algorithms(),
    ("aes-cbc", "hmac-sha256"),
    "Encryption and authentication. For Manual.",
)
KEY_FILE: Directive[Path | None] = Directive(
    "IPSecKeyFile",
    path(),
    None,
    "File with a line of two keys in hexadecimal, encryption and authentication; with two lines the first is for what "
    "comes in. Others must not be able to read it. For Manual.",
)

_FOR_IKE: tuple[Directive[Any], ...] = (IDENTITY, PRESHARED_KEY, CERTIFICATE, KEY, AUTHORITIES, PROPOSALS)
_FOR_MANUAL: tuple[Directive[Any], ...] = (SPI, ALGORITHMS, KEY_FILE)
PEER: Block[str] = Block(
    "IPSecPeer",
    block_name(),
    (ADDRESS, MODE, METHOD, SELECTORS, REQUIRE, *_FOR_IKE, *_FOR_MANUAL),
    "A peer that is talked to under the protection of IPsec.",
)


def check(settings: Settings) -> Iterator[Problem]:
    """Give what is wrong with the peers."""
    seen: dict[Directive[Any] | None, set[object]] = {None: set(), ADDRESS: set(), SPI: set()}
    for section in settings.blocks(PEER):
        inner = section.settings
        if section.arguments in seen[None]:
            yield Problem(section.position, "a name that no other IPSecPeer has", section.arguments)
        seen[None].add(section.arguments)
        yield from _check_address(inner, seen[ADDRESS])
        yield from _check_mode(inner)
        if inner[MODE] == "IKE":
            yield from _check_ike(inner)
        else:
            yield from _check_manual(inner, seen[SPI])


def _check_address(inner: Settings, seen: set[object]) -> Iterator[Problem]:
    addresses = inner[ADDRESS]
    if addresses is None:
        yield inner.error(ADDRESS, ADDRESS.name)
    elif addresses[0] in seen:
        yield inner.error(ADDRESS, "an address that no other IPSecPeer has")
    else:
        seen.add(addresses[0])


def _check_mode(inner: Settings) -> Iterator[Problem]:
    others = _FOR_MANUAL if inner[MODE] == "IKE" else _FOR_IKE
    for directive in others:
        for position in inner.positions(directive)[:1]:
            yield Problem(position, f"nothing for another mode than {inner[MODE]}", directive.name)


def _check_ike(inner: Settings) -> Iterator[Problem]:
    by_certificate = (CERTIFICATE, KEY, AUTHORITIES)
    given = [directive for directive in by_certificate if inner[directive]]
    if inner[PRESHARED_KEY] is not None:
        for directive in given:
            yield inner.error(directive, "no certificate beside IPSecPresharedKeyFile")
        yield from _check_file(inner, PRESHARED_KEY, read_secret)
        return
    if not given:
        yield inner.error(PRESHARED_KEY, "IPSecPresharedKeyFile, or IPSecCertificate, IPSecKey and IPSecCA")
        return
    for directive in by_certificate:
        if directive not in given:
            yield inner.error(directive, f"{directive.name} too")
    yield from _check_file(inner, CERTIFICATE, read_file)
    yield from _check_file(inner, KEY, read_private_key)
    for authority in inner[AUTHORITIES]:
        yield from _problems(inner, AUTHORITIES, read_file, authority)


def _check_manual(inner: Settings, seen: set[object]) -> Iterator[Problem]:
    spi = inner[SPI]
    if spi is None:
        yield inner.error(SPI, f"{SPI.name} in out")
    elif spi[0] in seen:
        yield inner.error(SPI, "an SPI for what comes in that no other IPSecPeer has")
    else:
        seen.add(spi[0])
    if inner[KEY_FILE] is None:
        yield inner.error(KEY_FILE, KEY_FILE.name)
    yield from _check_file(inner, KEY_FILE, lambda file: read_keys(file, *inner[ALGORITHMS]))


def _check_file(
    inner: Settings, directive: Directive[Path | None], read: Callable[[Path], object]
) -> Iterator[Problem]:
    file = inner[directive]
    if file is not None:
        yield from _problems(inner, directive, read, file)


def _problems(
    inner: Settings, directive: Directive[Any], read: Callable[[Path], object], file: Path
) -> Iterator[Problem]:
    try:
        read(file)
    except KeyFileError as error:
        yield inner.error(directive, str(error))


DIRECTIVES: tuple[Directive[object], ...] = (IPSEC, VICI_SOCKET)
MODULE = Module("mod_sip_ipsec.c", DIRECTIVES, blocks=(PEER,), check=check)
