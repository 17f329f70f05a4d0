"""C{sipproxyctl routes}."""

import json
from pathlib import Path

from twisted.internet.task import Clock

from sipproxy.cli.failure import Failure
from sipproxy.cli.routes import routes
from sipproxy.control import Api, Json
from sipproxy.control.paging import PAGE
from sipproxy.control.routes import RouteControl
from test.cli.fixtures import ApiTransport
from test.cli.tables import NowhereSession, TablesSession, TableTestCase
from test.databases.routing import configured, route, routes_of

CSV = "kind,pattern,next_hop,port,transport,priority,weight,rewrite\n"


class RoutesTestCase(TableTestCase):
    """Routes in memory, and one of the configuration."""

    group = routes

    def setUp(self) -> None:
        clock = Clock()
        self.routes = routes_of(configured("E164", "1408555....", "a.example.com", port=5070))
        self.transport = ApiTransport(Api(RouteControl(lambda: self.routes, clock).resources()), clock)
        self.session = TablesSession(self.transport)

    def stored(self) -> list[tuple[str, str]]:
        """Give pattern and next hop of the routes in the database."""
        found, _ = self.successResultOf(self.routes.page("1", 10_000))
        return [(route.pattern, route.next_hop) for route in found]


class CommandTests(RoutesTestCase):
    """All but import and export."""

    def test_list(self) -> None:
        """The table has a row for each route, in columns."""
        self.successResultOf(self.routes.add(route("Domain", "*", "b", priority=2, weight=3)))
        header, first, second = self.succeed("list").splitlines()
        self.assertEqual(header.split("  ")[0], "KIND")
        self.assertEqual(
            first.split(), ["E164", "1408555....", "a.example.com", "5070", "udp", "1", "1", "-", "configuration"]
        )
        self.assertEqual(second.split(), ["Domain", "*", "b", "-", "udp", "2", "3", "-", "database"])
        self.assertEqual(header.index("ORIGIN"), first.index("configuration"))
        found = json.loads(self.succeed("list", "--json", "--kind", "domain"))
        self.assertEqual([(item["pattern"], item["weight"]) for item in found], [("*", 3)])
        self.assertEqual(json.loads(self.succeed("list", "--json", "--pattern", "x*", "--next-hop", "y")), [])

    def test_pages(self) -> None:
        """A long table is fetched page by page, and is one table."""
        many = [route("E164", f"1{number:04}T") for number in range(PAGE + 5)]
        self.successResultOf(self.routes.import_(many, "add"))
        self.assertEqual(len(self.succeed("list", "--origin", "database").splitlines()), PAGE + 6)
        self.assertEqual(len(self.transport.asked), 3)

    def test_add_and_delete(self) -> None:
        """What is added is in force, and gone when it is deleted; what was done is said beside the result."""
        result = self.run_command(
            "add", "E164", "1415.......", "--next-hop", "gw.example.com", "--next-hop-port", "5062", "--priority", "0",
            "--weight", "9", "--transport", "udp", "--rewrite", "9.......",
        )  # fmt: skip
        self.assertEqual((result.exit_code, result.stdout), (0, ""))
        self.assertEqual(result.stderr, "sipproxyctl: added route E164 1415....... to gw.example.com port 5062\n")
        (found,) = self.routes.e164("14155551234")
        self.assertEqual(found.row[3:], (5062, "udp", 0, 9, "9......."))
        added = json.loads(self.succeed("add", "domain", "Example.org", "--next-hop", "b", "--json"))
        self.assertEqual((added["kind"], added["pattern"]), ("Domain", "example.org"))
        result = self.run_command("delete", "e164", "1415.......", "--next-hop", "gw.example.com")
        self.assertEqual(result.stderr, "sipproxyctl: deleted route E164 1415....... to gw.example.com port 5062\n")
        gone = json.loads(self.succeed("delete", "Domain", "example.org", "--json"))
        self.assertEqual([item["next_hop"] for item in gone["routes"]], ["b"])
        self.assertEqual(self.stored(), [])

    def test_refused(self) -> None:
        """What the server refuses is said as it says it, with exit status 1."""
        for words, message in (
            (("delete", "E164", "911"), "there is no route E164 911"),
            (
                ("delete", "E164", "1408555...."),
                "route E164 1408555.... stands in the configuration and cannot be deleted here",
            ),
            (("add", "Domain", "a..b", "--next-hop", "b"), "pattern: expected a domain, *.domain or *, got a..b"),
        ):
            self.assertEqual(self.fail_command(*words), f"sipproxyctl: {message}\n")

    def test_usage(self) -> None:
        """Wrong usage has exit status 2, and nothing is asked."""
        for words in (
            ("add", "E164", "911"),
            ("add", "E165", "911", "--next-hop", "b"),
            ("add", "E164", "911", "--next-hop", "b", "--next-hop-port", "65536"),
            ("add", "E164", "911", "--next-hop", "b", "--priority", "low"),
            ("delete", "E164"),
            ("list", "--origin", "nowhere"),
            ("import", "rows.txt"),
            ("import", "rows.csv", "--format", "xml"),
        ):
            self.fail_command(*words, status=2)
        self.assertEqual(self.transport.asked, [])

    def test_search(self) -> None:
        """What matches is told in its order, what loses too; nothing is exit status 1."""
        self.successResultOf(self.routes.add(route("E164", "1T", "far")))
        header, *rows = self.succeed("test", "14085551234").splitlines()
        wins, loses = (row.split()[:4] for row in rows)
        self.assertEqual(wins, ["wins", "E164", "1408555....", "a.example.com"])
        self.assertEqual(loses, ["loses", "E164", "1T", "far"])
        self.assertEqual(header.index("PATTERN"), rows[1].index("1T"))
        self.assertEqual(self.fail_command("test", "911"), "sipproxyctl: no route for 911\n")
        result = self.run_command("test", "sip.example.org", "--json")
        self.assertEqual((result.exit_code, json.loads(result.stdout)["matches"]), (1, []))

    def test_down(self) -> None:
        """Where there is neither server nor file that is what is said."""
        self.session = NowhereSession(None, {})
        self.assertTrue(self.fail_command("list").startswith("sipproxyctl: the server is down, and its routing"))


class FileTests(RoutesTestCase):
    """Import and export."""

    def test_round_trip(self) -> None:
        """What is exported and imported again is the same, in both forms; the configuration is no part of it."""
        many = [
            route("E164", "1415.......", "gw", port=5062, priority=3, weight=0, rewrite="9......."),
            route("Domain", "*.xn--bcher-kva.example", "2001:db8::1"),
            *(route("E164", f"{number:05}T", "gw") for number in range(1200)),
        ]
        self.successResultOf(self.routes.import_(many, "add"))
        before = set(self.stored())
        for name in ("rows.csv", "rows.json"):
            path = self.written("", name)
            result = self.run_command("export", path)
            self.assertEqual((result.exit_code, result.stderr), (0, "sipproxyctl: 1202 routes exported\n"))
            self.successResultOf(self.routes.import_([], "replace"))
            result = self.run_command("import", path)
            self.assertEqual(result.stderr, "sipproxyctl: 1202 routes are new or changed, 0 deleted\n")
            self.assertEqual(set(self.stored()), before)
            done = json.loads(self.succeed("import", path, "--replace", "--json"))
            self.assertEqual(done, {"stored": 0, "deleted": 0})

    def test_standard_streams(self) -> None:
        """Without a file name rows go out, and with - they come in, as CSV unless it is said otherwise."""
        self.assertEqual(self.succeed("export"), CSV)
        self.assertEqual(self.succeed("export", "--format", "json"), "[]\n")
        result = self.run_with("Pattern, kind ,next_hop\r\n911,e164,b\r\n\r\n", "import", "-")
        self.assertEqual(result.exit_code, 0, result.stderr)
        self.assertEqual(self.succeed("export", "-"), CSV + "E164,911,b,0,udp,1,1,\n")
        rows = '[{"kind": "E164",\n "pattern": 911, "next_hop": "b", "port": 5070}]'
        self.assertEqual(self.run_with(rows, "import", "--format", "json", "--replace", "-").exit_code, 0)
        found = json.loads(self.succeed("export", "--format", "json"))
        self.assertEqual([(item["pattern"], item["port"]) for item in found], [("911", 5070)])

    def test_wrong_csv(self) -> None:
        """All that is wrong is told by its lines, and nothing is imported, nor asked."""
        header = "kind,pattern,next_hop\n"
        for text, lines in (
            ("", ["1: expected the names kind, pattern, next_hop, but kind is not there"]),
            ("kind,pattern\n", ["1: expected the names kind, pattern, next_hop, but next_hop is not there"]),
            (
                header[:-1] + ",x y\n",
                [
                    "1: expected names among kind, pattern, next_hop, port, transport, priority, weight, rewrite, got "
                    '"x y"'
                ],
            ),
            (header[:-1] + ",kind\n", ["1: kind is there twice"]),
            (
                header + "E164,911\nE165,911,b\n\nE164,911,b\nE164,911,B\nE164,912,\n",
                [
                    "2: expected 3 columns, got 2",
                    "3: kind: expected E164 or Domain, got E165",
                    "6: the same as line 5",
                    '7: next_hop: expected a host name or address, got ""',
                ],
            ),
            (header + 'E164,"911,b\n', ["2: no CSV: unexpected end of data"]),
            (header + "E164,911,b" + "b" * 200_000, ["2: no CSV: field larger than field limit (131072)"]),
        ):
            path = self.written(text)
            *told, last = self.fail_command("import", path).splitlines()
            self.assertEqual(told, [f"sipproxyctl: {path}:{line}" for line in lines])
            faults = "1 fault" if len(lines) == 1 else f"{len(lines)} faults"
            self.assertEqual(last, f"sipproxyctl: nothing is imported: {faults} in {path}")
        self.assertEqual((self.transport.asked, self.stored()), ([], []))

    def test_wrong_json(self) -> None:
        """So it is with JSON."""
        row = '{"kind": "E164", "pattern": "911", "next_hop": "b"}'
        names = "kind, pattern, next_hop, port, transport, priority, weight, rewrite"
        for text, lines in (
            ("", ["1: expected an array of objects"]),
            ("\n{}", ["2: expected an array of objects"]),
            (f"[\n{row}\n", ['3: expected "," or "]"']),
            (f"[\n{row},\n]", ["3: no JSON: Expecting value"]),
            (f"[\n{row}]\n7", ["3: expected nothing behind the array"]),
            ("[\n" + "[" * 100_000, ["2: no JSON that has a meaning here"]),
            ("[\n" + "9" * 10_000 + "]", ["2: no JSON that has a meaning here"]),
            (
                f"[{row},\n7,\n{row},\n"
                '{"kind": "E164", "pattern": true, "next_hop": "b"},\n'
                '{"kind": "E164", "pattern": "912"},\n'
                '{"kind": "E164", "pattern": "913", "next_hop": "b", "x": ""}]',
                [
                    "2: expected an object",
                    "3: the same as line 1",
                    "4: pattern: expected a text or a whole number",
                    "5: expected the names kind, pattern, next_hop, but next_hop is not there",
                    f"6: expected names among {names}, got x",
                ],
            ),
        ):
            path = self.written(text, "rows.json")
            *told, _ = self.fail_command("import", path).splitlines()
            self.assertEqual(told, [f"sipproxyctl: {path}:{line}" for line in lines])
        self.assertEqual(self.transport.asked, [])

    def test_many_faults(self) -> None:
        """Of many faults some are told."""
        path = self.written("kind,pattern,next_hop\n" + "E164,x,b\n" * 500)
        lines = self.fail_command("import", path).splitlines()
        self.assertEqual(len(lines), 21)
        self.assertEqual(lines[-1], f"sipproxyctl: nothing is imported: 500 faults in {path}, the first 20 are told")

    def test_unreadable(self) -> None:
        """What cannot be read or written is told in one line."""
        self.assertEqual(self.fail_command("import", "none.csv"), "sipproxyctl: none.csv: No such file or directory\n")
        path = self.written(b"kind,\xff", "rows.csv")
        self.assertEqual(self.fail_command("import", path), f"sipproxyctl: {path}: not UTF-8 at octet 5\n")
        self.assertIn("No such file or directory", self.fail_command("export", "/none/rows.csv"))

    def test_mark_of_other_systems(self) -> None:
        """A byte order mark, as spreadsheets write it, is no part of the first name."""
        path = self.written(b"\xef\xbb\xbfkind,pattern,next_hop\r\nE164,911,b\r\n")
        self.succeed("import", path)
        self.assertEqual(self.stored(), [("911", "b")])

    def test_export_that_fails(self) -> None:
        """A file is there whole, or as it was before."""
        path = self.written("as it was")

        def refuse(*_: object) -> tuple[int, Json]:
            raise Failure("no answer")

        self.transport.request = refuse  # type: ignore[method-assign, assignment]
        self.assertEqual(self.fail_command("export", path), "sipproxyctl: no answer\n")
        self.assertEqual(Path(path).read_text(), "as it was")
        self.assertEqual([found.name for found in Path(path).parent.iterdir()], ["rows.csv"])

    def test_long_rows(self) -> None:
        """The longest rows that there can be go in pieces that the server takes."""
        name = ".".join(["a" * 59] * 4)
        rows = [f"Domain,*.{number:05}.{name},{number:05}.{name},,,,,{'9' * 64}\n" for number in range(300)]
        self.succeed("import", self.written(CSV + "".join(rows)))
        self.assertEqual((len(self.stored()), len(self.transport.asked)), (300, 4))

    def test_import_that_fails(self) -> None:
        """An import that ends half way is given up, and has changed nothing."""
        path = self.written("kind,pattern,next_hop\n" + "".join(f"E164,{n}T,b\n" for n in range(2500)))
        request = self.transport.request

        def refuse_third(method: str, *others: object) -> tuple[int, Json]:
            if len(self.transport.asked) == 2 and method == "POST":
                raise Failure("no answer")
            return request(method, *others)  # type: ignore[arg-type]

        self.transport.request = refuse_third  # type: ignore[method-assign, assignment]
        self.assertEqual(self.fail_command("import", path), "sipproxyctl: no answer\n")
        self.assertEqual([asked.split("?")[0] for asked in self.transport.asked],
                         ["POST /v1/routes/import"] * 2 + ["DELETE /v1/routes/import"])  # fmt: skip
        self.assertEqual(self.stored(), [])
