"""Number services: what is one, and which are asked."""

from pathlib import Path

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase, TestCase

from sipproxy.config import ConfigError, Module, Settings
from sipproxy.databases.fields import WrongFieldError
from sipproxy.databases.numbers import (
    LAYOUT,
    NUMBER_SERVICE,
    NUMBERS_DATABASE,
    Numbers,
    NumberService,
    numbers_table,
    read_number,
    static_numbers,
)
from sipproxy.databases.table import MemoryRows
from sipproxy.databases.table_sqlite import SqliteRows
from sipproxy.errors import StoreError
from test.databases.routing import MovableRows

MODULES = (Module("mod_sip_gktmp.c", (NUMBER_SERVICE, NUMBERS_DATABASE)),)


def numbers_of(*static: NumberService) -> Numbers:
    """Give number services whose database is empty, in memory."""
    table = numbers_table(MemoryRows(LAYOUT), Clock())
    table.start()
    return Numbers(static, table)


class SettingsTests(SynchronousTestCase):
    """Number services in the configuration."""

    def test_read(self) -> None:
        """Each stands on a line, in the order of the file."""
        settings = Settings.of(MODULES, {"NumberService": ["1800....... 800", "+1T lnp"], "NumbersDatabase": "memory"})
        self.assertEqual(
            static_numbers(settings),
            (NumberService("1800.......", "800", "configuration"), NumberService("+1T", "LNP", "configuration")),
        )
        self.assertEqual(settings[NUMBERS_DATABASE], "memory")
        self.assertEqual(Path(Settings.of(MODULES)[NUMBERS_DATABASE]), Path("data/numbers.db"))
        self.assertEqual(NUMBER_SERVICE.kind.show(static_numbers(settings)), "1800....... 800, +1T LNP")

    def test_wrong(self) -> None:
        """What is wrong is told with its place."""
        digits = "a pattern of digits, # and *, dots for any digit, perhaps a + before and a T behind"
        for text, problem in (
            ("", "14: expected a pattern and a service, such as 1800....... 800, got end of line"),
            ("1800T", "20: expected a service: 800, 900, LNP or LCR, got end of line"),
            ("1800T 800 900", "25: expected end of line, got 900"),
            ("18o0T 800", f"15: expected {digits}, got 18o0T"),
            ("1800T 801", "21: expected 800, 900, LNP or LCR, got 801"),
        ):
            error = self.assertRaises(ConfigError, Settings.of, MODULES, {"NumberService": text})
            self.assertEqual(str(error).partition(":1:")[2], problem)


class SearchTests(SynchronousTestCase):
    """Which services a number asks."""

    def test_most_specific(self) -> None:
        """Those of the most specific pattern, in the order of asking, of the configuration and of the database."""
        numbers = numbers_of(
            NumberService("1800.......", "800", "configuration"), NumberService("1T", "LCR", "configuration")
        )
        self.successResultOf(numbers.add(NumberService("1T", "LNP")))
        self.successResultOf(numbers.add(NumberService("1T", "LCR")))
        self.assertEqual(numbers.service("18005551212"), ["800"])
        self.assertEqual(numbers.service("14085551212"), ["LNP", "LCR"])
        self.assertEqual([numbers.service(number) for number in ("5123", "alice", "")], [[], [], []])
        self.assertEqual(
            [(pattern, [found.service for found in services]) for pattern, services in numbers.matches("18005551212")],
            [("1800.......", ["800"]), ("1T", ["LNP", "LCR"])],
        )
        self.assertEqual(len(numbers), 4)

    def test_delete(self) -> None:
        """All services of a pattern go, but for those of the configuration."""
        numbers = numbers_of(NumberService("1T", "LCR", "configuration"))
        for service in ("LNP", "900"):
            self.successResultOf(numbers.add(NumberService("1T", service)))
        gone = self.successResultOf(numbers.delete("1T")).deleted
        self.assertEqual([found.service for found in gone], ["900", "LNP"])
        self.assertEqual((numbers.service("12"), numbers.is_configured("1T")), (["LCR"], True))

    def test_wrong(self) -> None:
        """What is no number service is refused."""
        self.assertEqual(read_number({"pattern": "1T", "service": "lnp"}), NumberService("1T", "LNP"))
        for texts in ({}, {"pattern": "1T"}, {"pattern": "1T", "service": "x"}, {"pattern": "x", "service": "800"}):
            self.assertRaises(WrongFieldError, read_number, texts)

    def test_unread(self) -> None:
        """While the database cannot be read what is configured is asked, and all else goes on as it was dialled."""
        rows = MovableRows()
        rows.error = StoreError("disk error")
        table = numbers_table(rows, Clock())
        self.failureResultOf(table.start(), StoreError)
        numbers = Numbers([NumberService("1T", "LCR", "configuration")], table)
        self.assertEqual(
            (numbers.service("12"), numbers.service("22"), numbers.away_reason), (["LCR"], [], "disk error")
        )
        self.successResultOf(numbers.stop())


class FileTests(TestCase):
    """Number services in a SQLite file."""

    timeout = 20

    async def test_restart(self) -> None:
        """What is added is there again after a restart."""
        from twisted.internet import reactor

        path = Path(self.mktemp())
        for expected in ([], ["800"]):
            numbers = Numbers((), numbers_table(SqliteRows(path, LAYOUT, reactor), Clock()))  # type: ignore[arg-type]
            await numbers.start()
            self.assertEqual(numbers.service("1800"), expected)
            await numbers.add(NumberService("1800T", "800"))
            self.assertEqual(await numbers.page("", 10), ([NumberService("1800T", "800")], None))
            await numbers.stop()
