"""A keyspace in etcd 3.4 or later, through its JSON gateway."""

from collections.abc import Coroutine, Sequence
from typing import Any, TypeVar

from twisted.internet.defer import Deferred
from zope.interface import implementer

from sipproxy.farm.etcd_client import EtcdClient
from sipproxy.farm.etcd_messages import Json, range_question, read_found, read_page, read_revision, txn_question
from sipproxy.farm.etcd_watch import EtcdWatch
from sipproxy.farm.keyspace import (
    AwayError,
    ChangedError,
    Condition,
    IKeyspace,
    IWatch,
    LeaseLostError,
    Operation,
    Page,
    Place,
)

T = TypeVar("T")


@implementer(IKeyspace)
class EtcdKeyspace:
    """Asks etcd.

    A commit that was asked of a second server, as the answer of the first was lost, may find that it was done: it
    fails with L{ChangedError}, and what was found is what was to be put.
    """

    def __init__(self, client: EtcdClient) -> None:
        self._client = client

    @property
    def places(self) -> tuple[Place, ...]:
        """The servers of etcd."""
        return self._client.places

    def page(self, first: bytes, end: bytes, limit: int, revision: int = 0) -> Deferred[Page]:
        """Read some keys; by way of the leader, so that nothing that was acknowledged is missing."""
        return _deferred(self._page(first, end, limit, revision))

    async def _page(self, first: bytes, end: bytes, limit: int, revision: int) -> Page:
        return read_page(await self._client.ask("/v3/kv/range", range_question(first, end, limit, revision)), revision)

    def commit(
        self, conditions: Sequence[Condition], operations: Sequence[Operation], timeout: float | None = None
    ) -> Deferred[int]:
        """Change keys in one transaction."""
        return _deferred(self._commit(txn_question(conditions, operations), timeout))

    async def _commit(self, question: Json, timeout: float | None) -> int:
        answer = await self._client.ask("/v3/kv/txn", question, timeout)
        if not answer.get("succeeded"):
            raise ChangedError(read_found(answer))
        return read_revision(answer)

    def watch(self, first: bytes, end: bytes, revision: int) -> IWatch:
        """Follow."""
        watch = EtcdWatch()
        watch.start(self._client, first, end, revision)
        return watch

    def grant(self, ttl: int) -> Deferred[int]:
        """Make a lease."""
        return _deferred(self._grant(ttl))

    async def _grant(self, ttl: int) -> int:
        answer = await self._client.ask("/v3/lease/grant", {"TTL": str(ttl)})
        return int(answer["ID"])

    def keep(self, lease: int) -> Deferred[None]:
        """Keep a lease."""
        return _deferred(self._keep(lease))

    async def _keep(self, lease: int) -> None:
        answer = await self._client.ask("/v3/lease/keepalive", {"ID": str(lease)})
        # One that has run out is answered like any other, but has no time left.
        if "TTL" not in answer.get("result", {}):
            raise LeaseLostError("the lease has run out")

    def revoke(self, lease: int) -> Deferred[None]:
        """End a lease."""
        return _deferred(self._revoke(lease))

    async def _revoke(self, lease: int) -> None:
        await self._client.ask("/v3/lease/revoke", {"ID": str(lease)})

    def close(self) -> Deferred[None]:
        """Close all connections."""
        return self._client.close()


def _deferred(asking: Coroutine[Deferred[Any], Any, T]) -> Deferred[T]:
    """Ask; an answer that cannot be read is one of somebody else."""

    async def ask() -> T:
        try:
            return await asking
        except (LookupError, TypeError, ValueError) as error:
            raise AwayError(f"no answer of etcd: {error!r}") from error

    return Deferred.fromCoroutine(ask())
