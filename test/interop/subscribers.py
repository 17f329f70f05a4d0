"""Subscribers in the SQLite file of a server that runs, as another program would put them there."""

import sqlite3
from collections.abc import Mapping
from contextlib import closing

from test.interop.harness import PATIENCE, wait_until
from test.interop.proxy import Proxy


def put_subscribers(proxy: Proxy, **people: Mapping[str, object]) -> None:
    """Write rows, and replace those that are there.

    @param people: columns and their values (etc/schema.sqlite.sql) by user name
    """
    with closing(sqlite3.connect(proxy.folder / "data" / "subscribers.db", timeout=PATIENCE)) as database:
        wait_until(lambda: _is_made(database), "the server has made its table of subscribers")
        for name, columns in people.items():
            row = {"username": name, **columns}
            places = ", ".join("?" * len(row))
            database.execute(f"REPLACE INTO subscribers ({', '.join(row)}) VALUES ({places})", list(row.values()))
        database.commit()


def _is_made(database: sqlite3.Connection) -> bool:
    return bool(database.execute("SELECT 1 FROM sqlite_master WHERE name = 'subscribers'").fetchall())
