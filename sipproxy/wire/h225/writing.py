"""From messages to the codec's values."""

from typing import Any

from sipproxy.wire import per
from sipproxy.wire.h225.aliases import (
    DIALLED_DIGITS,
    Alias,
    NonStandard,
    write_address,
    write_aliases,
    write_nonstandard,
)
from sipproxy.wire.h225.cisco import CISCO, LocationRequestInfo, RedirectInfo
from sipproxy.wire.h225.errors import EncodeError
from sipproxy.wire.h225.locations import (
    REASONS,
    Alternate,
    LocationConfirm,
    LocationReject,
    LocationRequest,
    Message,
    RequestInProgress,
)

_CISCO = per.Codec(LocationRequestInfo())
_REDIRECT = per.Codec(RedirectInfo())


def write(message: Message) -> per.Chosen:
    """Give the RasMessage.

    @raise EncodeError: something in it has no form
    """
    match message:
        case LocationRequest():
            return per.Chosen("locationRequest", _request(message))
        case LocationConfirm():
            return per.Chosen("locationConfirm", _confirm(message))
        case LocationReject():
            return per.Chosen("locationReject", _reject(message))
        case RequestInProgress():
            value = {"requestSeqNum": message.seq, "delay": message.delay_ms}
            return per.Chosen("requestInProgress", value | _nonstandard(message.nonstandard))


def _request(message: LocationRequest) -> dict[str, Any]:
    number = (Alias(DIALLED_DIGITS, message.number),) if message.number else ()
    additions = {
        "gatekeeperIdentifier": message.gatekeeper_id or None,
        "hopCount": message.hop_count,
        "callIdentifier": _call_identifier(message.call_identifier),
    }
    value: dict[str, Any] = {
        "requestSeqNum": message.seq,
        "destinationInfo": write_aliases(number + message.destination),
        "replyAddress": write_address(message.reply_address),
        "canMapAlias": message.can_map_alias,
        **_there(additions),
        **_list("sourceInfo", write_aliases(message.source)),
        **dict(message.kept),
        **_nonstandard(_cisco(message)),
    }
    if value.keys() & {"hopCount", "callIdentifier", *dict(message.kept)}:
        # Not OPTIONAL: a strict decoder misses it in a message that has additions as new as these.
        value["canMapSrcAlias"] = False
    return value


def _cisco(message: LocationRequest) -> NonStandard | None:
    members = {
        "callIdentifier": _call_identifier(message.cisco_call_identifier),
        "redirectIEinfo": _redirect_info(message.redirect_ie),
        "callingOctet3a": message.calling_octet_3a,
        "gatewaySrcInfo": write_aliases(message.gateway_source) or None,
        "displayInformationElement": message.display or None,
    }
    there = _there(members)
    if message.ttl is None:
        if there:
            raise EncodeError(f"{', '.join(there)} without a ttl")
        return message.nonstandard
    if message.nonstandard is not None:
        raise EncodeError("two kinds of nonstandard data")
    return NonStandard(CISCO, _CISCO.encode({"ttl": message.ttl, **there}))


def _redirect_info(element: bytes | None) -> bytes | None:
    if element is None or len(element) == 1:
        return element
    return _REDIRECT.encode({"redirectIE": element})


def _call_identifier(guid: bytes | None) -> dict[str, bytes] | None:
    return None if guid is None else {"guid": guid}


def _confirm(message: LocationConfirm) -> dict[str, Any]:
    return {
        "requestSeqNum": message.seq,
        "callSignalAddress": write_address(message.signal_address),
        "rasAddress": write_address(message.ras_address),
        **_list("destinationInfo", write_aliases(message.aliases)),
        **_list("alternateEndpoints", [_alternate(alternate) for alternate in message.alternates]),
        **_there({"destinationType": _gateway(message.prefixes)}),
        **dict(message.kept),
        **_nonstandard(message.nonstandard),
    }


def _alternate(alternate: Alternate) -> dict[str, Any]:
    return {
        **_there({"priority": alternate.priority, "endpointType": _gateway(alternate.prefixes)}),
        **_list("aliasAddress", write_aliases(alternate.aliases)),
        **_list("callSignalAddress", [write_address(address) for address in alternate.signal_addresses]),
        **_list("rasAddress", [write_address(address) for address in alternate.ras_addresses]),
    }


def _gateway(prefixes: tuple[str, ...] | None) -> dict[str, Any] | None:
    """Give the EndpointType of a gateway for voice."""
    if prefixes is None:
        return None
    supported = [{"prefix": per.Chosen(DIALLED_DIGITS, prefix)} for prefix in prefixes]
    voice = per.Chosen("voice", {"supportedPrefixes": supported})
    return {"gateway": {"protocol": [voice]}, "mc": False, "undefinedNode": False}


def _reject(message: LocationReject) -> dict[str, Any]:
    if message.reason not in REASONS:
        raise EncodeError(f"no reason: {message.reason!r:.100}")
    reason, _, detail = message.reason.partition(".")
    inner: Any = per.Chosen(detail, None) if detail else None
    if reason == "routeCalltoSCN":
        inner = []
    return {
        "requestSeqNum": message.seq,
        "rejectReason": per.Chosen(reason, inner),
        **dict(message.kept),
        **_nonstandard(message.nonstandard),
    }


def _nonstandard(nonstandard: NonStandard | None) -> dict[str, Any]:
    return {} if nonstandard is None else {"nonStandardData": write_nonstandard(nonstandard)}


def _there(components: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in components.items() if value is not None}


def _list(name: str, items: list[Any]) -> dict[str, Any]:
    """Give an OPTIONAL list: an empty one is absent."""
    return {name: items} if items else {}
