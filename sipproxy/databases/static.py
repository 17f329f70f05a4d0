"""Static registrations of the configuration, laid over the registry.

They belong to a generation of the configuration, the registry outlives it: each
generation has its own L{WithStatic} over the one registry.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

from zope.interface import implementer

from sipproxy.config import Directive, WrongValueError, repeated, words
from sipproxy.databases.registry import AsInterface
from sipproxy.errors import SipParseError, UnavailableError
from sipproxy.interfaces import IRegistry
from sipproxy.message import Uri, parse_uri
from sipproxy.message.headers import parse_q
from sipproxy.registrar.bindings import Binding, Bindings, without_doubles

_EXPECTED = "an address of record and a contact, then q= or action="


class StaticEntry(NamedTuple):
    """One StaticRegistration.

    @ivar uri: the address of record
    @ivar binding: its contact, which never expires
    """

    uri: Uri
    binding: Binding


def parse_static(given: Sequence[str]) -> StaticEntry:
    """Read the words of a StaticRegistration.

    @raise WrongValueError: a word is not what it should be
    """
    uri = _read_uri(given[0], 0, "an address of record, user@domain")
    if not uri.is_sip or uri.user is None:
        raise WrongValueError("an address of record, user@domain", 0)
    if len(given) < 2:
        raise WrongValueError("the URI of a contact", 1)
    binding = Binding(_read_uri(given[1], 1, "the URI of a contact").raw)
    for at, word in enumerate(given[2:], 2):
        binding = _with_option(binding, word, at)
    return StaticEntry(uri, binding)


STATIC_REGISTRATION = Directive(
    "StaticRegistration",
    repeated(words(parse_static, _EXPECTED, "address-of-record contact [q=number] [action=proxy|redirect]")),
    (),
    "A contact that is always called; it never expires, and no telephone can remove it.",
)


def by_aor(entries: Iterable[StaticEntry], aor_key: Callable[[Uri], bytes | None]) -> dict[bytes, Bindings]:
    """Group entries by canonical address of record; those of domains that are not ours are left out."""
    grouped: dict[bytes, Bindings] = {}
    for uri, binding in entries:
        aor = aor_key(uri)
        if aor is not None:
            grouped[aor] = (*grouped.get(aor, ()), binding)
    return grouped


@implementer(IRegistry)
class WithStatic:
    """A registry whose lookups give static bindings too; a contact that is registered as well is given once."""

    def __init__(self, registry: IRegistry, static: Mapping[bytes, Bindings]) -> None:
        self._registry = registry
        self._static = static
        self.current = registry.current
        self.store = registry.store
        self.subscribe = registry.subscribe

    def lookup(self, aor: bytes, now: float) -> AsInterface:
        """Give the unexpired bindings that are durable, and the static ones."""
        static = self._static.get(aor)
        if static is None:
            return self._registry.lookup(aor, now)
        try:
            registered: AsInterface = self._registry.lookup(aor, now)
        except UnavailableError:
            registered = ()  # what is configured can be called all the same
        return without_doubles((*registered, *static))


def _read_uri(word: str, at: int, expected: str) -> Uri:
    """Read a URI; what begins with no scheme is a SIP URI."""
    try:
        raw = word.encode("ascii")
        named = raw.lower().startswith((b"sip:", b"sips:", b"tel:", b"mailto:"))
        return parse_uri(raw if named else b"sip:" + raw)
    except (SipParseError, UnicodeEncodeError):
        raise WrongValueError(expected, at) from None


def _with_option(binding: Binding, word: str, at: int) -> Binding:
    name, _, value = word.partition("=")
    if name.lower() == "q":
        try:
            return binding._replace(q=parse_q(value.encode("ascii", "replace")))
        except SipParseError:
            raise WrongValueError("q=0 to q=1, with up to three decimals", at) from None
    if name.lower() == "action" and value.lower() in ("proxy", "redirect"):
        return binding._replace(action=value.lower())
    raise WrongValueError("q=number, action=proxy or action=redirect", at)
