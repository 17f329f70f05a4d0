"""Where bindings outlive the process: what a registry asks of its store, and the store that does not.

L{sipproxy.databases.registry_sqlite} is the other one.
"""

from collections.abc import Callable, Sequence
from heapq import nsmallest

from twisted.internet.defer import Deferred, succeed
from zope.interface import Interface, implementer

from sipproxy.databases.feed import Change
from sipproxy.registrar.bindings import Bindings

Row = tuple[bytes, Bindings]


class IRegistryStore(Interface):
    """Where bindings outlive the process."""

    def load(accept: Callable[[bytes, Bindings], None], now: float) -> "Deferred[int]":
        """Open the store and hand over all that has not run out.

        @param accept: called with each address of record and its bindings, maybe in another thread,
            never after the Deferred has fired
        @return: fires with the revision of the last change
        @raise StoreError: in the Deferred
        """

    def commit(changes: Sequence[Change]) -> "Deferred[None]":
        """Write changes, all or none; of two for one address of record the later counts.

        @return: fires with None once they are durable
        @raise StoreError: in the Deferred: none is
        """

    def page(after: bytes, limit: int) -> "Deferred[list[Row]]":
        """Give up to C{limit} addresses of record behind C{after}, in the order of their octets, with bindings.

        @raise StoreError: in the Deferred
        """

    def close() -> "Deferred[None]":
        """Let go of what is held."""


@implementer(IRegistryStore)
class MemoryStore:
    """Keeps bindings as long as the process lives: C{RegistryDatabase memory}."""

    def __init__(self) -> None:
        self._rows: dict[bytes, Bindings] = {}
        self._revision = 0

    def load(self, accept: Callable[[bytes, Bindings], None], now: float) -> Deferred[int]:
        """Hand over what has been committed."""
        for aor, bindings in self._rows.items():
            if any(binding.expires > now for binding in bindings):
                accept(aor, bindings)
        return succeed(self._revision)

    def commit(self, changes: Sequence[Change]) -> Deferred[None]:
        """Take changes at once."""
        for self._revision, aor, bindings in changes:
            if bindings:
                self._rows[aor] = bindings
            else:
                self._rows.pop(aor, None)
        return succeed(None)

    def page(self, after: bytes, limit: int) -> Deferred[list[Row]]:
        """Look through all for the next few."""
        keys = nsmallest(limit, (aor for aor in self._rows if aor > after))
        return succeed([(aor, self._rows[aor]) for aor in keys])

    def close(self) -> Deferred[None]:
        """Nothing is held."""
        return succeed(None)
