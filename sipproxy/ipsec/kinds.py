"""The words of an IPSecPeer: addresses, identities, security parameter indexes, algorithms, proposals."""

import re
from collections.abc import Callable, Sequence
from ipaddress import ip_address
from typing import Any

from sipproxy.config import Kind, WrongValueError, words
from sipproxy.config.kinds import one_word
from sipproxy.ipsec.keys import AUTHENTICATIONS, ENCRYPTIONS

# RFC 4303 2.1: 1 to 255 are reserved.
_LEAST_SPI, _LARGEST_SPI = 256, 2**32 - 1
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,31}")
_PROPOSAL = re.compile(r"[a-z0-9_]+(?:-[a-z0-9_]+)+")
_SPI = re.compile(r"0[xX][0-9A-Fa-f]{1,8}|[0-9]{1,10}")
_ONE_HOST = "a literal address of one host"
_IDENTITY = "an identity without control characters"
_SPIS = "two numbers from 256 to 4294967295"
_ENCRYPTIONS = " or ".join(ENCRYPTIONS)
_AUTHENTICATIONS = " or ".join(AUTHENTICATIONS)


def _address(word: str) -> str:
    """Read a literal address that can be talked to.

    @raise ValueError: it is none
    """
    try:
        address = ip_address(word)
    except ValueError:
        raise ValueError(_ONE_HOST) from None
    # A link-local one needs a zone, and one of IPv4 in IPv6 is never seen on a port: neither would be recognised.
    is_odd = address.version == 6 and (address.is_link_local or address.ipv4_mapped is not None)
    if is_odd or address.is_unspecified or address.is_multicast:
        raise ValueError(_ONE_HOST)
    return str(address)


def _pair(kind: Callable[[str], Any], expected: str, least: int) -> Callable[[Sequence[str]], tuple[Any, ...]]:
    """Give the parser of two words, or of one where that is enough; None stands for the one that is not there."""

    def parse(given: Sequence[str]) -> tuple[Any, ...]:
        if not least <= len(given) <= 2:
            raise WrongValueError(expected if len(given) < least else "end of line", min(len(given), 2))
        found = []
        for index, word in enumerate(given):
            try:
                found.append(kind(word))
            except ValueError as error:
                raise WrongValueError(str(error) or expected, index) from None
        return (*found, None)[:2]

    return parse


def _show_pair(value: Any) -> str:
    return " ".join(str(word) for word in value if word is not None)


def _addresses(given: Sequence[str]) -> tuple[str, str | None]:
    theirs, ours = _pair(_address, _ONE_HOST, 1)(given)
    if ours is not None and (":" in theirs) != (":" in ours):
        raise WrongValueError(f"an address of the same family as {theirs}", 1)
    return theirs, ours


def _printable(word: str) -> str:
    if not word or not word.isprintable():
        raise ValueError
    return word


def _spi(word: str) -> int:
    if _SPI.fullmatch(word) is None:
        raise ValueError
    number = int(word, 16 if word[:2].lower() == "0x" else 10)
    if not _LEAST_SPI <= number <= _LARGEST_SPI:
        raise ValueError
    return number


def _algorithms(given: Sequence[str]) -> tuple[str, str]:
    if len(given) != 2:
        raise WrongValueError("end of line" if len(given) > 2 else _AUTHENTICATIONS, min(len(given), 2))
    for index, known in enumerate((ENCRYPTIONS, AUTHENTICATIONS)):
        if given[index].lower() not in known:
            raise WrongValueError(" or ".join(known), index)
    return given[0].lower(), given[1].lower()


def _proposal(word: str) -> str:
    if _PROPOSAL.fullmatch(word.lower()) is None:
        raise ValueError
    return word.lower()


def _block_name(word: str) -> str:
    if _NAME.fullmatch(word) is None:
        raise ValueError
    return word


def addresses() -> Kind[tuple[str, str | None]]:
    """Read the literal address of a peer, and ours."""
    return words(_addresses, _ONE_HOST, "address [our-address]", _show_pair)


def identities() -> Kind[tuple[str, str | None]]:
    """Read who a peer is, and who we are."""
    return words(_pair(_printable, _IDENTITY, 1), _IDENTITY, "identity [our-identity]", _show_pair)


def indexes() -> Kind[tuple[int, int]]:
    """Read two security parameter indexes, decimal or hexadecimal."""
    return words(_pair(_spi, _SPIS, 2), _SPIS, "in out", lambda value: " ".join(map(hex, value)))


def algorithms() -> Kind[tuple[str, str]]:
    """Read an algorithm for encryption and one for authentication."""
    return words(_algorithms, f"{_ENCRYPTIONS}, then {_AUTHENTICATIONS}", show=" ".join)


def proposal() -> Kind[str]:
    """Read a proposal in strongSwan's notation."""
    return one_word(_proposal, "a proposal such as aes256gcm16-prfsha384-ecp384", "proposal")


def block_name() -> Kind[str]:
    """Read the name of a peer."""
    return one_word(_block_name, "a name of letters, digits, dots, dashes and _, 32 in all at most", "name")
