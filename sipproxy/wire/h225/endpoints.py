"""Types that say what an endpoint is: its kind, the prefixes that it serves, alternates of it (H.225.0)."""

from pyasn1.type import univ
from pyasn1.type.namedtype import NamedType, OptionalNamedType

from sipproxy.wire.h225.addresses import AliasAddress, H221NonStandard, NonStandardParameter, TransportAddress
from sipproxy.wire.h225.tokens import clear_tokens, crypto_tokens
from sipproxy.wire.per import Components, Undecoded
from sipproxy.wire.per.build import integer, list_of, octet_string


class SupportedPrefix(univ.Sequence):
    """A prefix of numbers that a gateway takes."""

    componentType = Components(
        OptionalNamedType("nonStandardData", NonStandardParameter()),
        NamedType("prefix", AliasAddress()),
        ...,
    )


class DataRate(univ.Sequence):
    """A rate of data, in units of 100 bit/s."""

    componentType = Components(
        OptionalNamedType("nonStandardData", NonStandardParameter()),
        NamedType("channelRate", integer(0, 4294967295)),
        OptionalNamedType("channelMultiplier", integer(1, 256)),
        ...,
    )


class GatewayCaps(univ.Sequence):
    """What H310Caps, H320Caps, H321Caps, H322Caps, H323Caps, H324Caps, VoiceCaps and T120OnlyCaps all are."""

    componentType = Components(
        OptionalNamedType("nonStandardData", NonStandardParameter()),
        ...,
        OptionalNamedType("dataRatesSupported", list_of(DataRate())),
        NamedType("supportedPrefixes", list_of(SupportedPrefix())),
    )


class NonStandardProtocol(univ.Sequence):
    """SupportedProtocols.nonStandardProtocol."""

    componentType = Components(
        OptionalNamedType("nonStandardData", NonStandardParameter()),
        OptionalNamedType("dataRatesSupported", list_of(DataRate())),
        NamedType("supportedPrefixes", list_of(SupportedPrefix())),
        ...,
    )


class SipCaps(univ.Sequence):
    """SupportedProtocols.sip."""

    componentType = Components(
        OptionalNamedType("nonStandardData", NonStandardParameter()),
        OptionalNamedType("dataRatesSupported", list_of(DataRate())),
        OptionalNamedType("supportedPrefixes", list_of(SupportedPrefix())),
        ...,
    )


class SupportedProtocols(univ.Choice):
    """A protocol of a gateway's other side. That of fax machines is not looked into."""

    componentType = Components(
        NamedType("nonStandardData", NonStandardParameter()),
        NamedType("h310", GatewayCaps()),
        NamedType("h320", GatewayCaps()),
        NamedType("h321", GatewayCaps()),
        NamedType("h322", GatewayCaps()),
        NamedType("h323", GatewayCaps()),
        NamedType("h324", GatewayCaps()),
        NamedType("voice", GatewayCaps()),
        NamedType("t120-only", GatewayCaps()),
        ...,
        NamedType("nonStandardProtocol", NonStandardProtocol()),
        NamedType("t38FaxAnnexbOnly", Undecoded()),
        NamedType("sip", SipCaps()),
    )


class VendorIdentifier(univ.Sequence):
    """Who made it."""

    componentType = Components(
        NamedType("vendor", H221NonStandard()),
        OptionalNamedType("productId", octet_string(1, 256)),
        OptionalNamedType("versionId", octet_string(1, 256)),
        ...,
        OptionalNamedType("enterpriseNumber", univ.ObjectIdentifier()),
    )


class GatekeeperInfo(univ.Sequence):
    """EndpointType.gatekeeper."""

    componentType = Components(OptionalNamedType("nonStandardData", NonStandardParameter()), ...)


class GatewayInfo(univ.Sequence):
    """EndpointType.gateway."""

    componentType = Components(
        OptionalNamedType("protocol", list_of(SupportedProtocols())),
        OptionalNamedType("nonStandardData", NonStandardParameter()),
        ...,
    )


class McuInfo(univ.Sequence):
    """EndpointType.mcu."""

    componentType = Components(
        OptionalNamedType("nonStandardData", NonStandardParameter()),
        ...,
        OptionalNamedType("protocol", list_of(SupportedProtocols())),
    )


class TerminalInfo(univ.Sequence):
    """EndpointType.terminal."""

    componentType = Components(OptionalNamedType("nonStandardData", NonStandardParameter()), ...)


class EndpointType(univ.Sequence):
    """What an endpoint is."""

    componentType = Components(
        OptionalNamedType("nonStandardData", NonStandardParameter()),
        OptionalNamedType("vendor", VendorIdentifier()),
        OptionalNamedType("gatekeeper", GatekeeperInfo()),
        OptionalNamedType("gateway", GatewayInfo()),
        OptionalNamedType("mcu", McuInfo()),
        OptionalNamedType("terminal", TerminalInfo()),
        NamedType("mc", univ.Boolean()),
        NamedType("undefinedNode", univ.Boolean()),
        ...,
        OptionalNamedType("set", Undecoded()),
        OptionalNamedType("supportedTunnelledProtocols", Undecoded()),
    )


class Endpoint(univ.Sequence):
    """An alternate of the endpoint that an answer names."""

    componentType = Components(
        OptionalNamedType("nonStandardData", NonStandardParameter()),
        OptionalNamedType("aliasAddress", list_of(AliasAddress())),
        OptionalNamedType("callSignalAddress", list_of(TransportAddress())),
        OptionalNamedType("rasAddress", list_of(TransportAddress())),
        OptionalNamedType("endpointType", EndpointType()),
        OptionalNamedType("tokens", clear_tokens()),
        OptionalNamedType("cryptoTokens", crypto_tokens()),
        OptionalNamedType("priority", integer(0, 127)),
        OptionalNamedType("remoteExtensionAddress", list_of(AliasAddress())),
        OptionalNamedType("destExtraCallInfo", list_of(AliasAddress())),
        ...,
        OptionalNamedType("alternateTransportAddresses", Undecoded()),
        OptionalNamedType("circuitInfo", Undecoded()),
        OptionalNamedType("featureSet", Undecoded()),
    )
