"""Static routes to gateways that answer, refuse, vanish and are too busy, and what an operator is told of them."""

import json
import time
from collections.abc import Mapping
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from test.interop.control import asked, posted, run_control
from test.interop.harness import LOOPBACK, free_port, wait_until
from test.interop.proxy import Proxy, start_proxy
from test.interop.sipp import Sipp
from test.interop.telephone import Telephone

NUMBER = "14085551234"
_ROUTE = """
<StaticRoute E164 1408T>
    Static_Route_NextHop {LOOPBACK}
    Static_Route_NextHopPort {port}
    Static_Route_Priority {priority}
</StaticRoute>
"""
SETTINGS = """
AddRecordRoute On
SIPT1InMs 200
NextHopTimeoutInMs 400
"""


class GatewayTestCase(SynchronousTestCase):
    """A server with routes to gateways, in the order of their priority."""

    proxy: Proxy

    def start(self, *ports: int) -> None:
        """Start the server with routes to ports."""
        self.proxy = start_proxy(self, self.settings("", *ports), expected=r"gateway \S+ is ")

    def settings(self, more: str, *ports: int) -> str:
        """Write what its configuration says, with routes to ports."""
        routes = [_ROUTE.format(LOOPBACK=LOOPBACK, port=port, priority=n) for n, port in enumerate(ports, 1)]
        return "".join((SETTINGS, more, *routes))

    def call(self, count: int = 1, *options: str) -> None:
        """Call the number; each call is answered."""
        Sipp(self, "uac", count, self.proxy.address, options=["-s", NUMBER, *options]).see_success()

    def tool(self, *words: str) -> str:
        """Run C{sipproxyctl} and give what it says."""
        done = run_control(self.proxy, *words)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def told(self, *words: str) -> Any:
        """Run C{sipproxyctl} and give its JSON."""
        return json.loads(self.tool(*words, "--json"))

    def health(self, port: int) -> Mapping[str, Any]:
        """Give what is told of the gateway at a port."""
        (found,) = asked(self.proxy, "/gateways", name=f"{LOOPBACK}:{port}")["gateways"]
        health: Mapping[str, Any] = found
        return health

    def reasons(self, port: int) -> list[str]:
        """Give the reasons for what became of the gateway at a port."""
        return [event["reason"] for event in self.health(port)["events"]]


class HealthTests(GatewayTestCase):
    """Two gateways; the second takes what the first does not."""

    def setUp(self) -> None:
        """Switch the second one on, and start the server."""
        self.first = free_port()
        self.second = Sipp(self, "uas", 100)
        self.start(self.first, self.second.address[1])

    def states(self) -> dict[int, str]:
        """Give the states of those that are known, by port."""
        return {each["port"]: each["state"] for each in asked(self.proxy, "/gateways")["gateways"]}

    def test_answers(self) -> None:
        """While the first answers the second gets nothing."""
        gateway = Sipp(self, "uas", 3, port=self.first)
        self.call(3)
        gateway.see_success()
        self.assertEqual(self.states(), {self.first: "up"})
        self.proxy.wait_for_access("INVITE ", "200", 3)
        self.proxy.wait_for_access("BYE ", "200", 3)

    def test_refuses(self) -> None:
        """Nobody listens at the first: an ICMP error, at once, and it is passed over from then on."""
        self.call(5)
        self.assertEqual(self.states(), {self.first: "down", self.second.address[1]: "up"})
        self.assertEqual(self.reasons(self.first), ["Connection refused"])
        self.assertGreater(self.health(self.first)["until"], time.time())
        self.assertEqual(self.told("gateways"), asked(self.proxy, "/gateways"))
        text = self.tool("gateways", "why", f"{LOOPBACK}:{self.first}")
        self.assertRegex(text, rf"127\.0\.0\.1 {self.first}/udp\) is down since")

    def test_returns(self) -> None:
        """When its hold-down is over the first is tried again, and is as good as before once it has answered."""
        self.proxy.configure(self.settings("NextHopHoldDownInS 1\n", self.first, self.second.address[1]))
        self.tool("reload")
        self.call()
        gateway = Sipp(self, "uas", 1, port=self.first)
        wait_until(lambda: self.states()[self.first] == "suspect", "the hold-down is over")
        self.call()
        gateway.see_success()
        self.assertEqual(self.states()[self.first], "up")

    def test_vanishes(self) -> None:
        """The first says nothing more: the second after NextHopTimeoutInMs, and the next call at once."""
        gateway = Sipp(self, "uas", 100, port=self.first)
        self.call()
        gateway.pause()
        self.call(2)
        self.assertEqual(self.states()[self.first], "down")
        self.assertRegex(self.reasons(self.first)[-1], "no answer|silen|time")
        self.proxy.wait_for_access("INVITE ", "200", 3)

    def test_overloaded(self) -> None:
        """A 503 counts for as long as its Retry-After says, and the caller hears nothing of it."""
        gateway = Sipp(self, "uas_overloaded", 1, port=self.first)
        before = time.time()
        self.call(2)
        gateway.see_success()
        health = self.health(self.first)
        self.assertEqual(health["state"], "down")
        self.assertTrue(before + 120 <= health["until"] <= time.time() + 120, health)
        self.assertIn("503", self.reasons(self.first)[-1])

    def test_none_left(self) -> None:
        """When no gateway is left the caller is told so, and soon."""
        self.second.stop()
        caller = Telephone(self, self.proxy.address)
        self.assertEqual(caller.ask("INVITE", f"sip:{NUMBER}@{self.proxy.domain}").status, 503)
        self.assertEqual(set(self.states().values()), {"down"})


class ExplainTests(GatewayTestCase):
    """Why a call goes where it goes."""

    def setUp(self) -> None:
        """Start a server with a gateway that is not there and one that is."""
        self.gateway = Sipp(self, "uas", 100)
        self.ports = [free_port(), self.gateway.address[1]]
        self.start(*self.ports)

    def explained(self) -> list[int]:
        """Give the ports that a call would be sent to, in their order."""
        found = posted(self.proxy, "/explain", method="INVITE", uri=f"sip:{NUMBER}@{self.proxy.domain}")
        (target,) = found["targets"]
        return [hop["port"] for hop in target["next_hops"]]

    def test_dry(self) -> None:
        """Both next hops are named, nothing is sent to them; one that is held down goes behind."""
        self.assertEqual(self.explained(), self.ports)
        self.assertEqual(asked(self.proxy, "/gateways")["gateways"], [])
        self.call()
        self.assertEqual(self.explained(), self.ports[::-1])
        text = self.tool("explain", "INVITE", f"sip:{NUMBER}@{self.proxy.domain}")
        self.assertRegex(text, rf"next hop 127\.0\.0\.1 port {self.ports[1]}/udp")

    def test_past_call(self) -> None:
        """A call that is over, found by its Call-ID, tells where it has been and how it ended."""
        self.call(1, "-cid_str", "the-call")
        (call,) = self.told("explain", "--call-id", "the-call")["calls"]
        self.assertEqual((call["uri"], call["status"]), (f"sip:{NUMBER}@{self.proxy.domain}", 200))
        texts = " ".join(stage["text"] for stage in call["stages"])
        for port in self.ports:
            self.assertIn(str(port), texts)
        self.assertIn("200 after ", self.tool("explain", "--call-id", "the-call"))
        done = run_control(self.proxy, "explain", "--call-id", "another")
        self.assertEqual((done.returncode, "no call of another" in done.stderr), (1, True))


class RoutesTests(GatewayTestCase):
    """Routes that an operator adds and deletes while calls are made."""

    def test_at_once(self) -> None:
        """The next call goes by what was added, the one after the deletion nowhere; the disk knows it too."""
        self.start()
        caller = Telephone(self, self.proxy.address)
        uri = f"sip:{NUMBER}@{self.proxy.domain}"
        self.assertEqual(caller.ask("INVITE", uri).status, 404)
        first, second = Sipp(self, "uas", 1), Sipp(self, "uas", 2)
        place = ["--next-hop", LOOPBACK, "--next-hop-port"]
        self.tool("routes", "add", "E164", "1408T", *place, str(first.address[1]))
        self.call()
        first.see_success()
        # The more specific one wins.
        self.tool("routes", "add", "E164", "1408555....", *place, str(second.address[1]))
        self.call()
        self.proxy.restart()
        self.call()
        second.see_success()
        for pattern in ("1408T", "1408555...."):
            self.tool("routes", "delete", "E164", pattern)
        self.assertEqual(self.told("routes", "list"), [])
        self.assertEqual(caller.ask("INVITE", uri).status, 404)
