"""The schema of the subscriber table for SQLite and MySQL, as versioned migrations.

A migration makes version n+1 of version n. None takes anything away: no table,
no column, no row. In SQLite the version stands in the file's user_version, in
MySQL in the comment of the table, as there each statement is a transaction:
what changes the table changes the comment too.

C{python -m sipproxy.databases.schema sqlite|mysql} prints the whole as SQL,
for who makes the tables by hand; etc/schema.*.sql are made so.
"""

import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass

from sipproxy.databases.sqlite import Schema

NAME = "subscriber database of sipproxy"

SQLITE = Schema(
    NAME,
    0x53505355,  # "SPSU"
    (
        (
            "CREATE TABLE subscribers (\n"
            "    username TEXT NOT NULL PRIMARY KEY,\n"
            "    domain TEXT NOT NULL DEFAULT '',\n"
            "    display_name TEXT NOT NULL DEFAULT '',\n"
            "    password TEXT,\n"
            "    realm TEXT NOT NULL DEFAULT '',\n"
            "    ha1_md5 TEXT NOT NULL DEFAULT '',\n"
            "    ha1_sha256 TEXT NOT NULL DEFAULT '',\n"
            "    ha1b_md5 TEXT NOT NULL DEFAULT '',\n"
            "    ha1b_sha256 TEXT NOT NULL DEFAULT '',\n"
            "    unconditional TEXT NOT NULL DEFAULT '',\n"
            "    busy TEXT NOT NULL DEFAULT '',\n"
            "    no_answer TEXT NOT NULL DEFAULT '',\n"
            "    unavailable TEXT NOT NULL DEFAULT '',\n"
            "    ring_time_ms INTEGER,\n"
            "    enabled INTEGER NOT NULL DEFAULT 1,\n"
            "    created REAL NOT NULL DEFAULT 0,\n"
            "    updated REAL NOT NULL DEFAULT 0\n"
            ") WITHOUT ROWID",
        ),
    ),
)


@dataclass(frozen=True)
class MysqlSchema:
    """What a table of a MySQL database holds.

    @ivar name: for messages
    @ivar mark: begins the table's comment, before the version
    @ivar migrations: one statement each, with C{{table}} and C{{comment}}
    """

    name: str
    mark: str
    migrations: tuple[str, ...]

    def version(self, comment: str) -> int | None:
        """Read the version from a table's comment; None where the table is not ours."""
        found = re.fullmatch(rf"{re.escape(self.mark)} ([0-9]{{1,6}})", comment)
        return None if found is None else int(found[1])

    def pending(self, table: str, version: int) -> tuple[str, ...]:
        """Give the statements that bring a table from a version to the present one; 0 is no table.

        @param table: an identifier, see L{is_identifier}
        """
        return tuple(
            migration.format(table=f"`{table}`", comment=f"{self.mark} {number}")
            for number, migration in enumerate(self.migrations[version:], version + 1)
        )


MYSQL = MysqlSchema(
    NAME,
    "sipproxy subscribers",
    (
        # VARBINARY: every server compares it octet by octet, trailing blanks included. 255 characters in UTF-8.
        "CREATE TABLE IF NOT EXISTS {table} (\n"
        "    username VARBINARY(1020) NOT NULL PRIMARY KEY,\n"
        "    domain VARCHAR(255) NOT NULL DEFAULT '',\n"
        "    display_name VARCHAR(255) NOT NULL DEFAULT '',\n"
        "    password VARCHAR(255),\n"
        "    realm VARCHAR(255) NOT NULL DEFAULT '',\n"
        "    ha1_md5 VARCHAR(32) NOT NULL DEFAULT '',\n"
        "    ha1_sha256 VARCHAR(64) NOT NULL DEFAULT '',\n"
        "    ha1b_md5 VARCHAR(32) NOT NULL DEFAULT '',\n"
        "    ha1b_sha256 VARCHAR(64) NOT NULL DEFAULT '',\n"
        "    unconditional VARCHAR(1023) NOT NULL DEFAULT '',\n"
        "    busy VARCHAR(1023) NOT NULL DEFAULT '',\n"
        "    no_answer VARCHAR(1023) NOT NULL DEFAULT '',\n"
        "    unavailable VARCHAR(1023) NOT NULL DEFAULT '',\n"
        "    ring_time_ms INT UNSIGNED,\n"
        "    enabled BOOLEAN NOT NULL DEFAULT 1,\n"
        "    created DOUBLE NOT NULL DEFAULT 0,\n"
        "    updated DOUBLE NOT NULL DEFAULT 0\n"
        ") ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin COMMENT='{comment}'",
    ),
)

#: The table that etc/schema.mysql.sql makes, and DB_MySQL_Table's default.
TABLE = "subscribers"

_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_$]{0,63}")


def is_identifier(name: str) -> bool:
    """Tell whether a name can be a MySQL table's, as it is."""
    return _IDENTIFIER.fullmatch(name) is not None


def script(engine: str) -> str:
    """Give all statements for an empty database.

    @param engine: C{sqlite} or C{mysql}
    """
    statements = {"sqlite": SQLITE.pending(0), "mysql": MYSQL.pending(TABLE, 0)}[engine]
    heading = f"-- The {NAME}. Made by python -m sipproxy.databases.schema {engine}\n\n"
    return heading + "".join(f"{statement};\n" for statement in statements)


def main(arguments: Sequence[str]) -> int:
    """Print a schema.

    @return: exit status
    """
    if len(arguments) != 1 or arguments[0] not in ("sqlite", "mysql"):
        print("Usage: python -m sipproxy.databases.schema sqlite|mysql", file=sys.stderr)
        return 2
    print(script(arguments[0]), end="")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
