"""A whole simulation: clock, network, servers and user agents, from one seed."""

from collections.abc import Callable, Mapping
from pathlib import Path
from random import Random
from typing import Any

from sipproxy import directives
from sipproxy.app import Server, make_service, settings_of
from sipproxy.interfaces import Address
from sipproxy.simulation.agents import UserAgent
from sipproxy.simulation.clock import VirtualClock
from sipproxy.simulation.endpoint import Endpoint
from sipproxy.simulation.invariants import Watcher
from sipproxy.simulation.names import Names
from sipproxy.simulation.network import Faults, Host, MemoryNetwork
from sipproxy.simulation.people import People

#: Seconds after which nothing may be left of what was ever sent: timer C twice over, then 64*T1 twice.
LONGEST = 500.0


class Simulation:
    """Servers and user agents on a memory network; the same seed gives the same run.

    @ivar clock: the virtual clock
    @ivar network: the wire
    @ivar names: the host names that servers find
    @ivar people: the subscribers that servers know
    @ivar servers: the servers, by address
    """

    def __init__(self, root: Path, seed: int = 1, faults: Faults = Faults()) -> None:  # noqa: B008 - it is frozen
        """
        @param root: a folder, in which each server has its ServerRoot
        @param seed: decides all that is left to chance
        @param faults: what the network does to datagrams
        """
        self.clock = VirtualClock()
        self.names = Names(self.clock)
        self.people = People(self.clock)
        self.servers: dict[str, Server] = {}
        self._root = root
        self._random = Random(seed)
        self.network = MemoryNetwork(self.clock, self._fork_random(), faults)
        self._hosts: dict[str, Host] = {}
        self._watchers: list[Watcher] = []

    def _fork_random(self) -> Random:
        # One source for each, so that what one draws does not change what another gets.
        return Random(self._random.getrandbits(64))

    def host(self, address: str, *further: str) -> Host:
        """Give the machine of an address.

        @param further: other addresses that it has too; they count when it is named for the first time
        """
        if address not in self._hosts:
            self._hosts[address] = self.network.host(address, *further)
        return self._hosts[address]

    def server(self, address: str, values: Mapping[str, Any] | None = None) -> Server:
        """Start a server, with its registrations in memory.

        @param values: directives, as they would stand in C{sipd.conf}; without Listen it has port 5060
        """
        settings = settings_of(
            {
                "ServerRoot": str(self._root / address),
                "Listen": f"{address}:5060",
                "ServerName": address,
                "RegistryDatabase": "memory",
                "RoutingDatabase": "memory",
                "NumbersDatabase": "memory",
                **(values or {}),
            }
        )
        host = self.host(address)
        server = make_service(
            settings, self.clock, host, self._fork_random(), resolver=self.names, subscribers=self.people
        )
        server.startService()
        self.servers[address] = server
        listens = [(place.host or address, place.port) for place in settings[directives.LISTEN]]
        self._watchers.append(Watcher(server, listens, self.network.transcript))
        return server

    def agent(self, aor: bytes, address: str, proxy: str | None = None, port: int = 5060) -> UserAgent:
        """Switch a telephone on.

        @param proxy: address of the server that it sends its requests to
        """
        destination: Address | None = None if proxy is None else (proxy, 5060)
        return UserAgent(self.clock, self.host(address), self._fork_random(), aor, port, destination)

    def endpoint(self, name: str, address: str, port: int = 5060) -> Endpoint:
        """Open a port for messages that are written by hand."""
        return Endpoint(self.clock, self.host(address), name, port)

    def run(self, seconds: float) -> None:
        """Let time pass, and check the invariants after each event.

        @raise sipproxy.simulation.invariants.BrokenInvariantError: one does not hold
        """
        self.clock.run(seconds, self._look)

    def run_until(self, reached: Callable[[], bool], seconds: float = LONGEST) -> None:
        """Let time pass until a condition holds, at most for so long; the invariants are checked."""
        self.clock.run_until(reached, seconds, self._look)

    def finish(self) -> None:
        """Let everything end, and check that no server that still runs kept anything.

        @raise sipproxy.simulation.invariants.BrokenInvariantError: one did
        """
        self.run(LONGEST)
        for watcher in self._watchers:
            if watcher.server.running:
                watcher.look_behind()

    def stop(self) -> None:
        """Stop the servers."""
        for server in self.servers.values():
            server.stopService()
        self.run(LONGEST)
        self.servers.clear()

    def _look(self) -> None:
        for watcher in self._watchers:
            watcher.look()
