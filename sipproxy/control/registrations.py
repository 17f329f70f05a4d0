"""C{/v1/registrations}: the bindings of all addresses of record, page by page; some added and removed by hand.

What is added here is permanent: it is kept in the registry like any binding,
but never expires and, like a static one of the configuration, is called, not
listed in the 200 of a REGISTER, not counted, and not removed by C{*}.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol

from twisted.internet.defer import Deferred

from sipproxy.config import WrongValueError
from sipproxy.config.problems import quotation
from sipproxy.control.declarations import Arguments, ControlError, Field, Json, Operation, Resource
from sipproxy.control.patterns import Pattern, aor_key, aor_text
from sipproxy.control.schema import MAYBE_TIME, TEXT, an_array, an_object
from sipproxy.databases.registry_store import Row
from sipproxy.databases.static import StaticEntry, parse_static
from sipproxy.errors import UnavailableError
from sipproxy.message import Uri, parse_uri
from sipproxy.message.uri import MAX_URI
from sipproxy.registrar.bindings import NEVER, Binding, Bindings

#: Addresses of record that are looked at for one page; whatever does not match is left out of it.
PAGE = 1000

_AOR = Field("aor", {"type": "string", "maxLength": 500}, "The address of record, user@domain.", True)
_CONTACT = Field("contact", {"type": "string", "maxLength": MAX_URI}, "The URI that is called.", True)
_LIST = (
    Field("aor", {"type": "string", "maxLength": 500}, "Only these addresses of record; * stands for any text."),
    Field("contact", {"type": "string", "maxLength": MAX_URI}, "Only these contacts; * stands for any text."),
    Field("after", {"type": "string", "maxLength": 1500}, "Go on behind this address of record: next of a page."),
    Field("limit", {"type": "integer", "minimum": 1, "maximum": PAGE}, "How many addresses of record to look at."),
)
_ADD = (
    _AOR,
    _CONTACT,
    Field("q", {"type": "number", "minimum": 0, "maximum": 1}, "Its preference, 1 where there is none."),
    Field("action", {"type": "string", "enum": ["proxy", "redirect"]}, "What is done with calls to it."),
)
_DELETE = (_AOR, Field("contact", _CONTACT.schema, "The contact; without one, all of them."))

_ITEM = an_object(
    aor=TEXT,
    contact=TEXT,
    kind={"type": "string", "enum": ["registered", "permanent", "static"]},
    q={"type": "number"},
    action={"type": "string", "enum": ["", "proxy", "redirect"]},
    expires=MAYBE_TIME,
    updated=MAYBE_TIME,
    call_id=TEXT,
    path=an_array(TEXT),
)
_PAGE = an_object(registrations=an_array(_ITEM), next={"type": ["string", "null"]})
_REFUSALS = {
    404: "There is no such registration.",
    409: "It is static: it stands in the configuration.",
    422: "The address of record is none of this server, or something is no URI.",
}


class IBindings(Protocol):
    """What is needed of L{sipproxy.databases.registry.Registry}."""

    @property
    def away_since(self) -> float | None:
        """Since when nothing can be stored."""

    def page(self, after: bytes, limit: int) -> Deferred[list[Row]]:
        """Give the next addresses of record with their bindings."""

    def current(self, aor: bytes, now: float) -> Any:
        """Give the bindings as a change must see them."""

    def store(self, aor: bytes, bindings: Any) -> Deferred[None]:
        """Replace the bindings of an address of record."""


class Configured:
    """What a configuration says of registrations.

    @ivar static: the static bindings, by address of record
    @ivar keys: their addresses of record in order
    @ivar key_of: gives the canonical address of record of a URI, None for one that is not ours
    """

    def __init__(self, static: Mapping[bytes, Bindings], key_of: Callable[[Uri], bytes | None]) -> None:
        self.static = static
        self.keys = sorted(static)
        self.key_of = key_of


class Registrations:
    """The registrations of one server.

    @param configured: gives what the configuration that is in force says
    @param now: gives the time in seconds since 1970
    """

    def __init__(self, registry: IBindings, configured: Callable[[], Configured], now: Callable[[], float]) -> None:
        self._registry = registry
        self._configured = configured
        self._now = now

    def resource(self) -> Resource:
        """Give the resource."""
        return Resource(
            "/registrations",
            (
                Operation("GET", "List registrations, a page at a time.", self.show, _PAGE, query=_LIST),
                Operation(
                    "POST",
                    "Add a permanent contact, or replace the permanent one that is the same.",
                    self.add,
                    _ITEM,
                    body=_ADD,
                    status=201,
                    refusals={422: _REFUSALS[422]},
                ),
                Operation(
                    "DELETE",
                    "Delete what is registered, or permanent.",
                    self.delete,
                    an_object(registrations=an_array(_ITEM)),
                    query=_DELETE,
                    refusals=_REFUSALS,
                ),
            ),
        )

    # Listing

    def show(self, arguments: Arguments) -> Deferred[Json]:
        """Give a page."""
        aors = Pattern(arguments.get("aor", "*"))
        contacts = Pattern(arguments.get("contact", "*"))
        # What is escaped has another order as text than as octets.
        prefix = aors.prefix.partition("%")[0].encode("utf-8", "replace")
        after = max(aor_key(arguments.get("after", "")), _before(prefix))
        limit = arguments.get("limit", PAGE)

        def page(rows: list[Row]) -> Json:
            merged = self._with_static(rows, after, limit)
            found = [
                item
                for aor, bindings in merged
                if aors.matches(text := aor_text(aor))
                for item in self._items(text, bindings)
                if contacts.matches(item["contact"])
            ]
            goes_on = len(merged) == limit and (merged[-1][0] < prefix or merged[-1][0].startswith(prefix))
            return {"registrations": found, "next": aor_text(merged[-1][0]) if goes_on else None}

        return self._registry.page(after, limit).addCallback(page)

    def _with_static(self, rows: list[Row], after: bytes, limit: int) -> list[Row]:
        """Lay static bindings over a page, which then may end earlier."""
        configured = self._configured()
        first = bisect_right(configured.keys, after)
        merged = dict(rows)
        for aor in configured.keys[first : first + limit]:
            merged[aor] = (*merged.get(aor, ()), *configured.static[aor])
        return sorted(merged.items())[:limit]

    def _items(self, aor: str, bindings: Bindings) -> list[Json]:
        now = self._now()
        return [_item(aor, binding) for binding in bindings if binding.expires > now]

    # Changing

    def add(self, arguments: Arguments) -> Deferred[Json]:
        """Add a contact, or replace the permanent one that is the same.

        @raise ControlError: it is not one
        """
        words = [arguments["aor"], arguments["contact"]]
        if "q" in arguments:
            words.append(f"q={arguments['q']:.3f}")
        if "action" in arguments:
            words.append(f"action={arguments['action']}")
        key, entry = self._read(words)
        now = self._now()
        binding = entry.binding._replace(updated=now)
        old: Bindings = self._registry.current(key, now)
        kept = [other for other in old if not (other.is_static and _is_same(other, binding))]
        done = self._registry.store(key, (*kept, binding))
        return done.addCallback(lambda _: _item(aor_text(key), binding))

    def delete(self, arguments: Arguments) -> Deferred[Json]:
        """Delete a contact, or all of an address of record.

        @raise ControlError: there is none, or it is static
        """
        contact = arguments.get("contact")
        # Any contact will do where none is named: what is read then is the address of record only.
        key, entry = self._read([arguments["aor"], arguments["aor"] if contact is None else contact])
        old: Bindings = self._registry.current(key, self._now())
        gone = [binding for binding in old if contact is None or _is_same(binding, entry.binding)]
        if not gone:
            self._see_why(key, None if contact is None else entry.binding)
        done = self._registry.store(key, tuple(binding for binding in old if binding not in gone))
        text = aor_text(key)
        return done.addCallback(lambda _: {"registrations": [_item(text, binding) for binding in gone]})

    def _see_why(self, key: bytes, binding: Binding | None) -> None:
        """Say why there is nothing to delete.

        @raise ControlError: always, unless the registry is away
        @raise UnavailableError: it is
        """
        if self._registry.away_since is not None:
            raise UnavailableError(b"Registry Unavailable")
        static = self._configured().static.get(key, ())
        if any(binding is None or _is_same(other, binding) for other in static):
            raise ControlError(409, f"{aor_text(key)} is static: it stands in the configuration")
        raise ControlError(404, f"{aor_text(key)} has no such registration")

    def _read(self, words: list[str]) -> tuple[bytes, StaticEntry]:
        """Read what stands in the configuration in the same form.

        @raise ControlError: it is wrong, or of another domain
        """
        try:
            entry = parse_static(words)
        except WrongValueError as wrong:
            raise ControlError(422, f"expected {wrong.expected}, got {quotation(words[wrong.index])}") from None
        key = self._configured().key_of(entry.uri)
        if key is None:
            raise ControlError(422, f"{quotation(words[0])} is at no domain of this server")
        return key, entry


def _before(prefix: bytes) -> bytes:
    """Give something that stands shortly before all that begins with a prefix, and behind most else."""
    if not prefix or not prefix[-1]:
        return b""
    return prefix[:-1] + bytes([prefix[-1] - 1]) + b"\xff" * 8


def _is_same(binding: Binding, other: Binding) -> bool:
    return parse_uri(binding.contact).same(parse_uri(other.contact))


def _item(aor: str, binding: Binding) -> Json:
    return {
        "aor": aor,
        "contact": _text(binding.contact),
        "kind": _kind(binding),
        "q": binding.q,
        "action": binding.action,
        "expires": None if binding.expires == NEVER else binding.expires,
        "updated": binding.updated or None,
        "call_id": _text(binding.call_id),
        "path": _texts(binding.path),
    }


def _kind(binding: Binding) -> str:
    if not binding.is_static:
        return "registered"
    # What was added by hand knows when; the configuration does not.
    return "permanent" if binding.updated else "static"


def _texts(values: Iterable[bytes]) -> list[str]:
    return [_text(value) for value in values]


def _text(octets: bytes) -> str:
    return octets.decode("utf-8", "backslashreplace")
