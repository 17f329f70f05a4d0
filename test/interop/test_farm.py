"""The farm over a real etcd: killed, stalled, compacted, with TLS and a login; and members over it."""

import json
import socket
import time
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.task import deferLater
from twisted.trial.unittest import TestCase
from twisted.web.server import Site
from twisted.web.static import Data

from sipproxy.config import Settings
from sipproxy.databases.registry_sqlite import SqliteStore
from sipproxy.databases.routes import FORM, RouteIndex, StaticRoute
from sipproxy.databases.table_sqlite import SqliteRows
from sipproxy.farm import settings as farm_settings
from sipproxy.farm.etcd import EtcdKeyspace
from sipproxy.farm.etcd_client import EtcdClient, Login
from sipproxy.farm.farm import Farm
from sipproxy.farm.keyspace import AwayError, HasRevision, Put
from sipproxy.farm.making import EtcdPolicy, Sharing
from sipproxy.farm.registry import SharedRegistry
from sipproxy.farm.table import SharedTable
from sipproxy.registrar.bindings import Binding, Bindings
from test.farm.keyspace_tests import END, FIRST, KeyspaceTests
from test.interop.etcd import Certificates, Etcd
from test.interop.harness import LEEWAY, LOOPBACK, make_folder
from test.interop.mysql import MuteServer

_MODULE = farm_settings.mod_sip_farm(farm_settings.farm_member(farm_settings.FARM_NAME))


async def pause(seconds: float) -> None:
    """Let time pass."""
    from twisted.internet import reactor

    await deferLater(reactor, seconds)


async def wait_until(condition: Callable[[], object], what: str, timeout: float = 15.0) -> None:
    """Wait until a condition holds."""
    end = time.monotonic() + timeout
    while not condition():
        if time.monotonic() >= end:
            raise AssertionError(f"not within {timeout:g} s: {what}")
        await pause(0.02)


class EtcdTestCase(TestCase):
    """Servers of etcd for each test."""

    timeout = 90

    def begin(self, count: int = 1, certificates: Certificates | None = None) -> None:
        """Start them; they end with the test."""
        self.etcd = Etcd(self, count, certificates)

    def opened(self, *urls: str, login: Login | None = None, policy: EtcdPolicy | None = None) -> EtcdKeyspace:
        """Give a keyspace that is closed with the test."""
        from twisted.internet import reactor

        keyspace = EtcdKeyspace(EtcdClient(reactor, urls or self.etcd.urls, login, policy, 1.0))
        self.addCleanup(keyspace.close)
        return keyspace


class EtcdKeyspaceTests(KeyspaceTests, EtcdTestCase):
    """What holds whatever the keyspace."""

    def setUp(self) -> None:
        self.begin()
        self.keyspace = self.opened()

    async def settle(self, deferred: "Deferred[Any]") -> Any:
        """Wait for it."""
        return await deferred

    async def pause(self, seconds: float) -> None:
        """Let time pass."""
        await pause(seconds)

    async def compact(self, revision: int) -> None:
        """Let it forget what was before."""
        self.etcd.compact(revision)


class EtcdFailureTests(EtcdTestCase):
    """What etcd does when it is not well."""

    async def test_next_server(self) -> None:
        """Where a server is not there the next one is asked, and it is told which one that was."""
        self.begin()
        keyspace = self.opened(f"http://{LOOPBACK}:9", self.etcd.urls[0])
        await keyspace.commit([], [Put(b"/t/a", b"1")])
        dead, alive = keyspace.places
        self.assertIsNotNone(dead.since)
        self.assertIn("refused", dead.reason)
        self.assertIsNone(alive.since)

    async def test_nobody(self) -> None:
        """Where there is none at all it is away, soon."""
        self.begin()
        began = time.monotonic()
        keyspace = self.opened(f"http://{LOOPBACK}:9")
        await self.assertFailure(keyspace.page(FIRST, END, 1), AwayError)
        watch = keyspace.watch(FIRST, END, 1)
        await self.assertFailure(watch.next(), AwayError)
        self.assertLess(time.monotonic() - began, LEEWAY)

    async def test_not_etcd(self) -> None:
        """Something else that speaks HTTP, or says nothing at all, is no etcd, and is passed over."""
        from twisted.internet import reactor

        loop: Any = reactor
        site = loop.listenTCP(0, Site(Data(b"hello", "text/plain")), interface=LOOPBACK)
        self.addCleanup(site.stopListening)
        mute = MuteServer()
        self.addCleanup(mute.close)
        self.begin()
        strangers = [f"http://{LOOPBACK}:{port}" for port in (site.getHost().port, mute.port)]
        keyspace = self.opened(*strangers, self.etcd.urls[0])
        await keyspace.commit([], [Put(b"/t/a", b"1")])
        self.assertEqual([place.since is None for place in keyspace.places], [False, False, True])
        self.assertIn("no answer in time", keyspace.places[1].reason)
        for url in strangers:
            lost = self.opened(url)
            await self.assertFailure(lost.page(FIRST, END, 1), AwayError)
            watch = lost.watch(FIRST, END, 1)
            await self.assertFailure(watch.next(), AwayError)

    async def test_stalled(self) -> None:
        """One that says nothing is passed over in time; a watch of it can be stopped."""
        self.begin(3)
        keyspace = self.opened()
        revision = await keyspace.commit([], [Put(b"/t/a", b"1")])
        watch = keyspace.watch(FIRST, END, revision)
        await watch.next()
        waiting = watch.next()
        self.etcd.stall(0)
        began = time.monotonic()
        # Another may have to be elected first.
        while True:
            try:
                await keyspace.commit([], [Put(b"/t/a", b"2")])
                break
            except AwayError:
                self.assertLess(time.monotonic() - began, 10)
        self.assertIsNotNone(keyspace.places[0].since)
        watch.stop()
        await self.assertFailure(waiting, AwayError)

    async def test_no_majority(self) -> None:
        """Without a majority nothing can be changed, and a watch ends instead of hanging; with one all works again."""
        self.begin(3)
        keyspace = self.opened()
        revision = await keyspace.commit([], [Put(b"/t/a", b"1")])
        watch = keyspace.watch(FIRST, END, revision)
        await watch.next()
        waiting = watch.next()
        self.etcd.kill(1)
        self.etcd.kill(2)
        await self.assertFailure(keyspace.commit([], [Put(b"/t/a", b"2")], 1.0), AwayError)
        await self.assertFailure(waiting, AwayError)
        self.etcd.start(1)
        self.etcd.start(2)
        self.etcd.wait_for_health()
        page = await keyspace.page(FIRST, END, 9)
        self.assertEqual([item.key for item in page.items], [b"/t/a"])
        watch = keyspace.watch(FIRST, END, page.revision + 1)
        last = await keyspace.commit([], [Put(b"/t/a", b"3")])
        self.assertEqual((await watch.next()).revision, last)
        watch.stop()

    async def test_login(self) -> None:
        """With a name and its password it works, also after the token is forgotten; with none or a wrong one not."""
        self.begin()
        self.etcd.require_login("proxy", "p'w \N{SNOWMAN}")
        await self.assertFailure(self.opened().page(FIRST, END, 1), AwayError)
        await self.assertFailure(self.opened(login=Login("proxy", "wrong")).page(FIRST, END, 1), AwayError)
        keyspace = self.opened(login=Login("proxy", "p'w \N{SNOWMAN}"))
        revision = await keyspace.commit([HasRevision(b"/t/a", 0)], [Put(b"/t/a", b"1")])
        watch = keyspace.watch(FIRST, END, revision)
        self.assertEqual((await watch.next()).revision, revision)
        watch.stop()
        self.etcd.kill(0)  # it keeps tokens in memory
        self.etcd.start(0)
        self.etcd.wait_for_health()
        await keyspace.commit([], [Put(b"/t/a", b"2")])

    async def test_tls(self) -> None:
        """With certificates on both sides it works; a server that nobody vouches for, or a client, is refused."""
        certificates = Certificates(make_folder(self, "certificates"))
        self.begin(certificates=certificates)
        keyspace = self.opened(policy=EtcdPolicy(*certificates.client, certificates.ca))
        began = time.monotonic()
        while True:
            try:
                await keyspace.commit([], [Put(b"/t/a", b"1")])
                break
            except AwayError as error:
                self.assertLess(time.monotonic() - began, 10, error)
                await pause(0.1)
        nobody = self.opened(policy=EtcdPolicy(None, None, certificates.ca))
        await self.assertFailure(nobody.page(FIRST, END, 1), AwayError)
        unknown = self.opened(policy=EtcdPolicy(*certificates.client, None))
        refused = await self.assertFailure(unknown.page(FIRST, END, 1), AwayError)
        self.assertIn("certificate verify failed", str(refused))


class Member:
    """A member with SQLite files, in this process.

    @ivar registry: its registry
    @ivar routes: its routes
    @ivar farm: itself
    """

    registry: SharedRegistry
    routes: SharedTable[StaticRoute, RouteIndex]
    farm: Farm

    def __init__(self, name: str, folder: Path, urls: list[str], **settings: str) -> None:
        self.name = name
        self._folder = folder
        values: dict[str, Any] = {"Farm": "On", "FarmEndpoint": urls, "FarmLockTTLInS": "3", **settings}
        self._settings = Settings.of([_MODULE], values, folder)

    async def start(self) -> None:
        """Start it and wait until it is in the farm."""
        from twisted.internet import reactor

        loop: Any = reactor
        place = self._folder / f"{self.name}.db"
        sharing = Sharing(self._settings, loop, Random(self.name), self.name, "1", ["udp:5060"], place)
        self.registry = sharing.registry(SqliteStore(place, loop))
        self.routes = sharing.table(
            "routing", FORM, SqliteRows(self._folder / f"{self.name}.routes", FORM.layout, loop)
        )
        self.farm = sharing.farm(self.registry, {"routing": self.routes})
        await gatherResults([self.registry.start(), self.routes.start()])
        await self.farm.start()

    async def stop(self) -> None:
        """End it."""
        await gatherResults([self.registry.stop(), self.routes.stop()])
        await self.farm.stop()

    def copy(self) -> dict[bytes, Bindings]:
        """Give all that is registered."""
        return dict(self.registry.snapshot()[1])


def _stop(member: Member) -> "Deferred[None]":
    return Deferred.fromCoroutine(member.stop())


def binding(number: int, cseq: int = 1) -> Binding:
    """Give the registration of a telephone."""
    now = time.time()
    return Binding(b"sip:%d@192.0.2.1" % number, b"", 1.0, "", now + 3600, now, b"call%d" % number, cseq)


class FarmTests(EtcdTestCase):
    """Three members over three servers."""

    async def members(self, count: int = 3, **settings: str) -> list[Member]:
        """Start members that end with the test."""
        members = [Member(name, make_folder(self, name), self.etcd.urls, **settings) for name in "abc"[:count]]
        for member in members:
            await member.start()
            self.addCleanup(_stop, member)
        return members

    async def agree(self, members: list[Member], count: int) -> None:
        """Wait until all have the same, and see that it is true."""
        await wait_until(
            lambda: all(member.farm.away_since is None and not member.registry.pending for member in members),
            "all members are in the farm",
        )
        await wait_until(
            lambda: all(len(member.copy()) == count for member in members),
            f"all have {count}: {[len(member.copy()) for member in members]}",
        )
        self.assertEqual(members[0].copy(), members[-1].copy())
        for member in members:
            self.assertEqual(await member.farm.verify(), {"registry": [], "routing": []}, member.name)

    async def test_servers_killed(self) -> None:
        """One server less is hardly noticed; with two less members go on alone, and agree when they are back."""
        self.begin(3)
        members = await self.members()
        stored = [members[at % 3].registry.store(b"user%d@test" % at, (binding(at),)) for at in range(30)]
        await gatherResults(stored)
        await self.agree(members, 30)
        self.etcd.kill(self.etcd.leader())
        await gatherResults(
            [members[at % 3].registry.store(b"user%d@test" % at, (binding(at),)) for at in range(30, 60)]
        )
        self.etcd.kill(next(at for at, url in enumerate(self.etcd.urls) if self._answers(url)))
        began = time.monotonic()
        await gatherResults(
            [members[at % 3].registry.store(b"user%d@test" % at, (binding(at),)) for at in range(60, 90)]
        )
        self.assertLess(time.monotonic() - began, 2 * LEEWAY)
        await wait_until(lambda: all(member.farm.away_since is not None for member in members), "all are alone")
        self.assertGreaterEqual(sum(member.registry.pending for member in members), 30)
        for at, url in enumerate(self.etcd.urls):
            if not self._answers(url):
                self.etcd.start(at)
        self.etcd.wait_for_health()
        await self.agree(members, 90)

    def _answers(self, url: str) -> bool:
        host, port = url.rpartition("/")[2].split(":")
        with socket.socket() as tried:
            return tried.connect_ex((host, int(port))) == 0

    async def test_away_and_compacted(self) -> None:
        """A member that was away finds what happened meanwhile, though etcd has forgotten how it came to it."""
        self.begin()
        members = await self.members(2)
        away = members[1]
        await members[0].registry.store(b"old@test", (binding(1),))
        await members[0].registry.store(b"gone@test", (binding(2),))
        await self.agree(members, 2)
        await away.stop()
        await members[0].registry.store(b"gone@test", ())
        await members[0].registry.store(b"new@test", (binding(3),))
        await members[0].routes.import_(
            [StaticRoute("E164", f"1408{at:04d}...", "gw") for at in range(1000)], "replace"
        )
        self.etcd.compact(members[0].farm.link.revision)
        await away.start()
        await self.agree(members, 2)
        self.assertEqual(len(away.routes.index), 1000)
        self.assertEqual(sorted(away.copy()), [b"new@test", b"old@test"])

    async def test_started_alone(self) -> None:
        """A member that starts without etcd has what it had, takes registrations, and tells them later."""
        self.begin()
        (member,) = await self.members(1)
        await member.registry.store(b"old@test", (binding(1),))
        await member.stop()
        self.etcd.kill(0)
        await self.assertFailure(Deferred.fromCoroutine(member.start()), AwayError)
        self.assertEqual(list(member.copy()), [b"old@test"])
        await member.registry.store(b"new@test", (binding(2),))
        self.assertEqual(member.registry.pending, 1)
        await member.stop()
        await self.assertFailure(Deferred.fromCoroutine(member.start()), AwayError)
        await wait_until(lambda: member.registry.pending == 1, "what was pending is still")
        self.etcd.start(0)
        await self.agree([member], 2)

    async def test_readable(self) -> None:
        """What is in etcd can be read by people, under one prefix for each database."""
        self.begin()
        (member,) = await self.members(1)
        await member.registry.store(b"bob@test", (binding(7, cseq=3),))
        await member.routes.add(StaticRoute("E164", "1408555....", "gw", 5070))
        keyspace = self.opened()
        page = await keyspace.page(b"/sipproxy/sipproxy/", b"/sipproxy/sipproxy0", 99)
        found = {item.key.decode(): json.loads(item.value) for item in page.items}
        bindings = found["/sipproxy/sipproxy/registry/bob@test"]
        self.assertEqual((bindings["v"], bindings["bindings"][0]["contact"]), (1, "sip:7@192.0.2.1"))
        row = '/sipproxy/sipproxy/routing/rows/0000000001/["E164","1408555....","gw",5070,"udp"]'
        self.assertEqual(found[row], {"v": 1, "row": [1, 1, ""]})
        self.assertEqual(found["/sipproxy/sipproxy/members/a"]["name"], "a")

    async def test_rate(self) -> None:
        """A thousand registrations at three members in two seconds are stored in good time, everywhere."""
        self.begin(3)
        members = await self.members()
        times: list[float] = []

        async def register(at: int) -> None:
            began = time.monotonic()
            await members[at % 3].registry.store(b"user%d@test" % at, (binding(at),))
            times.append(time.monotonic() - began)

        waiting = []
        began = time.monotonic()
        for at in range(1000):
            await pause(max(0.0, began + at / 500 - time.monotonic()))
            waiting.append(Deferred.fromCoroutine(register(at)))
        await gatherResults(waiting)
        await self.agree(members, 1000)
        times.sort()
        self.assertEqual(sum(member.registry.pending for member in members), 0)
        self.assertLess(times[len(times) // 2], LEEWAY, times[-10:])
