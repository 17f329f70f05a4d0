"""baresip as a telephone: driven by its module ctrl_tcp, JSON in netstrings both ways."""

import contextlib
import json
import select
import socket
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from test.interop.harness import LOOPBACK, PATIENCE, Process, free_port, make_folder, program, wait_until
from test.interop.phones import Watch, aor
from test.interop.telephone import Address, host_port

# Without a sound card: silence goes out, and what comes in goes nowhere. It listens on one port more, for TLS.
_CONFIGURATION = """
poll_method epoll
sip_listen {host}:{sip}
net_interface {host}
call_local_timeout 120
call_max_calls 4
audio_player aubridge,nil
audio_source aubridge,nil
audio_alert aubridge,nil
rtp_ports {rtp}-{rtp_end}
module_path /usr/lib/baresip/modules
module g711.so
module aubridge.so
module_tmp uuid.so
module_tmp account.so
module_app contact.so
module_app menu.so
module_app ctrl_tcp.so
ctrl_tcp_listen {host}:{control}
ringback_disabled yes
"""


class Baresip:
    """One baresip with one account."""

    REFUSAL = 486

    def __init__(self, test: SynchronousTestCase, user: str, proxy: Address, password: str = "none") -> None:
        """Start and register it.

        @param password: answers challenges
        """
        path = program("baresip", "baresip-core")
        self.user = user
        folder = make_folder(test, "baresip")
        first = free_port(14)
        control = first + 2
        self._rest = b""
        self._events: list[dict[str, Any]] = []
        configuration = _CONFIGURATION.format(
            host=LOOPBACK, sip=first, control=control, rtp=first + 4, rtp_end=first + 13
        )
        (folder / "config").write_text(configuration)
        (folder / "accounts").write_text("")
        (folder / "contacts").write_text("")
        self._process = Process(test, [path, "-4", "-f", folder, "-v"], folder)
        self._control = wait_until(lambda: self._connect(control), "baresip takes commands")
        test.addCleanup(self._control.close)
        place = host_port(proxy)
        # Added only now, as what happens before somebody listens is told to nobody.
        self._tell("uanew", f'<{aor(user, proxy)}>;auth_pass={password};regint=60;outbound="sip:{place};transport=udp"')
        self._wait("REGISTER_OK")

    def _connect(self, port: int) -> socket.socket | None:
        self._process.see_alive()
        with contextlib.suppress(OSError):
            return socket.create_connection((LOOPBACK, port), PATIENCE)
        return None

    # Phone.

    def dial(self, uri: str) -> None:
        """Begin a call."""
        self._tell("dial", uri)

    def wait_called(self) -> None:
        """Wait until a call comes in."""
        self._wait("CALL_INCOMING")

    def wait_ringing(self) -> None:
        """Wait until the other end rings."""
        self._wait("CALL_RINGING")

    def answer(self) -> None:
        """Take the call."""
        self._tell("accept")

    def refuse(self) -> None:
        """Refuse the call."""
        self._tell("hangup")

    def hang_up(self) -> None:
        """End the call."""
        self._tell("hangup")

    def wait_established(self) -> None:
        """Wait until the call is established."""
        self._wait("CALL_ESTABLISHED")

    def wait_closed(self) -> None:
        """Wait until the call is over."""
        self._wait("CALL_CLOSED")

    # The control connection.

    def _tell(self, command: str, parameters: str = "") -> None:
        message = json.dumps({"command": command, "params": parameters, "token": command}).encode()
        self._control.sendall(b"%d:%b," % (len(message), message))

    def _wait(self, kind: str) -> None:
        """Wait for an event; those before it are forgotten."""
        watch = Watch(f"{kind} of baresip")
        seen: list[object] = []
        while True:
            while self._events:
                event = self._events.pop(0)
                if event.get("type") == kind:
                    return
                seen.append(event.get("type") or event)
            self._read(watch.left(seen))

    def _read(self, timeout: float) -> None:
        if not select.select([self._control], [], [], min(timeout, 0.5))[0]:
            self._process.see_alive()
            return
        data = self._control.recv(65_536)
        if not data:
            self._process.see_alive()
        self._rest += data
        while b":" in self._rest:
            length, _, rest = self._rest.partition(b":")
            if len(rest) <= int(length):
                break
            self._events.append(json.loads(rest[: int(length)]))
            self._rest = rest[int(length) + 1 :]
