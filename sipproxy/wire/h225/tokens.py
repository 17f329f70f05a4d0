"""Types of H.235 tokens, as far as it takes to read past them (ASN.1 module H235-SECURITY-MESSAGES of H.235).

RequestInProgress and Endpoint hold tokens with nothing that says how long they
are; who reads on behind them must know what they look like. Nothing here
checks or makes a token.
"""

from pyasn1.type import univ
from pyasn1.type.namedtype import NamedType, OptionalNamedType

from sipproxy.wire.h225.addresses import AliasAddress
from sipproxy.wire.per import Components, Undecoded
from sipproxy.wire.per.build import bit_string, bmp_string, integer, list_of, octet_string


class DhSet(univ.Sequence):
    """DHset."""

    componentType = Components(
        NamedType("halfkey", bit_string(0, 2048)),
        NamedType("modSize", bit_string(0, 2048)),
        NamedType("generator", bit_string(0, 2048)),
        ...,
    )


class TypedCertificate(univ.Sequence):
    """TypedCertificate."""

    componentType = Components(
        NamedType("type", univ.ObjectIdentifier()),
        NamedType("certificate", univ.OctetString()),
        ...,
    )


class TokenNonStandard(univ.Sequence):
    """NonStandardParameter of H.235, which is not the one of H.225.0."""

    componentType = Components(
        NamedType("nonStandardIdentifier", univ.ObjectIdentifier()),
        NamedType("data", univ.OctetString()),
    )


class ClearToken(univ.Sequence):
    """ClearToken."""

    componentType = Components(
        NamedType("tokenOID", univ.ObjectIdentifier()),
        OptionalNamedType("timeStamp", integer(1, 4294967295)),
        OptionalNamedType("password", bmp_string(1, 128)),
        OptionalNamedType("dhkey", DhSet()),
        OptionalNamedType("challenge", octet_string(8, 128)),
        OptionalNamedType("random", univ.Integer()),
        OptionalNamedType("certificate", TypedCertificate()),
        OptionalNamedType("generalID", bmp_string(1, 128)),
        OptionalNamedType("nonStandard", TokenNonStandard()),
        ...,
        OptionalNamedType("eckasdhkey", Undecoded()),
        OptionalNamedType("sendersID", Undecoded()),
        OptionalNamedType("h235Key", Undecoded()),
        OptionalNamedType("profileInfo", Undecoded()),
    )


class Params(univ.Sequence):
    """Params."""

    componentType = Components(
        OptionalNamedType("ranInt", univ.Integer()),
        OptionalNamedType("iv8", octet_string(8, 8)),
        ...,
        OptionalNamedType("iv16", Undecoded()),
        OptionalNamedType("iv", Undecoded()),
        OptionalNamedType("clearSalt", Undecoded()),
    )


class Hashed(univ.Sequence):
    """HASHED."""

    componentType = Components(
        NamedType("algorithmOID", univ.ObjectIdentifier()),
        NamedType("paramS", Params()),
        NamedType("hash", univ.BitString()),
    )


class Encrypted(univ.Sequence):
    """ENCRYPTED."""

    componentType = Components(
        NamedType("algorithmOID", univ.ObjectIdentifier()),
        NamedType("paramS", Params()),
        NamedType("encryptedData", univ.OctetString()),
    )


class Signed(univ.Sequence):
    """SIGNED: what is signed is an open type."""

    componentType = Components(
        NamedType("toBeSigned", univ.Any()),
        NamedType("algorithmOID", univ.ObjectIdentifier()),
        NamedType("paramS", Params()),
        NamedType("signature", univ.BitString()),
    )


class EncryptedToken(univ.Sequence):
    """CryptoToken.cryptoEncryptedToken."""

    componentType = Components(
        NamedType("tokenOID", univ.ObjectIdentifier()),
        NamedType("token", Encrypted()),
    )


class SignedToken(univ.Sequence):
    """CryptoToken.cryptoSignedToken."""

    componentType = Components(
        NamedType("tokenOID", univ.ObjectIdentifier()),
        NamedType("token", Signed()),
    )


class HashedToken(univ.Sequence):
    """CryptoToken.cryptoHashedToken."""

    componentType = Components(
        NamedType("tokenOID", univ.ObjectIdentifier()),
        NamedType("hashedVals", ClearToken()),
        NamedType("token", Hashed()),
    )


class CryptoToken(univ.Choice):
    """CryptoToken."""

    componentType = Components(
        NamedType("cryptoEncryptedToken", EncryptedToken()),
        NamedType("cryptoSignedToken", SignedToken()),
        NamedType("cryptoHashedToken", HashedToken()),
        NamedType("cryptoPwdEncr", Encrypted()),
        ...,
    )


class EndpointPasswordHash(univ.Sequence):
    """CryptoH323Token.cryptoEPPwdHash."""

    componentType = Components(
        NamedType("alias", AliasAddress()),
        NamedType("timeStamp", integer(1, 4294967295)),
        NamedType("token", Hashed()),
    )


class GatekeeperPasswordHash(univ.Sequence):
    """CryptoH323Token.cryptoGKPwdHash."""

    componentType = Components(
        NamedType("gatekeeperId", bmp_string(1, 128)),
        NamedType("timeStamp", integer(1, 4294967295)),
        NamedType("token", Hashed()),
    )


class CryptoH323Token(univ.Choice):
    """CryptoH323Token."""

    componentType = Components(
        NamedType("cryptoEPPwdHash", EndpointPasswordHash()),
        NamedType("cryptoGKPwdHash", GatekeeperPasswordHash()),
        NamedType("cryptoEPPwdEncr", Encrypted()),
        NamedType("cryptoGKPwdEncr", Encrypted()),
        NamedType("cryptoEPCert", Signed()),
        NamedType("cryptoGKCert", Signed()),
        NamedType("cryptoFastStart", Signed()),
        NamedType("nestedcryptoToken", CryptoToken()),
        ...,
    )


class Icv(univ.Sequence):
    """ICV, an integrity check value."""

    componentType = Components(
        NamedType("algorithmOID", univ.ObjectIdentifier()),
        NamedType("icv", univ.BitString()),
    )


def clear_tokens() -> univ.SequenceOf:
    """SEQUENCE OF ClearToken."""
    return list_of(ClearToken())


def crypto_tokens() -> univ.SequenceOf:
    """SEQUENCE OF CryptoH323Token."""
    return list_of(CryptoH323Token())
