"""A server as C{make_service} makes it, on a virtual clock and a network that goes nowhere."""

import gc
from collections.abc import Callable
from pathlib import Path
from random import Random

from twisted.internet.testing import MemoryReactorClock
from zope.interface import implementer

from bench.subscribers import memory_store
from bench.works import NEED_SUBSCRIBERS, USERS, directives
from sipproxy.app import Server, make_service, settings_of
from sipproxy.databases.subscribers import Subscribers
from sipproxy.databases.subscribers_settings import SUBSCRIBER_CACHE
from sipproxy.interfaces import Address, IDatagramUser, INetwork, IPort
from sipproxy.process import settle_garbage_collector

PORT = 5060


@implementer(IPort)
class NullPort:
    """A port whose datagrams go into a list.

    @ivar sent: what the server sent, each with its destination
    """

    def __init__(self, address: Address, user: IDatagramUser) -> None:
        self.address = address
        self.deliver: Callable[[bytes, Address], None] = user.datagramReceived
        self.sent: list[tuple[bytes, Address]] = []

    def write(self, data: bytes, destination: Address) -> None:
        """Keep it."""
        self.sent.append((data, destination))

    def take(self) -> list[tuple[bytes, Address]]:
        """Give what was sent since the last time."""
        taken = self.sent[:]
        self.sent.clear()
        return taken

    def pause(self) -> None:
        """Nothing comes of itself."""

    def resume(self) -> None:
        """Nothing comes of itself."""

    def stop(self) -> None:
        """Nothing is open."""


@implementer(INetwork)
class NullNetwork:
    """A network of one address.

    @ivar ports: the ports that were opened, in order
    """

    def __init__(self) -> None:
        self.ports: list[NullPort] = []

    def listen(self, host: str, port: int, user: IDatagramUser) -> NullPort:
        """Open a port."""
        opened = NullPort((host, port), user)
        self.ports.append(opened)
        user.makeConnection(opened)
        return opened

    def local_addresses(self) -> list[str]:
        """Give all addresses of this machine."""
        return ["127.0.0.1"]

    def local_address(self, destination: str) -> str:
        """Tell the local address that datagrams leave from."""
        return "127.0.0.1"


PYTHON_THRESHOLDS = gc.get_threshold()


class MemoryServer:
    """A running server without sockets.

    @ivar clock: its time
    @ivar network: its network
    @ivar server: its service
    @ivar port: its port
    """

    def __init__(self, work: str, root: Path, clock: MemoryReactorClock | None = None, /, **others: str) -> None:
        """Start it.

        @param root: an empty folder for its logs
        @param clock: a clock at its beginning
        @param others: further directives
        """
        self.clock = clock or MemoryReactorClock()  # type: ignore[no-untyped-call]
        self.clock.advance(1_000_000_000)
        self.network = network = NullNetwork()
        databases = dict.fromkeys(("RegistryDatabase", "RoutingDatabase", "NumbersDatabase"), "memory")
        settings = settings_of(directives(work, root, PORT, **databases, **others))
        store = memory_store(USERS if work in NEED_SUBSCRIBERS else 0)
        subscribers = Subscribers(store, self.clock, settings[SUBSCRIBER_CACHE])
        self.server: Server = make_service(settings, self.clock, network, Random(1), subscribers=subscribers)
        self.server.startService()
        self.port = network.ports[0]
        settle_garbage_collector()

    @property
    def transactions(self) -> int:
        """How many transactions are live."""
        return len(self.server.sip.core.table)

    def stop(self) -> None:
        """Stop it."""
        self.server.stopService()
        self.clock.advance(10)
        gc.unfreeze()
        gc.set_threshold(*PYTHON_THRESHOLDS)
