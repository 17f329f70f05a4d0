"""Two servers, or a server and a telephone, on two hosts with strongSwan between them: what the wire sees.

Where the kernel has no ESP, charon does it itself and in tunnel mode only; what needs the kernel is then listed as not
possible here.
"""

import signal
import subprocess
from pathlib import Path
from typing import Any
from unittest import SkipTest

from twisted.trial.unittest import SynchronousTestCase

from test.interop.control import asked, run_control
from test.interop.harness import PATIENCE, free_port, make_folder, program, wait_until
from test.interop.proxy import Proxy
from test.interop.sipp import Sipp, register_service
from test.interop.strongswan import Host, Strongswan, Wire, ip, make_certificates, two_hosts, why_no_kernel_esp
from test.interop.telephone import Address, Telephone, host_port

SIP = 5060
SECRET = b"open sesame"
# Charon is looked for every 5 seconds, and a lost association is begun anew after some.
LONG = 25.0


class IpsecTestCase(SynchronousTestCase):
    """Two hosts."""

    def setUp(self) -> None:
        """Make them."""
        self.ours, self.theirs = two_hosts(self)
        self.folder = make_folder(self, "keys")
        self.write("psk", SECRET.decode())

    def write(self, name: str, text: str) -> None:
        """Write a file with keys."""
        (self.folder / name).touch(0o600)
        (self.folder / name).write_text(text)

    def peer(self, host: Host, *lines: str, name: str = "other") -> str:
        """Give the block of a peer, by default with a preshared key."""
        lines = lines or (f"IPSecPresharedKeyFile {self.folder}/psk",)
        return "\n".join([f"<IPSecPeer {name}>", f"IPSecAddress {host.address}", *lines, "</IPSecPeer>"])

    def start(self, host: Host, socket: Path, *settings: str) -> Proxy:
        """Start a server on a host."""
        lines = ["AddRecordRoute On", "IPSec On", f"IPSecViciSocket {socket}", *settings]
        proxy = Proxy(self, "\n".join(lines), [host.address], SIP)
        for folder in (proxy.folder, *proxy.folder.parents[:4]):
            folder.chmod(0o755)  # for a server that becomes somebody else
        with host.entered():
            proxy.start()
        return proxy

    def telephone(self, host: Host, proxy: Address, user: str = "alice") -> Telephone:
        """Give a telephone on a host."""
        with host.entered():
            return Telephone(self, proxy, user, host.address)

    def state(self, proxy: Proxy, name: str = "other") -> dict[str, Any]:
        """Give what a server says of a peer."""
        (found,) = [peer for peer in asked(proxy, "/ipsec")["peers"] if peer["name"] == name]
        return dict(found)

    def wait_for(self, proxy: Proxy, state: str, timeout: float = LONG) -> dict[str, Any]:
        """Wait until a peer is up or down."""

        def reached() -> dict[str, Any] | None:
            found = self.state(proxy)
            return found if found["state"] == state else None

        return wait_until(reached, f"the peer is {state}", timeout)

    def wait_for_way(self) -> None:
        """Wait for the kernel's policies, which give way a moment after charon has an association in place."""
        wait_until(lambda: not self.policies(self.ours) + self.policies(self.theirs), "nothing is in the way")

    def policies(self, host: Host) -> str:
        """Give the kernel's policies of a host."""
        return ip("xfrm", "policy", namespace=host.name)


class TunnelTests(IpsecTestCase):
    """Charon on both hosts, with a TUN device."""

    def two_servers(self, *ours: str) -> tuple[Proxy, Proxy]:
        """Start two servers that protect each other.

        @param ours: further directives of the first
        """
        self.charon, self.other_charon = Strongswan(self, self.ours), Strongswan(self, self.theirs)
        first = self.start(self.ours, self.charon.socket, self.peer(self.theirs), *ours)
        second = self.start(self.theirs, self.other_charon.socket, self.peer(self.ours))
        for proxy in (first, second):
            self.wait_for(proxy, "up")
        self.wait_for_way()
        return first, second

    def connect(self, first: Proxy, second: Proxy) -> None:
        """Let the first server's service be the second's, and that be a SIPp."""
        self.called = (self.theirs.address, free_port(host="127.0.0.1"))
        with self.ours.entered():
            register_service(self, first.address, host_port(second.address), host=self.ours.address)
        with self.theirs.entered():
            register_service(self, second.address, host_port(self.called), host=self.theirs.address)

    def call(self, first: Proxy, calls: int = 10) -> None:
        """Call from one host to the other; not one call may fail."""
        caller, called = self.begin_calls(first, calls, 20)
        caller.see_success()
        called.see_success()

    def begin_calls(self, first: Proxy, calls: int, rate: int) -> tuple[Sipp, Sipp]:
        """Begin calls from one host to the other."""
        with self.theirs.entered():
            called = Sipp(self, "uas", calls, host=self.theirs.address, port=self.called[1])
        with self.ours.entered():
            caller = Sipp(self, "uac", calls, first.address, rate, self.ours.address, free_port())
        return caller, called

    def test_calls_between_servers(self) -> None:
        """Calls from server to server, while keys are renewed: the wire sees ESP and nothing of SIP."""
        first, second = self.two_servers()
        wire = Wire(self, self.ours)
        self.connect(first, second)
        caller, called = self.begin_calls(first, 40, 10)
        for _ in range(3):
            self.assertEqual(run_control(first, "ipsec", "rekey", "other").returncode, 0)
        caller.see_success()
        called.see_success()
        wire.finish()
        self.assertGreaterEqual(wire.count("esp"), 40 * 6)
        self.assertEqual(wire.count("sip"), 0)
        for clear in (b"SIP/2.0", b"INVITE"):
            self.assertNotIn(clear, wire.octets())
        for proxy in (first, second):
            found = self.state(proxy)
            self.assertEqual((found["state"], found["dropped"], found["refused"]), ("up", 0, 0))
            self.assertIn("rekeyed", [event["reason"] for event in found["events"]])
        self.assertEqual(run_control(first, "ipsec").returncode, 0)

    def test_stop(self) -> None:
        """What a server has established goes with it, here and at the peer, which says so."""
        first, second = self.two_servers()
        first.stop()
        self.assertEqual(self.charon.connections(), [])
        self.assertEqual(self.charon.associations(), [])
        self.assertEqual(self.policies(self.ours), "")
        self.wait_for(second, "down")
        wait_until(lambda: "dir in action block" in self.policies(self.theirs), "the policies are there again")
        self.assertEqual(run_control(second, "ipsec").returncode, 1)
        with self.ours.entered():
            first.start()
        self.wait_for(second, "up", 70)

    def test_call_of_telephone(self) -> None:
        """A telephone behind strongSwan calls by way of the server: ESP, and nothing of SIP."""
        charon, other = Strongswan(self, self.ours), Strongswan(self, self.theirs)
        other.load(self.ours.address, SECRET, "dynamic[udp]", "dynamic[udp/5060]")
        proxy = self.start(self.ours, charon.socket, self.peer(self.theirs, name="phone"))
        wait_until(lambda: self.state(proxy, "phone")["state"] == "up", "the telephone is protected", LONG)
        wire = Wire(self, self.ours)
        with self.ours.entered():
            called = Sipp(self, "uas", 5, host=self.ours.address, port=free_port())
            register_service(self, proxy.address, host_port(called.address), host=self.ours.address)
        # Direct requests of a dialog go by the server too, as it records its route.
        with self.theirs.entered():
            caller = Sipp(self, "uac", 5, proxy.address, 10, self.theirs.address, free_port())
        caller.see_success()
        called.see_success()
        wire.finish()
        self.assertGreaterEqual(wire.count("esp"), 5 * 5)
        self.assertNotIn(b"SIP/2.0", wire.octets())

    def test_charon_restarts(self) -> None:
        """While charon is away nothing passes, and the status says why; calls go on when it has come back."""
        first, second = self.two_servers()
        self.connect(first, second)
        wire = Wire(self, self.ours)
        self.call(first, 3)
        self.charon.kill()
        found = self.wait_for(first, "down", PATIENCE)
        self.assertIn("charon", found["reason"])
        status = run_control(first, "status")
        self.assertEqual(status.returncode, 1)
        self.assertIn("other: charon", status.stdout)
        refused = self.telephone(self.ours, first.address).ask("OPTIONS", f"sip:somebody@{host_port(second.address)}")
        self.assertGreaterEqual(refused.status, 500)
        self.charon.start()
        self.wait_for(first, "up")
        self.call(first, 3)
        wire.finish()
        self.assertNotIn(b"SIP/2.0", wire.octets())

    def test_reload(self) -> None:
        """Peers come and go with SIGHUP; what is not theirs is left alone."""
        first, _ = self.two_servers()
        self.charon.load("10.99.0.9", b"other")
        text = first.configuration.read_text()
        first.configuration.write_text(text.replace(self.peer(self.theirs), ""))
        first.process.send_signal(signal.SIGHUP)
        wait_until(lambda: self.charon.connections() == ["byhand"], "the connection is removed")
        self.assertEqual(self.policies(self.ours), "")
        first.configuration.write_text(text)
        first.process.send_signal(signal.SIGHUP)
        wait_until(lambda: asked(first, "/ipsec")["peers"], "the peer is there again")
        self.wait_for(first, "up", 70)
        self.assertIn("sipproxy-other", self.charon.connections())

    def test_certificates(self) -> None:
        """Two servers that know each other by certificates of one authority."""
        make_certificates(self.folder, ("ours", "theirs"))
        charons = [Strongswan(self, host) for host in (self.ours, self.theirs)]

        def block(host: Host, own: str, other: str) -> str:
            files = (f"IPSecCertificate {self.folder}/{own}.pem", f"IPSecKey {self.folder}/{own}.key")
            names = (f"IPSecCA {self.folder}/ca.pem", f"IPSecIdentity {other} {own}")
            return self.peer(host, *files, *names, "IPSecSelectors Host", "IPSecProposals aes256gcm16-prfsha384-ecp256")

        first = self.start(self.ours, charons[0].socket, block(self.theirs, "ours", "theirs"))
        second = self.start(self.theirs, charons[1].socket, block(self.ours, "theirs", "ours"))
        self.wait_for(first, "up")
        self.assertIn("AES_GCM_16-256", self.wait_for(second, "up")["reason"])
        self.wait_for_way()
        self.assertEqual(self.telephone(self.ours, first.address).ask("OPTIONS", f"sip:{second.domain}").status, 200)
        first.stop()
        self.assertEqual(charons[0].ask("get-keys").get("keys", []), [])

    def test_wrong_secret(self) -> None:
        """A peer that cannot prove who it is stays down, with charon's reason."""
        charon, other = Strongswan(self, self.ours), Strongswan(self, self.theirs)
        other.load(self.ours.address, b"wrong")
        proxy = self.start(self.ours, charon.socket, self.peer(self.theirs))
        wait_until(lambda: "AUTHENTICATION_FAILED" in self.state(proxy)["reason"], "the reason is told", LONG)
        self.assertIn("AUTHENTICATION_FAILED", run_control(proxy, "ipsec").stdout)

    def test_another_user(self) -> None:
        """A server that becomes somebody without rights keeps its policies, and takes them away in the end."""
        charon = Strongswan(self, self.ours)
        charon.socket.chmod(0o666)
        charon.socket.parent.chmod(0o755)
        proxy = self.start(self.ours, charon.socket, self.peer(self.theirs), "User nobody")
        wait_until(lambda: self.policies(self.ours).count("action block") == 2, "the policies are there")
        self.assertNotEqual(Path(f"/proc/{proxy.process.pid}").stat().st_uid, 0)
        wait_until(lambda: charon.connections() == ["sipproxy-other"], "charon knows the peer")
        proxy.stop()
        self.assertEqual(self.policies(self.ours), "")
        self.assertEqual(charon.connections(), [])


class ClearTests(IpsecTestCase):
    """A peer that must be protected, and no charon at all."""

    def test_refused(self) -> None:
        """Nothing is taken from it and nothing sent to it: the next hop is tried; the wire sees no SIP of ours."""
        called = self.telephone(self.ours, (self.ours.address, SIP), "service")
        hop = called.address[1]
        proxy = self.start(
            self.ours,
            self.folder / "nobody.sock",
            self.peer(self.theirs),
            f"<StaticRoute Domain x.test>\nStatic_Route_NextHop {self.theirs.address}\nStatic_Route_NextHopPort {SIP}\n"
            "Static_Route_Priority 1\n</StaticRoute>\n"
            f"<StaticRoute Domain x.test>\nStatic_Route_NextHop {self.ours.address}\nStatic_Route_NextHopPort {hop}\n"
            "Static_Route_Priority 2\n</StaticRoute>",
        )
        self.assertIn("cannot be reached", self.state(proxy)["reason"])
        wire = Wire(self, self.ours)
        caller = self.telephone(self.ours, proxy.address)
        caller.request("OPTIONS", "sip:service@x.test")
        request, source = called.receive()
        called.answer(request, "200 OK", source)
        self.assertEqual(caller.final().status, 200)
        self.assertGreaterEqual(caller.ask("OPTIONS", f"sip:x@{self.theirs.address}").status, 500)
        wire.finish()
        self.assertNotIn(b"SIP/2.0", wire.octets())
        intruder = self.telephone(self.theirs, proxy.address)
        self.assertRaises(TimeoutError, intruder.ask, "OPTIONS", f"sip:{proxy.domain}", timeout=1)
        self.assertEqual(self.state(proxy)["refused"], 2)

    def test_second_line(self) -> None:
        """Where the kernel's policies are gone the server drops what comes, and counts it."""
        proxy = self.start(self.ours, self.folder / "nobody.sock", self.peer(self.theirs))
        ip("xfrm", "policy", "flush", namespace=self.ours.name)
        intruder = self.telephone(self.theirs, proxy.address)
        self.assertRaises(TimeoutError, intruder.ask, "OPTIONS", f"sip:{proxy.domain}", timeout=1)
        self.assertGreaterEqual(self.state(proxy)["dropped"], 1)
        self.assertIn("is not protected: 1 datagrams from it dropped", proxy.error_log())

    def test_not_required(self) -> None:
        """A peer that need not be protected is talked to in the clear."""
        block = self.peer(self.theirs, f"IPSecPresharedKeyFile {self.folder}/psk", "IPSecRequire Off")
        proxy = self.start(self.ours, self.folder / "nobody.sock", block)
        self.assertEqual(self.telephone(self.theirs, proxy.address).ask("OPTIONS", f"sip:{proxy.domain}").status, 200)


class ManualTests(IpsecTestCase):
    """Manual keys."""

    def start_both(self) -> tuple[Proxy, Proxy]:
        """Start two servers with the same keys."""
        for name, octets in {"ours": ("ab", "12"), "theirs": ("12", "ab")}.items():
            self.write(name, "".join(f"{octet * 16} {octet * 32}\n" for octet in octets))

        def block(host: Host, keys: str, indexes: str) -> str:
            return self.peer(host, "IPSecMode Manual", f"IPSecSPI {indexes}", f"IPSecKeyFile {self.folder}/{keys}")

        nobody = self.folder / "nobody.sock"
        first = self.start(self.ours, nobody, block(self.theirs, "ours", "0x1001 0x2002"))
        return first, self.start(self.theirs, nobody, block(self.ours, "theirs", "0x2002 0x1001"))

    def test_protected(self) -> None:
        """A request between two servers: ESP, and nothing of SIP."""
        reason = why_no_kernel_esp(self.ours)
        if reason:
            raise SkipTest(f"not possible here: ESP in the kernel: {reason}")
        first, second = self.start_both()
        self.assertEqual((self.state(first)["state"], self.state(second)["state"]), ("up", "up"))
        wire = Wire(self, self.ours)
        self.assertEqual(self.telephone(self.ours, first.address).ask("OPTIONS", f"sip:{second.domain}").status, 200)
        wire.finish()
        self.assertGreaterEqual(wire.count("esp"), 2)
        self.assertNotIn(b"SIP/2.0", wire.octets())
        first.stop()
        self.assertEqual(self.policies(self.ours) + ip("xfrm", "state", namespace=self.ours.name), "")

    def test_refused_by_kernel(self) -> None:
        """A kernel without ESP takes no association: the peer is down for that reason, and nothing passes."""
        reason = why_no_kernel_esp(self.ours)
        if not reason:
            raise SkipTest("the kernel here has ESP")
        first, second = self.start_both()
        wait_until(lambda: reason.splitlines()[0] in self.state(first)["reason"], "the kernel's reason is told")
        self.assertGreaterEqual(
            self.telephone(self.ours, first.address).ask("OPTIONS", f"sip:x@{second.domain}").status, 500
        )
        wait_until(lambda: self.policies(self.ours).count("action block") == 2, "the policies are there")
        first.stop()
        self.assertEqual(self.policies(self.ours), "")

    def test_netlink(self) -> None:
        """What the kernel is asked for has the addresses, the index, the algorithms and the keys (rtnetlink(7))."""
        strace = program("strace", "strace")
        helper = ["python3", "-I", str(Path(__file__).resolve().parent.parent.parent / "sipproxy/ipsec/helper.py")]
        request = (
            '{"id": 1, "do": "add", "what": "association", "source": "10.0.0.1", "destination": "10.0.0.2",'
            ' "spi": 4097, "mode": "tunnel", "encryption": "aes-cbc", "encryption_key": "' + "ab" * 16 + '",'
            ' "authentication": "hmac-sha256", "authentication_key": "' + "cd" * 32 + '"}\n'
        )
        with self.ours.entered():
            done = subprocess.run(
                [strace, "-f", "-xx", "-v", "-s", "2000", "-e", "trace=sendmsg", *helper],
                input=request, capture_output=True, text=True, timeout=30,
            )  # fmt: skip
        (line,) = [line for line in done.stderr.splitlines() if "XFRM_MSG_NEWSA" in line]
        octets = bytes.fromhex("".join(piece[:2] for piece in line.split("\\x")[1:]))
        for part in (bytes([10, 0, 0, 1]), bytes([10, 0, 0, 2]), b"\0\0\x10\x01", b"cbc(aes)\0", b"hmac(sha256)\0"):
            self.assertIn(part, octets)
        self.assertIn(b"\xab" * 16, octets)
        self.assertIn(b"\xcd" * 32, octets)


class TransportTests(IpsecTestCase):
    """Transport mode, which charon cannot do by itself."""

    def test_transport(self) -> None:
        """A request between two servers: ESP, and nothing of SIP; the kernel's policies stay all the time."""
        reason = why_no_kernel_esp(self.ours)
        if reason:
            raise SkipTest(f"not possible here: ESP in the kernel: {reason}")
        proxies = []
        for host, other in ((self.ours, self.theirs), (self.theirs, self.ours)):
            charon = Strongswan(self, host, in_kernel=True)
            block = self.peer(other, f"IPSecPresharedKeyFile {self.folder}/psk", "IPSecMethod Transport")
            proxies.append(self.start(host, charon.socket, block))
        first, second = proxies
        self.wait_for(first, "up")
        wire = Wire(self, self.ours)
        self.assertEqual(self.telephone(self.ours, first.address).ask("OPTIONS", f"sip:{second.domain}").status, 200)
        wire.finish()
        self.assertGreaterEqual(wire.count("esp"), 2)
        self.assertNotIn(b"SIP/2.0", wire.octets())
        self.assertIn("dir in action block", self.policies(self.ours))
