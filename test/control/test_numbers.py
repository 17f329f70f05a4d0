"""Number services over the control socket."""

from twisted.internet.task import Clock

from sipproxy.control import Api
from sipproxy.control.numbers import NumberControl
from sipproxy.databases.numbers import LAYOUT, Numbers, NumberService, numbers_table
from sipproxy.databases.table import MemoryRows
from test.control.fixtures import ApiTestCase

PATH = "/numbers"


class NumbersTests(ApiTestCase):
    """Number services in memory, and one of the configuration."""

    def setUp(self) -> None:
        self.clock = Clock()
        table = numbers_table(MemoryRows(LAYOUT), self.clock)
        self.successResultOf(table.start())
        self.numbers = Numbers([NumberService("1800T", "800", "configuration")], table)
        self.api = Api(NumberControl(lambda: self.numbers, self.clock).resources())

    def add(self, pattern: str, service: str) -> None:
        """Add one."""
        status, item = self.ask("POST", PATH, {"pattern": pattern, "service": service})
        self.assertEqual((status, item), (201, {"pattern": pattern, "service": service, "origin": "database"}))

    def listed(self, **query: object) -> list[tuple[str, str]]:
        """Give all that is listed."""
        found: list[tuple[str, str]] = []
        after: dict[str, object] = {}
        while True:
            _, page = self.ask("GET", PATH, **query, **after)
            found += [(item["pattern"], item["service"]) for item in page["numbers"]]
            if page["next"] is None:
                return found
            after = {"after": page["next"]}

    def test_list(self) -> None:
        """Those of the configuration come first; filters choose."""
        self.add("1T", "LCR")
        self.add("1T", "LNP")
        self.assertEqual(self.listed(), [("1800T", "800"), ("1T", "LCR"), ("1T", "LNP")])
        self.assertEqual(self.listed(service="LNP"), [("1T", "LNP")])
        self.assertEqual(self.listed(pattern="18*"), [("1800T", "800")])
        self.assertEqual(len(self.listed(origin="database")), 2)

    def test_wrong(self) -> None:
        """What is none is refused, and what is configured is not added again."""
        body = {"pattern": "1T", "service": "801"}
        self.assertEqual(self.refused("POST", PATH, body), (400, "service: expected one of 800, 900, LNP, LCR"))
        self.assertEqual(self.refused("POST", PATH, {"pattern": "1T2", "service": "800"})[0], 422)
        self.assertEqual(
            self.refused("POST", PATH, {"pattern": "1800T", "service": "800"}),
            (409, "800 for 1800T stands in the configuration"),
        )
        self.assertEqual(self.refused("GET", PATH, after="x"), (422, "after: expected next of a page"))

    def test_delete(self) -> None:
        """All services of a pattern go, but for those of the configuration."""
        self.add("1800T", "LNP")
        _, gone = self.ask("DELETE", PATH, pattern="1800T")
        self.assertEqual([item["service"] for item in gone["numbers"]], ["LNP"])
        self.assertEqual(
            self.refused("DELETE", PATH, pattern="1800T"),
            (409, "1800T stands in the configuration and cannot be deleted here"),
        )
        self.assertEqual(self.refused("DELETE", PATH, pattern="1T"), (404, "1T has no service"))
        self.assertEqual(self.refused("DELETE", PATH, pattern="x")[0], 422)

    def test_search(self) -> None:
        """The patterns that match are told in their order, the first wins."""
        self.add("1T", "LCR")
        _, content = self.ask("GET", f"{PATH}/test", number="18005551212")
        self.assertEqual(
            [(match["pattern"], match["wins"]) for match in content["matches"]], [("1800T", True), ("1T", False)]
        )
        self.assertEqual(self.ask("GET", f"{PATH}/test", number="alice")[1]["matches"], [])

    def test_import(self) -> None:
        """Many are imported at once."""
        _, content = self.ask("POST", f"{PATH}/import", {"rows": "1900T,900\n1T,lnp\n"})
        body = {"import": content["import"], "mode": "replace"}
        self.assertEqual(self.ask("PUT", f"{PATH}/import", body), (200, {"stored": 2, "deleted": 0}))
        self.assertEqual(self.numbers.service("19005551212"), ["900"])
        self.assertEqual(
            self.refused("POST", f"{PATH}/import", {"rows": "1T"}), (422, "row 1: expected 2 columns, got 1")
        )
