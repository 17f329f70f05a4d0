"""A change of an address of record on its way to the engine, and what it meets there."""

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from sipproxy.farm.keyspace import Condition, Delete, HasRevision, HasValue, Item, Operation, Put
from sipproxy.farm.layout import UnreadableError, read_bindings, write_bindings
from sipproxy.farm.merge import merge
from sipproxy.registrar.bindings import Bindings

_log = Logger(namespace="mod_sip_farm")


class Entry:
    """A change on its way to the engine.

    @ivar base: what it was made from
    @ivar value: what there is to be
    @ivar revision: the revision at which C{base} was found in the engine, None where it only should be there
    @ivar waiting: fire once it is stored, or fail
    """

    __slots__ = ("aor", "base", "revision", "value", "waiting")

    def __init__(self, aor: bytes, base: Bindings, value: Bindings) -> None:
        self.aor = aor
        self.base = base
        self.value = value
        self.revision: int | None = None
        self.waiting: list[Deferred[None]] = []

    def meet(self, item: Item | None) -> None:
        """Take what is in the engine for what it is made from."""
        remote = read_item(item)
        self.value = merge(self.base, self.value, remote)
        self.base = remote
        self.revision = 0 if item is None else item.revision

    def condition(self, prefix: bytes) -> Condition:
        """Give what must hold in the engine for the change to be made.

        @param prefix: what the keys of the registry begin with
        """
        if self.revision is not None or not self.base:
            return HasRevision(prefix + self.aor, self.revision or 0)
        return HasValue(prefix + self.aor, write_bindings(self.base))

    def operation(self, prefix: bytes) -> Operation:
        """Give the change."""
        return Put(prefix + self.aor, write_bindings(self.value)) if self.value else Delete(prefix + self.aor)

    def finish(self, result: object) -> None:
        """Tell who waits.

        @param result: a Failure, where it is not done
        """
        waiting, self.waiting = self.waiting, []
        for deferred in waiting:
            if isinstance(result, Failure):
                deferred.errback(result)
            else:
                deferred.callback(None)


def read_item(item: Item | None) -> Bindings:
    """Give the bindings that the engine has; what cannot be read counts as none, and is written over."""
    if item is None:
        return ()
    try:
        return read_bindings(item.value)
    except UnreadableError as error:
        _log.error("What the farm has at {key} cannot be read: {reason}", key=item.key, reason=error)
        return ()


def is_met(condition: Condition, item: Item | None) -> bool:
    """Tell whether a condition holds with what was found."""
    if isinstance(condition, HasRevision):
        return condition.revision == (0 if item is None else item.revision)
    return item is not None and item.value == condition.value
