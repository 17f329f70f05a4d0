"""The resolver against knotd, an authoritative name server."""

import shutil
import subprocess
import tempfile
from pathlib import Path
from unittest import SkipTest

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater
from twisted.names import dns
from twisted.trial.unittest import TestCase

from sipproxy.errors import NameNotFoundError, ResolverTimeoutError
from sipproxy.interfaces import Address
from sipproxy.net.dns import Answer
from sipproxy.net.resolver import Resolver, create_resolver
from sipproxy.net.sockets import open_udp

CONFIGURATION = """
server:
    rundir: "{directory}"
    listen: 127.0.0.1@{port}
    udp-workers: 1
    tcp-workers: 1
    background-workers: 1
database:
    storage: "{directory}"
log:
  - target: stderr
    any: warning
zone:
  - domain: example.test
    storage: "{directory}"
    file: "example.zone"
    semantic-checks: off
"""

ZONE = """
$ORIGIN example.test.
$TTL 60
@       SOA     ns host 1 60 60 3600 7
@       NS      ns
ns      A       127.0.0.1
@       NAPTR   30 50 "s" "SIP+D2U" "" _sip._udp
_sip._udp       SRV     10 60 25060 p1
_sip._udp       SRV     10 40 25061 gw
p1      A       127.0.0.11
p1      AAAA    ::1
gw      A       127.0.0.21
gw      A       127.0.0.22
short   1 A     127.0.0.23
alias   CNAME   alias2
alias2  CNAME   gw
loop    CNAME   loop2
loop2   CNAME   loop
away    CNAME   gw.elsewhere.test.
text    TXT     "no address here"
"""
MANY = "".join(f"_many._udp SRV 10 10 {5060 + number} a-rather-long-name-{number}\n" for number in range(40))


def free_port() -> int:
    """Give a port that was free a moment ago."""
    with open_udp(("127.0.0.1", 0)) as opened:
        port: int = opened.getsockname()[1]
    return port


class KnotTests(TestCase):
    """Questions to a real server."""

    timeout = 20

    async def setUp(self) -> None:  # type: ignore[override]
        """Start knotd and wait until it answers."""
        program = shutil.which("knotd")
        if program is None:
            raise SkipTest("knotd is not installed (Debian: knot)")
        # Short, as the path of knotd's control socket has a limit.
        directory = tempfile.mkdtemp(prefix="knot")
        self.addCleanup(shutil.rmtree, directory)
        self.address: Address = ("127.0.0.1", free_port())
        Path(directory, "example.zone").write_text(ZONE + MANY)
        configuration = Path(directory, "knot.conf")
        configuration.write_text(CONFIGURATION.format(directory=directory, port=self.address[1]))
        with open(Path(directory, "log"), "wb") as log:
            server = subprocess.Popen([program, "-c", str(configuration)], stderr=log, stdout=log)
        self.addCleanup(server.wait)
        self.addCleanup(server.terminate)
        for _ in range(50):
            resolver = self.make_resolver(timeout=0.2)
            try:
                await self.ask(resolver, "gw.example.test")
            except ResolverTimeoutError:
                await deferLater(reactor, 0.05)
            else:
                break
        self.resolver = self.make_resolver()

    def make_resolver(self, timeout: float = 2.0) -> Resolver:
        """Make a resolver that asks the server."""
        return create_resolver(
            reactor,
            servers=[self.address],
            timeout=timeout,
            cache_size=100,
            negative_ttl=30.0,
            serve_stale=0.0,
            hosts_file=self.mktemp(),
            system_resolver=False,
        )

    async def ask(self, resolver: Resolver, host: str) -> list[str]:
        """Ask for addresses."""
        found = resolver.addresses(host)
        return await found if isinstance(found, Deferred) else found

    async def query(self, name: str, record_type: int) -> Answer:
        """Ask for records of another type."""
        found = self.resolver.questions.query(name, record_type)
        return await found if isinstance(found, Deferred) else found

    async def test_addresses(self) -> None:
        """Both families, several records and aliases are found, and known the next time."""
        self.assertEqual(["127.0.0.11", "::1"], await self.ask(self.resolver, "p1.example.test"))
        self.assertEqual(["127.0.0.11", "::1"], self.resolver.addresses("P1.example.test."))
        self.assertEqual({"127.0.0.21", "127.0.0.22"}, set(await self.ask(self.resolver, "gw.example.test")))
        self.assertEqual({"127.0.0.21", "127.0.0.22"}, set(await self.ask(self.resolver, "alias.example.test")))

    async def test_absent(self) -> None:
        """Absent names, absent records and endless aliases are not found, and known so the next time."""
        for name in ("nobody.example.test", "text.example.test", "loop.example.test"):
            with self.assertRaises(NameNotFoundError):
                await self.ask(self.resolver, name)
            self.assertRaises(NameNotFoundError, self.resolver.addresses, name)

    async def test_refused(self) -> None:
        """A zone that the server refuses, also as the target of an alias, is a failure of the server."""
        for name in ("gw.elsewhere.test", "away.example.test"):
            with self.assertRaises(ResolverTimeoutError) as caught:
                await self.ask(self.resolver, name)
            self.assertEqual(f"{name}: the name server answered REFUSED", str(caught.exception))

    async def test_expiry(self) -> None:
        """An answer is asked for again when its TTL has passed."""
        await self.ask(self.resolver, "short.example.test")
        await deferLater(reactor, 1.1)
        self.assertIsInstance(self.resolver.addresses("short.example.test"), Deferred)

    async def test_services(self) -> None:
        """NAPTR and SRV records are asked in the same way."""
        naptr = await self.query("example.test", dns.NAPTR)
        self.assertEqual([b"SIP+D2U"], [record.service.string for record in naptr.records])
        srv = await self.query("_sip._udp.example.test", dns.SRV)
        self.assertEqual({25060, 25061}, {record.port for record in srv.records})

    async def test_truncated(self) -> None:
        """An answer too long for a datagram comes whole, by TCP."""
        answer = await self.query("_many._udp.example.test", dns.SRV)
        self.assertEqual(40, len(answer.records))
        await deferLater(reactor, 0.1)
