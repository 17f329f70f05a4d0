"""Servers of etcd of the tests' own: one, or a cluster of three, in the clear or with TLS."""

import json
import signal
import subprocess
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from test.interop.harness import LOOPBACK, PATIENCE, Process, free_port, make_folder, program, wait_until

_FAST = ("--heartbeat-interval", "50", "--election-timeout", "500", "--unsafe-no-fsync")
_QUIET = ("--logger", "zap", "--log-level", "warn")


class Certificates:
    """An authority, a server and a client it vouches for, in files.

    @ivar ca: the authority's certificate
    @ivar server: certificate and key of a server at the loopback
    @ivar client: those of a client
    """

    def __init__(self, folder: Path) -> None:
        """Make them."""
        self._folder = folder
        openssl = program("openssl", "openssl")
        self._openssl = openssl
        self.ca = folder / "ca.pem"
        self._run("req", "-x509", *self._new("ca"), "-days", "2", "-subj", "/CN=tests", "-out", self.ca)
        self.server = self._issue("server", f"subjectAltName=IP:{LOOPBACK}\nextendedKeyUsage=serverAuth,clientAuth\n")
        self.client = self._issue("client", "extendedKeyUsage=clientAuth\n")

    def _new(self, name: str) -> Sequence[str | Path]:
        return "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", self._folder / f"{name}.key"

    def _issue(self, name: str, extensions: str) -> tuple[Path, Path]:
        request, certificate = self._folder / f"{name}.csr", self._folder / f"{name}.pem"
        (self._folder / f"{name}.ext").write_text(extensions)
        self._run("req", *self._new(name), "-subj", f"/CN={name}", "-out", request)
        key = self._folder / "ca.key"
        issue = ("x509", "-req", "-in", request, "-CA", self.ca, "-CAkey", key, "-CAcreateserial", "-days", "2")
        self._run(*issue, "-extfile", self._folder / f"{name}.ext", "-out", certificate)
        return certificate, self._folder / f"{name}.key"

    def _run(self, *words: str | Path) -> None:
        subprocess.run([self._openssl, *words], check=True, capture_output=True, timeout=PATIENCE)


class Etcd:
    """Some servers that are one cluster.

    @ivar urls: where clients find them
    """

    def __init__(self, test: SynchronousTestCase, count: int = 1, certificates: Certificates | None = None) -> None:
        """Start them and wait until they are healthy.

        @raise SkipTest: etcd is not installed
        """
        self._program = program("etcd", "etcd-server")
        self._test = test
        self._folder = make_folder(test, "etcd")
        self._certificates = certificates
        first = free_port(2 * count)
        scheme = "http" if certificates is None else "https"
        self.urls = [f"{scheme}://{LOOPBACK}:{first + at}" for at in range(count)]
        self._peers = [f"http://{LOOPBACK}:{first + count + at}" for at in range(count)]
        self._processes: dict[int, Process] = {}
        for at in range(count):
            self.start(at)
        if certificates is None:
            self.wait_for_health()

    def start(self, at: int) -> None:
        """Start one, over what it had."""
        cluster = ",".join(f"e{number}={url}" for number, url in enumerate(self._peers))
        command = [
            self._program,
            *("--name", f"e{at}", "--data-dir", self._folder / f"e{at}"),
            *("--listen-client-urls", self.urls[at], "--advertise-client-urls", self.urls[at]),
            *("--listen-peer-urls", self._peers[at], "--initial-advertise-peer-urls", self._peers[at]),
            *("--initial-cluster", cluster, "--initial-cluster-state", "new", *_FAST, *_QUIET),
            *self._tls(),
        ]
        self._processes[at] = Process(self._test, command, self._folder, f"e{at}")

    def _tls(self) -> Sequence[str | Path]:
        if self._certificates is None:
            return ()
        certificate, key = self._certificates.server
        return (
            *("--cert-file", certificate, "--key-file", key),
            *("--trusted-ca-file", self._certificates.ca, "--client-cert-auth"),
        )

    def kill(self, at: int) -> None:
        """End one without notice."""
        self._processes[at].send_signal(signal.SIGKILL)
        self._processes[at].wait()

    def stall(self, at: int) -> None:
        """Let one say nothing any more, with its connections open."""
        self._processes[at].send_signal(signal.SIGSTOP)
        self._test.addCleanup(self._processes[at].send_signal, signal.SIGCONT)

    def leader(self) -> int:
        """Give the number of the one that leads."""
        for at, url in enumerate(self.urls):
            found = self.ask("/v3/maintenance/status", {}, url)
            if found["leader"] == found["header"]["member_id"]:
                return at
        raise AssertionError("nobody leads")

    def wait_for_health(self, urls: Sequence[str] = ()) -> None:
        """Wait until they can all do what they are asked."""
        for url in urls or self.urls:
            wait_until(lambda url=url: self._is_healthy(url), f"{url} is healthy", 2 * PATIENCE)  # type: ignore[misc]

    def _is_healthy(self, url: str) -> bool:
        try:
            with urllib.request.urlopen(f"{url}/health", timeout=1) as answer:
                return bool(json.load(answer)["health"] == "true")
        except (OSError, ValueError):
            return False

    def ask(self, path: str, question: Mapping[str, Any], url: str = "", token: str = "") -> Any:
        """Ask something as an operator would."""
        headers = {"Content-Type": "application/json", **({"Authorization": token} if token else {})}
        request = urllib.request.Request((url or self.urls[0]) + path, json.dumps(question).encode(), headers)
        with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
            return json.load(answer)

    def compact(self, revision: int) -> None:
        """Let it forget all changes before a revision."""
        self.ask("/v3/kv/compaction", {"revision": str(revision), "physical": True})

    def require_login(self, user: str, password: str) -> None:
        """Make a user who may do everything, and let it ask for names from now on."""
        for path, question in (
            ("/v3/auth/user/add", {"name": "root", "password": password}),
            ("/v3/auth/user/add", {"name": user, "password": password}),
            ("/v3/auth/user/grant", {"user": "root", "role": "root"}),
            ("/v3/auth/user/grant", {"user": user, "role": "root"}),
            ("/v3/auth/enable", {}),
        ):
            if path.endswith("grant") and question["user"] == "root":
                self.ask("/v3/auth/role/add", {"name": "root"})
            self.ask(path, question)
