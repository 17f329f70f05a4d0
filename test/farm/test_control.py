"""What the control socket, and sipproxyctl, tell of the farm."""

import json
from typing import Any

from click.testing import CliRunner
from twisted.internet.task import Clock

from sipproxy.cli.farm import farm as command
from sipproxy.control import Api
from sipproxy.control.farm import farm_resources
from sipproxy.databases.routes import StaticRoute
from test.cli.fixtures import ApiSession, ApiTransport
from test.farm.fixtures import TTL, binding
from test.farm.test_registry import BOB, FarmTestCase


class ControlTests(FarmTestCase):
    """Two members; a third is expected."""

    def setUp(self) -> None:
        super().setUp()
        self.clock.run(2)
        self.one, self.other = self.members
        self.api = Api(farm_resources(self.one.farm))

    def ask(self, method: str, path: str) -> tuple[int, Any]:
        """Give the status and the JSON of an answer."""
        reply = self.done(self.api.handle(method, f"/v1{path}"))
        self.assertEqual(json.loads(json.dumps(reply.content)), reply.content)
        return reply.status, reply.content

    def run_command(self, *words: str) -> tuple[int, str]:
        """Give the exit status and the output of a command; the farm's own clock stands."""
        session = ApiSession(ApiTransport(self.api, Clock()))
        result = CliRunner().invoke(command, words, obj=session, catch_exceptions=False)
        return result.exit_code, result.stdout

    def test_status(self) -> None:
        """It tells the members, who is missing, and how far each is."""
        self.done(self.other.registry.store(BOB, (binding(b"sip:a@h"),)))
        self.clock.run(TTL)
        status, found = self.ask("GET", "/farm")
        self.assertEqual(status, 200)
        self.assertEqual((found["state"], found["since"], found["pending"]), ("up", None, 0))
        self.assertEqual(found["databases"], ["registry", "routing"])
        self.assertEqual(found["engine"], [{"name": "memory", "state": "up", "since": None, "reason": ""}])
        members = [(member["name"], member["state"]) for member in found["members"]]
        self.assertEqual(members, [("a", "here"), ("b", "there"), ("c", "missing")])
        self.assertEqual(found["missing"], ["c"])
        self.assertLess(found["members"][1]["lag"], 5)
        self.assertEqual(found["members"][1]["listen"], ["udp:5060"])

    def test_away(self) -> None:
        """It tells since when the farm is away, and why, and what waits for it; nothing can be compared then."""
        self.one.way.is_cut = True
        self.done(self.one.registry.store(BOB, (binding(b"sip:a@h"),)))
        _, found = self.ask("GET", "/farm")
        self.assertEqual((found["state"], found["reason"], found["pending"]), ("away", "no answer in time", 1))
        status, found = self.ask("GET", "/farm/verify")
        self.assertEqual((status, found["error"]["message"]), (503, "the farm cannot be reached: no answer in time"))
        self.assertEqual(self.ask("POST", "/farm/resync")[0], 409)

    def test_verify(self) -> None:
        """It tells what differs, until all is read again."""
        self.done(self.one.registry.store(BOB, (binding(b"sip:a@h"),)))
        self.clock.run(1)
        self.one.registry._index.clear()
        found = self.ask("GET", "/farm/verify")[1]
        self.assertFalse(found["equal"])
        different = [(each["database"], each["count"], each["keys"]) for each in found["databases"]]
        self.assertEqual(different, [("registry", 1, ["bob@test"]), ("routing", 0, [])])
        self.assertEqual(self.ask("POST", "/farm/resync"), (200, {}))
        self.clock.run(5)
        self.assertTrue(self.ask("GET", "/farm/verify")[1]["equal"])

    def test_checksums(self) -> None:
        """Members with the same copies give the same checksums; each difference of a database changes its own."""
        self.done(self.one.registry.store(BOB, (binding(b"sip:a@h"),)))
        self.done(self.other.routes.add(StaticRoute("E164", "1408555....", "gw")))
        self.clock.run(1)
        found = self.ask("GET", "/farm/verify")[1]
        checksums = {each["database"]: each["checksum"] for each in found["databases"]}
        self.assertEqual(checksums, self.other.farm.checksums())
        self.assertEqual(found["revision"], self.one.farm.link.revision)
        self.done(self.one.registry.store(BOB, (binding(b"sip:a@h", cseq=2),)))
        self.clock.run(1)
        self.assertNotEqual(self.one.farm.checksums()["registry"], checksums["registry"])
        self.assertEqual(self.one.farm.checksums()["routing"], checksums["routing"])
        self.assertEqual(self.one.farm.checksums(), self.other.farm.checksums())

    def test_strange_member(self) -> None:
        """A member that tells something else than we know is shown with what can be read."""
        self.one.farm.members.there["z"] = {"version": 9, "since": "x", "listen": 5, "revision": -1}
        member = self.ask("GET", "/farm")[1]["members"][2]
        self.assertEqual((member["name"], member["version"], member["since"]), ("z", "9", None))
        self.assertEqual((member["listen"], member["revision"]), ([], 0))

    def test_commands(self) -> None:
        """The commands say the same, and their exit status tells whether all is well."""
        status, text = self.run_command("status")
        self.assertEqual(status, 1)  # one is missing
        self.assertRegex(text, r"missing +c")
        self.assertRegex(text, r"memory +up")
        status, text = self.run_command("members")
        self.assertEqual((status, len(text.splitlines())), (0, 4))
        self.assertRegex(text, r"(?m)^b +there .* udp:5060 ")
        _, text = self.run_command("members", "--json")
        self.assertEqual([member["name"] for member in json.loads(text)["members"]], ["a", "b", "c"])
        self.assertEqual(self.run_command("resync"), (0, ""))
        _, text = self.run_command("status", "--json")
        self.assertEqual(json.loads(text)["state"], "away")
