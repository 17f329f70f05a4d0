"""Aliases and addresses as an application has them, from the values that the codec has, and back."""

import socket
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sipproxy.wire import per
from sipproxy.wire.h225.addresses import IsupNumber, MobileUim, PartyNumber, TransportAddress
from sipproxy.wire.h225.errors import EncodeError

#: A host, as a literal address of IP version 4 or 6, and a port.
Address = tuple[str, int]

#: Kinds of aliases that are text and nothing more.
DIALLED_DIGITS, H323_ID, URL_ID, EMAIL_ID = "dialledDigits", "h323-ID", "url-ID", "email-ID"
_TEXTS = {DIALLED_DIGITS, H323_ID, URL_ID, EMAIL_ID}
_LIMITS = per.Limits(values=100, length=8192, number=256)
_OTHERS = {
    "transportID": per.Codec(TransportAddress(), _LIMITS),
    "partyNumber": per.Codec(PartyNumber(), _LIMITS),
    "mobileUIM": per.Codec(MobileUim(), _LIMITS),
    "isupNumber": per.Codec(IsupNumber(), _LIMITS),
}
# Where the digits of a number, or of a mobile telephone's identity, stand.
_DIGITS = ("publicNumberDigits", "privateNumberDigits", "address", "msisdn", "mdn", "imsi", "min")


@dataclass(frozen=True, slots=True)
class Alias:
    """A name of an endpoint.

    @ivar kind: its name in AliasAddress, such as L{DIALLED_DIGITS}
    @ivar text: the alias itself; "" for kinds that are more than text
    @ivar encoded: the encoding of a kind that is more than text, as it came
    """

    kind: str
    text: str
    encoded: bytes = b""

    def readable(self) -> str:
        """Give what a person reads of it, whatever its kind.

        @return: the text; the digits of a number or of a mobile telephone's identity; host and port; "" for what
            has none of these, or cannot be read
        """
        if self.kind not in _OTHERS:
            return self.text
        try:
            native, _ = _OTHERS[self.kind].decode(self.encoded)
        except per.DecodeError:
            return ""
        return _readable(native)


@dataclass(frozen=True, slots=True)
class NonStandard:
    """Data of a manufacturer's own.

    @ivar identifier: whose it is: country, extension and manufacturer of H.221, or an object identifier ("1.3.6")
    @ivar data: the data
    """

    identifier: tuple[int, int, int] | str
    data: bytes


def read_aliases(natives: Iterable[per.Chosen]) -> tuple[Alias, ...]:
    """Give the aliases of a list but those of unknown kinds."""
    return tuple(alias for alias in map(_read_alias, natives) if alias is not None)


def _read_alias(native: per.Chosen) -> Alias | None:
    kind, value = native
    if kind in _TEXTS:
        return Alias(kind, value)
    return Alias(kind, "", value) if kind in _OTHERS else None


def _readable(native: per.Chosen) -> str:
    if isinstance(native.value, str):
        return native.value
    address = read_address(native)
    if address is not None:
        host, port = address
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    inner = native.value if isinstance(native.value, dict) else {}
    return next((inner[name] for name in _DIGITS if name in inner), "")


def write_aliases(aliases: Iterable[Alias]) -> list[per.Chosen]:
    """Give the codec's values for aliases."""
    return [per.Chosen(alias.kind, alias.encoded if alias.kind in _OTHERS else alias.text) for alias in aliases]


def read_address(native: per.Chosen) -> Address | None:
    """Give an IP address and port, None for a transport address that is something else."""
    kind, value = native
    if kind == "ipAddress":
        return socket.inet_ntop(socket.AF_INET, value["ip"]), value["port"]
    if kind == "ip6Address":
        return socket.inet_ntop(socket.AF_INET6, value["ip"]), value["port"]
    return None


def read_addresses(natives: Iterable[per.Chosen]) -> tuple[Address, ...]:
    """Give those of a list that are IP addresses."""
    return tuple(address for address in map(read_address, natives) if address is not None)


def write_address(address: Address | None) -> per.Chosen:
    """Give the codec's value for an address.

    @raise EncodeError: the host is no literal address
    """
    if address is None:
        raise EncodeError("an address is missing")
    host, port = address
    kind, family = ("ip6Address", socket.AF_INET6) if ":" in host else ("ipAddress", socket.AF_INET)
    try:
        return per.Chosen(kind, {"ip": socket.inet_pton(family, host), "port": port})
    except (OSError, ValueError):
        raise EncodeError(f"no address: {host!r:.100}") from None


def read_nonstandard(native: dict[str, Any] | None) -> NonStandard | None:
    """Give nonstandard data, None if there is none or it is nobody's that we can name."""
    if native is None:
        return None
    kind, value = native["nonStandardIdentifier"]
    match kind:
        case "h221NonStandard":
            maker = (value["t35CountryCode"], value["t35Extension"], value["manufacturerCode"])
            return NonStandard(maker, native["data"])
        case "object":
            return NonStandard(".".join(map(str, value)), native["data"])
    return None


def write_nonstandard(nonstandard: NonStandard) -> dict[str, Any]:
    """Give the codec's value for nonstandard data.

    @raise EncodeError: the identifier is none
    """
    if isinstance(nonstandard.identifier, str):
        try:
            identifier = per.Chosen("object", tuple(map(int, nonstandard.identifier.split("."))))
        except ValueError:
            raise EncodeError(f"no object identifier: {nonstandard.identifier!r:.100}") from None
    else:
        country, extension, manufacturer = nonstandard.identifier
        maker = {"t35CountryCode": country, "t35Extension": extension, "manufacturerCode": manufacturer}
        identifier = per.Chosen("h221NonStandard", maker)
    return {"nonStandardIdentifier": identifier, "data": nonstandard.data}
