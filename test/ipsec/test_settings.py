"""The directives of IP security, key files, and the peers that they make."""

from pathlib import Path
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from sipproxy.config import ConfigError, Settings
from sipproxy.ipsec.peers import Ike, Manual, configured_peers
from sipproxy.ipsec.settings import IPSEC, MODULE, VICI_SOCKET

CBC, HMAC = "0123456789abcdef" * 2, "FEDCBA9876543210" * 4


class SettingsTestCase(SynchronousTestCase):
    """Files in a folder, and configurations that name them."""

    def setUp(self) -> None:
        """Make the files."""
        self.folder = Path(self.mktemp()).resolve()
        self.folder.mkdir()
        self.write("psk", "s3cret\n")
        self.write("keys", f"# comment\n{CBC} 0x{HMAC} # both\n")
        self.write("cert.pem", "certificate", 0o644)
        self.write("key.pem", "key")
        self.write("ca.pem", "authority", 0o644)

    def write(self, name: str, text: str, mode: int = 0o600) -> None:
        """Write a file."""
        path = self.folder / name
        path.write_text(text)
        path.chmod(mode)

    def settings(self, *peers: dict[str, Any], **values: str) -> Settings:
        """Give a configuration with peers."""
        blocks = {f"<IPSecPeer {peer.pop('name', f'p{number}')}>": [peer] for number, peer in enumerate(peers)}
        return Settings.of((MODULE,), {**values, **blocks}, self.folder)

    def ike(self, **changes: Any) -> dict[str, Any]:
        """Give a peer with IKE; None leaves a directive out."""
        return _changed({"IPSecAddress": "192.0.2.1", "IPSecPresharedKeyFile": "psk"}, changes)

    def manual(self, **changes: Any) -> dict[str, Any]:
        """Give a peer with manual keys."""
        usual = {"IPSecAddress": "192.0.2.2", "IPSecMode": "Manual", "IPSecSPI": "0x1001 8193", "IPSecKeyFile": "keys"}
        return _changed(usual, changes)

    def problems(self, *peers: dict[str, Any]) -> str:
        """Give what is wrong with peers, empty where nothing is."""
        try:
            self.settings(*peers)
        except ConfigError as error:
            return str(error)
        return ""

    def see_problem(self, peer: dict[str, Any], expected: str) -> None:
        """Fail where a peer has not exactly one problem, or another one."""
        found = self.problems(peer)
        self.assertIn(expected, found)
        self.assertEqual(len(found.splitlines()), 1, found)


def _changed(usual: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in {**usual, **changes}.items() if value is not None}


class PeerTests(SettingsTestCase):
    """What is right."""

    def test_defaults(self) -> None:
        """Without a word nothing is protected."""
        settings = self.settings()
        self.assertEqual((settings[IPSEC], settings[VICI_SOCKET]), (False, Path("/run/charon.vici")))
        self.assertEqual(configured_peers(settings), ())

    def test_ike(self) -> None:
        """A peer with a preshared key."""
        (peer,) = configured_peers(self.settings(self.ike()))
        self.assertEqual(
            (peer.name, peer.mode, peer.method, peer.selectors, peer.is_required), ("p0", "IKE", "Tunnel", "SIP", True)
        )
        assert isinstance(peer.keying, Ike)
        self.assertEqual((peer.keying.identity, peer.keying.secret), ("192.0.2.1", b"s3cret"))

    def test_certificates(self) -> None:
        """A peer with certificates, and all that may be said."""
        (peer,) = configured_peers(
            self.settings(
                self.ike(
                    IPSecAddress="2001:DB8::1 2001:db8::2",
                    IPSecPresharedKeyFile=None,
                    IPSecIdentity='"CN=gw, O=example" proxy.example.com',
                    IPSecCertificate="cert.pem",
                    IPSecKey="key.pem",
                    IPSecCA="ca.pem ca.pem",
                    IPSecProposals="AES256GCM16-prfsha384-ecp384 aes128-sha256-x25519",
                    IPSecMethod="transport",
                    IPSecSelectors="host",
                    IPSecRequire="Off",
                )
            )
        )
        self.assertEqual(
            (peer.address, peer.own_address, peer.method, peer.selectors),
            ("2001:db8::1", "2001:db8::2", "Transport", "Host"),
        )
        assert isinstance(peer.keying, Ike)
        self.assertEqual((peer.keying.identity, peer.keying.own_identity), ("CN=gw, O=example", "proxy.example.com"))
        self.assertEqual((peer.keying.certificate, peer.keying.key), (b"certificate", b"key"))
        self.assertEqual(peer.keying.authorities, (b"authority", b"authority"))
        self.assertEqual(peer.keying.proposals[0], "aes256gcm16-prfsha384-ecp384")
        self.assertFalse(peer.is_required)

    def test_manual(self) -> None:
        """A peer with manual keys: one line is for both directions, two are for one each."""
        (peer,) = configured_peers(self.settings(self.manual()))
        assert isinstance(peer.keying, Manual)
        self.assertEqual((peer.mode, peer.keying.spi_in, peer.keying.spi_out), ("Manual", 0x1001, 0x2001))
        self.assertEqual(peer.keying.keys, ((CBC, HMAC.lower()), (CBC, HMAC.lower())))
        self.write("keys", f"{CBC} {HMAC}\n\n{CBC}{CBC} {HMAC}")
        (peer,) = configured_peers(self.settings(self.manual()))
        assert isinstance(peer.keying, Manual)
        self.assertEqual([keys.encryption for keys in peer.keying.keys], [CBC, CBC + CBC])

    def test_secrets_are_not_shown(self) -> None:
        """No text of a peer has a key in it."""
        text = repr(configured_peers(self.settings(self.ike(), self.manual())))
        for secret in ("s3cret", CBC, HMAC.lower()):
            self.assertNotIn(secret, text)

    def test_reload(self) -> None:
        """Another key in the same file is another peer; a file that is gone is an error of the configuration."""
        settings = self.settings(self.ike())
        old = configured_peers(settings)
        self.write("psk", "other")
        self.assertNotEqual(configured_peers(settings), old)
        (self.folder / "psk").unlink()
        error = self.assertRaises(ConfigError, configured_peers, settings)
        self.assertIn("No such file", str(error))


class ProblemTests(SettingsTestCase):
    """What is wrong."""

    def test_words(self) -> None:
        """Each directive knows its values."""
        for changes, expected in (
            ({"IPSecAddress": "gw.example.com"}, "a literal address of one host"),
            ({"IPSecAddress": "0.0.0.0"}, "a literal address of one host"),
            ({"IPSecAddress": "224.0.0.1"}, "a literal address of one host"),
            ({"IPSecAddress": "fe80::1"}, "a literal address of one host"),
            ({"IPSecAddress": "::ffff:192.0.2.1"}, "a literal address of one host"),
            ({"IPSecAddress": "192.0.2.1 2001:db8::1"}, "an address of the same family"),
            ({"IPSecAddress": "192.0.2.1 192.0.2.2 192.0.2.3"}, "end of line"),
            ({"IPSecMode": "AH"}, "IKE or Manual"),
            ({"IPSecMethod": "BEET"}, "Transport or Tunnel"),
            ({"IPSecSelectors": "All"}, "SIP or Host"),
            ({"IPSecProposals": "aes"}, "a proposal such as"),
            ({"IPSecIdentity": '""'}, "an identity"),
        ):
            self.see_problem(self.ike(**changes), expected)
        for changes, expected in (
            ({"IPSecSPI": "255 4096"}, "from 256"),
            ({"IPSecSPI": "0x100000000 4096"}, "from 256"),
            ({"IPSecSPI": "4096"}, "two numbers"),
            ({"IPSecAlgorithms": "3des-cbc hmac-sha256"}, "aes-cbc"),
            ({"IPSecAlgorithms": "aes-cbc hmac-md5"}, "hmac-sha256 or hmac-sha384 or hmac-sha512"),
            ({"IPSecAlgorithms": "aes-cbc"}, "hmac-sha256"),
        ):
            self.see_problem(self.manual(**changes), expected)

    def test_missing(self) -> None:
        """What a peer needs must be there."""
        self.see_problem(self.ike(IPSecAddress=None), "expected IPSecAddress")
        self.see_problem(self.ike(IPSecPresharedKeyFile=None), "IPSecPresharedKeyFile, or IPSecCertificate")
        self.see_problem(self.manual(IPSecSPI=None), "IPSecSPI in out")
        self.see_problem(self.manual(IPSecKeyFile=None), "IPSecKeyFile")
        given = {
            "IPSecPresharedKeyFile": None,
            "IPSecCertificate": "cert.pem",
            "IPSecKey": "key.pem",
            "IPSecCA": "ca.pem",
        }
        for name in ("IPSecCertificate", "IPSecKey", "IPSecCA"):
            self.see_problem(self.ike(**{**given, name: None}), f"expected {name} too")

    def test_together(self) -> None:
        """What does not go together."""
        self.see_problem(self.ike(IPSecCertificate="cert.pem"), "no certificate beside IPSecPresharedKeyFile")
        self.see_problem(self.ike(IPSecSPI="256 256"), "nothing for another mode than IKE, got IPSecSPI")
        self.see_problem(self.manual(IPSecPresharedKeyFile="psk"), "nothing for another mode than Manual")

    def test_twice(self) -> None:
        """Names, addresses and what comes in are of one peer."""
        self.assertIn("an address that no other", self.problems(self.ike(), self.manual(IPSecAddress="192.0.2.1")))
        self.assertIn("an SPI for what comes in", self.problems(self.manual(), self.manual(IPSecAddress="192.0.2.7")))
        with self.assertRaises(ConfigError) as raised:
            blocks = [self.ike(), self.ike(IPSecAddress="192.0.2.7")]
            Settings.of((MODULE,), {"<IPSecPeer gw>": blocks}, self.folder)
        self.assertIn("a name that no other IPSecPeer has, got gw", str(raised.exception))

    def test_readable(self) -> None:
        """A key that others can read is refused; a certificate is for all."""
        for name, peer in (
            ("psk", self.ike()),
            ("keys", self.manual()),
            (
                "key.pem",
                self.ike(IPSecPresharedKeyFile=None, IPSecCertificate="cert.pem", IPSecKey="key.pem", IPSecCA="ca.pem"),
            ),
        ):
            for mode in (0o604, 0o602):
                (self.folder / name).chmod(mode)
                self.see_problem(dict(peer), "a file that others cannot read")
            (self.folder / name).chmod(0o640)
            self.assertEqual(self.problems(dict(peer)), "")

    def test_files(self) -> None:
        """A file that cannot be used is told with what is wrong."""
        self.write("empty", "\n")
        self.write("long", "x" * 2000)
        self.write("encrypted.pem", "-----BEGIN ENCRYPTED PRIVATE KEY-----")
        for file, expected in (
            ("nothing", "No such file"),
            (".", "to be a file"),
            ("empty", "1 to 65536 octets"),
            ("long", "1 to 1024 octets"),
        ):
            self.see_problem(self.ike(IPSecPresharedKeyFile=file), expected)
        certificates = {"IPSecPresharedKeyFile": None, "IPSecCertificate": "cert.pem", "IPSecCA": "ca.pem"}
        self.see_problem(self.ike(**certificates, IPSecKey="encrypted.pem"), "without a passphrase")

    def test_keys(self) -> None:
        """Keys that are none for their algorithms."""
        for text, expected in (
            ("# nothing", "one line of keys"),
            (f"{CBC} {HMAC}\n" * 3, "or two"),
            (CBC, "two keys in a line"),
            (f"{CBC}00 {HMAC}", "a key of 16 or 24 or 32 octets"),
            (f"{CBC} {HMAC}00", "a key of 32 octets"),
            (f"{CBC[:-1]}x {HMAC}", "in hexadecimal"),
        ):
            self.write("keys", text)
            self.see_problem(self.manual(), expected)
            self.assertNotIn(CBC[:8], self.problems(self.manual()))
