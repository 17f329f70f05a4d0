"""What charon is told, and how it is understood."""

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from sipproxy.ipsec import connections
from sipproxy.ipsec.peers import Ike
from test.ipsec.fixtures import ike_peer


class ConnectionTests(SynchronousTestCase):
    """Messages."""

    def told(self, **changes: Any) -> dict[str, Any]:
        """Give what charon is told of a peer."""
        (told,) = connections.connection(ike_peer(**changes), [5060, 5062]).values()
        return dict(told)

    def test_secret(self) -> None:
        """A preshared key belongs to the peer's identity, and to ours where it is given."""
        told = self.told()
        self.assertEqual((told["local"], told["remote"]), ({"auth": "psk"}, {"auth": "psk", "id": "192.0.2.1"}))
        self.assertNotIn("local_addrs", told)
        self.assertNotIn("proposals", told)
        keying = Ike("gw.example.com", "us.example.com", b"secret", b"", b"", (), ())
        message = connections.shared_secret(ike_peer(keying=keying))
        self.assertEqual(message["owners"], ["gw.example.com", "us.example.com"])
        self.assertEqual(self.told(keying=keying)["local"]["id"], "us.example.com")

    def test_certificate(self) -> None:
        """Certificates go with the connection; the peer's must be signed by one of those."""
        keying = Ike("CN=gw", "", b"", b"ours", b"key", (b"ca",), ())
        told = self.told(keying=keying)
        self.assertEqual(told["local"], {"auth": "pubkey", "certs": [b"ours"]})
        self.assertEqual(told["remote"], {"auth": "pubkey", "id": "CN=gw", "cacerts": [b"ca"]})

    def test_selectors(self) -> None:
        """The ports that we listen on, or all between the hosts."""
        child = self.told()["children"]["sip"]
        self.assertEqual(child["local_ts"], ["dynamic[udp/5060]", "dynamic[udp/5062]"])
        self.assertEqual((child["remote_ts"], child["mode"]), (["dynamic[udp]"], "tunnel"))
        child = self.told(selectors="Host", method="Transport")["children"]["sip"]
        self.assertEqual(
            (child["local_ts"], child["remote_ts"], child["mode"]), (["dynamic"], ["dynamic"], "transport")
        )

    def test_proposals(self) -> None:
        """ESP has the same algorithms but no pseudo-random function."""
        keying = Ike("gw", "", b"secret", b"", b"", (), ("aes256gcm16-prfsha384-ecp384",))
        told = self.told(keying=keying, own_address="192.0.2.9")
        self.assertEqual(told["proposals"], ["aes256gcm16-prfsha384-ecp384"])
        self.assertEqual(told["children"]["sip"]["esp_proposals"], ["aes256gcm16-ecp384"])
        self.assertEqual(told["local_addrs"], ["192.0.2.9"])

    def test_names(self) -> None:
        """Only what begins with our prefix is ours."""
        self.assertEqual(connections.peer_name(connections.connection_name("gw")), "gw")
        self.assertEqual(connections.peer_name("gw"), "")

    def test_children(self) -> None:
        """Only what carries traffic counts, and is told as what it is."""
        child = {
            "uniqueid": "3",
            "mode": "TUNNEL",
            "encap": "yes",
            "encr-alg": "AES_CBC",
            "encr-keysize": "128",
            "integ-alg": "HMAC",
        }
        self.assertEqual(connections.described(child), "tunnel in UDP, ESP AES_CBC-128/HMAC")
        states = ("INSTALLED", "REKEYING", "REKEYED", "DELETING", "CREATED", "")
        carrying = [state for state in states if connections.carries({**child, "state": state})]
        self.assertEqual(carrying, ["INSTALLED", "REKEYING"])

    def test_why(self) -> None:
        """Of all that charon logs that is told which says why, the same each time."""
        lines = [
            {"group": "IKE", "msg": "initiating IKE_SA sipproxy-gw[7] to 192.0.2.1"},
            {"group": "ENC", "msg": "parsed IKE_AUTH response 1 [ N(AUTH_FAILED) ]"},
            {"group": "IKE", "msg": "received AUTHENTICATION_FAILED notify error for sipproxy-gw[7]"},
        ]
        self.assertEqual(
            connections.why("initiate: establishing CHILD_SA 'sip' failed", lines),
            "received AUTHENTICATION_FAILED notify error for sipproxy-gw; initiate: establishing CHILD_SA 'sip' failed",
        )
        self.assertEqual(connections.why("initiate: no", []), "initiate: no")
