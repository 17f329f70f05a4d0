"""Types of addresses: transport addresses and aliases of every kind (ASN.1 module H323-MESSAGES of H.225.0).

Components have the names of the ASN.1 module.
"""

from pyasn1.type import char, univ
from pyasn1.type.namedtype import NamedType, OptionalNamedType

from sipproxy.wire.per import Components, Undecoded
from sipproxy.wire.per.build import bmp_string, ia5_string, integer, list_of, octet_string

_TBCD = "0123456789#*abc"


class H221NonStandard(univ.Sequence):
    """A manufacturer by the code of its country and its number there."""

    componentType = Components(
        NamedType("t35CountryCode", integer(0, 255)),
        NamedType("t35Extension", integer(0, 255)),
        NamedType("manufacturerCode", integer(0, 65535)),
        ...,
    )


class NonStandardIdentifier(univ.Choice):
    """Whose data it is."""

    componentType = Components(
        NamedType("object", univ.ObjectIdentifier()),
        NamedType("h221NonStandard", H221NonStandard()),
        ...,
    )


class NonStandardParameter(univ.Sequence):
    """Data of a manufacturer's own."""

    componentType = Components(
        NamedType("nonStandardIdentifier", NonStandardIdentifier()),
        NamedType("data", univ.OctetString()),
    )


class IpAddress(univ.Sequence):
    """TransportAddress.ipAddress."""

    componentType = Components(
        NamedType("ip", octet_string(4, 4)),
        NamedType("port", integer(0, 65535)),
    )


class Routing(univ.Choice):
    """TransportAddress.ipSourceRoute.routing."""

    componentType = Components(NamedType("strict", univ.Null()), NamedType("loose", univ.Null()), ...)


class IpSourceRoute(univ.Sequence):
    """TransportAddress.ipSourceRoute."""

    componentType = Components(
        NamedType("ip", octet_string(4, 4)),
        NamedType("port", integer(0, 65535)),
        NamedType("route", list_of(octet_string(4, 4))),
        NamedType("routing", Routing()),
        ...,
    )


class IpxAddress(univ.Sequence):
    """TransportAddress.ipxAddress."""

    componentType = Components(
        NamedType("node", octet_string(6, 6)),
        NamedType("netnum", octet_string(4, 4)),
        NamedType("port", octet_string(2, 2)),
    )


class Ip6Address(univ.Sequence):
    """TransportAddress.ip6Address."""

    componentType = Components(
        NamedType("ip", octet_string(16, 16)),
        NamedType("port", integer(0, 65535)),
        ...,
    )


class TransportAddress(univ.Choice):
    """Where packets go."""

    componentType = Components(
        NamedType("ipAddress", IpAddress()),
        NamedType("ipSourceRoute", IpSourceRoute()),
        NamedType("ipxAddress", IpxAddress()),
        NamedType("ip6Address", Ip6Address()),
        NamedType("netBios", octet_string(16, 16)),
        NamedType("nsap", octet_string(1, 20)),
        NamedType("nonStandardAddress", NonStandardParameter()),
        ...,
    )


class PublicTypeOfNumber(univ.Choice):
    """What kind of public number."""

    componentType = Components(
        NamedType("unknown", univ.Null()),
        NamedType("internationalNumber", univ.Null()),
        NamedType("nationalNumber", univ.Null()),
        NamedType("networkSpecificNumber", univ.Null()),
        NamedType("subscriberNumber", univ.Null()),
        NamedType("abbreviatedNumber", univ.Null()),
        ...,
    )


class PrivateTypeOfNumber(univ.Choice):
    """What kind of private number."""

    componentType = Components(
        NamedType("unknown", univ.Null()),
        NamedType("level2RegionalNumber", univ.Null()),
        NamedType("level1RegionalNumber", univ.Null()),
        NamedType("pISNSpecificNumber", univ.Null()),
        NamedType("localNumber", univ.Null()),
        NamedType("abbreviatedNumber", univ.Null()),
        ...,
    )


def number_digits() -> char.IA5String:
    """NumberDigits, which dialledDigits are too: four bits for each."""
    return ia5_string(1, 128, "0123456789#*,")


class PublicPartyNumber(univ.Sequence):
    """PartyNumber.e164Number."""

    componentType = Components(
        NamedType("publicTypeOfNumber", PublicTypeOfNumber()),
        NamedType("publicNumberDigits", number_digits()),
    )


class PrivatePartyNumber(univ.Sequence):
    """PartyNumber.privateNumber."""

    componentType = Components(
        NamedType("privateTypeOfNumber", PrivateTypeOfNumber()),
        NamedType("privateNumberDigits", number_digits()),
    )


class PartyNumber(univ.Choice):
    """A number and its numbering plan."""

    componentType = Components(
        NamedType("e164Number", PublicPartyNumber()),
        NamedType("dataPartyNumber", number_digits()),
        NamedType("telexPartyNumber", number_digits()),
        NamedType("privateNumber", PrivatePartyNumber()),
        NamedType("nationalStandardPartyNumber", number_digits()),
        ...,
    )


class SystemId(univ.Choice):
    """ANSI-41-UIM.system-id."""

    componentType = Components(
        NamedType("sid", ia5_string(1, 4, _TBCD)),
        NamedType("mid", ia5_string(1, 4, _TBCD)),
        ...,
    )


class Ansi41Uim(univ.Sequence):
    """MobileUIM.ansi-41-uim."""

    componentType = Components(
        OptionalNamedType("imsi", ia5_string(3, 16, _TBCD)),
        OptionalNamedType("min", ia5_string(3, 16, _TBCD)),
        OptionalNamedType("mdn", ia5_string(3, 16, _TBCD)),
        OptionalNamedType("msisdn", ia5_string(3, 16, _TBCD)),
        OptionalNamedType("esn", ia5_string(16, 16, _TBCD)),
        OptionalNamedType("mscid", ia5_string(3, 16, _TBCD)),
        NamedType("system-id", SystemId()),
        OptionalNamedType("systemMyTypeCode", octet_string(1, 1)),
        OptionalNamedType("systemAccessType", octet_string(1, 1)),
        OptionalNamedType("qualificationInformationCode", octet_string(1, 1)),
        OptionalNamedType("sesn", ia5_string(16, 16, _TBCD)),
        OptionalNamedType("soc", ia5_string(3, 16, _TBCD)),
        ...,
    )


class GsmUim(univ.Sequence):
    """MobileUIM.gsm-uim."""

    componentType = Components(
        OptionalNamedType("imsi", ia5_string(3, 16, _TBCD)),
        OptionalNamedType("tmsi", octet_string(1, 4)),
        OptionalNamedType("msisdn", ia5_string(3, 16, _TBCD)),
        OptionalNamedType("imei", ia5_string(15, 16, _TBCD)),
        OptionalNamedType("hplmn", ia5_string(1, 4, _TBCD)),
        OptionalNamedType("vplmn", ia5_string(1, 4, _TBCD)),
        ...,
    )


class MobileUim(univ.Choice):
    """A mobile telephone's identity."""

    componentType = Components(NamedType("ansi-41-uim", Ansi41Uim()), NamedType("gsm-uim", GsmUim()), ...)


class NatureOfAddress(univ.Choice):
    """What kind of number, in the words of ISUP."""

    componentType = Components(
        NamedType("unknown", univ.Null()),
        NamedType("subscriberNumber", univ.Null()),
        NamedType("nationalNumber", univ.Null()),
        NamedType("internationalNumber", univ.Null()),
        NamedType("networkSpecificNumber", univ.Null()),
        NamedType("routingNumberNationalFormat", univ.Null()),
        NamedType("routingNumberNetworkSpecificFormat", univ.Null()),
        NamedType("routingNumberWithCalledDirectoryNumber", univ.Null()),
        ...,
    )


def _isup_digits() -> char.IA5String:
    return ia5_string(1, 128, "0123456789ABCDE")


class IsupPublicPartyNumber(univ.Sequence):
    """IsupNumber.e164Number."""

    componentType = Components(
        NamedType("natureOfAddress", NatureOfAddress()),
        NamedType("address", _isup_digits()),
        ...,
    )


class IsupPrivatePartyNumber(univ.Sequence):
    """IsupNumber.privateNumber."""

    componentType = Components(
        NamedType("privateTypeOfNumber", PrivateTypeOfNumber()),
        NamedType("address", _isup_digits()),
        ...,
    )


class IsupNumber(univ.Choice):
    """A number as ISUP has it."""

    componentType = Components(
        NamedType("e164Number", IsupPublicPartyNumber()),
        NamedType("dataPartyNumber", _isup_digits()),
        NamedType("telexPartyNumber", _isup_digits()),
        NamedType("privateNumber", IsupPrivatePartyNumber()),
        NamedType("nationalStandardPartyNumber", _isup_digits()),
        ...,
    )


class AliasAddress(univ.Choice):
    """A name of an endpoint.

    Kinds that are more than text are kept as octets until somebody asks (L{sipproxy.wire.h225.aliases.Alias}): nearly
    nobody does, and where a message has hundreds of them this is what its reader would do most of the time.
    """

    componentType = Components(
        NamedType("dialledDigits", number_digits()),
        NamedType("h323-ID", bmp_string(1, 256)),
        ...,
        NamedType("url-ID", ia5_string(1, 512)),
        NamedType("transportID", Undecoded()),
        NamedType("email-ID", ia5_string(1, 512)),
        NamedType("partyNumber", Undecoded()),
        NamedType("mobileUIM", Undecoded()),
        NamedType("isupNumber", Undecoded()),
    )
