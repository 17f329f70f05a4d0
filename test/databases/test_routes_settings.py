"""Static routes in the configuration."""

from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from sipproxy.config import ConfigError, Module, Settings, load
from sipproxy.databases.routes import StaticRoute
from sipproxy.databases.routes_settings import (
    ROUTING_BLOCKS,
    ROUTING_DATABASE,
    ROUTING_DIRECTIVES,
    SRV_ROUTING,
    STATIC_ROUTING,
    check_routes,
    static_routes,
)

MODULES = (Module("mod_sip_routing.c", ROUTING_DIRECTIVES, ROUTING_BLOCKS, check_routes),)
HOP = "Static_Route_NextHop gw.example.com\n"


class SettingsTests(SynchronousTestCase):
    """Files of configuration."""

    def read(self, text: str) -> Settings:
        """Read a file."""
        self.path = Path(self.mktemp())
        self.path.write_text(text)
        return load(self.path, MODULES, {})

    def problems(self, text: str) -> list[str]:
        """Give the problems of a file."""
        error = self.assertRaises(ConfigError, self.read, text)
        return [line.removeprefix(f"{self.path}:") for line in str(error).splitlines()]

    def test_defaults(self) -> None:
        """Without a word there are no static routes, and both kinds of routing are on."""
        settings = self.read("")
        self.assertEqual((settings[STATIC_ROUTING], settings[SRV_ROUTING]), (True, True))
        self.assertEqual(
            (static_routes(settings), Path(settings[ROUTING_DATABASE]).parts[-2:]), ((), ("data", "routing.db"))
        )

    def test_all(self) -> None:
        """Every directive is read; several blocks with one pattern are alternates, in the order of the file."""
        settings = self.read(
            "<StaticRoute E164 1408555....>\n"
            "    static_route_nexthop GW.example.com\n"
            "    Static_Route_NextHopPort 5062\n"
            "    Static_Route_Priority 2\n"
            "    Static_Route_Weight 10\n"
            "    Static_Route_Transport UDP\n"
            "    Static_Route_Rewrite 9.......\n"
            "</StaticRoute>\n"
            "<staticroute e164 1408555....>\n" + HOP + "</staticroute>\n"
            "<StaticRoute Domain *.Example.org>\n" + HOP + "</StaticRoute>\n"
            "RoutingDatabase memory\n"
        )
        self.assertEqual(settings[ROUTING_DATABASE], "memory")
        self.assertEqual(
            static_routes(settings),
            (
                StaticRoute("E164", "1408555....", "gw.example.com", 5062, 2, 10, "udp", "9.......", "configuration"),
                StaticRoute("E164", "1408555....", "gw.example.com", origin="configuration"),
                StaticRoute("Domain", "*.example.org", "gw.example.com", origin="configuration"),
            ),
        )

    def test_wrong_places(self) -> None:
        """A wrong opening tag is told with its line and column."""
        for tag, problem in (
            ("<StaticRoute>", "1:13: expected E164 or Domain, and a pattern, got end of line"),
            ("<StaticRoute E164>", "1:18: expected a pattern, got end of line"),
            ("<StaticRoute E165 1T>", "1:14: expected E164 or Domain, got E165"),
            ("<StaticRoute Domain a..b>", "1:21: expected a domain, *.domain or *, got a..b"),
            ("<StaticRoute E164 1T 2T>", "1:22: expected end of line, got 2T"),
            (
                "<StaticRoute E164 1x>",
                "1:19: expected a pattern of digits, # and *, dots for any digit, perhaps a + before and a T behind, "
                "got 1x",
            ),
        ):
            self.assertEqual(self.problems(f"{tag}\n{HOP}</StaticRoute>\n"), [problem])

    def test_wrong_contents(self) -> None:
        """So is what is wrong inside, all of it at once."""
        found = self.problems(
            "<StaticRoute E164 12..>\n"
            "    Static_Route_NextHop a_b c\n"
            "    Static_Route_Weight -1\n"
            "    Static_Route_Rewrite abc\n"
            "    Static_Route_Transport sctp\n"
            "    Static_Route_NextHopp gw\n"
            "</StaticRoute>\n"
        )
        self.assertEqual([line.split(":")[0] for line in found], ["2", "3", "4", "5", "6"])
        self.assertTrue(found[-1].endswith("did you mean Static_Route_NextHop?"), found)

    def test_no_next_hop(self) -> None:
        """A block without a next hop is an error where it begins."""
        found = self.problems("\n<StaticRoute E164 12..>\nStatic_Route_Weight 1\n</StaticRoute>\n")
        self.assertEqual(found, ["2:1: expected Static_Route_NextHop, got none"])

    def test_rewrite(self) -> None:
        """A rewrite has no more dots than the pattern has digits, unless that is open."""
        found = self.problems(f"<StaticRoute E164 12..>\n{HOP}Static_Route_Rewrite 9.....\n</StaticRoute>\n")
        self.assertEqual(found, ["3:22: expected a rewrite with no more dots than the pattern has digits, got 9....."])
        self.read(f"<StaticRoute E164 12T>\n{HOP}Static_Route_Rewrite 9.....\n</StaticRoute>\n")
        self.read(f"<StaticRoute Domain a.org>\n{HOP}Static_Route_Rewrite 9.....\n</StaticRoute>\n")

    def test_twice(self) -> None:
        """The same next hop on the same port twice for one pattern is a mistake; on another port it is an alternate."""
        block = f"<StaticRoute E164 12..>\n{HOP}</StaticRoute>\n"
        self.assertEqual(
            self.problems(block * 2),
            ["5:22: expected a next hop that no other route of the pattern has, got gw.example.com"],
        )
        other = block.replace(HOP, HOP + "Static_Route_NextHopPort 5070\n")
        self.assertEqual(len(static_routes(self.read(block + other))), 2)
