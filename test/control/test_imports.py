"""Imports in pieces, over the control socket."""

from twisted.internet.task import Clock

from sipproxy.control import Api
from sipproxy.control.imports import MOST_IMPORTS, PAUSE
from sipproxy.control.routes import RouteControl
from sipproxy.databases.routes import Routes
from sipproxy.errors import StoreError
from test.control.fixtures import ApiTestCase
from test.databases.routing import MovableRows, route, routes_of, unread

PATH = "/routes/import"


class ImportTests(ApiTestCase):
    """Routes in memory, with one that is there before."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.use(routes_of(stored=[route("E164", "911", "old")], clock=self.clock))

    def use(self, routes: Routes) -> None:
        """Serve some routes."""
        self.routes = routes
        self.api = Api(RouteControl(lambda: routes, self.clock).resources())

    def begun(self, rows: str = "E164,1T,gw,,,,,\n") -> int:
        """Begin an import, and give its number."""
        status, content = self.ask("POST", PATH, {"rows": rows})
        self.assertEqual(status, 200, content)
        number: int = content["import"]
        return number

    def patterns(self) -> list[str]:
        """Give the patterns that there are."""
        found, _ = self.successResultOf(self.routes.page("", 100))
        return [route.pattern for route in found]

    def test_add(self) -> None:
        """Pieces are taken together, when it is said so and not before; they stand beside what was there."""
        number = self.begun("E164,1T,gw,,,,,\r\nDomain,*.example.org,gw,5070,udp,2,0,\r\n")
        _, content = self.ask("POST", PATH, {"rows": 'E164,"1408....",gw,,,,,9....', "import": number})
        self.assertEqual((content, self.patterns()), ({"import": number, "rows": 3}, ["911"]))
        done = self.ask("PUT", PATH, {"import": number, "mode": "add"})
        self.assertEqual(done, (200, {"stored": 3, "deleted": 0}))
        self.assertEqual(self.patterns(), ["*.example.org", "1408....", "1T", "911"])
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_replace(self) -> None:
        """They take the place of all that was there, even if they are none."""
        number = self.begun()
        self.assertEqual(
            self.ask("PUT", PATH, {"import": number, "mode": "replace"}), (200, {"stored": 1, "deleted": 1})
        )
        self.assertEqual(self.patterns(), ["1T"])
        number = self.begun("")
        self.assertEqual(
            self.ask("PUT", PATH, {"import": number, "mode": "replace"}), (200, {"stored": 0, "deleted": 1})
        )

    def test_wrong_rows(self) -> None:
        """A wrong row is told with its number, counted over all pieces, and ends the import."""
        for rows, message in (
            ("E164,1x,gw,,,,,", "row 2: pattern: expected a pattern of digits, # and *, dots for any digit, perhaps a "
             "+ before and a T behind, got 1x"),
            ("E164,12,gw,,,,,\nE164,13,,,,,,", 'row 3: next_hop: expected a host name or address, got ""'),
            ("E164,12,gw", "row 2: expected 8 columns, got 3"),
            ("\n", "row 2: expected 8 columns, got 0"),
            ("E164,1T,GW,0,UDP,5,,", "row 2: the same as row 1"),
            ('E164,"12', "row 2: no CSV: unexpected end of data"),
            ("E164,12,gw,,,,,\ud800", "row 2: rewrite: expected digits, # and *, perhaps a + before, and dots for the "
             "last digits of the number, got \\ud800"),
        ):  # fmt: skip
            number = self.begun()
            body = {"rows": rows, "import": number}
            self.assertEqual(self.refused("POST", PATH, body), (422, message))
            self.assertEqual(self.refused("PUT", PATH, {"import": number, "mode": "add"})[0], 404)
        self.assertEqual((self.patterns(), self.clock.getDelayedCalls()), (["911"], []))

    def test_given_up(self) -> None:
        """An import can be given up, and gives itself up when it is forgotten."""
        number = self.begun()
        self.assertEqual(self.ask("DELETE", PATH, **{"import": number}), (200, {"import": number, "rows": 1}))
        self.assertEqual(self.refused("DELETE", PATH, **{"import": number})[0], 404)
        number = self.begun()
        self.clock.advance(PAUSE - 1)
        self.ask("POST", PATH, {"rows": "", "import": number})
        self.clock.advance(PAUSE - 1)
        self.assertEqual(self.ask("POST", PATH, {"rows": "", "import": number})[0], 200)
        self.clock.advance(PAUSE + 1)
        status, message = self.refused("PUT", PATH, {"import": number, "mode": "add"})
        self.assertEqual((status, f"there is no import {number}" in message), (404, True))

    def test_bounded(self) -> None:
        """There are not more than some at a time."""
        for _ in range(MOST_IMPORTS):
            self.begun()
        message = f"{MOST_IMPORTS} imports are on their way already"
        self.assertEqual(self.refused("POST", PATH, {"rows": ""}), (422, message))
        self.clock.advance(PAUSE + 1)
        self.begun()

    def test_wrong_request(self) -> None:
        """What is no request for an import is refused."""
        for method, body in (
            ("POST", {}),
            ("POST", {"rows": 7}),
            ("POST", {"rows": "", "import": "x"}),
            ("PUT", {"import": 1}),
            ("PUT", {"import": 1, "mode": "x"}),
        ):
            self.assertEqual(self.refused(method, PATH, body)[0], 400)
        self.assertEqual(self.refused("POST", PATH, {"rows": "", "import": 1})[0], 404)

    def test_away(self) -> None:
        """A database that is away is 503 with its reason; nothing has changed."""
        rows, table = unread(self.clock)
        self.use(Routes((), table))
        number = self.begun()
        answer = self.refused("PUT", PATH, {"import": number, "mode": "add"})
        self.assertEqual(answer, (503, "the routing database cannot be read: disk error"))
        self.assertIsInstance(rows, MovableRows)
        self.assertIsInstance(rows.error, StoreError)
