"""LDAP messages as octets (RFC 4511, RFC 2696), by the BER codec of ldaptor.

What is asked becomes octets here, and octets become an L{Entry}, a L{Result} or
nothing. A filter is built of its parts and never written as text, so no value
can be anything but a value, whatever characters it has (RFC 4515 does not come
into it). Of ldaptor only the codec is used: its client chooses a reactor for the
whole process when it is imported, and trusts what servers send.

Not here: SASL, referrals (they are read and not followed), writing.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from ldaptor.protocols import pureber, pureldap  # type: ignore[import-untyped]
from ldaptor.protocols.ldap import ldaperrors  # type: ignore[import-untyped]

from sipproxy.errors import StoreError

#: Attributes that an entry must have, by name: each with one of some values, or with any where none is given.
Conditions = Mapping[str, Sequence[str]]

SUCCESS = 0
SIZE_LIMIT_EXCEEDED = 4

#: An attribute list of this asks for none (RFC 4511 4.5.1.8).
NO_ATTRIBUTES = "1.1"

#: Octets of a message, at most. What is asked for has some hundred, and ldaptor is slow with very long ones.
LONGEST_MESSAGE = 1 << 16

_PAGED_RESULTS = b"1.2.840.113556.1.4.319"
_SEQUENCE = 0x30
_LONG_LENGTH = 0x80
_LENGTH_OCTETS = 4


class MalformedError(StoreError):
    """Octets that are no LDAP message."""


class _Ignored:
    """A value of a type that we do not know, which is passed over (RFC 4511 4)."""

    @classmethod
    def fromBER(cls, tag: int, content: bytes, berdecoder: object) -> None:
        """See ldaptor's types; None is nothing in a sequence."""


class _Types(pureber.BERDecoderContext):  # type: ignore[misc]
    """Types of values that have no meaning of their own; ldaptor prints a line for each one that nothing knows."""

    def lookup_id(self, id: int) -> Any:
        """Give the class that reads a type."""
        return self.Identities.get(id, _Ignored)


class _Controls(pureldap.LDAPControls):  # type: ignore[misc]
    """Controls of a message, likewise."""

    @classmethod
    def fromBER(cls, tag: int, content: bytes, berdecoder: object = None) -> Any:
        """See ldaptor's types."""
        types = pureldap.LDAPBERDecoderContext_LDAPControls(fallback=_Types(), inherit=berdecoder)
        return cls(pureber.berDecodeMultiple(content, types), tag=tag)


class _Parts(pureldap.LDAPBERDecoderContext_LDAPMessage):  # type: ignore[misc]
    """Types of the parts of a message."""

    Identities = {**pureldap.LDAPBERDecoderContext_LDAPMessage.Identities, _Controls.tag: _Controls}


_OPERATIONS = pureldap.LDAPBERDecoderContext(fallback=_Types())
_DECODER = pureldap.LDAPBERDecoderContext_TopLevel(
    fallback=_Types(), inherit=_Parts(fallback=_OPERATIONS, inherit=_OPERATIONS)
)


class Entry(NamedTuple):
    """An entry of the directory, with the attributes that were asked for and it has.

    @ivar name: its distinguished name
    @ivar values: values by the names of attributes in small letters
    """

    name: str
    values: Mapping[str, tuple[bytes, ...]]


class Result(NamedTuple):
    """The end of an answer.

    @ivar code: one of RFC 4511 4.1.9
    @ivar text: the code's name, and what the server says to it
    @ivar cookie: where a page ended, empty where nothing follows
    """

    code: int
    text: str
    cookie: bytes


class Search(NamedTuple):
    """A question.

    @ivar base: distinguished name of the entry that it starts at
    @ivar is_subtree: whether what is below is searched too
    @ivar most: entries, at most
    @ivar time: how long the server may search, whole seconds
    @ivar page: where the page before ended; None where no pages are asked for
    """

    base: str
    is_subtree: bool
    conditions: Conditions
    attributes: Sequence[str]
    most: int
    time: int
    page: bytes | None = None

    def to_octets(self, number: int) -> bytes:
        """Write it (RFC 4511 4.5.1)."""
        controls = None
        if self.page is not None:
            value = pureber.BERSequence([pureber.BERInteger(self.most), pureber.BEROctetString(self.page)])
            controls = [(_PAGED_RESULTS, None, value.toWire())]
        request = pureldap.LDAPSearchRequest(
            baseObject=self.base,
            scope=pureldap.LDAP_SCOPE_wholeSubtree if self.is_subtree else pureldap.LDAP_SCOPE_baseObject,
            # A page is no limit of the whole, which this would be.
            sizeLimit=self.most if self.page is None else 0,
            timeLimit=self.time,
            filter=_filter(self.conditions),
            attributes=self.attributes,
        )
        return _message(number, request, controls)


class Bind(NamedTuple):
    """Who we are (RFC 4511 4.2), the simple method; nobody where both are empty."""

    name: str
    password: bytes

    def to_octets(self, number: int) -> bytes:
        """Write it."""
        return _message(number, pureldap.LDAPBindRequest(dn=self.name, auth=self.password))

    def __repr__(self) -> str:
        return f"Bind({self.name!r})"  # Without the password, wherever it may be printed.


class StartTls(NamedTuple):
    """The wish to go on under TLS (RFC 4511 4.14)."""

    def to_octets(self, number: int) -> bytes:
        """Write it."""
        return _message(number, pureldap.LDAPStartTLSRequest())


class Abandon(NamedTuple):
    """An answer is not waited for any more (RFC 4511 4.11)."""

    question: int

    def to_octets(self, number: int) -> bytes:
        """Write it."""
        return _message(number, pureldap.LDAPAbandonRequest(id=self.question))


class Unbind(NamedTuple):
    """We go (RFC 4511 4.3)."""

    def to_octets(self, number: int) -> bytes:
        """Write it."""
        return _message(number, pureldap.LDAPUnbindRequest())


Question = Search | Bind | StartTls


def message_length(octets: bytes | bytearray) -> int | None:
    """Tell how long the message is that some octets begin with; None while that cannot be told.

    @raise MalformedError: it is none, or longer than L{LONGEST_MESSAGE}
    """
    if octets and octets[0] != _SEQUENCE:
        raise MalformedError("it does not speak LDAP")
    if len(octets) < 2:
        return None
    length, start = octets[1], 2
    if length & _LONG_LENGTH:
        start += length - _LONG_LENGTH
        if not 1 <= start - 2 <= _LENGTH_OCTETS:
            raise MalformedError("a message of no definite length")
        if len(octets) < start:
            return None
        length = int.from_bytes(octets[2:start], "big")
    if start + length > LONGEST_MESSAGE:
        raise MalformedError(f"a message of {start + length} octets")
    return start + length


def read_message(octets: bytes) -> tuple[int, Entry | Result | None]:
    """Read a whole message of a server.

    @return: the number of the question that it answers, and the answer; None for a reference to elsewhere
    @raise MalformedError: it is none that a server may send
    """
    try:
        message, _ = pureber.berDecodeObject(_DECODER, octets)
        return message.id, _answer(message)
    except Exception as error:
        # ldaptor meets what it does not expect with exceptions of every kind.
        raise MalformedError(f"a message that cannot be read: {error!r}") from error


def _answer(message: Any) -> Entry | Result | None:
    value = message.value
    if isinstance(value, pureldap.LDAPSearchResultEntry):
        attributes = {_text(name).lower(): _values(values) for name, values in value.attributes}
        return Entry(_text(value.objectName), attributes)
    if isinstance(value, pureldap.LDAPSearchResultReference):
        return None
    if not isinstance(value, pureldap.LDAPResult) or not isinstance(value.resultCode, int):
        raise TypeError(type(value).__name__)
    return Result(value.resultCode, _describe(value), _cookie(message.controls or ()))


def _values(values: Sequence[Any]) -> tuple[bytes, ...]:
    if not all(isinstance(value, bytes) for value in values):
        raise TypeError("a value that is no octet string")
    return tuple(values)


def _describe(result: Any) -> str:
    known = ldaperrors.LDAPExceptionCollection.collection.get(result.resultCode)
    name = known.name.decode("ascii") if known is not None else f"result {result.resultCode}"
    said = _text(result.errorMessage)
    # It goes into one line of a log.
    said = "".join(letter if letter.isprintable() else " " for letter in said).strip()
    return f"{name} ({said})" if said else name


def _text(octets: bytes) -> str:
    return octets.decode("utf-8", "replace")


def _cookie(controls: Sequence[tuple[bytes, object, bytes | None]]) -> bytes:
    """Give where a page ended (RFC 2696 2); a server that knows no pages has given all."""
    for name, _, value in controls:
        if name == _PAGED_RESULTS and value is not None:
            parts, _ = pureber.berDecodeObject(_Types(), value)
            cookie = parts[1].value
            if not isinstance(cookie, bytes):
                raise TypeError("a cookie that is no octet string")
            return cookie
    return b""


def _filter(conditions: Conditions) -> Any:
    return pureldap.LDAPFilter_and([_condition(name, values) for name, values in conditions.items()])


def _condition(name: str, values: Sequence[str]) -> Any:
    if not values:
        return pureldap.LDAPFilter_present(name)
    equal = [
        pureldap.LDAPFilter_equalityMatch(
            attributeDesc=pureldap.LDAPAttributeDescription(name),
            assertionValue=pureldap.LDAPAssertionValue(value),
        )
        for value in values
    ]
    return equal[0] if len(equal) == 1 else pureldap.LDAPFilter_or(equal)


def _message(number: int, request: Any, controls: Any = None) -> bytes:
    octets: bytes = pureldap.LDAPMessage(request, controls, number).toWire()
    return octets
