"""Which keys run out, second by second, without looking at the others."""

from heapq import heappop, heappush


class Expiry:
    """Keys in buckets of one second; the seconds that have a bucket are a heap.

    To add and to discard costs the same however many keys there are. Time may
    step either way: a key added for a second that has gone by is due at once.
    """

    def __init__(self) -> None:
        self._buckets: dict[int, set[bytes]] = {}
        self._seconds: list[int] = []

    def add(self, key: bytes, when: float) -> None:
        """Let a key be due after C{when}, seconds since 1970."""
        second = int(when) + 1
        bucket = self._buckets.get(second)
        if bucket is None:
            self._buckets[second] = {key}
            heappush(self._seconds, second)
        else:
            bucket.add(key)

    def discard(self, key: bytes, when: float) -> None:
        """Forget that a key was to be due after C{when}."""
        bucket = self._buckets.get(int(when) + 1)
        if bucket is not None:
            bucket.discard(key)  # An empty one goes when its second comes.

    def due(self, now: float, most: int) -> list[bytes]:
        """Take out up to C{most} keys that are due."""
        keys: list[bytes] = []
        while self._seconds and self._seconds[0] <= now and len(keys) < most:
            bucket = self._buckets[self._seconds[0]]
            if bucket:
                keys.append(bucket.pop())
            else:
                del self._buckets[heappop(self._seconds)]
        return keys
