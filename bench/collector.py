"""What Python's garbage collector takes, apart from all else."""

import gc
import time
from types import TracebackType
from typing import Any


class CollectorWatch:
    """Times the collections while it is entered.

    @ivar spent: nanoseconds of CPU time in all
    @ivar longest: those of the longest collection
    @ivar count: how many there were
    """

    def __init__(self) -> None:
        self.spent = self.longest = self.count = 0
        self._begun = 0

    def __enter__(self) -> "CollectorWatch":
        gc.callbacks.append(self._told)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        gc.callbacks.remove(self._told)

    def _told(self, phase: str, _: dict[str, Any]) -> None:
        now = time.thread_time_ns()
        if phase == "start":
            self._begun = now
            return
        took = now - self._begun
        self.spent += took
        self.count += 1
        self.longest = max(self.longest, took)
