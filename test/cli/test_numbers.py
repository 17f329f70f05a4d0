"""C{sipproxyctl numbers}."""

import json

from twisted.internet.task import Clock

from sipproxy.cli.numbers import SERVICES, numbers
from sipproxy.control import Api
from sipproxy.control.numbers import NumberControl
from sipproxy.databases import numbers as database
from sipproxy.databases.numbers import LAYOUT, Numbers, NumberService, numbers_table
from sipproxy.databases.table import MemoryRows
from test.cli.fixtures import ApiTransport
from test.cli.tables import TablesSession, TableTestCase


class NumbersTests(TableTestCase):
    """Number services in memory, and one of the configuration."""

    group = numbers

    def setUp(self) -> None:
        clock = Clock()
        table = numbers_table(MemoryRows(LAYOUT), clock)
        self.successResultOf(table.start())
        self.numbers = Numbers([NumberService("1800T", "800", "configuration")], table)
        self.transport = ApiTransport(Api(NumberControl(lambda: self.numbers, clock).resources()), clock)
        self.session = TablesSession(self.transport)

    def test_services(self) -> None:
        """The command knows the services that there are."""
        self.assertEqual(tuple(SERVICES.choices), database.SERVICES)

    def test_add_list_delete(self) -> None:
        """What is added is listed, and gone when it is deleted; what was done is said beside the result."""
        result = self.run_command("add", "1T", "lnp")
        self.assertEqual((result.exit_code, result.stdout, result.stderr), (0, "", "sipproxyctl: added LNP for 1T\n"))
        self.assertEqual(json.loads(self.succeed("add", "1T", "LCR", "--json"))["service"], "LCR")
        rows = [line.split() for line in self.succeed("list").splitlines()]
        self.assertEqual(
            rows,
            [
                ["PATTERN", "SERVICE", "ORIGIN"],
                ["1800T", "800", "configuration"],
                ["1T", "LCR", "database"],
                ["1T", "LNP", "database"],
            ],
        )
        self.assertEqual(len(json.loads(self.succeed("list", "--json", "--service", "lcr"))), 1)
        result = self.run_command("delete", "1T")
        self.assertEqual(result.stderr, "sipproxyctl: deleted LNP for 1T\nsipproxyctl: deleted LCR for 1T\n")
        self.assertEqual(self.fail_command("delete", "1T"), "sipproxyctl: 1T has no service\n")
        self.assertIn("stands in the configuration", self.fail_command("delete", "1800T"))

    def test_search(self) -> None:
        """What matches is told in its order; nothing is exit status 1."""
        self.succeed("add", "1T", "LCR")
        rows = [line.split() for line in self.succeed("test", "18005551212").splitlines()]
        self.assertEqual(rows[1:], [["wins", "1800T", "800", "configuration"], ["loses", "1T", "LCR", "database"]])
        self.assertEqual(self.fail_command("test", "911"), "sipproxyctl: no service for 911\n")
        self.assertEqual(len(json.loads(self.succeed("test", "18", "--json"))["matches"]), 1)

    def test_files(self) -> None:
        """What is exported can be imported; a wrong line is told, and nothing is imported."""
        path = self.written("pattern,service\n1900T,900\n1T,lnp\n")
        result = self.run_command("import", path)
        self.assertEqual(result.stderr, "sipproxyctl: 2 number services are new, 0 deleted\n")
        self.assertEqual(self.succeed("export"), "pattern,service\n1900T,900\n1T,LNP\n")
        found = json.loads(self.succeed("export", "--format", "json"))
        self.assertEqual(found[1], {"pattern": "1T", "service": "LNP"})
        path = self.written('[{"pattern": "1T", "service": 801}]', "rows.json")
        self.assertTrue(
            self.fail_command("import", path).startswith(
                f"sipproxyctl: {path}:1: service: expected 800, 900, LNP or LCR, got 801\n"
            )
        )
        done = json.loads(self.run_with("pattern,service\n", "import", "--replace", "--json", "-").stdout)
        self.assertEqual(done, {"stored": 0, "deleted": 2})

    def test_usage(self) -> None:
        """Wrong usage has exit status 2, and nothing is asked."""
        for words in (
            ("add", "1T"),
            ("add", "1T", "801"),
            ("delete",),
            ("list", "--service", "x"),
            ("import", "x.txt"),
        ):
            self.fail_command(*words, status=2)
        self.assertEqual(self.transport.asked, [])
