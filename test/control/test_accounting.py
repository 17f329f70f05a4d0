"""The queue of accounting records over the control socket, and C{sipproxyctl accounting}."""

import csv
import json
from io import StringIO
from pathlib import Path

import click
from click.testing import CliRunner

from sipproxy.cli.accounting import FIELDS, accounting
from sipproxy.control import Api
from sipproxy.control.accounting import accounting_resources
from test.accounting.fixtures import NOW, Accounts
from test.cli.fixtures import ApiSession, ApiTransport
from test.control.fixtures import ApiTestCase

PATH = "/accounting"


class AccountingTests(ApiTestCase):
    """Three calls whose records nobody takes."""

    def setUp(self) -> None:
        self.accounts = Accounts(Path(self.mktemp()))
        self.addCleanup(lambda: self.accounts.service.stopService())
        self.accounts.radius.mode = "away"
        for number in range(3):
            self.accounts.answer(self.accounts.invite(f"c{number}"))
        self.accounts.bye("c0")
        self.accounts.commit()
        self.clock = self.accounts.clock
        self.api = Api(accounting_resources(self.accounts.service))
        self.session = ApiSession(ApiTransport(self.api, self.clock))

    def run_command(self, *words: str) -> str:
        """Run a command of the group, and give its standard output."""
        command: click.Group = accounting
        result = CliRunner().invoke(command, words, obj=self.session, catch_exceptions=False)
        self.assertEqual(result.exit_code, 0, result.output)
        return result.stdout

    def test_show(self) -> None:
        """What waits, for what, and why."""
        status, found = self.ask("GET", PATH)
        self.assertEqual((status, found["waiting"], found["open_calls"], found["next"]), (200, 7, 2, None))
        self.assertEqual([item["call_id"] for item in found["records"]], ["c0"] * 3 + ["c1"] * 2 + ["c2"] * 2)
        first = found["records"][0]
        self.assertEqual((first["type"], first["waits_for"]), ("Start", ["radius"]))
        self.assertEqual(first["record"]["sip-attempt"], "c0;alice;1")
        spool, servers = found["dependencies"]
        self.assertEqual((spool["name"], spool["state"]), ("accounting spool", "up"))
        self.assertEqual((servers["state"], servers["reason"]), ("away", "No RADIUS server answers"))
        self.assertGreater(servers["since"], NOW)

    def test_pages(self) -> None:
        """Pages follow each other by calls."""
        _, first = self.ask("GET", PATH, limit=2)
        _, second = self.ask("GET", PATH, limit=2, after=first["next"])
        calls = [{item["call_id"] for item in page["records"]} for page in (first, second)]
        self.assertEqual((calls, second["next"]), ([{"c0", "c1"}, {"c2"}], None))

    def test_wrong(self) -> None:
        """What is no place to go on from is refused."""
        self.assertEqual(self.refused("GET", PATH, after="x"), (422, "after: expected next of a page"))

    def test_retry(self) -> None:
        """What waits is delivered at once."""
        self.accounts.radius.mode = "answers"
        self.ask("POST", PATH + "/retry")
        self.assertEqual(self.ask("GET", PATH)[1]["waiting"], 0)

    def test_off(self) -> None:
        """Without accounting that is said."""
        self.api = Api(accounting_resources(None))
        for method, path in (("GET", PATH), ("POST", PATH + "/retry")):
            self.assertEqual(self.refused(method, path), (404, "Accounting is Off"))

    def test_odd_octets(self) -> None:
        """Octets that are no UTF-8 are told in ASCII."""
        self.accounts.invite("odd", further=("Cisco-Guid: \udcff",))
        self.accounts.commit()
        _, found = self.ask("GET", PATH)
        self.assertEqual(found["records"][-1]["record"]["h323-conf-id"], "\\xff")

    # sipproxyctl

    def test_list(self) -> None:
        """The table has a row for each record."""
        header, *rows = self.run_command("list").splitlines()
        self.assertEqual(header.split()[:2], ["TIME", "TYPE"])
        self.assertEqual(len(rows), 7)
        self.assertEqual(rows[0].split()[2:], ["Start", "sip:alice@example.com", "sip:bob@example.com", "c0", "radius"])
        self.assertEqual(len(json.loads(self.run_command("list", "--json"))), 7)

    def test_export(self) -> None:
        """A file has all attributes of all records."""
        found = json.loads(self.run_command("export", "--format", "json"))
        rows = list(csv.DictReader(StringIO(self.run_command("export"))))
        self.assertEqual(len(rows), 7)
        self.assertEqual([row["sip-attempt"] for row in rows], [record["sip-attempt"] for record in found])
        for row, record in zip(rows, found, strict=True):
            self.assertEqual(
                {name: value for name, value in row.items() if value}, {k: str(v) for k, v in record.items()}
            )
            self.assertLessEqual(record.keys(), set(FIELDS))

    def test_retry_command(self) -> None:
        """The number of records that are being delivered is told."""
        self.accounts.radius.mode = "answers"
        self.assertEqual(json.loads(self.run_command("retry", "--json"))["waiting"], 0)
