"""Peers with manual keys, and the policies that discard what is not protected."""

from twisted.trial.unittest import SynchronousTestCase

from sipproxy.ipsec.associations import Associations
from sipproxy.ipsec.manual import ManualPeers, entries
from sipproxy.ipsec.peers import Peer
from sipproxy.ipsec.policies import BlockPolicies
from test.ipsec.fixtures import FakeKernel, ike_peer, manual_peer

OURS = "198.51.100.1"


class ManualTests(SynchronousTestCase):
    """Entries in the kernel."""

    def setUp(self) -> None:
        """Begin with none."""
        self.kernel = FakeKernel()
        self.associations = Associations(lambda: 1.0)
        self.own = OURS
        self.manual = ManualPeers(self.kernel, self.associations, (5060, 5080), lambda _: self.own)  # type: ignore[arg-type]

    def serve(self, *peers: Peer) -> None:
        """Serve by peers."""
        self.associations.serve(peers)
        self.successResultOf(self.manual.serve(peers))

    def state(self, name: str = "mg") -> tuple[str, str]:
        """Give the state of an association and the reason of it."""
        entry = self.associations.get(name)
        assert entry is not None
        return entry.state, entry.reason

    def test_entries(self) -> None:
        """Two associations with their own keys, and two policies for each port."""
        made = list(entries(manual_peer(), OURS, (5060, 5080)))
        self.assertEqual([entry["what"] for entry in made], ["association"] * 2 + ["protection"] * 4)
        inward, outward = made[:2]
        self.assertEqual((inward["source"], inward["spi"], inward["encryption_key"]), ("192.0.2.2", 0x1001, "ab" * 16))
        self.assertEqual((outward["source"], outward["spi"], outward["encryption_key"]), (OURS, 0x2001, "12" * 16))
        self.assertEqual(
            [(entry["direction"], entry["port"]) for entry in made[2:]],
            [("in", 5060), ("out", 5060), ("in", 5080), ("out", 5080)],
        )

    def test_host(self) -> None:
        """All between two hosts needs two policies, whatever the ports."""
        made = list(entries(manual_peer(selectors="Host", method="Transport"), OURS, (5060, 5080)))
        self.assertEqual([entry.get("port") for entry in made[2:]], [0, 0])
        self.assertEqual({entry["mode"] for entry in made}, {"transport"})

    def test_up(self) -> None:
        """With its entries in the kernel a peer is protected; a peer with IKE is not ours."""
        self.serve(manual_peer(), ike_peer())
        self.assertEqual(self.state(), ("up", "manual keys"))
        self.assertEqual(len(self.kernel.there), 6)
        self.assertEqual(self.state("gw")[0], "down")

    def test_reload(self) -> None:
        """A change replaces the entries of its peer, the end of a peer removes them."""
        self.serve(manual_peer(), manual_peer("two", "192.0.2.3", 0x3001))
        kept = [request for request in self.kernel.there if "192.0.2.3" in request.values()]
        self.serve(manual_peer(selectors="Host"), manual_peer("two", "192.0.2.3", 0x3001))
        self.assertEqual([request for request in self.kernel.there if "192.0.2.3" in request.values()], kept)
        self.assertEqual(self.state(), ("up", "manual keys"))
        self.assertEqual(len(self.kernel.there), 6 + 4)
        self.serve()
        self.assertEqual(self.kernel.there, [])

    def test_refused(self) -> None:
        """Where the kernel refuses one entry, none is left, and the reason is told."""
        self.kernel.refused["protection"] = "Operation not permitted"
        self.serve(manual_peer())
        self.assertEqual(self.state(), ("down", "protection refused by the kernel: Operation not permitted"))
        self.assertEqual(self.kernel.there, [])
        self.kernel.refused.clear()
        self.serve(manual_peer())
        self.assertEqual(self.state()[0], "up")

    def test_no_way(self) -> None:
        """Without a way to the peer there is no address of ours."""
        self.own = "0.0.0.0"
        self.serve(manual_peer())
        self.assertEqual(self.state(), ("down", "no way leads to 192.0.2.2"))

    def test_forget(self) -> None:
        """When the process ends its peers are down, and can be added again."""
        self.serve(manual_peer())
        self.kernel.there.clear()
        self.manual.forget("it has ended")
        self.assertEqual(self.state(), ("down", "it has ended"))
        self.serve(manual_peer())
        self.assertEqual(self.state()[0], "up")


class PolicyTests(SynchronousTestCase):
    """Policies that discard."""

    def setUp(self) -> None:
        """Begin with two peers that must be protected and one that need not."""
        self.kernel = FakeKernel()
        self.associations = Associations(lambda: 1.0)
        self.policies = BlockPolicies(self.kernel, self.associations, (5060, 5080))  # type: ignore[arg-type]
        self.peers = [ike_peer(), manual_peer(), ike_peer("free", "192.0.2.5", is_required=False)]
        self.associations.serve(self.peers)
        self.policies.serve()

    def blocked(self) -> set[object]:
        """Give the addresses that are blocked."""
        return {request["peer"] for request in self.kernel.there}

    def test_always(self) -> None:
        """They are there whether the association is or not, in both directions, for each port."""
        self.assertEqual(self.blocked(), {"192.0.2.1", "192.0.2.2"})
        mine = [
            (request["direction"], request["port"]) for request in self.kernel.there if request["peer"] == "192.0.2.1"
        ]
        self.assertEqual(sorted(mine), [("in", 5060), ("in", 5080), ("out", 5060), ("out", 5080)])
        self.associations.up("gw", "tunnel")
        self.assertEqual(self.blocked(), {"192.0.2.1", "192.0.2.2"})

    def test_userspace(self) -> None:
        """Where charon protects by itself they are gone while its association is in place."""
        self.policies.set_userspace(True)
        self.associations.up("gw", "tunnel")
        self.associations.up("mg", "manual keys")
        self.assertEqual(self.blocked(), {"192.0.2.2"})
        self.associations.down("gw", "lost")
        self.assertEqual(self.blocked(), {"192.0.2.1", "192.0.2.2"})

    def test_reload(self) -> None:
        """They follow the configuration."""
        self.associations.serve(self.peers[1:])
        self.policies.serve()
        self.assertEqual(self.blocked(), {"192.0.2.2"})

    def test_refused(self) -> None:
        """Where the kernel refuses them the reason is told, until it takes them."""
        self.kernel.refused["block"] = "Operation not permitted"
        self.associations.serve([*self.peers, ike_peer("six", "2001:db8::1")])
        self.policies.serve()
        self.assertEqual(self.policies.reason, "no policy for 2001:db8::1 in the kernel: Operation not permitted")
        self.kernel.refused.clear()
        self.kernel.there.clear()
        self.policies.forget()
        self.policies.serve()
        self.assertEqual(self.policies.reason, "")
        self.assertIn("2001:db8::1", self.blocked())
