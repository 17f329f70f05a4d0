"""IP security as a whole: a charon and a kernel in memory, the control socket and sipproxyctl before it."""

import json
from random import Random
from typing import Any

from click.testing import CliRunner
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from sipproxy.cli.ipsec import ipsec
from sipproxy.control import Api
from sipproxy.control.ipsec import ipsec_resource
from sipproxy.ipsec.peers import Peer
from sipproxy.ipsec.service import IPSecService, UnknownPeerError
from sipproxy.ipsec.vici import ViciError
from test.cli.fixtures import ApiSession, ApiTransport
from test.ipsec.fixtures import FakeCharon, FakeKernel, ike_peer, manual_peer, settle


class ServiceTestCase(SynchronousTestCase):
    """The service, started."""

    def setUp(self) -> None:
        """Start it with a peer of each mode."""
        self.clock = Clock()
        self.charon, self.kernel = FakeCharon(self.clock), FakeKernel()
        kernel: Any = self.kernel
        self.service = IPSecService(
            self.clock, [ike_peer(), manual_peer()], [5060], lambda _: "198.51.100.1", self.charon, kernel, Random(1)
        )
        self.service.privilegedStartService()
        self.service.startService()
        settle(self.clock)

    def serve_by(self, *peers: Peer) -> None:
        """Reload."""
        self.service.serve_by(peers)
        settle(self.clock)


class ServiceTests(ServiceTestCase):
    """Start, reload, faults and stop."""

    def test_start(self) -> None:
        """All peers are protected, by policies and by associations."""
        self.assertTrue(self.kernel.is_started)
        self.assertEqual([entry.state for entry in self.service.associations], ["up", "up"])
        self.assertEqual(len(self.kernel.entries("block")), 4)
        self.assertEqual((self.service.away_since, self.service.away_reason), (None, ""))
        self.assertTrue(self.service.guard.is_in_place("192.0.2.1"))

    def test_shut_from_the_start(self) -> None:
        """Before anything is established nothing passes."""
        kernel: Any = FakeKernel()
        service = IPSecService(self.clock, [ike_peer()], [5060], lambda _: "", self.charon, kernel, Random(1))
        self.assertEqual(list(service.guard.shut), ["192.0.2.1"])

    def test_reload(self) -> None:
        """Peers come and go with the configuration."""
        self.serve_by(manual_peer(), ike_peer("new", "192.0.2.7"))
        self.assertEqual(list(self.charon.connections), ["sipproxy-new"])
        self.assertEqual({entry["peer"] for entry in self.kernel.entries("block")}, {"192.0.2.2", "192.0.2.7"})
        self.assertFalse(self.service.guard.protects("192.0.2.1"))
        self.serve_by()
        self.assertEqual((self.charon.connections, self.kernel.there), ({}, []))

    def test_charon_dies(self) -> None:
        """Peers with IKE are shut at once, and the status says why; those with manual keys stay."""
        self.charon.die()
        self.assertEqual(list(self.service.guard.shut), ["192.0.2.1"])
        self.assertIn("gw: charon", self.service.away_reason)
        self.assertEqual(self.service.away_since, self.clock.seconds())

    def test_kernel_dies(self) -> None:
        """Peers with manual keys are shut while the process is away, and all entries are made anew."""
        self.kernel.end("it has ended")
        self.assertEqual(list(self.service.guard.shut), ["192.0.2.2"])
        self.kernel.end("")
        settle(self.clock)
        self.assertEqual(self.service.guard.shut, {})
        self.assertEqual(len(self.kernel.entries("block")), 4)

    def test_userspace(self) -> None:
        """Where charon protects by itself, no policy stands in its way."""
        self.successResultOf(self.stop())
        self.charon.plugins.append("kernel-libipsec")
        self.service.startService()
        settle(self.clock)
        self.assertEqual({entry["peer"] for entry in self.kernel.entries("block")}, {"192.0.2.2"})

    def stop(self) -> Any:
        """Stop, and let all happen."""
        stopped = self.service.stopService()
        settle(self.clock)
        return stopped

    def test_stop(self) -> None:
        """All that was established is removed."""
        self.successResultOf(self.stop())
        self.assertEqual((self.charon.connections, self.charon.associations, self.kernel.there), ({}, {}, []))
        self.assertFalse(self.kernel.is_started)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_operator(self) -> None:
        """An operator may have an association established, or get new keys."""
        done = self.service.rekey("gw")
        settle(self.clock)
        self.successResultOf(done)
        self.assertRaises(UnknownPeerError, self.service.rekey, "nobody")
        self.assertRaises(UnknownPeerError, self.service.initiate, "mg")
        self.charon.failing["sipproxy-gw"] = ("peer not responding, giving up",)
        failed = self.service.initiate("gw")
        settle(self.clock)
        self.assertIn("giving up", str(self.failureResultOf(failed, ViciError).value))


class _Transport(ApiTransport):
    """Control requests that may take charon's turns."""

    def __init__(self, api: Api, clock: Clock) -> None:
        super().__init__(api, _Settling(clock))


class _Settling(Clock):
    """A clock that moves another one, and no time."""

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self._other = clock

    def advance(self, amount: float) -> None:
        """Let all happen there."""
        settle(self._other)


class CommandTests(ServiceTestCase):
    """C{sipproxyctl ipsec}."""

    def run_command(self, *words: str) -> tuple[int, str]:
        """Give the exit status and what is printed."""
        session = ApiSession(_Transport(Api([ipsec_resource(self.service)]), self.clock))
        result = CliRunner().invoke(ipsec, words, obj=session, catch_exceptions=False)
        return result.exit_code, result.output

    def test_table(self) -> None:
        """All peers in a table, status 0 while all are protected."""
        status, text = self.run_command()
        self.assertEqual(status, 0)
        self.assertIn("gw    192.0.2.1  IKE, Tunnel, SIP     up", text)
        self.assertIn("manual keys", text)

    def test_down(self) -> None:
        """Status 1 where one is not, with the reason."""
        self.kernel.refused["block"] = "Operation not permitted"
        self.charon.die()
        self.serve_by(ike_peer(), ike_peer("six", "2001:db8::1"))
        status, text = self.run_command()
        self.assertEqual(status, 1)
        self.assertIn("it has closed the connection", text)
        self.assertIn("kernel: no policy for 2001:db8::1 in the kernel: Operation not permitted", text)

    def test_json(self) -> None:
        """For programs."""
        status, text = self.run_command("--json")
        self.assertEqual(status, 0)
        found = json.loads(text)
        self.assertEqual(
            [(peer["name"], peer["mode"], peer["state"]) for peer in found["peers"]],
            [("gw", "IKE", "up"), ("mg", "Manual", "up")],
        )
        self.assertEqual(found["kernel"], "")

    def test_why(self) -> None:
        """What has happened with one of them."""
        self.charon.rekey("sipproxy-gw")
        settle(self.clock)
        status, text = self.run_command("why", "gw")
        self.assertEqual(status, 0)
        self.assertIn("gw is up since", text)
        self.assertIn("rekeyed", text)
        self.assertEqual(json.loads(self.run_command("why", "gw", "--json")[1])["name"], "gw")
        self.assertEqual(self.run_command("why", "nobody")[0], 1)

    def test_actions(self) -> None:
        """New keys, an association now, and why it cannot be."""
        self.assertEqual(self.run_command("rekey", "gw"), (0, "gw: new keys asked for\n"))
        self.assertEqual(self.run_command("initiate", "gw"), (0, "gw: established\n"))
        self.assertEqual(self.run_command("rekey", "nobody")[0], 1)
        self.charon.failing["sipproxy-gw"] = ("received NO_PROPOSAL_CHOSEN notify error",)
        status, text = self.run_command("initiate", "gw")
        self.assertEqual(status, 1)
        self.assertIn("NO_PROPOSAL_CHOSEN", text)
