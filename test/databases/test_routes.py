"""Static routes: what is one, and which are found."""

import sys
import tracemalloc
from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from sipproxy.databases.fields import WrongFieldError
from sipproxy.databases.records import Row
from sipproxy.databases.routes import FIELDS, LAYOUT, Routes, StaticRoute, is_dialled, read_route, route_table
from sipproxy.databases.table import RETRY, MemoryRows
from sipproxy.errors import StoreError, UnavailableError
from test.databases.routing import configured, route, routes_of, unread

ROUTES = st.builds(
    route,
    st.just("E164"),
    st.from_regex(r"\A\+?[0-1.]{1,4}T?\Z"),
    st.sampled_from(["a", "b"]),
    priority=st.integers(0, 2),
)


def hops(routes: Sequence[StaticRoute]) -> list[str]:
    """Give the next hops of routes."""
    return [route.next_hop for route in routes]


class ReadTests(SynchronousTestCase):
    """What an operator writes."""

    def test_least(self) -> None:
        """What is left out has its default."""
        self.assertEqual(
            read_route({"kind": "e164", "pattern": "1408555....", "next_hop": "GW.example.com"}),
            StaticRoute("E164", "1408555....", "gw.example.com", 0, 1, 1, "udp", "", "database"),
        )

    def test_all(self) -> None:
        """Every field is read, and written back by the row."""
        texts = {
            "kind": "E164", "pattern": "+1T", "next_hop": "2001:db8::1", "port": "5062", "transport": "udp",
            "priority": "3", "weight": "0", "rewrite": "+9....#",
        }  # fmt: skip
        found = read_route(texts)
        self.assertEqual(dict(zip(FIELDS, map(str, found.row), strict=True)), texts)
        self.assertEqual(found.key, found.row[:5])

    def test_wrong(self) -> None:
        """What is wrong is named, with what was expected and what is there."""
        right = {"kind": "E164", "pattern": "14..", "next_hop": "gw"}
        digits = "a pattern of digits, # and *, dots for any digit, perhaps a + before and a T behind"
        for field, text, expected in (
            ("kind", "e165", "E164 or Domain"),
            ("kind", "", "E164 or Domain"),
            ("pattern", "14a", digits),
            ("pattern", "", digits),
            ("pattern", "T", digits),
            ("pattern", "1" * 65, "a pattern of at most 64 characters"),
            ("next_hop", "", "a host name or address"),
            ("next_hop", "a b", "a host name or address"),
            ("next_hop", "gw:5060", "a host name or address"),
            ("port", "65536", "a whole number from 0 to 65535"),
            ("port", "-1", "a whole number from 0 to 65535"),
            ("priority", "1.5", "a whole number from 0 to 65535"),
            ("weight", "\u0661", "a whole number from 0 to 65535"),
            ("transport", "pigeon", "udp"),
            ("rewrite", "9-", "digits, # and *, perhaps a + before, and dots for the last digits of the number"),
            ("rewrite", "9.....", "a rewrite with no more dots than the pattern has digits"),
        ):
            wrong = self.assertRaises(WrongFieldError, read_route, {**right, field: text})
            self.assertEqual((wrong.field, wrong.expected, wrong.got), (field, expected, text))
        wrong = self.assertRaises(WrongFieldError, read_route, {**right, "pattern": "1 4"})
        self.assertEqual(str(wrong), f'pattern: expected {digits}, got "1 4"')

    def test_domains(self) -> None:
        """A pattern is read by its kind."""
        self.assertEqual(route("domain", "*.Example.org").pattern, "*.example.org")
        self.assertEqual(route("Domain", "a14.").pattern, "a14")
        for kind, pattern in (("Domain", "1.."), ("E164", "example.org"), ("Domain", "a.*")):
            self.assertRaises(WrongFieldError, route, kind, pattern)

    def test_dialled(self) -> None:
        """A number is told from a host."""
        texts = ("911", "+1408", "*69#", "192.0.2.1", "example.org", "14..", "")
        self.assertEqual([is_dialled(text) for text in texts], [True] * 3 + [False] * 4)

    @given(st.dictionaries(st.sampled_from(FIELDS), st.text(max_size=10)))
    def test_any_text(self, texts: dict[str, str]) -> None:
        """Any text is a route or a wrong field."""
        try:
            found = read_route(texts)
        except WrongFieldError as wrong:
            self.assertIn(wrong.field, FIELDS)
        else:
            self.assertEqual(read_route(dict(zip(FIELDS, map(str, found.row), strict=True))), found)


class NumberTests(SynchronousTestCase):
    """Routes for numbers."""

    def test_most_specific(self) -> None:
        """All routes of the most specific pattern are given, by priority; those of others are not."""
        routes = routes_of(
            stored=[
                route("E164", "1408555....", "low", priority=2),
                route("E164", "1408555....", "high", priority=1),
                route("E164", "1T", "far"),
            ]
        )
        self.assertEqual(hops(routes.e164("14085551234")), ["high", "low"])
        self.assertEqual(hops(routes.e164("14155551234")), ["far"])
        self.assertEqual((hops(routes.e164("911")), hops(routes.e164("alice")), len(routes)), ([], [], 3))

    def test_configuration(self) -> None:
        """Routes of the configuration and of the database are one table; the same route there and here counts once."""
        routes = routes_of(
            configured("E164", "1408555....", "a", priority=2),
            configured("E164", "1T", "far", weight=7),
            stored=[
                route("E164", "1408555....", "b"),
                route("E164", "1415T", "c"),
                route("E164", "1T", "far"),
                route("E164", "1T", "farther", priority=9),
            ],
        )
        self.assertEqual(hops(routes.e164("14085551234")), ["b", "a"])
        self.assertEqual(hops(routes.e164("14155551234")), ["c"])
        far = routes.e164("1999")
        self.assertEqual([(found.next_hop, found.weight, found.origin) for found in far],
                         [("far", 7, "configuration"), ("farther", 1, "database")])  # fmt: skip
        self.assertEqual(
            [(pattern, hops(found)) for pattern, found in routes.e164_matches("14155551234")],
            [("1415T", ["c"]), ("1T", ["far", "farther"])],
        )

    def test_at_once(self) -> None:
        """A change holds for the next search; what was found before stays as it was."""
        routes = routes_of()
        self.successResultOf(routes.add(route("E164", "911", "a")))
        before = routes.e164("911")
        self.successResultOf(routes.add(route("E164", "911", "b")))
        self.assertEqual((hops(before), hops(routes.e164("911"))), (["a"], ["a", "b"]))
        self.successResultOf(routes.delete("E164", "911", "a"))
        self.assertEqual(hops(routes.e164("911")), ["b"])
        self.successResultOf(routes.import_([route("E164", "91.", "c")], "replace"))
        self.assertEqual(hops(routes.e164("911")), ["c"])

    def test_delete(self) -> None:
        """The routes of a pattern go, or those to one host on any port; those of the configuration stay."""
        routes = routes_of(
            configured("E164", "1.", "x"),
            stored=[route("E164", "1.", "a"), route("E164", "1.", "a", port=5070), route("E164", "1.", "b")],
        )
        gone = self.successResultOf(routes.delete("E164", "1.", "a"))
        self.assertEqual([found.port for found in gone.deleted], [0, 5070])
        self.assertEqual(hops(self.successResultOf(routes.delete("E164", "1.")).deleted), ["b"])
        self.assertEqual(hops(self.successResultOf(routes.delete("E164", "1.")).deleted), [])
        self.assertEqual(hops(routes.e164("12")), ["x"])
        self.assertEqual([routes.is_configured("E164", "1.", hop) for hop in (None, "x", "a")], [True, True, False])

    @given(st.lists(ROUTES, max_size=6), st.lists(ROUTES, max_size=6), st.from_regex(r"\A\+?[01]{1,5}\Z"))
    def test_both_searches_agree(self, static: list[StaticRoute], stored: list[StaticRoute], number: str) -> None:
        """What calls take is the first of what is shown, and that is what one table of all would give."""
        stored = list({route.key: route for route in stored}.values())
        static = list({route.key: route for route in static}.values())
        laid = routes_of(*static, stored=stored)
        found = [(pattern, list(routes)) for pattern, routes in laid.e164_matches(number)]
        self.assertEqual(list(laid.e164(number)), found[0][1] if found else [])
        keys = {route.key for route in static}
        together = routes_of(*static, *(route for route in stored if route.key not in keys))
        self.assertEqual(found, [(pattern, list(routes)) for pattern, routes in together.e164_matches(number)])


class DomainTests(SynchronousTestCase):
    """Routes for domains."""

    def setUp(self) -> None:
        self.routes = routes_of(
            configured("Domain", "*", "default"),
            configured("Domain", "*.example.org", "a", priority=5),
            stored=[route("Domain", "*.example.org", "b"), route("Domain", "sip.example.org", "exact")],
        )

    def test_order(self) -> None:
        """The exact name, then the longest of those above it, then the default; here and there together."""
        found = [hops(self.routes.domain(host)) for host in ("SIP.example.org", "x.y.example.org", "example.org")]
        self.assertEqual(found, [["exact"], ["b", "a"], ["default"]])
        self.assertEqual(
            [pattern for pattern, _ in self.routes.domain_matches("sip.example.org")],
            ["sip.example.org", "*.example.org", "*"],
        )

    def test_literal(self) -> None:
        """The default is not for literal addresses."""
        self.assertEqual([hops(self.routes.domain(host)) for host in ("192.0.2.1", "[::1]", "::1")], [[], [], []])
        self.successResultOf(self.routes.add(route("Domain", "192.0.2.1", "exact")))
        self.assertEqual(hops(self.routes.domain("192.0.2.1")), ["exact"])


class UnreadTests(SynchronousTestCase):
    """A database that cannot be read."""

    def test_unread(self) -> None:
        """What is configured is found; nobody is told that there is no route; literal addresses are called."""
        clock = Clock()
        rows, table = unread(clock)
        routes = Routes([configured("E164", "911"), configured("Domain", "a.org")], table)
        self.assertEqual((hops(routes.e164("911")), hops(routes.domain("a.org"))), (["gw"], ["gw"]))
        self.assertRaises(UnavailableError, routes.e164, "912")
        self.assertRaises(UnavailableError, routes.domain, "b.org")
        self.assertEqual(hops(routes.domain("192.0.2.1")), [])
        self.failureResultOf(routes.add(route("E164", "912")), StoreError)
        self.assertEqual((routes.away_since, routes.away_reason), (0, "disk error"))
        rows.error = None
        clock.advance(RETRY)
        self.assertEqual((hops(routes.e164("912")), routes.away_since), ([], None))


class PageTests(SynchronousTestCase):
    """All routes, page by page."""

    def test_pages(self) -> None:
        """Pages of any size give those of the configuration, then those of the database, each once."""
        static = [configured("E164", f"{number}T", "x") for number in (3, 1, 2)]
        stored = [route("E164", f"{number}T", "x") for number in range(5)]
        for some in (static, []):
            routes = routes_of(*some, stored=stored)
            for limit in range(1, 12):
                found, after, pages = [], "", 0
                while True:
                    page, end = self.successResultOf(routes.page(after, limit))
                    found += page
                    pages += 1
                    if end is None:
                        break
                    after = end
                self.assertEqual(found, some + stored)
                self.assertLessEqual(pages, len(found) // limit + 3)

    def test_wrong_place(self) -> None:
        """What is no end of a page is refused."""
        routes = routes_of(configured("E164", "1T"))
        for after in (
            "x",
            "-1",
            "\u0661",
            "[1",
            "[1]",
            "{}",
            "[null,1,2,3,4]",
            "[[]]",
            "[" * 100_000,
            "[true,1,1,1,1]",
        ):
            self.assertRaises(ValueError, routes.page, after, 10)
        self.assertEqual(self.successResultOf(routes.page("99", 10)), ([], None))


class LargeTests(SynchronousTestCase):
    """Many routes."""

    def test_memory(self) -> None:
        """A route costs at most 400 octets in all, here and however many there are."""
        rows: list[Row] = [
            ("E164", f"1{number:06}....", f"gw{number % 50}", 5061, "udp", 1, 1, "9...") for number in range(20_000)
        ]
        tracemalloc.start()
        self.addCleanup(tracemalloc.stop)
        table = route_table(MemoryRows(LAYOUT), Clock())
        index, wrong = table._build(rows)
        octets, _ = tracemalloc.get_traced_memory()
        self.assertEqual((len(index), wrong), (20_000, []))
        # The patterns are the rows' own; a store gives them up to the index.
        self.assertLess(octets / 20_000 + sys.getsizeof(rows[0][1]), 400)
