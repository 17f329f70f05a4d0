"""Gatekeepers over the control socket."""

from collections.abc import Callable
from typing import Any

from sipproxy.control import Api
from sipproxy.control.gatekeepers import gatekeepers_resource
from sipproxy.net.ras import RasClient
from test.net.ras_peers import RasTestCase


class GatekeepersTests(RasTestCase):
    """C{/v1/gatekeepers}."""

    def content(self, client: "Callable[[], RasClient | None]") -> Any:
        """Give the JSON of the answer."""
        reply = self.successResultOf(Api([gatekeepers_resource(client)]).handle("GET", "/v1/gatekeepers", "", b""))
        self.assertEqual(reply.status, 200)
        return reply.content

    def test_states(self) -> None:
        """Each gatekeeper is there with its cluster, state and response times, in the order of asking."""
        self.use([[(0.02, "LRJ")]], [None])
        self.ask()
        content = self.content(lambda: self.client)
        first, second = content["gatekeepers"]
        self.assertEqual((first.pop("counters")["rejected"], second.pop("counters")["refused"]), (1, 1))
        times = {name: round(first.pop(name), 6) for name in ("last", "mean", "longest")}
        self.assertEqual(times, {"last": 0.02, "mean": 0.02, "longest": 0.02})
        self.assertEqual(
            first,
            {
                "cluster": 1,
                "gatekeeper": "10.1.1.1:1719",
                "state": "up",
                "since": 0.02,
                "reason": "",
                "open_questions": 0,
            },
        )
        self.assertEqual((second["state"], second["reason"]), ("away", "Connection refused"))
        self.assertIsNone(second["last"])
        self.assertEqual(content["strays"], {"forbidden": 0, "malformed": 0, "unasked": 0})

    def test_nobody(self) -> None:
        """Where nobody asks gatekeepers there are none."""
        self.assertEqual(self.content(lambda: None), {"gatekeepers": [], "strays": {}})
