"""linphone-daemon as a telephone: text commands over the socket that it makes in /tmp."""

import contextlib
import os
import socket
import subprocess

from twisted.trial.unittest import SynchronousTestCase

from test.interop.harness import PATIENCE, Process, free_port, make_folder, program, wait_until
from test.interop.phones import aor
from test.interop.telephone import Address, host_port

_CONFIGURATION = """
[sip]
sip_port={sip}
sip_tcp_port={sip}
sip_tls_port=0
bind_address=127.0.0.1
guess_hostname=0
register_only_when_network_is_up=0
use_ipv6=0
inc_timeout=30
keepalive_period=0
[net]
firewall_policy=0
mtu=1300
[rtp]
audio_rtp_port={rtp}
[sound]
ec=0
[misc]
log_collection_upload_server_url=
version_check_url_root=
[video]
enabled=0
capture=0
display=0
"""


class Linphone:
    """One linphone-daemon with one account."""

    REFUSAL = 603

    def __init__(self, test: SynchronousTestCase, user: str, proxy: Address, password: str = "") -> None:
        """Start and register it.

        @param proxy: with port 5060, as it strips the port from To and From
        @param password: answers challenges
        """
        path = program("linphone-daemon", "linphone-cli")
        self.user = user
        folder = make_folder(test, "linphone")
        # Where its data folder is missing, it does not listen at all.
        (folder / ".local/share/linphone").mkdir(parents=True)
        first = free_port(5)
        (folder / "rc").write_text(_CONFIGURATION.format(sip=first, rtp=first + 1))
        pipe = f"sipproxy-test-{os.getpid()}-{first}"
        home = {name: str(folder) for name in ("HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_CACHE_HOME")}
        options = ["--pipe", pipe, "--config", "rc", "--log", "log", "--disable-stats-events"]
        # The end of its standard input makes it crash.
        self._process = Process(test, [path, *options], folder, environment=home, stdin=subprocess.PIPE)
        test.addCleanup(_remove, f"/tmp/{pipe}")
        self._control = wait_until(lambda: self._connect(f"/tmp/{pipe}"), "linphone takes commands")
        test.addCleanup(self._control.close)
        credentials = f" {password} {user}" if password else ""
        self._tell(f"register {aor(user, proxy)} sip:{host_port(proxy)};transport=udp{credentials}")
        self._wait("register-status ALL", "LinphoneRegistrationOk")

    def _connect(self, path: str) -> socket.socket | None:
        self._process.see_alive()
        control = socket.socket(socket.AF_UNIX)
        control.settimeout(PATIENCE)
        try:
            control.connect(path)
        except OSError:
            control.close()
            return None
        return control

    # Phone.

    def dial(self, uri: str) -> None:
        """Begin a call."""
        self._tell(f"call {uri}")

    def wait_called(self) -> None:
        """Wait until a call comes in."""
        self._wait("call-status", "LinphoneCallIncomingReceived")

    def wait_ringing(self) -> None:
        """Wait until the other end rings."""
        self._wait("call-status", "LinphoneCallOutgoingRinging")

    def answer(self) -> None:
        """Take the call."""
        self._tell("answer")

    def refuse(self) -> None:
        """Refuse the call."""
        self._tell("terminate")

    def hang_up(self) -> None:
        """End the call."""
        self._tell("terminate")

    def wait_established(self) -> None:
        """Wait until the call is established."""
        self._wait("call-status", "LinphoneCallStreamsRunning")

    def wait_closed(self) -> None:
        """Wait until the call is over."""
        self._wait("call-status", "Status: Error")

    # The control connection.

    def _tell(self, command: str) -> str:
        """Send a command and give its answer."""
        self._control.sendall(command.encode() + b"\n")
        return self._control.recv(65_536).decode(errors="replace")

    def _wait(self, command: str, wanted: str) -> None:
        """Ask until the answer has what is wanted."""
        last = ""

        def there() -> bool:
            nonlocal last
            self._process.see_alive()
            last = self._tell(command)
            return wanted in last

        try:
            wait_until(there, wanted)
        except AssertionError as error:
            raise AssertionError(f"{error}; the last answer: {last}") from None


def _remove(path: str) -> None:
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)
