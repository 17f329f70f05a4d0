"""The schema of the subscriber table, its versions, and the files in etc/."""

import io
import sqlite3
import subprocess
import sys
from contextlib import closing, redirect_stderr, redirect_stdout
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from sipproxy.databases import schema
from sipproxy.databases.sqlite import Schema, pending
from sipproxy.databases.subscribers_table import COLUMNS
from sipproxy.errors import StoreError

ROOT = Path(__file__).resolve().parents[2]
TWO = Schema("test of sipproxy", 7, (("CREATE TABLE a (x)",), ("ALTER TABLE a ADD COLUMN y", "CREATE TABLE b (z)")))
MYSQL_TWO = schema.MysqlSchema(
    "test", "sipproxy test", ("CREATE TABLE {table} () COMMENT='{comment}'", "ALTER {table} '{comment}'")
)


class ScriptTests(SynchronousTestCase):
    """The schemas as SQL."""

    maxDiff = None

    def test_files(self) -> None:
        """etc/ has what the migrations of this package make."""
        for engine in ("sqlite", "mysql"):
            self.assertEqual((ROOT / "etc" / f"schema.{engine}.sql").read_text(), schema.script(engine), engine)

    def test_versions(self) -> None:
        """Each file records the version, so that a server that finds it knows that nothing is to be done."""
        self.assertIn(f"PRAGMA user_version = {len(schema.SQLITE.migrations)};", schema.script("sqlite"))
        self.assertIn(f"COMMENT='sipproxy subscribers {len(schema.MYSQL.migrations)}'", schema.script("mysql"))

    def test_nothing_is_destroyed(self) -> None:
        """No migration takes anything away."""
        statements = [*schema.SQLITE.pending(0), *schema.MYSQL.pending("t", 0)]
        words = {word for statement in statements for word in statement.upper().replace("(", " ").split()}
        self.assertEqual(words & {"DROP", "DELETE", "TRUNCATE", "REPLACE", "RENAME", "MODIFY", "UPDATE"}, set())

    def test_same_columns(self) -> None:
        """Both engines have the columns of a subscriber's fields, in their order."""
        for engine in ("sqlite", "mysql"):
            lines = [line.split()[0] for line in schema.script(engine).splitlines() if line.startswith("    ")]
            self.assertEqual(tuple(lines), COLUMNS)

    def test_program(self) -> None:
        """It can be run by hand, and says how where it is asked for something else."""
        command = [sys.executable, "-m", "sipproxy.databases.schema", "sqlite"]
        printed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
        self.assertEqual((printed.stdout, printed.stderr), (schema.script("sqlite"), ""))
        for arguments in ([], ["oracle"], ["sqlite", "mysql"]):
            output, errors = io.StringIO(), io.StringIO()
            with redirect_stdout(output), redirect_stderr(errors):
                self.assertEqual(schema.main(arguments), 2)
            self.assertIn("Usage:", errors.getvalue())
            self.assertEqual(output.getvalue(), "")


class SqliteTests(SynchronousTestCase):
    """Versions of a file."""

    def setUp(self) -> None:
        self.path = Path(self.mktemp())

    def run_statements(self, *statements: str) -> None:
        """Run statements in the file."""
        with closing(sqlite3.connect(self.path)) as connection, connection:
            for statement in statements:
                connection.execute(statement)

    def test_pending(self) -> None:
        """What would be run is told for a file that is not there, an empty, an old and a present one, which stay."""
        all_of_it = (
            "CREATE TABLE a (x)",
            "ALTER TABLE a ADD COLUMN y",
            "CREATE TABLE b (z)",
            "PRAGMA application_id = 7",
            "PRAGMA user_version = 2",
        )
        self.assertEqual(pending(self.path, TWO), all_of_it)
        self.assertFalse(self.path.exists())
        self.path.touch()
        self.assertEqual(pending(self.path, TWO), all_of_it)
        self.run_statements("CREATE TABLE a (x)", "PRAGMA application_id = 7", "PRAGMA user_version = 1")
        before = self.path.read_bytes()
        self.assertEqual(pending(self.path, TWO), all_of_it[1:])
        self.assertEqual(self.path.read_bytes(), before)
        self.run_statements(*all_of_it[1:])
        self.assertEqual(pending(self.path, TWO), ())

    def test_refused(self) -> None:
        """A file of a later release, of another program, or of none is refused."""
        self.run_statements("PRAGMA application_id = 7", "PRAGMA user_version = 3")
        self.assertRaisesRegex(StoreError, r"of a later release \(schema 3\)", pending, self.path, TWO)
        self.run_statements("PRAGMA application_id = 8")
        self.assertRaisesRegex(StoreError, "not a test of sipproxy", pending, self.path, TWO)
        self.path.write_text("no database" * 100)
        self.assertRaisesRegex(StoreError, "file is not a database", pending, self.path, TWO)


class MysqlTests(SynchronousTestCase):
    """Versions of a table."""

    def test_pending(self) -> None:
        """Each statement leaves the table with the version that it makes."""
        first, second = "CREATE TABLE `t` () COMMENT='sipproxy test 1'", "ALTER `t` 'sipproxy test 2'"
        self.assertEqual([MYSQL_TWO.pending("t", version) for version in range(3)], [(first, second), (second,), ()])

    def test_version(self) -> None:
        """The comment tells the version; another one is not ours."""
        comments = (
            "sipproxy test 1",
            "sipproxy test 12",
            "sipproxy test",
            "my sipproxy test 1",
            "sipproxy test 1.",
            "",
        )
        self.assertEqual([MYSQL_TWO.version(comment) for comment in comments], [1, 12, None, None, None, None])

    def test_identifiers(self) -> None:
        """A table's name is letters, digits, _ and $, and begins with no digit."""
        good = ("subscribers", "_", "a1$", "x" * 64)
        bad = ("", "1a", "a b", "a`b", "a.b", "a-b", "x" * 65, "\u00e4", "a\n", "$a")
        self.assertEqual([schema.is_identifier(name) for name in good + bad], [True] * len(good) + [False] * len(bad))
