"""A charon in memory that speaks VICI, a kernel's tables that note what is asked of them, and peers."""

import struct
from collections.abc import Mapping, Sequence
from typing import Any

from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.error import ConnectionDone
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from vici.protocol import Message, Packet  # type: ignore[import-untyped]

from sipproxy.ipsec.kernel import KernelError, Request
from sipproxy.ipsec.keys import Keys
from sipproxy.ipsec.peers import Ike, Manual, Peer
from sipproxy.ipsec.vici import EventFollower, ViciConnection, ViciError

KEYS = Keys("ab" * 16, "cd" * 32), Keys("12" * 16, "34" * 32)


def ike_peer(name: str = "gw", address: str = "192.0.2.1", **changes: Any) -> Peer:
    """Make a peer with a preshared key."""
    keying = Ike(address, "", b"secret", b"", b"", (), ())
    return Peer(**{**_COMMON, "name": name, "address": address, "keying": keying, **changes})


def manual_peer(name: str = "mg", address: str = "192.0.2.2", spi_in: int = 0x1001, **changes: Any) -> Peer:
    """Make a peer with manual keys."""
    keying = Manual(spi_in, 0x2001, "aes-cbc", "hmac-sha256", KEYS)
    return Peer(**{**_COMMON, "name": name, "address": address, "keying": keying, **changes})


_COMMON: dict[str, Any] = {"own_address": "", "method": "Tunnel", "selectors": "SIP", "is_required": True}


def settle(clock: Clock, turns: int = 200) -> None:
    """Let all happen that takes no time."""
    clock.pump([0.0] * turns)


class _Transport:
    """The wire from a connection to the charon in memory."""

    disconnecting = False

    def __init__(self, charon: "FakeCharon", connection: ViciConnection) -> None:
        self._charon = charon
        self._connection = connection
        self._buffer = b""
        self.followed: set[str] = set()
        self.is_open = True

    def write(self, data: bytes) -> None:
        """Take octets."""
        self._buffer += data
        while len(self._buffer) >= 4 and len(self._buffer) >= 4 + int.from_bytes(self._buffer[:4]):
            size = int.from_bytes(self._buffer[:4])
            packet, self._buffer = self._buffer[4 : 4 + size], self._buffer[4 + size :]
            self._charon.take(self, packet)

    def send(self, packet: bytes) -> None:
        """Let the connection have a packet a moment later."""
        self._charon.clock.callLater(0, self._arrive, struct.pack("!I", len(packet)) + packet)

    def _arrive(self, data: bytes) -> None:
        if self.is_open:
            self._connection.dataReceived(data)

    def abortConnection(self) -> None:
        """End it."""
        self.lose()

    def lose(self) -> None:
        """Let both sides know that it is closed."""
        if self.is_open:
            self.is_open = False
            self._connection.connectionLost(Failure(ConnectionDone()))


class FakeCharon:
    """Knows connections, secrets, keys and associations, and does what C{peers} would.

    @ivar asked: the commands with their messages, as they came
    @ivar refused: what is refused, by command, with the reason
    @ivar failing: peers that no association can be established with: the log lines, by connection
    @ivar mute: commands that get no answer
    """

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.is_away = False
        self.most_connections = 0
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.refused: dict[str, str] = {}
        self.failing: dict[str, Sequence[str]] = {}
        self.mute: set[str] = set()
        self.plugins = ["kernel-netlink", "vici"]
        self.connections: dict[str, Any] = {}
        self.secrets: dict[str, Any] = {}
        self.keys: dict[str, bytes] = {}
        self.associations: dict[str, dict[str, Any]] = {}
        self._children = 0
        self._open: list[_Transport] = []

    # The way to it

    async def connect(self, follower: EventFollower | None = None) -> ViciConnection:
        """See sipproxy.ipsec.vici.Connector."""
        if self.is_away:
            raise ViciError("charon cannot be reached at /run/charon.vici: Connection refused")
        connection = ViciConnection(self.clock, follower)
        transport: Any = _Transport(self, connection)
        self._open = [each for each in self._open if each.is_open]
        self._open.append(transport)
        self.most_connections = max(self.most_connections, len(self._open))
        connection.makeConnection(transport)
        return connection

    @property
    def open_connections(self) -> int:
        """How many connections are open."""
        return sum(transport.is_open for transport in self._open)

    # What happens to it

    def die(self) -> None:
        """Lose all, as a process that is killed does."""
        self.is_away = True
        self.connections, self.secrets, self.associations = {}, {}, {}
        for transport in self._open:
            transport.lose()

    def establish(self, name: str) -> None:
        """Have an association, by whoever began it."""
        self._children += 1
        child = self._child(self._children)
        self.associations.setdefault(name, {})[f"sip-{self._children}"] = child
        self.tell("child-updown", {"up": "yes", name: {"child-sas": {f"sip-{self._children}": child}}})

    def lose(self, name: str) -> None:
        """Lose the associations of a connection."""
        children = self.associations.pop(name, {})
        self.tell("child-updown", {name: {"child-sas": children}})
        self.tell("ike-updown", {name: {"child-sas": {}}})

    def rekey(self, name: str) -> None:
        """Replace the association of a connection."""
        ((old, child),) = self.associations[name].items()
        self._children += 1
        new = self._child(self._children)
        self.associations[name] = {f"sip-{self._children}": new}
        pair = {"old": {**child, "state": "REKEYED"}, "new": new}
        self.tell("child-rekey", {name: {"child-sas": {old.partition("-")[0]: pair}}})

    @staticmethod
    def _child(number: int) -> dict[str, Any]:
        return {
            "uniqueid": str(number),
            "state": "INSTALLED",
            "mode": "TUNNEL",
            "protocol": "ESP",
            "encr-alg": "AES_GCM_16",
            "encr-keysize": "128",
        }

    def tell(self, event: str, message: Mapping[str, Any]) -> None:
        """Tell an event to all who follow it."""
        packet = struct.pack("!BB", Packet.EVENT, len(event)) + event.encode() + Message.serialize(message)
        for transport in self._open:
            if event in transport.followed:
                transport.send(packet)

    # What it is asked

    def take(self, transport: _Transport, packet: bytes) -> None:
        """Take a packet."""
        kind, size = packet[0], packet[1]
        name = packet[2 : 2 + size].decode()
        if kind == Packet.EVENT_REGISTER:
            transport.followed.add(name)
            transport.send(struct.pack("!B", Packet.EVENT_CONFIRM))
            return
        message = Message.deserialize(_stream(packet[2 + size :]))
        self.asked.append((name, message))
        if name in self.mute:
            return
        answer = {"success": "no", "errmsg": self.refused[name]} if name in self.refused else self._do(name, message)
        if answer is None:
            transport.send(struct.pack("!B", Packet.CMD_UNKNOWN))
        else:
            transport.send(struct.pack("!B", Packet.CMD_RESPONSE) + Message.serialize(answer))

    def commands(self) -> list[str]:
        """Give the names of what was asked, and forget it."""
        names = [name for name, _ in self.asked]
        self.asked.clear()
        return names

    def _do(self, name: str, message: dict[str, Any]) -> dict[str, Any] | None:
        do = getattr(self, f"_do_{name.replace('-', '_')}", None)
        return None if do is None else do(message)

    def _do_stats(self, message: dict[str, Any]) -> dict[str, Any]:
        return {"plugins": self.plugins}

    def _do_get_conns(self, message: dict[str, Any]) -> dict[str, Any]:
        return {"conns": list(self.connections)}

    def _do_load_conn(self, message: dict[str, Any]) -> dict[str, Any]:
        self.connections.update(message)
        return {"success": "yes"}

    def _do_unload_conn(self, message: dict[str, Any]) -> dict[str, Any]:
        found = self.connections.pop(message["name"].decode(), None)
        return {"success": "yes"} if found is not None else {"success": "no", "errmsg": "not found"}

    def _do_load_shared(self, message: dict[str, Any]) -> dict[str, Any]:
        self.secrets[message["id"].decode()] = message
        return {"success": "yes"}

    def _do_unload_shared(self, message: dict[str, Any]) -> dict[str, Any]:
        self.secrets.pop(message["id"].decode(), None)
        return {"success": "yes"}

    def _do_load_key(self, message: dict[str, Any]) -> dict[str, Any]:
        identifier = message["data"].hex()
        self.keys[identifier] = message["data"]
        return {"success": "yes", "id": identifier}

    def _do_unload_key(self, message: dict[str, Any]) -> dict[str, Any]:
        self.keys.pop(message["id"].decode(), None)
        return {"success": "yes"}

    def _do_list_sas(self, message: dict[str, Any]) -> dict[str, Any]:
        name = message["ike"].decode()
        if name in self.associations:
            self.tell("list-sa", {name: {"child-sas": self.associations[name]}})
        return {}

    def _do_initiate(self, message: dict[str, Any]) -> dict[str, Any]:
        name = message["ike"].decode()
        if name in self.failing:
            for line in self.failing[name]:
                self.tell("control-log", {"group": "IKE", "level": "1", "msg": line})
            return {"success": "no", "errmsg": "establishing CHILD_SA 'sip' failed"}
        self.establish(name)
        return {"success": "yes"}

    def _do_terminate(self, message: dict[str, Any]) -> dict[str, Any]:
        name = message["ike"].decode()
        if name not in self.associations:
            return {"success": "no", "errmsg": "no matching SAs to terminate found"}
        self.lose(name)
        return {"success": "yes"}

    def _do_rekey(self, message: dict[str, Any]) -> dict[str, Any]:
        self.rekey(message["ike"].decode())
        return {"success": "yes", "matches": "1"}


def _stream(data: bytes) -> Any:
    return Packet.parse(b"\x01" + data).payload


class FakeKernel:
    """Tables that hold what was added.

    @ivar there: the entries, in the order in which they were added
    @ivar refused: what cannot be added, by what it is, with the reason
    """

    def __init__(self) -> None:
        self.there: list[Request] = []
        self.refused: dict[str, str] = {}
        self.is_started = False
        self.followers: list[Any] = []

    def subscribe(self, follower: Any) -> None:
        """See sipproxy.ipsec.kernel.Kernel."""
        self.followers.append(follower)

    def start(self) -> None:
        """Start."""
        self.is_started = True

    def stop(self) -> "Deferred[None]":
        """Remove all."""
        self.is_started = False
        self.there.clear()
        return succeed(None)

    def add(self, request: Request) -> "Deferred[None]":
        """Add an entry."""
        what = str(request["what"])
        if what in self.refused:
            return fail(KernelError(self.refused[what]))
        if request in self.there:
            raise AssertionError(f"{request} is there already")
        self.there.append(request)
        return succeed(None)

    def remove(self, request: Request) -> "Deferred[None]":
        """Remove an entry."""
        if request not in self.there:
            return fail(KernelError("it was not added here"))
        self.there.remove(request)
        return succeed(None)

    def end(self, reason: str) -> None:
        """Lose all, as a process that is killed does, or run again."""
        self.there.clear()
        for follower in self.followers:
            follower(reason)

    def entries(self, what: str) -> list[Request]:
        """Give the entries of a kind."""
        return [request for request in self.there if request["what"] == what]
