"""The redirecting number of Q.931, and what of it a Diversion header gives (RFC 5806, RFC 7544).

Q.952 defines the element; octet 3a is the calling party number's too. Not here:
other elements, the header itself.
"""

import re
from dataclasses import dataclass
from enum import IntEnum

from sipproxy.errors import SipproxyError

_IDENTIFIER = 0x74
_LAST = 0x80
# What is left of the element's one octet of length behind octets 3, 3a and 3b.
_MAX_DIGITS = 255 - 3
_NOT_DIGITS = re.compile(r"[^0-9*#]")
_SEPARATORS = re.compile(r"[-.() ]")


class ElementError(SipproxyError):
    """Octets that are no redirecting number, or digits that do not fit in one."""


class TypeOfNumber(IntEnum):
    """How complete a number is."""

    UNKNOWN = 0
    INTERNATIONAL = 1
    NATIONAL = 2
    NETWORK_SPECIFIC = 3
    SUBSCRIBER = 4
    ABBREVIATED = 6


class Presentation(IntEnum):
    """Whether the called party may see a number."""

    ALLOWED = 0
    RESTRICTED = 1
    NOT_AVAILABLE = 2


class Screening(IntEnum):
    """Who vouches for a number."""

    NOT_SCREENED = 0
    VERIFIED = 1
    FAILED = 2
    NETWORK = 3


#: Numbering plan of telephony, E.164.
ISDN = 1
#: Reasons for redirection by the words of a Diversion header; those without a number of their own are unknown.
REASONS = {
    "unknown": 0,
    "user-busy": 1,
    "no-answer": 2,
    "deflection": 4,
    "out-of-service": 9,
    "unconditional": 15,
}


@dataclass(frozen=True, slots=True)
class RedirectingNumber:
    """Who redirected a call.

    @ivar digits: 0-9 * #
    @ivar type_of_number: L{TypeOfNumber} or another number up to 7
    @ivar numbering_plan: 0 to 15
    @ivar presentation: L{Presentation} or 3
    @ivar screening: L{Screening}
    @ivar reason: 0 to 15, see L{REASONS}
    """

    digits: str
    type_of_number: int = TypeOfNumber.UNKNOWN
    numbering_plan: int = ISDN
    presentation: int = Presentation.ALLOWED
    screening: int = Screening.NOT_SCREENED
    reason: int = 0


def redirecting_number(
    user: str, reason: str = "unknown", privacy: str = "off", screen: str = "no"
) -> RedirectingNumber:
    """Give the redirecting number that a Diversion header speaks of.

    @param user: user part of its address, with or without + and visual separators
    @param reason: its parameter, likewise C{privacy} and C{screen}
    @raise ElementError: the user part is no number
    """
    digits = _SEPARATORS.sub("", user)
    type_of_number = TypeOfNumber.INTERNATIONAL if digits.startswith("+") else TypeOfNumber.UNKNOWN
    return RedirectingNumber(
        _digits(digits.removeprefix("+")),
        type_of_number,
        presentation=_presentation(privacy),
        screening=_screening(screen),
        reason=REASONS.get(reason.lower(), REASONS["unknown"]),
    )


def calling_octet_3a(privacy: str = "off", screen: str = "no") -> int:
    """Give octet 3a of a calling party number for parameters of a Diversion or Remote-Party-ID header."""
    return _LAST | _presentation(privacy) << 5 | _screening(screen)


def encode_redirecting_number(number: RedirectingNumber) -> bytes:
    """Give the whole element, from its identifier on.

    @raise ElementError: the digits are none, or too many
    """
    digits = _digits(number.digits).encode("ascii")
    octets = (
        number.type_of_number << 4 | number.numbering_plan,
        number.presentation << 5 | number.screening,
        _LAST | number.reason,
    )
    return bytes((_IDENTIFIER, len(octets) + len(digits), *octets)) + digits


def decode_redirecting_number(element: bytes) -> RedirectingNumber:
    """Give the redirecting number of a whole element. Octets 3a and 3b may be absent.

    @raise ElementError: it is none
    """
    if len(element) < 3 or element[0] != _IDENTIFIER or element[1] != len(element) - 2:
        raise ElementError("no redirecting number element")
    head = [element[2]]
    while not head[-1] & _LAST:
        if len(head) == 3 or len(head) + 2 == len(element):
            raise ElementError("no end of the octets before the digits")
        head.append(element[2 + len(head)])
    plan, shown, reason = [*head, 0, 0][:3]
    return RedirectingNumber(
        _digits(element[2 + len(head) :].decode("latin-1")),
        plan >> 4 & 7,
        plan & 15,
        shown >> 5 & 3,
        shown & 3,
        reason & 15,
    )


def _digits(text: str) -> str:
    if _NOT_DIGITS.search(text) or not 1 <= len(text) <= _MAX_DIGITS:
        raise ElementError(f"no digits: {text!r:.100}")
    return text


def _presentation(privacy: str) -> Presentation:
    return Presentation.RESTRICTED if privacy.lower() in ("full", "uri") else Presentation.ALLOWED


def _screening(screen: str) -> Screening:
    return Screening.VERIFIED if screen.lower() == "yes" else Screening.NOT_SCREENED
