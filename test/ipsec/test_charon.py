"""Peers with IKE, against a charon in memory."""

from collections.abc import Callable, Sequence
from random import Random
from typing import Any

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from sipproxy.ipsec.associations import Associations
from sipproxy.ipsec.charon import RETRY, WATCH, Charon
from sipproxy.ipsec.initiations import LONGEST_WAIT, MOST_AT_ONCE
from sipproxy.ipsec.peers import Ike, Peer
from sipproxy.ipsec.vici import DEADLINE
from test.ipsec.fixtures import FakeCharon, ike_peer, manual_peer, settle

GW = "sipproxy-gw"


class CharonTestCase(SynchronousTestCase):
    """A charon in memory, and what the server makes of it."""

    def setUp(self) -> None:
        """Begin."""
        self.clock = Clock()
        self.there = FakeCharon(self.clock)
        self.associations = Associations(self.clock.seconds)
        self.userspace: list[bool] = []
        self.charon = Charon(self.clock, self.there, self.associations, (5060, 5080), Random(1), self.userspace.append)

    def serve(self, *peers: Peer) -> None:
        """Serve by peers, and let all happen."""
        self.associations.serve(peers)
        self.charon.serve(peers)
        settle(self.clock)

    def start(self, *peers: Peer) -> None:
        """Start with peers."""
        self.serve(*peers)
        self.charon.start()
        settle(self.clock)

    def advance(self, seconds: float) -> None:
        """Let time pass, and all happen."""
        for _ in range(round(seconds * 10)):
            self.clock.advance(0.1)
            settle(self.clock, 20)

    def state(self, name: str = "gw") -> tuple[str, str]:
        """Give the state of an association and the reason of it."""
        entry = self.associations.get(name)
        assert entry is not None
        return entry.state, entry.reason

    def see_nothing_pending(self) -> None:
        """Fail where something is to happen later, or is open."""
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.assertEqual(self.there.open_connections, 0)


class LoadingTests(CharonTestCase):
    """What charon is told."""

    def test_start(self) -> None:
        """A peer is loaded with its secret, and its association established."""
        self.start(ike_peer())
        self.assertEqual(self.state(), ("up", "tunnel, ESP AES_GCM_16-128"))
        self.assertEqual(self.there.secrets[GW]["data"], b"secret")
        child = self.there.connections[GW]["children"]["sip"]
        self.assertEqual(child["local_ts"], [b"dynamic[udp/5060]", b"dynamic[udp/5080]"])
        self.assertEqual(self.userspace, [False])

    def test_userspace(self) -> None:
        """It is told where charon protects by itself."""
        self.there.plugins.append("kernel-libipsec")
        self.start(ike_peer())
        self.assertEqual(self.userspace, [True])

    def test_nobody(self) -> None:
        """Without a peer with IKE charon is left alone."""
        self.start(manual_peer())
        self.assertEqual(self.there.asked, [])
        self.assertEqual(self.there.open_connections, 0)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_certificate(self) -> None:
        """A peer with certificates brings our key, which goes with the last one that needs it."""
        keying = Ike("CN=gw", "", b"", b"certificate", b"key", (b"authority",), ("aes128-sha256-x25519",))
        one = ike_peer(keying=keying)
        two = ike_peer("gw2", "192.0.2.7", keying=keying)
        self.start(one, two)
        self.assertEqual(list(self.there.keys.values()), [b"key"])
        self.serve(two)
        self.assertEqual(list(self.there.keys.values()), [b"key"])
        self.assertEqual(list(self.there.connections), ["sipproxy-gw2"])
        self.serve()
        self.assertEqual(self.there.keys, {})

    def test_leftover(self) -> None:
        """What an earlier server has left in charon is removed; what others have there is not."""
        self.there.connections = {"sipproxy-old": {}, "theirs": {}}
        self.start(ike_peer())
        self.assertEqual(sorted(self.there.connections), [GW, "theirs"])

    def test_reload(self) -> None:
        """What has changed is loaded anew, what has not is not touched."""
        self.start(ike_peer(), ike_peer("gw2", "192.0.2.7"))
        self.there.commands()
        changed = ike_peer(selectors="Host")
        self.serve(changed, ike_peer("gw2", "192.0.2.7"))
        touched = {
            m.get("name", m.get("ike", b"")) for name, m in self.there.asked if name in ("unload-conn", "terminate")
        }
        self.assertEqual(touched, {GW.encode()})
        self.assertEqual(self.there.connections[GW]["children"]["sip"]["local_ts"], [b"dynamic"])
        self.advance(3)
        self.assertEqual((self.state()[0], self.state("gw2")[0]), ("up", "up"))

    def test_refused(self) -> None:
        """A peer that charon does not load is down with its reason, and is tried again."""
        self.there.refused["load-conn"] = "invalid value for: proposals"
        self.start(ike_peer())
        self.assertEqual(self.state(), ("down", "load-conn: invalid value for: proposals"))
        del self.there.refused["load-conn"]
        self.advance(WATCH + 1)
        self.assertEqual(self.state()[0], "up")

    def test_stop(self) -> None:
        """Nothing of ours is left, in charon or here."""
        self.start(ike_peer(), ike_peer("gw2", "192.0.2.7"))
        self.there.connections["theirs"] = {}
        stopped = self.charon.stop()
        settle(self.clock)
        self.successResultOf(stopped)
        self.assertEqual((list(self.there.connections), self.there.secrets), (["theirs"], {}))
        self.assertEqual(self.there.associations, {})
        self.see_nothing_pending()

    def test_stop_mute(self) -> None:
        """A charon that does not answer does not keep us from ending."""
        self.start(ike_peer())
        self.there.mute.add("unload-conn")
        stopped = self.charon.stop()
        self.advance(DEADLINE + 0.2)
        self.successResultOf(stopped)
        self.see_nothing_pending()

    def test_many(self) -> None:
        """A thousand peers are loaded, and one is looked for among them."""
        peers = [ike_peer(f"gw{n}", f"10.0.{n >> 8}.{n & 255}") for n in range(1000)]
        self.associations.serve(peers)
        self.charon.serve(peers)
        self.charon.start()
        settle(self.clock, 12_000)
        self.assertEqual(self.associations.shut, {})
        self.assertLessEqual(self.there.most_connections, MOST_AT_ONCE + 1)


class LosingTests(CharonTestCase):
    """Associations that come and go."""

    def test_lost(self) -> None:
        """A lost association is down at once, and established again."""
        self.start(ike_peer())
        self.there.failing[GW] = ()
        self.there.lose(GW)
        settle(self.clock)
        self.assertEqual(self.state(), ("down", "closed by the peer, or the peer is gone"))
        self.assertIn("192.0.2.1", self.associations.shut)
        self.there.failing.clear()
        self.advance(4)
        self.assertEqual(self.state()[0], "up")
        self.assertEqual(self.associations.shut, {})

    def test_by_peer(self) -> None:
        """An association that the peer begins counts as well."""
        self.there.failing[GW] = ("peer not responding",)
        self.start(ike_peer())
        self.there.establish(GW)
        settle(self.clock)
        self.assertEqual(self.state()[0], "up")
        self.advance(LONGEST_WAIT)
        self.assertEqual(len(self.there.associations[GW]), 1)

    def test_rekeyed(self) -> None:
        """New keys keep an association in place, and are noted."""
        self.start(ike_peer())
        self.there.rekey(GW)
        settle(self.clock)
        entry = self.associations.get("gw")
        assert entry is not None
        self.assertEqual([event.reason for event in entry.events], ["tunnel, ESP AES_GCM_16-128", "rekeyed"])
        self.there.tell("ike-rekey", {GW: {"old": {}, "new": {}}})
        settle(self.clock)
        self.assertEqual((entry.state, entry.events[-1].reason), ("up", "IKE rekeyed"))

    def test_second_child(self) -> None:
        """With two associations one may go."""
        self.start(ike_peer())
        self.there.establish(GW)
        settle(self.clock)
        gone = self.there.associations[GW].popitem()
        self.there.tell("child-updown", {GW: {"child-sas": dict([gone])}})
        settle(self.clock)
        self.assertEqual(self.state()[0], "up")

    def test_missed(self) -> None:
        """The end of an association that no event told of is found out by looking."""
        self.start(ike_peer())
        self.there.associations.clear()
        self.there.failing[GW] = ()
        self.advance(WATCH + 0.5)
        self.assertEqual(self.state()[0], "down")

    def test_foreign(self) -> None:
        """Events of others, and events that say nothing of use, change nothing."""
        self.start(ike_peer())
        messages: tuple[dict[str, Any], ...] = (
            {"theirs": {"child-sas": {}}},
            {GW: "text"},
            {GW: {"child-sas": "text"}},
            {},
        )
        for message in messages:
            self.there.tell("child-updown", message)
        settle(self.clock)
        self.assertEqual(self.state()[0], "up")

    def test_wrong_secret(self) -> None:
        """A peer that cannot be authenticated is down with charon's reason, and is tried ever more seldom."""
        self.there.failing[GW] = ("authentication of 'gw' failed [3]", "received AUTHENTICATION_FAILED notify error")
        self.start(ike_peer())
        state, reason = self.state()
        self.assertEqual(state, "down")
        self.assertIn("AUTHENTICATION_FAILED", reason)
        self.assertIn("establishing CHILD_SA 'sip' failed", reason)
        self.there.commands()
        self.advance(300)
        self.assertIn(self.there.commands().count("initiate"), range(8, 14))
        entry = self.associations.get("gw")
        assert entry is not None
        self.assertEqual(len(entry.events), 1)

    def test_no_answer(self) -> None:
        """An initiation that charon does not answer ends by its deadline."""
        self.there.mute.add("initiate")
        self.start(ike_peer())
        self.advance(15.5)
        self.assertEqual(self.state(), ("down", "charon: it does not answer"))
        self.assertEqual(self.there.open_connections, 1)


class AwayTests(CharonTestCase):
    """Charon itself comes and goes."""

    def test_away(self) -> None:
        """Without charon its peers are down and say why; they come up when it does."""
        self.there.is_away = True
        self.start(ike_peer())
        self.assertEqual(self.state()[0], "down")
        self.assertIn("Connection refused", self.state()[1])
        self.there.is_away = False
        self.advance(RETRY + 0.5)
        self.assertEqual(self.state()[0], "up")

    def test_restart(self) -> None:
        """A charon that dies takes its associations with it; the next one gets all anew."""
        self.start(ike_peer())
        self.there.die()
        self.assertEqual(self.state(), ("down", "charon: it has closed the connection"))
        self.there.is_away = False
        self.advance(RETRY + 0.5)
        self.assertEqual(self.state()[0], "up")
        self.assertEqual(list(self.there.connections), [GW])

    def test_added_while_away(self) -> None:
        """A reload while charon is away is served once it is there."""
        self.there.is_away = True
        self.start(ike_peer())
        self.serve(ike_peer("gw2", "192.0.2.7"))
        self.assertIn("Connection refused", self.state("gw2")[1])
        self.there.is_away = False
        self.advance(RETRY + 0.5)
        self.assertEqual(list(self.there.connections), ["sipproxy-gw2"])

    def test_first_peer_later(self) -> None:
        """The first peer with IKE may come with a reload, and after one that had none."""
        self.start()
        self.serve(ike_peer())
        self.assertEqual(self.state()[0], "up")
        self.serve()
        self.there.die()
        self.there.is_away = False
        self.advance(RETRY + 0.5)
        self.serve(ike_peer())
        self.assertEqual(self.state()[0], "up")

    def test_unknown_command(self) -> None:
        """A charon that lacks what we need is away with a reason."""
        self.there.refused["stats"] = "no"
        self.start(ike_peer())
        self.assertEqual(self.state()[0], "down")

    def test_stop_away(self) -> None:
        """Stopping without charon takes no time."""
        self.there.is_away = True
        self.start(ike_peer())
        self.successResultOf(self.charon.stop())
        self.see_nothing_pending()

    def test_any_order(self) -> None:
        """However charon dies, returns and is stopped, nothing is left that would still happen."""
        for seed in range(40):
            self.setUp()
            random = Random(seed)
            self.start(ike_peer(), ike_peer("gw2", "192.0.2.7"))
            for _ in range(12):
                random.choice(self._steps(random))()
                self.advance(random.choice((0, 0.1, 2)))
            stopped = self.charon.stop()
            self.advance(DEADLINE + 0.5)
            self.successResultOf(stopped)
            self.see_nothing_pending()

    def _steps(self, random: Random) -> Sequence[Callable[[], object]]:
        def come() -> None:
            self.there.is_away = False

        def fail() -> None:
            self.there.failing[GW] = ("error",)

        def serve() -> None:
            self.serve(*random.choice(((), (ike_peer(),), (ike_peer(selectors="Host"), ike_peer("gw2", "192.0.2.7")))))

        return (self.there.die, come, come, fail, self.there.failing.clear, serve, lambda: self.there.lose(GW))
