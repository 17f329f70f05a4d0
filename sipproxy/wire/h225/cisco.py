"""Types of what Cisco's gateways and gatekeepers put into the nonstandard data of an LRQ.

Not published by Cisco: what is here is known from others that talk to them.
Members behind the known ones are skipped, as each has its length.
"""

from pyasn1.type import univ
from pyasn1.type.namedtype import NamedType, OptionalNamedType

from sipproxy.wire.h225.addresses import AliasAddress
from sipproxy.wire.h225.ras import CallIdentifier
from sipproxy.wire.per import Components, Undecoded
from sipproxy.wire.per.build import ia5_string, integer, list_of

#: Country (USA), extension and manufacturer of Cisco's data (H221NonStandard).
CISCO = (181, 0, 18)


class LocationRequestInfo(univ.Sequence):
    """LRQnonStandardInfo.

    C{redirectIEinfo} is an L{RedirectInfo} or, as others have it, an INTEGER (0..255); its length tells which.
    """

    componentType = Components(
        NamedType("ttl", integer(1, 255)),
        ...,
        OptionalNamedType("callIdentifier", CallIdentifier()),
        OptionalNamedType("redirectIEinfo", Undecoded()),
        OptionalNamedType("callingOctet3a", integer(0, 255)),
        OptionalNamedType("gatewaySrcInfo", list_of(AliasAddress())),
        OptionalNamedType("displayInformationElement", ia5_string(1, 128)),
    )


class RedirectInfo(univ.Sequence):
    """RedirectIEinfo: a redirecting number element as Q.931 has it, from its identifier on."""

    componentType = Components(NamedType("redirectIE", univ.OctetString()), ...)
