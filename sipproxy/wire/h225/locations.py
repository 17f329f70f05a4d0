"""The four messages of a location request as an application has them: LRQ, LCF, LRJ and RIP.

An attribute C{kept} has additions that nobody here looks into, as (name, octets)
in the order of the type: generic data, features, circuits and their like.
Tokens are not among them; a token is good for the message that it came in.
"""

from dataclasses import dataclass

from sipproxy.wire.h225.aliases import Address, Alias, NonStandard

#: Reasons of a LocationReject; those of securityError name what was wrong behind a dot.
REASONS = (
    "notRegistered",
    "invalidPermission",
    "requestDenied",
    "undefinedReason",
    "securityDenial",
    "aliasesInconsistent",
    "routeCalltoSCN",
    "resourceUnavailable",
    "genericDataReason",
    "neededFeatureNotSupported",
    "hopCountExceeded",
    "incompleteAddress",
    "securityError.securityWrongSyncTime",
    "securityError.securityReplay",
    "securityError.securityWrongGeneralID",
    "securityError.securityWrongSendersID",
    "securityError.securityIntegrityFailed",
    "securityError.securityWrongOID",
    "securityDHmismatch",
    "noRouteToDestination",
    "unallocatedNumber",
)
#: A reason that is newer than this list. It is read, not written.
UNKNOWN_REASON = "unknown"


@dataclass(frozen=True, slots=True)
class LocationRequest:
    """LRQ: where is this number?

    Cisco's data goes with it if there is a C{ttl}; C{cisco_call_identifier}, C{redirect_ie}, C{calling_octet_3a},
    C{gateway_source} and C{display} are members of that and need one.

    @ivar seq: requestSeqNum, 1 to 65535
    @ivar number: the first of destinationInfo's dialledDigits (0-9 # * ,); "" for none
    @ivar reply_address: where the answer goes
    @ivar can_map_alias: the gatekeeper may answer for another number than the one that was asked for
    @ivar hop_count: gatekeepers that it may still pass, 1 to 255, by the standard; None: not said
    @ivar ttl: the same in Cisco's data
    @ivar gatekeeper_id: the gatekeeper that is asked; "": not said
    @ivar source: who calls
    @ivar call_identifier: 16 octets by the standard
    @ivar cisco_call_identifier: 16 octets in Cisco's data
    @ivar redirect_ie: redirectIEinfo: a Q.931 element (L{sipproxy.wire.q931}), or a single octet
    @ivar calling_octet_3a: presentation and screening of the calling number as Q.931 has them, 0 to 255
    @ivar gateway_source: gatewaySrcInfo: who calls, and the gateway that asks
    @ivar display: displayInformationElement, "" for none
    @ivar destination: the other aliases of destinationInfo
    @ivar nonstandard: nonstandard data, if it is not Cisco's or cannot be read
    """

    seq: int
    number: str
    reply_address: Address
    can_map_alias: bool = False
    hop_count: int | None = None
    ttl: int | None = None
    gatekeeper_id: str = ""
    source: tuple[Alias, ...] = ()
    call_identifier: bytes | None = None
    cisco_call_identifier: bytes | None = None
    redirect_ie: bytes | None = None
    calling_octet_3a: int | None = None
    gateway_source: tuple[Alias, ...] = ()
    display: str = ""
    destination: tuple[Alias, ...] = ()
    nonstandard: NonStandard | None = None
    kept: tuple[tuple[str, bytes], ...] = ()


@dataclass(frozen=True, slots=True)
class Alternate:
    """An endpoint that takes the call as well.

    @ivar priority: 0 to 127, the lower the better; None: not said
    @ivar signal_addresses: where calls go
    @ivar aliases: aliasAddress
    @ivar ras_addresses: where RAS messages go
    @ivar prefixes: as in L{LocationConfirm}
    """

    priority: int | None
    signal_addresses: tuple[Address, ...]
    aliases: tuple[Alias, ...] = ()
    ras_addresses: tuple[Address, ...] = ()
    prefixes: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class LocationConfirm:
    """LCF: here it is.

    @ivar seq: requestSeqNum of the question
    @ivar signal_address: where the call goes; None for an address that is not IP, which is read, not written
    @ivar ras_address: where RAS messages go; None likewise
    @ivar aliases: destinationInfo: the number to call, if it was replaced
    @ivar alternates: alternateEndpoints as they came, not by priority
    @ivar prefixes: technology prefixes of the gateway that it is; None: nothing says that it is one
    @ivar nonstandard: nonstandard data, Cisco's too
    """

    seq: int
    signal_address: Address | None
    ras_address: Address | None
    aliases: tuple[Alias, ...] = ()
    alternates: tuple[Alternate, ...] = ()
    prefixes: tuple[str, ...] | None = None
    nonstandard: NonStandard | None = None
    kept: tuple[tuple[str, bytes], ...] = ()


@dataclass(frozen=True, slots=True)
class LocationReject:
    """LRJ: not known, or not told.

    @ivar seq: requestSeqNum of the question
    @ivar reason: one of L{REASONS}, or L{UNKNOWN_REASON}
    """

    seq: int
    reason: str
    nonstandard: NonStandard | None = None
    kept: tuple[tuple[str, bytes], ...] = ()


@dataclass(frozen=True, slots=True)
class RequestInProgress:
    """RIP: the answer takes longer.

    @ivar seq: requestSeqNum of the question
    @ivar delay_ms: how much longer at most, in milliseconds, 1 to 65535
    """

    seq: int
    delay_ms: int
    nonstandard: NonStandard | None = None


Message = LocationRequest | LocationConfirm | LocationReject | RequestInProgress
