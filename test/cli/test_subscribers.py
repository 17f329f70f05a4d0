"""C{sipproxyctl subscribers}."""

import json
import os
import stat
from contextlib import redirect_stderr
from io import StringIO
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.task import Clock

from sipproxy.cli.failure import Failure
from sipproxy.cli.subscribers import subscribers
from sipproxy.cli.subscribers_files import read_subscribers
from sipproxy.control import Api, Json
from sipproxy.control.paging import PAGE
from sipproxy.control.subscribers import SubscriberControl
from sipproxy.databases.passwords import CLEAR, HASHED, ha1
from sipproxy.databases.subscribers import Subscriber, Subscribers
from sipproxy.databases.subscribers_csv import write_csv
from sipproxy.databases.subscribers_memory import MemoryStore
from test.cli.fixtures import ApiSession, ApiTransport, DownSession
from test.cli.tables import TableTestCase

NASTY = "'; DROP TABLE subscribers; --\"\\%_%s\0\r\n\t\u00e9\u4e2d\U0001f600"
HEADER = "key,domain,display_name,unconditional,busy,no_answer,unavailable,ring_time,enabled,created,updated"


class SubscribersSession(ApiSession):
    """A session with a server in this process that has subscribers."""

    def __init__(self, transport: ApiTransport) -> None:
        super().__init__(transport)
        self.subscribers = transport


class NowhereSession(DownSession):
    """A session whose server is down, and whose subscribers are elsewhere."""

    @property
    def subscribers(self) -> ApiTransport:
        """There are none."""
        raise Failure("the server is down, and only it asks its subscriber database, an LDAP directory")


class SubscribersTestCase(TableTestCase):
    """Subscribers in memory."""

    group = subscribers

    def setUp(self) -> None:
        self.use(HASHED)

    def use(self, kept: str) -> None:
        """Serve subscribers."""
        clock = Clock()
        self.subscribers = Subscribers(MemoryStore(), clock, 60.0)
        control = SubscriberControl(self.subscribers, lambda: "example.com", kept, clock)
        self.transport = ApiTransport(Api(control.resources()), clock)
        self.session = SubscribersSession(self.transport)

    def fill(self, *given: Subscriber) -> None:
        """Add subscribers."""
        self.successResultOf(self.subscribers.add_all(given, replace=False))

    def stored(self) -> list[Subscriber]:
        """Give all subscribers."""
        return self.successResultOf(self.subscribers.page("", 1_000_000))

    def one(self, key: str) -> Subscriber:
        """Give one."""
        found = self.successResultOf(self.subscribers.get(key))
        assert found is not None, key
        return found


class CommandTests(SubscribersTestCase):
    """All but import and export."""

    def test_list(self) -> None:
        """The table has a row for each subscriber, in columns, and no secret."""
        self.fill(
            Subscriber("4711", display_name="Room 1\n2", password="secret", busy="sip:b@h", ring_time=1.5),
            Subscriber("bob@example.com", unconditional="sip:u@h", no_answer="sip:n@h", unavailable="sip:x@h",
                       enabled=False),
        )  # fmt: skip
        header, first, second = self.succeed("list").splitlines()
        self.assertEqual(header.split()[:4], ["KEY", "NAME", "PASSWORD", "ENABLED"])
        self.assertEqual(first.split("  ")[0], "4711")
        self.assertIn("Room 1\\n2", first)
        self.assertEqual(first.split()[-7:], ["clear", "yes", "-", "sip:b@h", "-", "-", "1500"])
        self.assertEqual(second.split()[1:], ["-", "none", "no", "sip:u@h", "-", "sip:n@h", "sip:x@h", "-"])
        self.assertEqual(header.index("RING TIME"), first.index("1500"))
        self.assertNotIn("secret", self.succeed("list", "--json") + self.succeed("show", "4711", "--json"))
        for words, keys in (
            ((), ["4711", "bob@example.com"]),
            (("--key", "4*"), ["4711"]),
            (("--display-name", "Room*"), ["4711"]),
            (("--target", "sip:?@h"), []),
            (("--target", "sip:u@*"), ["bob@example.com"]),
            (("--passwords", "none"), ["bob@example.com"]),
            (("--disabled",), ["bob@example.com"]),
            (("--enabled",), ["4711"]),
        ):
            found = json.loads(self.succeed("list", "--json", *words))
            self.assertEqual([item["key"] for item in found], keys, words)

    def test_pages(self) -> None:
        """A long table is fetched page by page, and is one table."""
        self.fill(*(Subscriber(f"{number:05}") for number in range(PAGE + 5)))
        self.assertEqual(len(self.succeed("list").splitlines()), PAGE + 6)
        self.assertEqual(len(self.transport.asked), 2)

    def test_show(self) -> None:
        """One is shown with all that is known, but its secrets."""
        fields = ("--password", "secret", "--ring-time", "900", "--display-name", "Bob")
        self.succeed("add", "bob@example.com", *fields)
        lines = self.succeed("show", "bob@example.com").splitlines()
        shown = dict(line.rstrip().split(maxsplit=1) for line in lines)
        self.assertEqual((shown["password"], shown["name"]), ("hashed for example.com", "Bob"))
        self.assertEqual((shown["ring"].split(), shown["busy"]), (["time", "900", "ms"], "-"))
        self.assertEqual(self.fail_command("show", "eve"), "sipproxyctl: no subscriber eve\n")

    def test_add_change_delete(self) -> None:
        """What is given is stored, what is empty taken away; what was done is said beside the result."""
        result = self.run_command(
            "add", "bob", "--password", "secret", "--unconditional", "sip:u@h", "--busy", "tel:+1408", "--no-answer",
            "sip:n@h", "--unavailable", "sip:x@h", "--ring-time", "1500", "--display-name", NASTY, "--disabled",
        )  # fmt: skip
        self.assertEqual((result.exit_code, result.stdout, result.stderr), (0, "", "sipproxyctl: added bob\n"))
        found = self.one("bob")
        self.assertEqual(found.ha1_md5, ha1("MD5", "bob", "example.com", "secret"))
        self.assertEqual((found.password, found.display_name, found.ring_time), (None, NASTY, 1.5))
        self.assertEqual((found.unconditional, found.busy), ("sip:u@h", "tel:+1408"))
        self.assertEqual((found.no_answer, found.unavailable, found.enabled), ("sip:n@h", "sip:x@h", False))
        self.assertEqual(self.fail_command("add", "bob"), "sipproxyctl: there is a subscriber bob already\n")
        result = self.run_command("change", "bob", "--unconditional", "", "--ring-time", "0", "--enabled")
        self.assertEqual((result.exit_code, result.stderr), (0, "sipproxyctl: changed bob\n"))
        changed = self.one("bob")
        self.assertEqual((changed.unconditional, changed.ring_time, changed.enabled), ("", None, True))
        self.assertEqual((changed.busy, changed.ha1_md5), (found.busy, found.ha1_md5))
        item = json.loads(self.succeed("change", "bob", "--password", "", "--json"))
        self.assertEqual((item["password"], self.one("bob").ha1_md5), ("none", ""))
        result = self.run_command("delete", "bob")
        self.assertEqual((result.exit_code, result.stderr), (0, "sipproxyctl: deleted bob\n"))
        self.assertEqual(self.fail_command("delete", "bob"), "sipproxyctl: no subscriber bob\n")
        self.assertEqual(json.loads(self.succeed("add", NASTY, "--json"))["key"], NASTY)
        self.assertEqual(json.loads(self.succeed("delete", NASTY, "--json")), {"key": NASTY})
        self.succeed("add", "--", "-1")
        self.assertEqual([found.key for found in self.stored()], ["-1"])

    def test_password_file(self) -> None:
        """A password may come from a file or the standard input, so that no other user sees it."""
        self.use(CLEAR)
        path = self.written("p\u00e4ss word\r\n", "password")
        self.succeed("add", "bob", "--password-file", path)
        self.assertEqual(self.one("bob").password, "p\u00e4ss word")
        result = self.run_with("other\n\n", "change", "bob", "--password-file", "-")
        self.assertEqual((result.exit_code, self.one("bob").password), (0, "other\n"))
        for text, message in ((b"\n", "there is no password in it"), (b"", "there is no password in it"),
                              (b"\xff", "not UTF-8")):  # fmt: skip
            path = str(Path(path).with_name("wrong"))
            Path(path).write_bytes(text)
            self.assertEqual(
                self.fail_command("change", "bob", "--password-file", path), f"sipproxyctl: {path}: {message}\n"
            )
        self.assertIn("No such file", self.fail_command("change", "bob", "--password-file", "/none"))
        Path(path).write_bytes(b"p" * 5000)
        self.assertIn("password: expected text of at most", self.fail_command("add", "eve", "--password-file", path))
        self.assertEqual(self.one("bob").password, "other\n")

    def test_refused(self) -> None:
        """What the server refuses is said as it says it, with exit status 1."""
        self.succeed("add", "bob")
        for words, message in (
            (("change", "eve", "--busy", "sip:b@h"), "no subscriber eve"),
            (("change", "bob", "--busy", "bob"), "busy: expected a sip: or tel: URI, got bob"),
            (
                ("add", "eve", "--no-answer", "sips:b@h"),
                "no_answer: expected a sip: or tel: URI, as there is no transport for sips:, got sips:b@h",
            ),
            (("add", "bob\udcff"), "key: not Unicode text"),
        ):
            self.assertEqual(self.fail_command(*words), f"sipproxyctl: {message}\n")

    def test_usage(self) -> None:
        """Wrong usage has exit status 2, and nothing is asked."""
        for words in (
            ("add",),
            ("add", "bob", "--ring-time", "soon"),
            ("add", "bob", "--ring-time", "4294967296"),
            ("add", "bob", "--password", "a", "--password-file", "b"),
            ("add", "bob", "--password"),
            ("change", "bob"),
            ("delete",),
            ("list", "--passwords", "secret"),
            ("import", "rows.txt"),
            ("import", "rows.csv", "--format", "xml"),
        ):
            self.fail_command(*words, status=2)
        self.assertEqual(self.transport.asked, [])

    def test_down(self) -> None:
        """Where there is neither server nor database that is what is said."""
        self.session = NowhereSession(None, {})
        self.assertTrue(self.fail_command("list").startswith("sipproxyctl: the server is down, and only it asks"))


class FileTests(SubscribersTestCase):
    """Import and export."""

    maxDiff = None

    def many(self) -> list[Subscriber]:
        """Give subscribers of all kinds, more than go to a server at a time."""
        hashes = {"realm": "example.com", "ha1_md5": "0" * 32, "ha1_sha256": "1" * 64}
        return [
            Subscriber("line\rend", display_name="a\rb", created=1.0, updated=1.0),
            Subscriber("\u00e9@example.com", "example.com", NASTY, busy="sip:b@h", created=1.25, updated=2.5),
            *(
                Subscriber(
                    f"{number:06}", display_name="\U0001f600" * 200, enabled=False, ring_time=0.001,
                    unavailable=f"sip:{'x' * 900}@h", created=0.1, updated=0.3, **hashes,
                )
                for number in range(1200)
            ),
        ]  # fmt: skip

    def test_round_trip(self) -> None:
        """What is exported with passwords and imported again is the same, in both forms."""
        self.use(CLEAR)
        self.fill(*self.many(), Subscriber("clear", password='s,e"c\r\nret', created=1.0, updated=1.0))
        before = self.stored()
        for name in ("rows.csv", "rows.json"):
            path = self.written("", name)
            result = self.run_command("export", "--with-passwords", path)
            self.assertEqual((result.exit_code, result.stderr), (0, "sipproxyctl: 1203 subscribers exported\n"))
            self.assertEqual(stat.S_IMODE(os.stat(path).st_mode), 0o600)
            self.assertEqual(
                self.fail_command("import", path), f"sipproxyctl: there is a subscriber {before[0].key} already\n"
            )
            self.succeed("import", "--overwrite", path)
            self.assertEqual(self.stored(), before)
            self.use(CLEAR)
            result = self.run_command("import", path)
            self.assertEqual(result.stderr, "sipproxyctl: 1203 subscribers imported\n")
            self.assertEqual(self.stored(), before)

    def test_without_passwords(self) -> None:
        """Passwords are exported only where that is said; a file without them takes none away by mistake."""
        self.fill(Subscriber("bob", realm="r", ha1_md5="0" * 32, created=1.5, updated=2.0))
        self.assertEqual(self.succeed("export").splitlines(), [HEADER, "bob,,,,,,,,true,1.5,2.0"])
        self.assertNotIn("ha1", self.succeed("export", "--format", "json"))
        mask = os.umask(0o022)
        self.addCleanup(os.umask, mask)
        for name in ("rows.csv", "rows.json"):
            path = self.written("", name)
            self.succeed("export", path)
            self.assertEqual(stat.S_IMODE(os.stat(path).st_mode), 0o644)
            self.assertIn("would be lost by --overwrite", self.fail_command("import", "--overwrite", path))
            self.assertEqual(self.one("bob").ha1_md5, "0" * 32)
            self.assertIn("there is a subscriber bob", self.fail_command("import", path))

    def test_standard_streams(self) -> None:
        """Without a file name rows go out, and with - they come in, as CSV unless it is said otherwise."""
        self.assertEqual(self.succeed("export"), f"{HEADER}\n")
        self.assertEqual(self.succeed("export", "--format", "json"), "[]\n")
        rows = "\ufeffpassword,key\r\n\r\nsecret,bob\r\n"
        done = self.run_with(rows, "import", "-", "--json")
        self.assertEqual((done.exit_code, json.loads(done.stdout)), (0, {"stored": 1}), done.stderr)
        self.assertEqual(self.one("bob").ha1_md5, ha1("MD5", "bob", "example.com", "secret"))
        rows = '[{"key": "eve",\n "enabled": false, "ring_time": 500, "password": null, "created": 7.5}]'
        self.assertEqual(self.run_with(rows, "import", "--format", "json", "-").exit_code, 0)
        eve = self.one("eve")
        self.assertEqual((eve.enabled, eve.ring_time, eve.password, eve.created), (False, 0.5, None, 7.5))
        self.assertEqual(self.run_with("key\n", "import", "-").stderr, "sipproxyctl: 0 subscribers imported\n")
        self.assertEqual(self.run_with("[]", "import", "--format", "json", "-", "--overwrite").exit_code, 0)

    def test_wrong_csv(self) -> None:
        """All that is wrong is told by its lines, and nothing is imported, nor asked."""
        header = "key,display_name,busy\n"
        for text, lines in (
            ("", ["1: expected a line with the names of columns: " + ", ".join(["key"])]),
            ("display_name\n", ["1: there must be a column key"]),
            ("key,dispay_name\n", ["1: no column 'dispay_name', did you mean display_name?"]),
            ("key,key\n", ["1: column key stands twice"]),
            ("key;busy\n", ["1: no column 'key;busy'"]),
            (
                header
                + 'bob,"a\nb",bob\n\neve,,sips:e@h\n,x,\nbob,,sip:b@h\neve,\n"amy","\r\n\n",tel:x\nzoe,,sip:z@h\n',
                [
                    "2: busy: expected a sip: or tel: URI, got bob",
                    "5: busy: expected a sip: or tel: URI, as there is no transport for sips:, got sips:e@h",
                    "6: key: it is empty",
                    "7: bob stands in line 2 already",
                    "8: expected 3 cells, got 2",
                    "9: busy: expected a sip: or tel: URI, got tel:x",
                ],
            ),
            (header + 'bob,"x\n', ["2: unexpected end of data"]),
            ("key,password\n" + "b" * 300 + ",\n", ["2: key: 300 characters, at most 255 are stored"]),
            ("key,ring_time\nbob,soon\n", ["2: ring_time: expected a whole number of milliseconds"]),
        ):
            path = self.written(text)
            *told, last = self.fail_command("import", path).splitlines()
            self.assertEqual(len(told), len(lines), told)
            for line, expected in zip(told, lines, strict=True):
                self.assertTrue(line.startswith(f"sipproxyctl: {path}:{expected}"), line)
            faults = "1 fault" if len(lines) == 1 else f"{len(lines)} faults"
            self.assertEqual(last, f"sipproxyctl: nothing is imported: {faults} in {path}")
        self.assertEqual((self.transport.asked, self.stored()), ([], []))

    def test_wrong_json(self) -> None:
        """So it is with JSON."""
        for text, lines in (
            ("", ["1: no JSON: Expecting value"]),
            ("\n{}", ["1: expected an array of objects"]),
            ('[\n{"key": "a"},\n]', ["3: no JSON: "]),
            ("[\n" + "[" * 100_000, ["1: no JSON that has a meaning here"]),
            ("[\n" + "9" * 10_000 + "]", ["1: no JSON that has a meaning here"]),
            (
                '[{"key": "a"}, {"key": "a"},\n7\n,\n\n{"key": 4711}, {},\n{"key": "b", "x y": ""},'
                '\n{"key": "c", "enabled": "yes"},\n{"key": "d", "ring_time": 1e400},\n{"key": "e", "busy": 7},'
                '\n{"key": "f",\n"ring_time": true},\n{"key": "g", "created": NaN}, {"key": "h", "ring_time": '
                + "9" * 400
                + '},\n{"key": "i", "display_name": "\\ud800"}, {"key": "ok"}, {"key": "j", "ring_time": -1}]',
                [
                    "1: a stands in line 1 already",
                    "2: expected an object",
                    "5: key: expected text",
                    "5: key: it is empty",
                    "6: expected names among key, ",
                    "7: enabled: expected true or false",
                    "8: ring_time: expected a whole number of milliseconds",
                    "9: busy: expected text",
                    "10: ring_time: expected a whole number",
                    "12: created: expected seconds since 1970",
                    "12: ring_time: expected a whole number",
                    "13: display_name: not Unicode text",
                    "13: ring_time: expected a whole number",
                ],
            ),
        ):  # fmt: skip
            path = self.written(text, "rows.json")
            *told, _ = self.fail_command("import", path).splitlines()
            self.assertEqual(len(told), len(lines), told)
            for line, expected in zip(told, lines, strict=True):
                self.assertTrue(line.startswith(f"sipproxyctl: {path}:{expected}"), line)
        self.assertEqual(self.transport.asked, [])

    def test_many_faults(self) -> None:
        """Of many faults some are told."""
        path = self.written("key,busy\n" + "".join(f"{number},x\n" for number in range(500)))
        lines = self.fail_command("import", path).splitlines()
        self.assertEqual(len(lines), 21)
        self.assertEqual(lines[-1], f"sipproxyctl: nothing is imported: 500 faults in {path}, the first 20 are told")

    def test_unreadable(self) -> None:
        """What cannot be read or written is told in one line."""
        self.assertEqual(self.fail_command("import", "none.csv"), "sipproxyctl: none.csv: No such file or directory\n")
        path = self.written(b"key\nb\n\xff\n")
        self.assertEqual(
            self.fail_command("import", path), f"sipproxyctl: {path}:3: not UTF-8 at octet 6 of the file\n"
        )
        self.assertIn("No such file or directory", self.fail_command("export", "/none/rows.csv"))

    def test_import_that_fails(self) -> None:
        """An import that ends half way is given up, and has changed nothing."""
        path = self.written("".join(write_csv(self.many())))
        request = self.transport.request

        def refuse_second(method: str, *others: object) -> tuple[int, Json]:
            if len(self.transport.asked) == 1 and method == "POST":
                raise Failure("no answer")
            return request(method, *others)  # type: ignore[arg-type]

        self.transport.request = refuse_second  # type: ignore[method-assign, assignment]
        self.assertEqual(self.fail_command("import", path), "sipproxyctl: no answer\n")
        self.assertEqual(
            [asked.split("?")[0] for asked in self.transport.asked],
            ["POST /v1/subscribers/import", "DELETE /v1/subscribers/import"],
        )
        self.assertEqual(self.stored(), [])

    @given(st.text(alphabet='key,pasword"\r\n;\0\u00e9 \ufeff1[]{}:', max_size=60), st.sampled_from(["csv", "json"]))
    def test_any_text(self, text: str, form: str) -> None:
        """Any file gives subscribers, or is told to be wrong."""
        path = Path(self.mktemp())
        path.write_bytes(text.encode())
        try:
            with redirect_stderr(StringIO()):
                found = read_subscribers(str(path), form)
        except Failure:
            return
        self.assertEqual(len({subscriber.key for subscriber in found.subscribers}), len(found.subscribers))
