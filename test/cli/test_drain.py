"""C{sipproxyctl drain}."""

import json
from typing import Any

from twisted.internet.task import Clock

from sipproxy.control import Api, Field, Operation, Resource
from test.cli.fixtures import ApiSession, ApiTransport, CommandTestCase


class DrainTests(CommandTestCase):
    """A server with three requests pending."""

    def setUp(self) -> None:
        super().setUp()

        def drain(arguments: Any) -> dict[str, Any]:
            return {"draining": arguments["on"], "pending": 3}

        on = Field("on", {"type": "boolean"}, "Whether.")
        resource = Resource("/drain", (Operation("POST", "Drain.", drain, {"type": "object"}, body=(on,)),))
        self.session = ApiSession(ApiTransport(Api((resource,)), Clock()))

    def test_texts(self) -> None:
        """What holds from now on is said."""
        self.assertIn("no new calls are taken", self.succeed("drain"))
        self.assertEqual(self.succeed("drain", "--off").splitlines()[0], "new calls are taken")

    def test_json(self) -> None:
        """In JSON the server's own answer."""
        self.assertEqual(json.loads(self.succeed("drain", "--json")), {"draining": True, "pending": 3})
