"""Who is in the farm: each member has a record that goes when it is not renewed."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from twisted.logger import Logger

from sipproxy.farm.keyspace import Batch, IKeyspace, LeaseLostError, Put, prefix_end
from sipproxy.farm.layout import Keys, UnreadableError, read_object, write_object

_log = Logger(namespace="mod_sip_farm")


class Self(NamedTuple):
    """What this member tells of itself.

    @ivar name: FarmMember
    @ivar version: of sipproxy
    @ivar since: when it was started, seconds since 1970
    @ivar listen: the places that it listens at
    """

    name: str
    version: str
    since: float
    listen: tuple[str, ...]


class Members:
    """The members, as this one sees them.

    @ivar there: what each tells of itself, by name
    @ivar me: what this one does
    """

    def __init__(self, keyspace: IKeyspace, keys: Keys, me: Self, ttl: int, expected: Sequence[str] = ()) -> None:
        """
        @param ttl: how long a member that has died is taken to be there, seconds
        @param expected: names of members that should be there
        """
        self.me = me
        self.there: dict[str, Mapping[str, Any]] = {}
        self._keyspace = keyspace
        self._keys = keys
        self._ttl = ttl
        self._expected = expected
        self._lease = 0

    @property
    def missing(self) -> list[str]:
        """Who should be there and is not."""
        return [name for name in self._expected if name not in self.there]

    def is_first(self) -> bool:
        """Tell whether it is this member that does what one does for all."""
        return min([*self.there, self.me.name]) == self.me.name

    async def renew(self, state: Mapping[str, Any]) -> None:
        """Be there.

        @param state: what else is told
        @raise AwayError: the engine is away
        """
        if not self._lease:
            self._lease = await self._keyspace.grant(self._ttl)
        value = write_object({**self.me._asdict(), **state})
        try:
            await self._keyspace.keep(self._lease)
            await self._keyspace.commit([], [Put(self._keys.member(self.me.name), value, self._lease)])
        except LeaseLostError:
            self._lease = 0
            raise

    async def leave(self) -> None:
        """Be there no more."""
        if self._lease:
            lease, self._lease = self._lease, 0
            await self._keyspace.revoke(lease)

    async def load(self, revision: int) -> None:
        """Take all who are there at a revision."""
        first, end = self._keys.members, prefix_end(self._keys.members)
        found: dict[str, Mapping[str, Any]] = {}
        while first:
            page = await self._keyspace.page(first, end, 1000, revision)
            for item in page.items:
                found |= self._read(item.key, item.value)
            first = page.follows
        self.there = found

    def apply(self, batch: Batch) -> None:
        """Take changes."""
        for key, value in batch.events:
            if not key.startswith(self._keys.members):
                continue
            name = self._name(key)
            if value is None:
                if self.there.pop(name, None) is not None:
                    _log.warn("Member {name} has left the farm", name=name)
            else:
                if name not in self.there:
                    _log.info("Member {name} is in the farm", name=name, severity="notice")
                self.there |= self._read(key, value)

    def _read(self, key: bytes, value: bytes) -> dict[str, Mapping[str, Any]]:
        try:
            return {self._name(key): read_object(value)}
        except UnreadableError as error:
            # One of a later release: that it is there is known.
            return {self._name(key): {"version": str(error)}}

    def _name(self, key: bytes) -> str:
        return key[len(self._keys.members) :].decode("utf-8", "replace")
