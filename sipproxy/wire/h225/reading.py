"""From the codec's values to messages."""

from typing import Any

from sipproxy.wire import per
from sipproxy.wire.h225.aliases import (
    DIALLED_DIGITS,
    read_address,
    read_addresses,
    read_aliases,
    read_nonstandard,
)
from sipproxy.wire.h225.cisco import CISCO, LocationRequestInfo, RedirectInfo
from sipproxy.wire.h225.errors import DecodeError
from sipproxy.wire.h225.locations import (
    UNKNOWN_REASON,
    Alternate,
    LocationConfirm,
    LocationReject,
    LocationRequest,
    RequestInProgress,
)

_CISCO = per.Codec(LocationRequestInfo(), per.Limits(values=100, length=8192, number=256))
_REDIRECT = per.Codec(RedirectInfo())
# Additions that nobody here looks into, without those that belong to their message alone.
_KEPT = (
    "altGKInfo",
    "desiredTunnelledProtocol",
    "alternateTransportAddresses",
    "featureSet",
    "genericData",
    "circuitInfo",
    "serviceControl",
    "language",
)


def read_request(value: dict[str, Any]) -> LocationRequest:
    """Give the LRQ.

    @raise DecodeError: the answer cannot go where it should
    """
    reply_address = read_address(value["replyAddress"])
    if reply_address is None:
        raise DecodeError(f"replyAddress is no IP address: {value['replyAddress'].name or 'unknown'}")
    aliases = read_aliases(value["destinationInfo"])
    place = next((place for place, alias in enumerate(aliases) if alias.kind == DIALLED_DIGITS), len(aliases))
    return LocationRequest(
        value["requestSeqNum"],
        "".join(alias.text for alias in aliases[place : place + 1]),
        reply_address,
        value.get("canMapAlias", False),
        hop_count=value.get("hopCount"),
        gatekeeper_id=value.get("gatekeeperIdentifier", ""),
        source=read_aliases(value.get("sourceInfo", ())),
        call_identifier=_guid(value),
        destination=aliases[:place] + aliases[place + 1 :],
        kept=_kept(value),
        **_cisco(value.get("nonStandardData")),
    )


def _cisco(native: dict[str, Any] | None) -> dict[str, Any]:
    """Give the attributes of a LocationRequest that its nonstandard data fills."""
    nonstandard = read_nonstandard(native)
    if nonstandard is None or nonstandard.identifier != CISCO:
        return {"nonstandard": nonstandard}
    try:
        value, _ = _CISCO.decode(nonstandard.data)
        redirect_ie = _redirect_ie(value.get("redirectIEinfo"))
    except per.DecodeError:
        # Cisco has other types than the one that is known, and says nowhere which one it is.
        return {"nonstandard": nonstandard}
    return {
        "ttl": value["ttl"],
        "cisco_call_identifier": _guid(value),
        "redirect_ie": redirect_ie,
        "calling_octet_3a": value.get("callingOctet3a"),
        "gateway_source": read_aliases(value.get("gatewaySrcInfo", ())),
        "display": value.get("displayInformationElement", ""),
    }


def _redirect_ie(octets: bytes | None) -> bytes | None:
    if octets is None or len(octets) == 1:
        return octets
    element: bytes = _REDIRECT.decode(octets)[0]["redirectIE"]
    return element


def read_confirm(value: dict[str, Any]) -> LocationConfirm:
    """Give the LCF."""
    return LocationConfirm(
        value["requestSeqNum"],
        read_address(value["callSignalAddress"]),
        read_address(value["rasAddress"]),
        read_aliases(value.get("destinationInfo", ())),
        tuple(map(_alternate, value.get("alternateEndpoints", ()))),
        _prefixes(value.get("destinationType", {})),
        read_nonstandard(value.get("nonStandardData")),
        _kept(value),
    )


def _alternate(value: dict[str, Any]) -> Alternate:
    return Alternate(
        value.get("priority"),
        read_addresses(value.get("callSignalAddress", ())),
        read_aliases(value.get("aliasAddress", ())),
        read_addresses(value.get("rasAddress", ())),
        _prefixes(value.get("endpointType", {})),
    )


def _prefixes(endpoint_type: dict[str, Any]) -> tuple[str, ...] | None:
    """Give the prefixes of digits of all protocols of a gateway, each once."""
    if "gateway" not in endpoint_type:
        return None
    found: dict[str, None] = {}
    for _, capabilities in endpoint_type["gateway"].get("protocol", ()):
        supported = capabilities.get("supportedPrefixes", ()) if isinstance(capabilities, dict) else ()
        found.update((prefix["prefix"].value, None) for prefix in supported if prefix["prefix"].name == DIALLED_DIGITS)
    return tuple(found)


def read_reject(value: dict[str, Any]) -> LocationReject:
    """Give the LRJ."""
    reason, detail = value["rejectReason"]
    if isinstance(detail, per.Chosen) and detail.name:
        reason = f"{reason}.{detail.name}"
    return LocationReject(
        value["requestSeqNum"],
        reason or UNKNOWN_REASON,
        read_nonstandard(value.get("nonStandardData")),
        _kept(value),
    )


def read_progress(value: dict[str, Any]) -> RequestInProgress:
    """Give the RIP."""
    return RequestInProgress(value["requestSeqNum"], value["delay"], read_nonstandard(value.get("nonStandardData")))


def _guid(value: dict[str, Any]) -> bytes | None:
    identifier = value.get("callIdentifier")
    return identifier["guid"] if identifier is not None else None


def _kept(value: dict[str, Any]) -> tuple[tuple[str, bytes], ...]:
    return tuple((name, value[name]) for name in _KEPT if name in value)
