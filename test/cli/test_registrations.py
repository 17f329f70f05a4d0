"""C{sipproxyctl registrations}."""

import json

from sipproxy.control.registrations import PAGE
from sipproxy.databases.registry import LINGER
from test.cli.fixtures import ApiSession, ApiTransport, CommandTestCase
from test.control.fixtures import NOW, Registered, binding


class RegistrationsTests(CommandTestCase):
    """A registry in memory with one static entry, for boss."""

    def setUp(self) -> None:
        self.registered = Registered()
        self.transport = ApiTransport(self.registered.api, self.registered.clock)
        self.session = ApiSession(self.transport)

    def test_list(self) -> None:
        """The table has a row for each contact, in columns."""
        self.registered.store(b"alice@example.com", binding(b"sip:alice@192.0.2.7")._replace(action="proxy"))
        header, alice, boss = self.succeed("registrations", "list").splitlines()
        self.assertEqual(header.split("  ")[0], "ADDRESS OF RECORD")
        self.assertEqual(alice.split()[:5], ["alice@example.com", "sip:alice@192.0.2.7", "registered", "1", "proxy"])
        self.assertEqual(boss.split(), ["boss@example.com", "sip:boss@192.0.2.9", "static", "0.5", "-", "never"])
        self.assertEqual(
            len({line.index(word) for line, word in ((header, "KIND"), (alice, "reg"), (boss, "stat"))}), 1
        )

    def test_json(self) -> None:
        """As JSON it is one array."""
        self.registered.store(b"alice@example.com", binding(b"sip:alice@192.0.2.7"))
        found = json.loads(self.succeed("registrations", "list", "--json"))
        self.assertEqual([item["aor"] for item in found], ["alice@example.com", "boss@example.com"])
        self.assertEqual((found[0]["expires"], found[1]["expires"]), (NOW + 3600, None))
        self.assertEqual(json.loads(self.succeed("registrations", "list", "--json", "--aor", "nobody")), [])

    def test_pages(self) -> None:
        """A long table is fetched page by page, and is one table."""
        for number in range(PAGE + 5):
            self.registered.registry.store(b"u%04d@example.com" % number, (binding(b"sip:u@h"),))
        self.registered.clock.pump([LINGER] * 4)
        lines = self.succeed("registrations", "list").splitlines()
        self.assertEqual(len(lines), PAGE + 5 + 2)
        self.assertEqual(len(self.transport.asked), 2)

    def test_filters(self) -> None:
        """Patterns go to the server as they are."""
        self.assertEqual(len(self.succeed("registrations", "list", "--aor", "b*@*").splitlines()), 2)
        self.assertEqual(len(self.succeed("registrations", "list", "--contact", "*.8").splitlines()), 1)

    def test_add_and_delete(self) -> None:
        """What is added is listed, and gone when it is deleted; what was done is said beside the result."""
        result = self.run_command(
            "registrations", "add", "alice@example.com", "sip:a@h", "--q", "0.25", "--action", "redirect"
        )
        self.assertEqual((result.exit_code, result.stdout), (0, ""))
        self.assertEqual(result.stderr, "sipproxyctl: added sip:a@h to alice@example.com\n")
        self.assertIn(" permanent  0.25  redirect  never", self.succeed("registrations", "list"))
        result = self.run_command("registrations", "delete", "alice@example.com", "sip:a@h")
        self.assertEqual((result.exit_code, result.stderr), (0, "sipproxyctl: deleted sip:a@h of alice@example.com\n"))
        self.assertEqual(len(self.succeed("registrations", "list").splitlines()), 2)

    def test_refused(self) -> None:
        """What the server refuses is said as it says it, with exit status 1."""
        self.assertEqual(
            self.fail_command("registrations", "add", "alice@example.org", "sip:a@h"),
            "sipproxyctl: alice@example.org is at no domain of this server\n",
        )
        self.assertEqual(
            self.fail_command("registrations", "delete", "bob@example.com"),
            "sipproxyctl: bob@example.com has no such registration\n",
        )

    def test_usage(self) -> None:
        """Wrong usage has exit status 2, and nothing is asked."""
        for words in (
            ("registrations", "add", "alice@example.com"),
            ("registrations", "add", "alice@example.com", "sip:a@h", "--q", "2"),
            ("registrations", "add", "alice@example.com", "sip:a@h", "--action", "forward"),
            ("registrations", "lst"),
            ("registration",),
        ):
            self.fail_command(*words, status=2)
        self.assertEqual(self.transport.asked, [])
