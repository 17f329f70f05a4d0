"""What the tests of this package share: subjects, records, static routes, results at hand or awaited."""

from collections.abc import Sequence
from random import Random
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.names import dns

from sipproxy.databases.routes import DOMAIN, E164, LAYOUT, Routes, StaticRoute, route_table
from sipproxy.databases.table import MemoryRows
from sipproxy.errors import RequestError
from sipproxy.message import Request, Uri, parse_message, parse_uri
from sipproxy.routing import NextHop, NextHops
from sipproxy.routing.locate import Locator
from sipproxy.simulation.names import Names
from sipproxy.translation import Subject


def subject(call_id: str = "c@192.0.2.1") -> Subject:
    """Make a subject with an empty trace."""
    message = parse_message(
        f"INVITE sip:b@example.org SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKa\r\n"
        f"From: <sip:a@example.org>;tag=1\r\nTo: <sip:b@example.org>\r\nCall-ID: {call_id}\r\nCSeq: 7 INVITE\r\n"
        f"Max-Forwards: 70\r\nContent-Length: 0\r\n\r\n".encode()
    )
    assert isinstance(message, Request)
    return Subject(uri("sip:b@example.org"), message, ("192.0.2.1", 5060), 0.0)


def uri(text: str) -> Uri:
    """Read a URI."""
    return parse_uri(text.encode())


def trace(of: Subject) -> list[str]:
    """Give the texts that routers left."""
    return [str(value) for _, _, value in of.trace]


def places(hops: Sequence[NextHop]) -> list[str]:
    """Write next hops as host:port."""
    return [f"{hop.host}:{hop.port}" for hop in hops]


def answer_of(error: Any) -> tuple[int, bytes]:
    """Give status and reason of an error that answers a request."""
    assert isinstance(error, RequestError)
    return error.status, error.reason


def pending(hops: "NextHops | Deferred[NextHops]") -> "Deferred[NextHops]":
    """Take what must not be at hand."""
    assert isinstance(hops, Deferred)
    return hops


def at_hand(hops: "NextHops | Deferred[NextHops]") -> NextHops:
    """Take what must be at hand."""
    assert not isinstance(hops, Deferred)
    return hops


def waited(clock: Clock, hops: "NextHops | Deferred[NextHops]") -> Any:
    """Take what must not be at hand, after three seconds: next hops, or the exception."""
    found: list[Any] = []
    pending(hops).addCallbacks(found.append, lambda failure: found.append(failure.value))
    clock.pump([0.5] * 6)
    return found[0]


def srv(target: str, port: int = 5060, priority: int = 0, weight: int = 0) -> dns.Record_SRV:
    """Make an SRV record."""
    return dns.Record_SRV(priority, weight, port, target.encode())


def naptr(
    replacement: str, service: str = "SIP+D2U", order: int = 1, preference: int = 1, flags: str = "s", regexp: str = ""
) -> dns.Record_NAPTR:
    """Make a NAPTR record."""
    return dns.Record_NAPTR(order, preference, flags.encode(), service.encode(), regexp.encode(), replacement.encode())


class Network:
    """A clock, names and a locator over them."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.names = Names(self.clock)
        self.random = Random(7)
        self.locator = Locator(self.names, self.clock.seconds, self.chance)

    def chance(self, request: Request) -> Random:
        """Give always the same random source."""
        return self.random

    def services(self, host: str, *records: dns.Record_SRV) -> None:
        """Publish SRV records."""
        self.names.records[f"_sip._udp.{host}", dns.SRV] = list(records)

    def rules(self, host: str, *records: dns.Record_NAPTR) -> None:
        """Publish NAPTR records."""
        self.names.records[host, dns.NAPTR] = list(records)

    def addresses(self, **addresses: str) -> None:
        """Publish addresses of hosts under example.org."""
        for name, address in addresses.items():
            self.names.known[f"{name}.example.org"] = address.split()


def route(
    pattern: str,
    next_hop: str,
    port: int = 0,
    priority: int = 1,
    weight: int = 1,
    transport: str = "udp",
    rewrite: str = "",
) -> StaticRoute:
    """Make a static route; its pattern tells of which kind."""
    kind = E164 if pattern[0] in "0123456789+." else DOMAIN
    return StaticRoute(kind, pattern, next_hop, port, priority, weight, transport, rewrite)


def routes_of(*routes: StaticRoute) -> Routes:
    """Make a table of static routes."""
    return Routes(routes, route_table(MemoryRows(LAYOUT), Clock()))
