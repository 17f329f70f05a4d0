"""Static routes over the control socket."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.task import Clock

from sipproxy.control import Api
from sipproxy.control.routes import RouteControl
from sipproxy.databases.routes import Routes
from test.control.fixtures import ApiTestCase
from test.databases.routing import configured, route, routes_of, unread

PATH = "/routes"


class RoutesTestCase(ApiTestCase):
    """Routes in memory, and two of the configuration."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.use(
            routes_of(
                configured("E164", "1408555....", "a.example.com", port=5070),
                configured("Domain", "*", "border.example.com"),
            )
        )

    def use(self, routes: Routes) -> None:
        """Serve some routes."""
        self.routes = routes
        self.api = Api(RouteControl(lambda: routes, self.clock).resources())

    def listed(self, **query: object) -> list[tuple[str, str]]:
        """Give pattern and next hop of all that is listed."""
        found: list[tuple[str, str]] = []
        after: dict[str, object] = {}
        while True:
            status, page = self.ask("GET", PATH, **query, **after)
            self.assertEqual(status, 200)
            found += [(item["pattern"], item["next_hop"]) for item in page["routes"]]
            if page["next"] is None:
                return found
            after = {"after": page["next"]}


class ListTests(RoutesTestCase):
    """What is listed."""

    def test_item(self) -> None:
        """A route is told with all its fields."""
        _, page = self.ask("GET", PATH, kind="E164")
        self.assertEqual(
            page["routes"],
            [
                {
                    "kind": "E164",
                    "pattern": "1408555....",
                    "next_hop": "a.example.com",
                    "port": 5070,
                    "transport": "udp",
                    "priority": 1,
                    "weight": 1,
                    "rewrite": "",
                    "origin": "configuration",
                }
            ],
        )

    def test_pages_and_filters(self) -> None:
        """Pages of any size give all that is asked for, once."""
        many = [route("E164", f"1{number:02}T", f"gw{number % 3}.example.com") for number in range(30)]
        self.successResultOf(self.routes.import_(many, "add"))
        for limit in (1, 7, 32, 1000):
            for query, count in (
                ({}, 32),
                ({"kind": "Domain"}, 1),
                ({"pattern": "10*"}, 10),
                ({"next_hop": "gw1*"}, 10),
                ({"origin": "configuration"}, 2),
                ({"origin": "database", "pattern": "*5T"}, 3),
            ):
                self.assertEqual(len(self.listed(limit=limit, **query)), count, (limit, query))

    def test_wrong_place(self) -> None:
        """What is no end of a page is refused."""
        self.assertEqual(self.refused("GET", PATH, after="[1]"), (422, "after: expected next of a page"))

    def test_away(self) -> None:
        """A database that cannot be read is 503, with its reason."""
        _, table = unread(self.clock)
        self.use(Routes((), table))
        self.assertEqual(self.refused("GET", PATH), (503, "disk error"))


class ChangeTests(RoutesTestCase):
    """What is added and deleted."""

    def test_add(self) -> None:
        """A route is stored and in force; added again it takes the other's place."""
        body: dict[str, Any] = {"kind": "E164", "pattern": "911", "next_hop": "B.example.com"}
        status, item = self.ask("POST", PATH, body)
        self.assertEqual(
            (status, item["next_hop"], item["port"], item["origin"]), (201, "b.example.com", 0, "database")
        )
        self.assertEqual(self.ask("POST", PATH, {**body, "weight": 7, "rewrite": "9..."})[0], 201)
        self.assertEqual(self.ask("POST", PATH, {**body, "port": 5070})[0], 201)
        self.assertEqual([(found.port, found.weight) for found in self.routes.e164("911")], [(0, 7), (5070, 1)])

    def test_wrong(self) -> None:
        """What is none is refused: by its form with 400, by its meaning with 422."""
        right = {"kind": "E164", "pattern": "911", "next_hop": "b"}
        for change, status, message in (
            ({"kind": "e165"}, 400, "kind: expected one of E164, Domain"),
            ({"port": 65536}, 400, "port: expected a whole number from 0 to 65535"),
            ({"port": "5060"}, 400, "port: expected a whole number from 0 to 65535"),
            ({"next_hop": "a b"}, 422, 'next_hop: expected a host name or address, got "a b"'),
            ({"transport": "pigeon"}, 422, "transport: expected udp, got pigeon"),
            ({"kind": "Domain", "pattern": "a..b"}, 422, "pattern: expected a domain, *.domain or *, got a..b"),
        ):
            self.assertEqual(self.refused("POST", PATH, {**right, **change}), (status, message))
        self.assertEqual(self.refused("POST", PATH, {"kind": "E164"}), (400, "pattern is missing"))
        self.assertEqual(len(self.routes), 2)

    def test_configured(self) -> None:
        """A route of the configuration can be neither added again nor deleted; an alternate to it can."""
        body = {"kind": "E164", "pattern": "1408555....", "next_hop": "a.example.com", "port": 5070, "weight": 3}
        self.assertEqual(
            self.refused("POST", PATH, body),
            (409, "route E164 1408555.... to a.example.com stands in the configuration"),
        )
        query = {"kind": "E164", "pattern": "1408555....", "next_hop": "A.example.com"}
        self.assertEqual(
            self.refused("DELETE", PATH, **query),
            (409, "route E164 1408555.... to a.example.com stands in the configuration and cannot be deleted here"),
        )
        self.assertEqual(self.ask("POST", PATH, {**body, "port": 5071})[0], 201)
        status, gone = self.ask("DELETE", PATH, kind="E164", pattern="1408555....")
        self.assertEqual((status, [item["port"] for item in gone["routes"]]), (200, [5071]))
        self.assertEqual(len(self.routes), 2)

    def test_delete(self) -> None:
        """All of a pattern goes, or what goes to one host; what is not there is 404."""
        for hop in ("b", "c", "d"):
            self.ask("POST", PATH, {"kind": "Domain", "pattern": "*.Example.org", "next_hop": hop})
        _, gone = self.ask("DELETE", PATH, kind="Domain", pattern="*.example.org", next_hop="C")
        self.assertEqual([item["next_hop"] for item in gone["routes"]], ["c"])
        _, gone = self.ask("DELETE", PATH, kind="Domain", pattern="*.EXAMPLE.org")
        self.assertEqual([item["next_hop"] for item in gone["routes"]], ["b", "d"])
        self.assertEqual(
            self.refused("DELETE", PATH, kind="Domain", pattern="*.example.org"),
            (404, "there is no route Domain *.example.org"),
        )
        self.assertEqual(self.refused("DELETE", PATH, kind="E164", pattern="x")[0], 422)
        self.assertEqual(self.refused("DELETE", PATH, kind="E164"), (400, "pattern is missing"))

    def test_away(self) -> None:
        """While the database is away nobody is told that there is nothing, and nothing is added."""
        _, table = unread(self.clock)
        self.use(Routes((), table))
        self.assertEqual(self.refused("DELETE", PATH, kind="E164", pattern="911")[0], 503)
        self.assertEqual(self.refused("POST", PATH, {"kind": "E164", "pattern": "911", "next_hop": "b"})[0], 503)


class SearchTests(RoutesTestCase):
    """What a number or a host finds."""

    def found(self, target: str) -> list[tuple[str, bool, list[str]]]:
        """Give the patterns that match, with whether they win, and their next hops."""
        _, content = self.ask("GET", f"{PATH}/test", target=target)
        return [
            (match["pattern"], match["wins"], [item["next_hop"] for item in match["routes"]])
            for match in content["matches"]
        ]

    def test_number(self) -> None:
        """Those that match a number are told in their order, the first wins."""
        self.ask("POST", PATH, {"kind": "E164", "pattern": "1T", "next_hop": "far"})
        self.ask("POST", PATH, {"kind": "E164", "pattern": "1408555....", "next_hop": "b", "priority": 0})
        self.assertEqual(
            self.found("+14085551234"), [("1408555....", True, ["b", "a.example.com"]), ("1T", False, ["far"])]
        )
        self.assertEqual((self.found("1"), self.found("2")), ([("1T", True, ["far"])], []))

    def test_host(self) -> None:
        """A host is looked for among those for domains; a literal address does not find the default."""
        self.ask("POST", PATH, {"kind": "Domain", "pattern": "*.example.org", "next_hop": "b"})
        self.assertEqual(
            self.found("sip.example.org"), [("*.example.org", True, ["b"]), ("*", False, ["border.example.com"])]
        )
        self.assertEqual((self.found("192.0.2.1"), self.found("[::1]")), ([], []))
        _, content = self.ask("GET", f"{PATH}/test", target="192.0.2.1")
        self.assertEqual(content["kind"], "Domain")
        self.assertEqual(self.refused("GET", f"{PATH}/test", target="")[0], 400)

    @given(st.text(min_size=1, max_size=30), st.text(max_size=30))
    def test_any_text(self, text: str, other: str) -> None:
        """Any text is answered or refused, wherever it stands; none is a fault of the server."""
        route = {"kind": "Domain", "pattern": text, "next_hop": other}
        for status in (
            self.ask("GET", f"{PATH}/test", target=text)[0],
            self.ask("GET", PATH, after=text, pattern=other)[0],
            self.ask("DELETE", PATH, **route)[0],
            self.ask("DELETE", PATH, **{**route, "kind": "E164"})[0],
            self.ask("POST", PATH, {**route, "rewrite": other})[0],
            self.ask("POST", f"{PATH}/import", {"rows": text})[0],
        ):
            self.assertIn(status, (200, 201, 404, 409, 422))
