"""RasMessage, with the four messages of a location request (ASN.1 module H323-MESSAGES of H.225.0).

What nobody here looks into stands as L{Undecoded}: features, generic data,
circuits, and tokens where PER says how long they are.
"""

from pyasn1.type import univ
from pyasn1.type.namedtype import NamedType, OptionalNamedType

from sipproxy.wire.h225.addresses import AliasAddress, NonStandardParameter, PartyNumber, TransportAddress
from sipproxy.wire.h225.endpoints import Endpoint, EndpointType, SupportedProtocols
from sipproxy.wire.h225.tokens import Icv, clear_tokens, crypto_tokens
from sipproxy.wire.per import Components, Undecoded, Unsupported
from sipproxy.wire.per.build import bmp_string, integer, list_of, octet_string


class CallIdentifier(univ.Sequence):
    """A call's identity, the same at all who have to do with it."""

    componentType = Components(NamedType("guid", octet_string(16, 16)), ...)


class LocationRequest(univ.Sequence):
    """LRQ."""

    componentType = Components(
        NamedType("requestSeqNum", integer(1, 65535)),
        OptionalNamedType("endpointIdentifier", bmp_string(1, 128)),
        NamedType("destinationInfo", list_of(AliasAddress())),
        OptionalNamedType("nonStandardData", NonStandardParameter()),
        NamedType("replyAddress", TransportAddress()),
        ...,
        OptionalNamedType("sourceInfo", list_of(AliasAddress())),
        NamedType("canMapAlias", univ.Boolean()),
        OptionalNamedType("gatekeeperIdentifier", bmp_string(1, 128)),
        OptionalNamedType("tokens", Undecoded()),
        OptionalNamedType("cryptoTokens", Undecoded()),
        OptionalNamedType("integrityCheckValue", Undecoded()),
        OptionalNamedType("desiredProtocols", list_of(SupportedProtocols())),
        OptionalNamedType("desiredTunnelledProtocol", Undecoded()),
        OptionalNamedType("featureSet", Undecoded()),
        OptionalNamedType("genericData", Undecoded()),
        OptionalNamedType("hopCount", integer(1, 255)),
        OptionalNamedType("circuitInfo", Undecoded()),
        OptionalNamedType("callIdentifier", CallIdentifier()),
        OptionalNamedType("bandWidth", integer(0, 4294967295)),
        OptionalNamedType("sourceEndpointInfo", list_of(AliasAddress())),
        NamedType("canMapSrcAlias", univ.Boolean()),
        OptionalNamedType("language", Undecoded()),
    )


class LocationConfirm(univ.Sequence):
    """LCF."""

    componentType = Components(
        NamedType("requestSeqNum", integer(1, 65535)),
        NamedType("callSignalAddress", TransportAddress()),
        NamedType("rasAddress", TransportAddress()),
        OptionalNamedType("nonStandardData", NonStandardParameter()),
        ...,
        OptionalNamedType("destinationInfo", list_of(AliasAddress())),
        OptionalNamedType("destExtraCallInfo", list_of(AliasAddress())),
        OptionalNamedType("destinationType", EndpointType()),
        OptionalNamedType("remoteExtensionAddress", list_of(AliasAddress())),
        OptionalNamedType("alternateEndpoints", list_of(Endpoint())),
        OptionalNamedType("tokens", Undecoded()),
        OptionalNamedType("cryptoTokens", Undecoded()),
        OptionalNamedType("integrityCheckValue", Undecoded()),
        OptionalNamedType("alternateTransportAddresses", Undecoded()),
        OptionalNamedType("supportedProtocols", list_of(SupportedProtocols())),
        OptionalNamedType("multipleCalls", univ.Boolean()),
        OptionalNamedType("featureSet", Undecoded()),
        OptionalNamedType("genericData", Undecoded()),
        OptionalNamedType("circuitInfo", Undecoded()),
        OptionalNamedType("serviceControl", Undecoded()),
        OptionalNamedType("modifiedSrcInfo", list_of(AliasAddress())),
        OptionalNamedType("bandWidth", integer(0, 4294967295)),
    )


class SecurityErrors2(univ.Choice):
    """LocationRejectReason.securityError."""

    componentType = Components(
        NamedType("securityWrongSyncTime", univ.Null()),
        NamedType("securityReplay", univ.Null()),
        NamedType("securityWrongGeneralID", univ.Null()),
        NamedType("securityWrongSendersID", univ.Null()),
        NamedType("securityIntegrityFailed", univ.Null()),
        NamedType("securityWrongOID", univ.Null()),
        ...,
    )


class LocationRejectReason(univ.Choice):
    """Why there is no location."""

    componentType = Components(
        NamedType("notRegistered", univ.Null()),
        NamedType("invalidPermission", univ.Null()),
        NamedType("requestDenied", univ.Null()),
        NamedType("undefinedReason", univ.Null()),
        ...,
        NamedType("securityDenial", univ.Null()),
        NamedType("aliasesInconsistent", univ.Null()),
        NamedType("routeCalltoSCN", list_of(PartyNumber())),
        NamedType("resourceUnavailable", univ.Null()),
        NamedType("genericDataReason", univ.Null()),
        NamedType("neededFeatureNotSupported", univ.Null()),
        NamedType("hopCountExceeded", univ.Null()),
        NamedType("incompleteAddress", univ.Null()),
        NamedType("securityError", SecurityErrors2()),
        NamedType("securityDHmismatch", univ.Null()),
        NamedType("noRouteToDestination", univ.Null()),
        NamedType("unallocatedNumber", univ.Null()),
    )


class LocationReject(univ.Sequence):
    """LRJ."""

    componentType = Components(
        NamedType("requestSeqNum", integer(1, 65535)),
        NamedType("rejectReason", LocationRejectReason()),
        OptionalNamedType("nonStandardData", NonStandardParameter()),
        ...,
        OptionalNamedType("altGKInfo", Undecoded()),
        OptionalNamedType("tokens", Undecoded()),
        OptionalNamedType("cryptoTokens", Undecoded()),
        OptionalNamedType("integrityCheckValue", Undecoded()),
        OptionalNamedType("featureSet", Undecoded()),
        OptionalNamedType("genericData", Undecoded()),
        OptionalNamedType("serviceControl", Undecoded()),
    )


class RequestInProgress(univ.Sequence):
    """RIP: the answer comes later, C{delay} in milliseconds."""

    componentType = Components(
        NamedType("requestSeqNum", integer(1, 65535)),
        OptionalNamedType("nonStandardData", NonStandardParameter()),
        OptionalNamedType("tokens", clear_tokens()),
        OptionalNamedType("cryptoTokens", crypto_tokens()),
        OptionalNamedType("integrityCheckValue", Icv()),
        NamedType("delay", integer(1, 65535)),
        ...,
    )


class RasMessage(univ.Choice):
    """Any message on a RAS channel; those that do not concern locations are known by name only."""

    componentType = Components(
        NamedType("gatekeeperRequest", Unsupported()),
        NamedType("gatekeeperConfirm", Unsupported()),
        NamedType("gatekeeperReject", Unsupported()),
        NamedType("registrationRequest", Unsupported()),
        NamedType("registrationConfirm", Unsupported()),
        NamedType("registrationReject", Unsupported()),
        NamedType("unregistrationRequest", Unsupported()),
        NamedType("unregistrationConfirm", Unsupported()),
        NamedType("unregistrationReject", Unsupported()),
        NamedType("admissionRequest", Unsupported()),
        NamedType("admissionConfirm", Unsupported()),
        NamedType("admissionReject", Unsupported()),
        NamedType("bandwidthRequest", Unsupported()),
        NamedType("bandwidthConfirm", Unsupported()),
        NamedType("bandwidthReject", Unsupported()),
        NamedType("disengageRequest", Unsupported()),
        NamedType("disengageConfirm", Unsupported()),
        NamedType("disengageReject", Unsupported()),
        NamedType("locationRequest", LocationRequest()),
        NamedType("locationConfirm", LocationConfirm()),
        NamedType("locationReject", LocationReject()),
        NamedType("infoRequest", Unsupported()),
        NamedType("infoRequestResponse", Unsupported()),
        NamedType("nonStandardMessage", Unsupported()),
        NamedType("unknownMessageResponse", Unsupported()),
        ...,
        NamedType("requestInProgress", RequestInProgress()),
        NamedType("resourcesAvailableIndicate", Undecoded()),
        NamedType("resourcesAvailableConfirm", Undecoded()),
        NamedType("infoRequestAck", Undecoded()),
        NamedType("infoRequestNak", Undecoded()),
        NamedType("serviceControlIndication", Undecoded()),
        NamedType("serviceControlResponse", Undecoded()),
        NamedType("admissionConfirmSequence", Undecoded()),
    )
