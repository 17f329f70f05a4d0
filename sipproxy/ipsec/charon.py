"""Peers with IKE: their connections in charon, loaded, initiated again whenever they are lost, and unloaded.

Each peer is a connection of charon's (L{sipproxy.ipsec.connections}), and its
association is in place while that has a CHILD_SA that carries traffic. Events
tell of its coming and going; all are listed now and then, for what no event has
told. Where charon is away no association can be relied on: all are down.

L{sipproxy.ipsec.initiations} begins what is not there.
"""

from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from random import Random
from typing import Any

from twisted.internet.defer import Deferred, DeferredLock
from twisted.logger import Logger

from sipproxy.ipsec import connections
from sipproxy.ipsec.associations import Associations
from sipproxy.ipsec.initiations import FIRST_WAIT, IConnector, Initiations
from sipproxy.ipsec.peers import Ike, Peer
from sipproxy.ipsec.vici import Section, ViciConnection, ViciError, ViciLostError

log = Logger(namespace="mod_sip_ipsec")

#: Seconds between two attempts to reach charon, and between two lists of what it has.
RETRY = 5.0
WATCH = 15.0
#: Seconds that charon may take to forget our peers when the server stops.
STOP_TIMEOUT = 5.0

_EVENTS = ("child-updown", "child-rekey", "ike-updown", "ike-rekey", "list-sa")
_LOST = "closed by the peer, or the peer is gone"


class Charon:
    """All peers with IKE.

    @ivar away_reason: why charon cannot be reached, empty while it can
    """

    def __init__(
        self,
        clock: Any,
        connector: IConnector,
        associations: Associations,
        ports: Sequence[int],
        random: Random,
        userspace: Callable[[bool], None],
    ) -> None:
        """
        @param clock: provider of IReactorTime
        @param ports: that the server listens on
        @param userspace: told whether charon protects by itself, instead of the kernel
        """
        self.away_reason = ""
        self._clock = clock
        self._connector = connector
        self._associations = associations
        self._ports = ports
        self._initiations = Initiations(clock, connector, random, self._is_wanted, self._initiated)
        self._userspace = userspace
        self._peers: dict[str, Peer] = {}
        self._loaded: dict[str, Peer] = {}
        self._keys: dict[str, str] = {}
        self._carrying: dict[str, dict[str, str]] = {}
        self._connection: ViciConnection | None = None
        self._listed: list[Section] = []
        self._is_running = False
        self._is_connecting = False
        self._again: Any = None
        # One conversation after the other: their steps belong together.
        self._lock = DeferredLock()

    # For the service

    def start(self) -> None:
        """Begin."""
        self._is_running = True
        self._connect()

    def serve(self, peers: Iterable[Peer]) -> "Deferred[None]":
        """Have these peers, and no others.

        @return: fires with None once charon knows, or cannot be reached
        """
        old = self._peers
        self._peers = {peer.name: peer for peer in peers if isinstance(peer.keying, Ike)}
        for name in old:
            if self._peers.get(name) != old[name]:
                self._initiations.forget(name)
        if self._again is None:
            self._connect()
        elif self._connection is None:
            self._all_down(self.away_reason)
        return self._talk(self._load_all)

    def stop(self) -> "Deferred[None]":
        """Let charon forget all of them."""
        self._is_running = False
        self._initiations.stop()
        if self._again is not None:
            self._again.cancel()
            self._again = None
        connection = self._connection
        if connection is None:
            return self._talk(self._load_all)
        self._peers = {}
        late = self._clock.callLater(STOP_TIMEOUT, connection.close)

        def end(result: None) -> None:
            if late.active():
                late.cancel()
            connection.close()

        return self._talk(self._load_all).addCallback(end)

    async def initiate(self, name: str) -> None:
        """Establish the association with a peer.

        @raise ViciError: it cannot be established; the text says why
        """
        await self._initiations.initiate(name)

    async def rekey(self, name: str) -> None:
        """Give the association with a peer new keys.

        @raise ViciError: it cannot be done
        """
        if self._connection is None:
            raise ViciError(self.away_reason or "charon is not connected yet")
        await self._connection.request("rekey", {"ike": connections.connection_name(name), "child": connections.CHILD})

    # The connection

    def _connect(self) -> None:
        if self._is_running and self._peers and self._connection is None and not self._is_connecting:
            self._is_connecting = True
            Deferred.fromCoroutine(self._open()).addErrback(_fault)

    async def _open(self) -> None:
        try:
            connection = await self._connector.connect(self._event)
        except ViciError as error:
            self._is_connecting = False
            self._away(str(error))
            return
        self._is_connecting = False
        if not self._is_running:
            connection.close()
            return
        self._connection = connection
        connection.closed.addCallback(self._closed)
        self._talk(self._settle)

    def _closed(self, reason: str) -> None:
        self._connection = None
        self._loaded.clear()
        self._keys.clear()
        self._carrying.clear()
        if self._is_running:
            self._away(f"charon: {reason}")

    def _away(self, reason: str) -> None:
        if self.away_reason != reason:
            log.error("{reason}; peers with IKE are not protected", reason=reason)
        self.away_reason = reason
        self._all_down(reason)
        self._later(RETRY, self._connect)

    def _all_down(self, reason: str) -> None:
        for name in self._peers:
            self._associations.down(name, reason)

    def _later(self, seconds: float, call: Callable[[], object]) -> None:
        """Do something later, instead of what else was to be done later."""
        if self._again is not None:
            self._again.cancel()
            self._again = None
        if not self._is_running:
            return

        def do() -> None:
            self._again = None
            call()

        self._again = self._clock.callLater(seconds, do)

    def _talk(self, conversation: "Callable[[ViciConnection], Coroutine[Any, Any, None]]") -> "Deferred[None]":
        """Have a conversation with charon, after those that were begun before; where it is away there is none."""

        async def talk() -> None:
            if self._connection is None:
                return
            try:
                await conversation(self._connection)
            except ViciLostError:
                return  # _closed has dealt with it
            except ViciError as error:
                log.error("{error}", error=error)
                if self._connection is not None:
                    self._connection.close()

        done: Deferred[None] = self._lock.run(lambda: Deferred.fromCoroutine(talk()))
        return done.addErrback(_fault)

    async def _settle(self, connection: ViciConnection) -> None:
        """Begin a connection: follow events, tidy up, load."""
        for event in _EVENTS:
            await connection.follow(event)
        stats = await connection.request("stats")
        self._userspace("kernel-libipsec" in stats.get("plugins", ()))
        self.away_reason = ""
        there = await connection.request("get-conns")
        for name in filter(None, map(connections.peer_name, there.get("conns", ()))):
            if name not in self._peers:
                await self._unload(connection, name)
        await self._load_all(connection)
        self._watch()

    # Loading

    async def _load_all(self, connection: ViciConnection) -> None:
        """Let charon know the wanted peers as they are now, and no others."""
        for name, peer in list(self._loaded.items()):
            if self._peers.get(name) != peer:
                await self._unload(connection, name)
        for name, peer in list(self._peers.items()):
            if name not in self._loaded:
                await self._load(connection, peer)
        await self._look(connection)

    async def _load(self, connection: ViciConnection, peer: Peer) -> None:
        keying = peer.keying
        assert isinstance(keying, Ike)
        try:
            if keying.secret:
                await connection.request("load-shared", connections.shared_secret(peer))
            else:
                key = await connection.request("load-key", {"type": "any", "data": keying.key})
                self._keys[peer.name] = key.get("id", "")
            await connection.request("load-conn", connections.connection(peer, self._ports))
        except ViciLostError:
            raise
        except ViciError as error:
            self._associations.down(peer.name, str(error))
            return
        self._loaded[peer.name] = peer

    async def _unload(self, connection: ViciConnection, name: str) -> None:
        self._loaded.pop(name, None)
        self._carrying.pop(name, None)
        told = connections.connection_name(name)
        requests: list[tuple[str, Mapping[str, Any]]] = [
            ("unload-conn", {"name": told}),
            ("terminate", connections.termination(name)),
            ("unload-shared", {"id": told}),
        ]
        key = self._keys.pop(name, "")
        if key and key not in self._keys.values():
            requests.append(("unload-key", {"id": key}))
        for command, message in requests:
            await _try(connection, command, message)

    # What charon has

    def _watch(self) -> None:
        self._later(WATCH, self._watched)

    def _watched(self) -> None:
        if self._connection is not None:
            self._talk(self._load_all)
            self._watch()

    async def _look(self, connection: ViciConnection) -> None:
        """See which associations there are, and initiate the others."""
        for name in list(self._loaded):
            self._listed = []
            await connection.request("list-sas", {"ike": connections.connection_name(name), "noblock": "yes"})
            found: dict[str, str] = {}
            for event in self._listed:
                for _, ike in connections.ours(event):
                    found.update(_carrying(ike))
            self._carrying[name] = found
            self._decide(name)

    def _event(self, event: str, message: Section) -> None:
        """Take an event."""
        if event == "list-sa":
            self._listed.append(message)
            return
        for name, ike in connections.ours(message):
            if name not in self._loaded:
                continue
            if event == "ike-rekey":
                self._associations.note(name, "IKE rekeyed")
            elif event == "child-rekey":
                self._rekeyed(name, ike)
            elif message.get("up") == "yes":
                self._carrying.setdefault(name, {}).update(_carrying(ike))
                self._decide(name)
            else:
                carrying = self._carrying.setdefault(name, {})
                for child in connections.children(ike):
                    carrying.pop(str(child.get("uniqueid", "")), None)
                self._decide(name)

    def _rekeyed(self, name: str, ike: Mapping[str, Any]) -> None:
        carrying = self._carrying.setdefault(name, {})
        for pair in connections.children(ike):
            new, old = pair.get("new", {}), pair.get("old", {})
            if connections.carries(new):
                carrying[connections.carries(new)] = connections.described(new)
            carrying.pop(str(old.get("uniqueid", "")), None)
        self._associations.note(name, "rekeyed")
        self._decide(name)

    def _decide(self, name: str) -> None:
        """Say whether a peer is protected, by what carries its traffic, and see that it will be."""
        carrying = self._carrying.get(name)
        if carrying:
            self._initiations.forget(name)
            self._associations.up(name, next(reversed(carrying.values())))
            return
        was_up = self._is_up(name)
        if was_up:
            self._associations.down(name, _LOST)
        if self._is_running:
            self._initiations.plan(name, FIRST_WAIT if was_up else 0.0)

    def _is_up(self, name: str) -> bool:
        entry = self._associations.get(name)
        return entry is not None and entry.is_in_place

    def _is_wanted(self, name: str) -> bool:
        return self._connection is not None and name in self._loaded and not self._carrying.get(name)

    async def _initiated(self, name: str, reason: str) -> None:
        """Take the end of an initiation without an association that we know of."""
        if not reason:
            await self._talk(self._look)
            return
        self._associations.down(name, reason)
        if self._connection is not None:
            # What is still on its way would be in the way of the next one.
            await _try(self._connection, "terminate", connections.termination(name))


def _carrying(ike: Mapping[str, Any]) -> dict[str, str]:
    """Give the CHILD_SAs of an IKE_SA that carry traffic, by their identifiers, with what they are made of."""
    found = ((connections.carries(child), connections.described(child)) for child in connections.children(ike))
    return {identifier: text for identifier, text in found if identifier}


async def _try(connection: ViciConnection, command: str, message: Mapping[str, Any]) -> None:
    """Ask for something that may have been done already; where the connection is lost, who talks finds out next."""
    try:
        await connection.request(command, message)
    except ViciError:
        return


def _fault(failure: Any) -> None:
    log.failure("fault in the conversation with charon", failure)
