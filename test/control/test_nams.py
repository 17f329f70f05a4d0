"""GKTMP servers over the control socket."""

from random import Random
from typing import NamedTuple

from twisted.internet.testing import MemoryReactorClock

from sipproxy.control import Api
from sipproxy.control.nams import nams_resource
from sipproxy.net.gktmp import GktmpClient, Timing
from sipproxy.simulation.names import Names
from sipproxy.wire.gktmp_tags import TagTable
from test.control.fixtures import ApiTestCase


class Server(NamedTuple):
    """Where a server is."""

    host: str
    port: int
    priority: int
    identity: str


class NamsTests(ApiTestCase):
    """C{/v1/nams}."""

    def test_states(self) -> None:
        """Each server is there with its state, in the order of asking."""
        reactor = MemoryReactorClock()
        client = GktmpClient(
            reactor,
            Names(reactor),
            [Server("10.0.0.2", 1751, 2, "NAM-2"), Server("10.0.0.1", 1751, 1, "NAM-1")],
            gatekeeper="sps1",
            timing=Timing(),
            table=TagTable(),
            random=Random(1),
        )
        self.api = Api([nams_resource(lambda: client)])
        client.startService()
        self.addCleanup(client.stopService)
        status, content = self.ask("GET", "/nams")
        self.assertEqual(status, 200)
        self.assertEqual([nam["server"] for nam in content["nams"]], ["NAM-1", "NAM-2"])
        first = content["nams"][0]
        self.assertEqual(first.pop("counters")["asked"], 0)
        self.assertEqual(
            first,
            {
                "server": "NAM-1",
                "address": "10.0.0.1:1751",
                "priority": 1,
                "state": "connecting",
                "since": 0.0,
                "reason": "",
                "open_questions": 0,
            },
        )

    def test_nobody(self) -> None:
        """Where nobody asks NAMs there are none."""
        self.api = Api([nams_resource(lambda: None)])
        self.assertEqual(self.ask("GET", "/nams"), (200, {"nams": []}))
