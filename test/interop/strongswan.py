"""strongSwan as a peer, and networks of two hosts for it, each a network namespace of the kernel.

Where the kernel has no ESP, charon does it itself (kernel-libipsec over a TUN
device), in tunnel mode and in UDP. All that is made here ends with its test.
"""

import ctypes
import os
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from random import SystemRandom
from typing import Any
from unittest import SkipTest

import vici  # type: ignore[import-untyped]
from twisted.trial.unittest import SynchronousTestCase

from test.interop.harness import Process, make_folder, program, wait_until

CHARON = Path("/usr/lib/ipsec/charon")
_CLONE_NEWNET = 0x40000000
_MARK = 0x42

_CONFIGURATION = """
charon {{
    load = {plugins}
    install_routes = yes
    retransmit_timeout = 0.5
    retransmit_tries = 3
    filelog {{
        log {{
            path = {folder}/charon.log
            default = 1
            flush_line = yes
        }}
    }}
    plugins {{
        vici {{
            socket = unix://{socket}
        }}
        kernel-libipsec {{
            allow_peer_ts = yes
        }}
        kernel-netlink {{
            fwmark = !{mark:#x}
        }}
        socket-default {{
            fwmark = {mark:#x}
        }}
    }}
}}
"""
# kernel-libipsec has to come before kernel-netlink.
_PLUGINS = (
    "random nonce aes sha1 sha2 hmac kdf gmp curve25519 openssl gcm x509 pem pkcs1 pkcs8 pubkey constraints"
    " socket-default"
)


def ip(*words: str, namespace: str = "") -> str:
    """Run C{ip}, and give what it prints.

    @raise SkipTest: this machine does not let us
    """
    command = [program("ip", "iproute2"), *(["-n", namespace] if namespace else []), *words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30)
    if done.returncode:
        raise SkipTest(f"not possible here: {' '.join(command)}: {done.stderr.strip()}")
    return done.stdout


class Host:
    """A host with one address, in a namespace of its own.

    @ivar name: of the namespace
    @ivar address: its address
    """

    def __init__(self, test: SynchronousTestCase, name: str, address: str) -> None:
        self.name = name
        self.address = address
        ip("netns", "add", name)
        test.addCleanup(ip, "netns", "del", name)
        ip("link", "set", "lo", "up", namespace=name)

    @contextmanager
    def entered(self) -> Iterator[None]:
        """Be on this host: sockets that are opened, and programs that are started meanwhile, stay there."""
        setns = ctypes.CDLL(None, use_errno=True).setns
        with open("/proc/thread-self/ns/net") as home, open(f"/run/netns/{self.name}") as there:
            if setns(there.fileno(), _CLONE_NEWNET):
                raise OSError(ctypes.get_errno(), "setns")
            try:
                yield
            finally:
                setns(home.fileno(), _CLONE_NEWNET)

    def run(self, *command: str) -> str:
        """Run a program there to its end, and give what it prints."""
        with self.entered():
            return subprocess.run(command, capture_output=True, text=True, check=True, timeout=30).stdout


def two_hosts(test: SynchronousTestCase) -> tuple[Host, Host]:
    """Make two hosts with one wire between them, which each calls eth0.

    @raise SkipTest: this machine, or this user, cannot
    """
    if os.geteuid():
        raise SkipTest("not possible here: only root can make network namespaces")
    token = f"{SystemRandom().getrandbits(32):08x}"
    first, second = (Host(test, f"sp{token}{n}", f"10.99.0.{n}") for n in (1, 2))
    ip("link", "add", f"v1{token}", "type", "veth", "peer", "name", f"v2{token}")
    for n, host in enumerate((first, second), 1):
        ip("link", "set", f"v{n}{token}", "netns", host.name, "name", "eth0")
        ip("addr", "add", f"{host.address}/24", "dev", "eth0", namespace=host.name)
        ip("link", "set", "eth0", "up", namespace=host.name)
    return first, second


def why_no_kernel_esp(host: Host) -> str:
    """Tell why the kernel cannot do ESP, empty where it can."""
    state = ["src", "10.0.0.1", "dst", "10.0.0.2", "proto", "esp", "spi", "0x1000"]
    keys = ["auth-trunc", "hmac(sha256)", "0x" + "ab" * 32, "128", "enc", "cbc(aes)", "0x" + "cd" * 16]
    command = [program("ip", "iproute2"), "-n", host.name, "xfrm", "state"]
    done = subprocess.run(
        [*command, "add", *state, "mode", "tunnel", *keys], capture_output=True, text=True, timeout=30
    )
    if done.returncode:
        return done.stderr.strip()
    subprocess.run([*command, "delete", *state], check=True, timeout=30)
    return ""


class Strongswan:
    """One charon on a host.

    @ivar socket: its VICI socket
    """

    def __init__(self, test: SynchronousTestCase, host: Host, in_kernel: bool = False) -> None:
        """Start it.

        @param in_kernel: whether the kernel does the protection
        @raise SkipTest: it is not installed, or cannot have a TUN device
        """
        if not CHARON.exists():
            raise SkipTest("charon is not installed (Debian: strongswan-charon libcharon-extra-plugins)")
        if not in_kernel and not os.access("/dev/net/tun", os.R_OK | os.W_OK):
            raise SkipTest("not possible here: there is no /dev/net/tun")
        self._test = test
        self._host = host
        self._folder = make_folder(test, "charon")
        (self._folder / "run").mkdir()
        # The name of a socket has 107 octets at most (unix(7)).
        short = Path(tempfile.mkdtemp())
        test.addCleanup(shutil.rmtree, short)
        self.socket = short / "vici.sock"
        plugins = f"{_PLUGINS} {'' if in_kernel else 'kernel-libipsec'} kernel-netlink vici"
        text = _CONFIGURATION.format(folder=self._folder, socket=self.socket, mark=_MARK, plugins=plugins)
        (self._folder / "strongswan.conf").write_text(text)
        self.start()

    def start(self) -> None:
        """Start it, also after L{kill}."""
        self.socket.unlink(missing_ok=True)
        # Its pid file has a fixed place: a /run of its own.
        script = 'mount --bind "$1" /run && exec "$2" --use-syslog no'
        with self._host.entered():
            self._process = Process(
                self._test,
                [program("unshare", "util-linux"), "-m", "sh", "-c", script, "sh", self._folder / "run", CHARON],
                self._folder,
                "charon",
                {"STRONGSWAN_CONF": str(self._folder / "strongswan.conf")},
            )
        wait_until(self._answers, "charon answers")

    def _answers(self) -> bool:
        self._process.see_alive()
        try:
            self.ask("version")
        except OSError:
            return False
        return True

    def stop(self) -> None:
        """End it as an operator would: peers are told."""
        self._process.stop()

    def kill(self) -> None:
        """End it as a power cut would."""
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()

    def log(self) -> str:
        """Give its log."""
        return (self._folder / "charon.log").read_text(errors="replace")

    # What an operator would do with swanctl.

    def ask(self, command: str, message: "Mapping[str, Any] | None" = None) -> Any:
        """Let it do something over VICI."""
        with self._session() as session:
            return session.request(command, message)

    @contextmanager
    def _session(self) -> "Iterator[Any]":
        with socket.socket(socket.AF_UNIX) as opened:
            opened.settimeout(15)
            opened.connect(str(self.socket))
            yield vici.Session(opened)

    def load(
        self, peer: str, secret: bytes, local: str = "dynamic[udp/5060]", remote: str = "dynamic[udp/5060]"
    ) -> None:
        """Load a connection with a preshared key, that waits for the peer to begin.

        @param peer: address of the peer
        @param local: what is protected on its own side
        @param remote: what is on the peer's
        """
        child = {"local_ts": [local], "remote_ts": [remote], "mode": "tunnel", "start_action": "none"}
        authentication = {"auth": "psk"}
        connection = {
            "version": "2",
            "remote_addrs": [peer],
            "local": authentication,
            "remote": authentication,
            "children": {"sip": child},
        }
        self.ask("load-conn", {"byhand": connection})
        self.ask("load-shared", {"id": "byhand", "type": "IKE", "data": secret})

    def associations(self) -> list[dict[str, Any]]:
        """Give the CHILD_SAs that it has, each with what is known of it."""
        with self._session() as session:
            found = [ike for sas in session.list_sas() for ike in sas.values()]
        return [child for ike in found for child in ike.get("child-sas", {}).values()]

    def connections(self) -> list[str]:
        """Give the names of the connections that are loaded."""
        return [name.decode() for name in self.ask("get-conns")["conns"]]


class Wire:
    """All that passes the wire of a host from now on, as tshark sees it."""

    def __init__(self, test: SynchronousTestCase, host: Host) -> None:
        """Begin to capture."""
        folder = make_folder(test, "wire")
        self._host = host
        self._file = folder / "wire.pcap"
        self._file.touch(0o666)  # tshark gives up root before it writes
        self._tshark = program("tshark", "tshark")
        with host.entered():
            self._process = Process(test, [self._tshark, "-l", "-i", "eth0", "-w", self._file], folder)
        wait_until(lambda: "Capture started" in self._process.text(), "tshark captures")

    def finish(self) -> None:
        """Stop, once what has passed so far is in the file."""
        marker = SystemRandom().randbytes(16)
        with self._host.entered(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as opened:
            # To all on the wire itself: what goes to the other host may be protected.
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"eth0")
            opened.sendto(marker, ("255.255.255.255", 9))
        wait_until(lambda: marker in self.octets(), "the marker is captured")
        self._process.send_signal(signal.SIGINT)
        self._process.wait()

    def octets(self) -> bytes:
        """Give all that has passed, with what the file format adds."""
        return self._file.read_bytes()

    def count(self, selected: str) -> int:
        """Count the frames of a display filter."""
        command = [self._tshark, "-n", "-r", str(self._file), "-Y", selected, "-T", "fields", "-e", "frame.number"]
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
        return len(done.stdout.splitlines())


def make_certificates(folder: Path, names: Sequence[str]) -> None:
    """Make C{ca.pem} and, signed by it, C{NAME.pem} with C{NAME.key} for each name.

    @raise SkipTest: openssl is not installed
    """
    openssl = program("openssl", "openssl")

    def run(*words: str) -> None:
        subprocess.run([openssl, *words], cwd=folder, capture_output=True, check=True, timeout=30)

    new = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    run("req", "-x509", *new, "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=test ca", "-days", "2")
    for name in names:
        run("req", *new, "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={name}")
        (folder / "names").write_text(f"subjectAltName=DNS:{name}\n")
        signed_by = ("-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-extfile", "names", "-days", "2")
        run("x509", "-req", "-in", f"{name}.csr", "-out", f"{name}.pem", *signed_by)
        (folder / f"{name}.key").chmod(0o600)
