"""Routes and tables of them, for tests."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

from twisted.internet.defer import Deferred, fail
from twisted.internet.task import Clock

from sipproxy.databases.records import Row
from sipproxy.databases.routes import LAYOUT, Routes, RouteTable, StaticRoute, read_route, route_table
from sipproxy.databases.table import MemoryRows, Plan
from sipproxy.errors import StoreError


def route(kind: str, pattern: str, next_hop: str = "gw", **more: object) -> StaticRoute:
    """Give a route as an operator would write it."""
    texts = {"kind": kind, "pattern": pattern, "next_hop": next_hop, **{name: str(text) for name, text in more.items()}}
    return read_route(texts)


def configured(kind: str, pattern: str, next_hop: str = "gw", **more: object) -> StaticRoute:
    """Give a route as the configuration has it."""
    return replace(route(kind, pattern, next_hop, **more), origin="configuration")


class MovableRows(MemoryRows):
    """Rows whose store is away when the test says so.

    @ivar error: what all fails with, None while the store is there
    """

    def __init__(self) -> None:
        super().__init__(LAYOUT)
        self.error: Exception | None = None

    def load(self, build: Callable[[Iterable[Row]], Any]) -> Deferred[Any]:
        """Fail, or load."""
        return super().load(build) if self.error is None else fail(self.error)

    def change(self, plan: Callable[[], Plan[Any]]) -> Deferred[Any]:
        """Fail, or change."""
        return super().change(plan) if self.error is None else fail(self.error)

    def page(self, after: tuple[str | int, ...], limit: int) -> Deferred[list[Row]]:
        """Fail, or read."""
        return super().page(after, limit) if self.error is None else fail(self.error)


def routes_of(*static: StaticRoute, stored: Iterable[StaticRoute] = (), clock: Clock | None = None) -> Routes:
    """Give routes whose database is in memory and started."""
    table = route_table(MemoryRows(LAYOUT), clock or Clock())
    table.start()
    if found := list(stored):
        table.import_(found, "add")
    return Routes(static, table)


def unread(clock: Clock) -> tuple[MovableRows, RouteTable]:
    """Give a database that cannot be read, and its store."""
    rows = MovableRows()
    rows.error = StoreError("disk error")
    table = route_table(rows, clock)
    table.start().addErrback(lambda failure: failure.trap(StoreError) and None)
    return rows, table
