"""Accounting against FreeRADIUS: every record arrives, whatever becomes of the server and of us."""

import time
from collections import Counter
from pathlib import Path
from random import Random, SystemRandom
from typing import Any

from twisted.internet import reactor
from twisted.internet.task import deferLater
from twisted.internet.threads import deferToThread
from twisted.trial.unittest import TestCase

from sipproxy.accounting.calls import Rules
from sipproxy.accounting.journal import Journal
from sipproxy.accounting.rows import SpoolFile
from sipproxy.accounting.service import AccountingService, Destinations, make_accounting
from sipproxy.net.radius import RadiusClient, RadiusServer
from sipproxy.net.resolver import create_resolver
from sipproxy.net.udp import UdpNetwork
from sipproxy.wire.radius import load_dictionary
from test.accounting.fixtures import HOP, NAS, Outcome, request, response
from test.interop.freeradius import SECRET, FreeRadius

_CALLS = 200


def records_of(detail: str) -> list[dict[str, str]]:
    """Read the records of a detail file."""
    found = []
    for text in detail.strip().split("\n\n"):
        pairs = [line.strip().partition(" = ") for line in text.splitlines()[1:]]
        found.append({name: value.strip('"') for name, _, value in pairs})
    return found


class AccountingTests(TestCase):
    """Calls as the core tells of them, over a real spool, to a real server."""

    timeout = 120

    def setUp(self) -> None:
        """Prepare a folder and a server."""
        self.the_reactor: Any = reactor
        self.path = Path(self.mktemp())
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.radius = FreeRadius(self)

    def client(self) -> RadiusClient:
        """Make a client."""
        resolver = create_resolver(
            self.the_reactor,
            servers=[("127.0.0.1", 9)],
            timeout=0.2,
            cache_size=10,
            negative_ttl=1.0,
            serve_stale=0.0,
            hosts_file="/etc/hosts",
            system_resolver=False,
        )
        host, port = self.radius.acct
        servers = [RadiusServer("acct", host, port, SECRET, 1)]
        network = UdpNetwork(self.the_reactor, 400_000, 0)
        client = RadiusClient(
            self.the_reactor, network, resolver, servers, load_dictionary(), SystemRandom(), 0.2, 1, dead_time=1.0
        )
        client.start()
        self.addCleanup(client.stop)
        return client

    async def begin(self, client: RadiusClient) -> AccountingService:
        """Start accounting over what an earlier one left."""
        service = make_accounting(
            self.the_reactor,
            time.time,
            SpoolFile(self.path, self.the_reactor),
            Journal(self.path),
            100_000,
            Rules(86_400.0, 100_000),
            Destinations(client),
            NAS,
        )
        service.startService()
        self.assertIsNone(await service.loaded)
        return service

    async def sleep(self, seconds: float) -> None:
        """Let time pass."""
        await deferLater(self.the_reactor, seconds, lambda: None)

    def invite(self, service: AccountingService, number: int) -> None:
        """Let a call be answered."""
        outcome = Outcome(request(call_id=f"call{number}"), started=time.time(), status=200)
        service.calls.forwarded(outcome, HOP, b"sip:bob@10.0.0.2")
        service.calls.answered(outcome, HOP, response())
        service.calls.finished(outcome)

    def bye(self, service: AccountingService, number: int) -> None:
        """Let a call end."""
        sent = request("BYE", f"call{number}", 2, ("alice", "bob"))
        service.calls.finished(Outcome(sent, started=time.time(), status=200, notes={"next-hop": "10.0.0.2:5060"}))

    async def test_everything_arrives(self) -> None:
        """With ends of the server and of us in between, each call has one Start, Interim-Update and Stop."""
        client, chance = self.client(), Random(1)
        service = await self.begin(client)
        for number in range(_CALLS):
            self.invite(service, number)
            if number == _CALLS // 4:
                await deferToThread(self.radius.stop)
            if number == _CALLS // 2:
                await service.stopService()
                service = await self.begin(client)
            if number == _CALLS * 3 // 4:
                await deferToThread(self.radius.start)
                service.retry()
            await self.sleep(0.005 * chance.random())
        for number in range(_CALLS):
            self.bye(service, number)
        for _ in range(300):
            if service.waiting == 0:
                break
            await self.sleep(0.1)
        self.assertEqual((service.waiting, service.open_calls), (0, 0))
        await service.stopService()
        keys = Counter(
            {(record["Cisco-AVPair"], record["Acct-Status-Type"]) for record in records_of(self.radius.records())}
        )
        expected = {
            (f"sip-attempt=call{number};alice;1", kind)
            for number in range(_CALLS)
            for kind in ("Start", "Interim-Update", "Stop")
        }
        self.assertEqual(set(keys), expected)

    async def test_attributes(self) -> None:
        """FreeRADIUS knows all attributes by their names, and the delay is that of the last sending."""
        client = self.client()
        service = await self.begin(client)
        await deferToThread(self.radius.stop)
        self.invite(service, 1)
        self.bye(service, 1)
        await self.sleep(2.5)
        await deferToThread(self.radius.start)
        service.retry()
        for _ in range(100):
            if service.waiting == 0:
                break
            await self.sleep(0.1)
        await service.stopService()
        stop = records_of(self.radius.records())[-1]
        for name, value in (
            ("Acct-Status-Type", "Stop"),
            ("Acct-Session-Id", "call1"),
            ("Acct-Terminate-Cause", "User-Request"),
            ("Service-Type", "Login-User"),
            ("NAS-Port", "5"),
            ("Called-Station-Id", "sip:bob@example.com"),
            ("h323-disconnect-cause", "h323-disconnect-cause=10"),
            ("Cisco-AVPair", "sip-attempt=call1;alice;1"),
        ):
            self.assertEqual(stop.get(name), value, (name, stop))
        self.assertGreaterEqual(int(stop["Acct-Delay-Time"]), 2)
