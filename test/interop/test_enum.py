"""ENUM against named and knotd, and against a server that lies."""

from collections.abc import Sequence
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater
from twisted.names import dns
from twisted.trial.unittest import TestCase

from sipproxy.config import Settings
from sipproxy.interfaces import Address
from sipproxy.message import Request, parse_message, parse_uri
from sipproxy.net.resolver import Resolver
from sipproxy.translation import AT_HAND, Subject, Target
from sipproxy.translation.enum import MODULE, EnumTranslator, configured_enum
from test.interop.dnsserver import Knot, LyingServer, Named, ZoneServer, reply, resolver_for, soa

# RFC 6116 4, with the names of its example; and what else one meets.
PUBLIC = r"""
$ORIGIN 3.8.0.0.6.9.2.3.6.1.4.4.e164.arpa.
@ NAPTR 100 50 "u" "E2U+sip" "!^(\\+441632960083)$!sip:\\1@example.com!" .
@ NAPTR 100 51 "u" "E2U+h323" "!^\\+441632960083$!h323:operator@example.com!" .
@ NAPTR 100 52 "u" "E2U+email:mailto" "!^.*$!mailto:info@example.com!" .
$ORIGIN 1.1.1.4.e164.arpa.
0.0.1 NAPTR 10 20 "u" "E2U+sip" "!^.*$!sip:third@example.test!" .
0.0.1 NAPTR 10 10 "U" "e2u+SIP" "/^\\+(4111)(.*)$/sip:\\2-\\1@example.test;user=phone/i" .
0.0.1 NAPTR 5 90 "u" "sip+E2U" "#^.*$#sip:first@example.test#" .
0.0.1 NAPTR 1 1 "u" "E2U+sip" "!^\\+42!sip:bad@example.test!" .
0.0.1 NAPTR 1 2 "u" "E2U+sip" "!^.*$!sips:safe@example.test!" .
0.0.1 NAPTR 1 3 "s" "SIP+D2U" "" _sip._udp.example.test.
1.0.1 NAPTR 10 10 "u" "E2U+pstn:sip" "!^(.*)$!sip:\\1\;npdi\;rn=+1404@gw.example.test\;user=phone!" .
2.0.1 NAPTR 10 10 "" "" "" 2.0.1.hosted.test.
2.0.1 NAPTR 20 10 "u" "E2U+sip" "!^.*$!sip:reserve@example.test!" .
3.0.1 NAPTR 10 10 "" "" "" loop.hosted.test.
4.0.1 NAPTR 10 10 "" "" "" n1.hosted.test.
5.0.1 NAPTR 10 10 "u" "E2U+tel" "!^.*$!tel:+4122!" .
6.0.1 CNAME 0.0.1
*.9 NAPTR 10 10 "u" "E2U+sip" "!^\\+41119(.*)$!sip:\\1@pbx.example.test!" .
""" + "".join(
    f'8.0.1 NAPTR {200 - number} 10 "u" "E2U+sip" "!^.*$!sip:gateway-{number}@example.test!" .\n'
    for number in range(100)
)

HOSTED = r"""
2.0.1 NAPTR 50 10 "u" "E2U+sip" "!^\\+(.*)$!sip:\\1@hosted.test!" .
loop NAPTR 10 10 "" "" "" loop2
loop2 NAPTR 10 10 "" "" "" LOOP
loop2 NAPTR 20 10 "u" "E2U+sip" "!^.*$!sip:behind-the-loop@hosted.test!" .
""" + "".join(f'n{number} NAPTR 10 10 "" "" "" n{number + 1}\n' for number in range(1, 9))

PRIVATE = r"""
0.0.1.1.1.1.4 NAPTR 10 10 "u" "E2U+email:mailto" "!^.*$!mailto:a@b!" .
7.0.1.1.1.1.4 NAPTR 10 10 "u" "E2U+sip" "!^.*$!sip:inside@corp.test!" .
"""


def subject(number: str) -> Subject:
    """Make the subject of a call to a number."""
    uri = f"sip:{number}@example.test"
    request = parse_message(
        f"INVITE {uri} SIP/2.0\r\nVia: SIP/2.0/UDP a;branch=z9hG4bK1\r\nFrom: <sip:a@a>;tag=1\r\n"
        f"To: <{uri}>\r\nCall-ID: 1\r\nCSeq: 1 INVITE\r\nContent-Length: 0\r\n\r\n".encode()
    )
    assert isinstance(request, Request)
    return Subject(parse_uri(uri.encode()), request, ("127.0.0.1", 5060), 0.0)


class EnumCase(TestCase):
    """What both kinds of servers are asked with."""

    timeout = 20
    resolver: Resolver
    translator: EnumTranslator

    def make(self, *servers: Address, roots: Sequence[str] = ("e164.arpa",), lifetime: int = 0, **values: Any) -> None:
        """Make the translator.

        @param values: of the resolver
        """
        self.resolver = resolver_for(reactor, self, *servers, **values)
        given = {"EnumSearchRoot": list(roots), "EnumCacheInS": str(lifetime)}
        self.translator = configured_enum(Settings.of([MODULE], given), self.resolver, reactor)

    async def targets(self, asked: Subject) -> Sequence[Target]:
        """Translate."""
        found = self.translator.translate(asked)
        return found if isinstance(found, AT_HAND) else await found

    async def uris(self, number: str) -> list[str]:
        """Give the URIs of a number, most preferred first."""
        found = await self.targets(subject(number))
        self.assertEqual(sorted((target.q for target in found), reverse=True), [target.q for target in found])
        return [target.uri.raw.decode() for target in found]

    def notes(self, asked: Subject) -> str:
        """Give the trace."""
        return "\n".join(str(text) for _, _, text in asked.trace)


class _ZoneTests(EnumCase):
    """What is the same with every server."""

    server_class: type[ZoneServer]

    def setUp(self) -> None:
        """Start the server."""
        zones = {"e164.arpa": PUBLIC, "hosted.test": HOSTED, "corp.test": PRIVATE}
        self.server = self.server_class(self, zones, negative_ttl=1)
        self.make(self.server.address, roots=("e164.arpa", "corp.test"))

    async def test_rfc_example(self) -> None:
        """The example of RFC 6116 4 has one SIP URI; the next time it is at hand."""
        self.assertEqual(await self.uris("+441632960083"), ["sip:+441632960083@example.com"])
        self.assertIsInstance(self.translator.translate(subject("+441632960083")), AT_HAND)

    async def test_order(self) -> None:
        """Order before preference, any case and form of the service, any delimiter; bad records are passed over."""
        asked = subject("+4111100")
        found = [target.uri.raw for target in await self.targets(asked)]
        self.assertEqual(
            found,
            [
                b"sip:first@example.test",
                b"sip:100-4111@example.test;user=phone",
                b"sip:third@example.test",
            ],
        )
        notes = self.notes(asked)
        self.assertIn("0.0.1.1.1.1.4.corp.test: NAPTR records: 1, of use: 0", notes)
        self.assertIn(r"skipped record 1 1: '!^\\+42!sip:bad@example.test!' does not match +4111100", notes)
        self.assertIn("skipped record 1 2: result 'sips:safe@example.test': not a sip: URI", notes)

    async def test_number_portability(self) -> None:
        """A result of E2U+pstn:sip keeps its parameters (RFC 4769)."""
        self.assertEqual(await self.uris("4111101"), ["sip:+4111101;npdi;rn=+1404@gw.example.test;user=phone"])

    async def test_followed(self) -> None:
        """Empty flags lead to a name in another zone, and what comes after is tried after it."""
        self.assertEqual(await self.uris("+4111102"), ["sip:4111102@hosted.test", "sip:reserve@example.test"])

    async def test_loop(self) -> None:
        """A loop is left, and what stands behind it found."""
        asked = subject("+4111103")
        found = [target.uri.raw for target in await self.targets(asked)]
        self.assertEqual(found, [b"sip:behind-the-loop@hosted.test"])
        self.assertIn("loop2.hosted.test: skipped record 10 10: leads back to 'loop.hosted.test'", self.notes(asked))

    async def test_long_chain(self) -> None:
        """A chain of more than five steps ends."""
        asked = subject("+4111104")
        self.assertEqual(await self.targets(asked), ())
        self.assertIn("n5.hosted.test: skipped record 10 10: leads too far", self.notes(asked))

    async def test_no_usable_record(self) -> None:
        """Services that are not listed, and numbers that are not there, have no target."""
        self.assertEqual(await self.uris("+4111105"), [])
        self.assertEqual(await self.uris("+4111111"), [])

    async def test_absence(self) -> None:
        """That a number is not there is at hand until the zone's SOA record says that it may be no longer."""
        self.assertEqual(await self.uris("+4111111"), [])
        self.assertEqual(self.translator.translate(subject("+4111111")), ())
        await deferLater(reactor, 1.1)
        self.assertIsInstance(self.translator.translate(subject("+4111111")), Deferred)
        await deferLater(reactor, 0.2)

    async def test_alias(self) -> None:
        """An alias has the records of what it stands for; expressions see the number that was dialled."""
        self.assertEqual(
            await self.uris("+4111106"),
            ["sip:first@example.test", "sip:106-4111@example.test;user=phone", "sip:third@example.test"],
        )

    async def test_wildcard(self) -> None:
        """A block of numbers has one record."""
        self.assertEqual(await self.uris("+41119123"), ["sip:123@pbx.example.test"])

    async def test_private_root(self) -> None:
        """A private root is asked before e164.arpa."""
        self.assertEqual(await self.uris("+4111107"), ["sip:inside@corp.test"])

    async def test_many_records(self) -> None:
        """Of 100 records, which come by TCP, the most preferred ones are taken."""
        self.assertEqual(await self.uris("+4111108"), [f"sip:gateway-{99 - place}@example.test" for place in range(10)])
        await deferLater(reactor, 0.1)


class NamedTests(_ZoneTests):
    """BIND."""

    server_class = Named


class KnotTests(_ZoneTests):
    """Knot DNS."""

    server_class = Knot


del _ZoneTests  # trial would run it too

NAME = "0.0.1.1.1.1.4"
GOOD = dns.Record_NAPTR(10, 10, b"u", b"E2U+sip", b"!^(.*)$!sip:\\1@good.test!", b"")
OTHER = dns.Record_NAPTR(10, 10, b"u", b"E2U+sip", b"!^.*$!sip:lie@bad.test!", b"")


class LiarTests(EnumCase):
    """A server that does not do as it should."""

    def setUp(self) -> None:
        """Start the server."""
        self.server = LyingServer(reactor, self)
        self.make(self.server.address, roots=("corp.test", "e164.arpa"), timeout=1.0)
        self.server.says(f"{NAME}.e164.arpa", GOOD)

    async def tearDown(self) -> None:  # type: ignore[override]
        """Let the timers run that end with a question's deadline."""
        await deferLater(reactor, 0.05)

    def seconds(self) -> float:
        """Give the reactor's time."""
        now: float = reactor.seconds()
        return now

    async def test_failing_root(self) -> None:
        """A root whose servers refuse, or answer for others, does not keep the next one from being asked."""
        for code in (dns.ESERVER, dns.EREFUSED, dns.ENOTIMP, dns.EFORMAT):
            self.make(self.server.address, roots=("corp.test", "e164.arpa"))
            self.server.fails(f"{NAME}.corp.test", dns.NAPTR, code)
            self.assertEqual(await self.uris("+4111100"), ["sip:+4111100@good.test"])

    async def test_other_names(self) -> None:
        """Records of another name than the one asked for are not believed."""
        record = dns.RRHeader(b"1.0.1.1.1.1.4.corp.test", dns.NAPTR, dns.IN, 60, OTHER)
        self.server.behaviours[f"{NAME}.corp.test", dns.NAPTR] = lambda question, _: [reply(question, record)]
        self.assertEqual(await self.uris("+4111100"), ["sip:+4111100@good.test"])

    async def test_silence(self) -> None:
        """A silent root costs no more than EnumTimeoutInMs; the call goes on without targets."""
        self.server.is_silent(f"{NAME}.corp.test", dns.NAPTR)
        self.make(self.server.address, roots=("corp.test", "e164.arpa"), timeout=5.0)
        asked, started = subject("+4111100"), self.seconds()
        self.assertEqual(await self.targets(asked), ())
        self.assertApproximates(self.seconds() - started, 2.0, 0.3)
        self.assertEqual(self.notes(asked), "no answer within 2 s")
        await deferLater(reactor, 3.1)  # the question goes on for others until its own deadline

    async def test_silent_root_in_time(self) -> None:
        """Where a root's question ends before EnumTimeoutInMs, the next one is still asked."""
        self.server.is_silent(f"{NAME}.corp.test", dns.NAPTR)
        self.assertEqual(await self.uris("+4111100"), ["sip:+4111100@good.test"])

    async def test_truncated(self) -> None:
        """A truncated reply is asked for again by TCP, what came with it is not used."""
        whole = dns.RRHeader(f"{NAME}.corp.test".encode(), dns.NAPTR, dns.IN, 60, GOOD)
        cut = dns.RRHeader(f"{NAME}.corp.test".encode(), dns.NAPTR, dns.IN, 60, OTHER)
        self.server.behaviours[f"{NAME}.corp.test", dns.NAPTR] = lambda question, transport: [
            reply(question, whole) if transport == "tcp" else reply(question, cut, truncated="truncated")
        ]
        self.assertEqual(await self.uris("+4111100"), ["sip:+4111100@good.test"])
        self.assertEqual([transport for _, _, transport in self.server.asked], ["udp", "tcp"])

    async def test_200_records(self) -> None:
        """Of 200 records the most preferred ones are taken."""
        records = [
            dns.Record_NAPTR(10, 999 - number, b"u", b"E2U+sip", b"!^.*$!sip:g%d@a!" % number) for number in range(200)
        ]
        self.server.says(f"{NAME}.corp.test", *records)
        self.assertEqual(await self.uris("+4111100"), [f"sip:g{199 - place}@a" for place in range(10)])

    async def test_endless_names(self) -> None:
        """A server that makes up a new name for each question is asked a few times only."""

        def next_one(question: dns.Message, _: str) -> Sequence[bytes]:
            name = question.queries[0].name.name
            target = b"x%d.corp.test" % len(self.server.asked)
            self.server.behaviours[target.decode(), dns.NAPTR] = next_one
            links = [dns.Record_NAPTR(n, 1, b"", b"", b"", (b"%d." % n if n else b"") + target) for n in range(40)]
            return [reply(question, *[dns.RRHeader(name, dns.NAPTR, dns.IN, 60, link) for link in links])]

        self.server.behaviours[f"{NAME}.corp.test", dns.NAPTR] = next_one
        self.assertEqual(await self.uris("+4111100"), ["sip:+4111100@good.test"])
        self.assertLess(len(self.server.asked), 40)

    async def test_hostile_records(self) -> None:
        """Whatever octets records have, the good one among them is found."""
        records = [
            dns.Record_NAPTR(1, 1, b"u", b"E2U+sip", regexp, b"")
            for regexp in (b"", b"!", b"\xff" * 255, b"![^a-c]{1,255}*!a!", b"!(" * 100, b"!.*!" + b"\\1" * 100 + b"!")
        ]
        self.server.says(
            f"{NAME}.corp.test",
            *records,
            dns.Record_NAPTR(1, 1, b"", b"", b"", b"\xff\x00.x"),
            dns.Record_NAPTR(1, 1, b"", b"", b"", ".".join(["a" * 60] * 4).encode()),
            dns.Record_NAPTR(1, 1, b"\x00", b"\x00", b"\x00", b"x"),
            GOOD,
        )
        self.assertEqual(await self.uris("+4111100"), ["sip:+4111100@good.test"])
        self.assertEqual(
            {name for name, _, _ in self.server.asked}, {f"{NAME}.corp.test", ("a" * 60 + ".") * 3 + "a" * 60}
        )

    async def test_stale(self) -> None:
        """With DNSServeStaleInS too, ENUM does not use what has expired."""
        self.make(self.server.address, timeout=0.2, serve_stale=600.0)
        self.server.says(f"{NAME}.e164.arpa", GOOD, ttl=1)
        self.assertEqual(await self.uris("+4111100"), ["sip:+4111100@good.test"])
        self.server.is_silent(f"{NAME}.e164.arpa", dns.NAPTR)
        await deferLater(reactor, 1.1)
        asked = subject("+4111100")
        self.assertEqual(await self.targets(asked), ())
        self.assertIn("what was known has expired", self.notes(asked))

    async def test_lifetime(self) -> None:
        """EnumCacheInS keeps records longer than their TTL says."""
        self.make(self.server.address, lifetime=60)
        self.server.says(f"{NAME}.e164.arpa", GOOD, ttl=0)
        self.assertEqual(await self.uris("+4111100"), ["sip:+4111100@good.test"])
        self.assertEqual(await self.uris("+4111100"), ["sip:+4111100@good.test"])
        self.assertEqual(len(self.server.asked), 1)

    async def test_no_lifetime(self) -> None:
        """Without it records of TTL 0 are asked for each time; absences as their SOA record says."""
        self.make(self.server.address)
        self.server.says(f"{NAME}.e164.arpa", GOOD, ttl=0)
        for _ in range(2):
            self.assertEqual(await self.uris("+4111100"), ["sip:+4111100@good.test"])
        self.assertEqual(len(self.server.asked), 2)
        self.server.behaviours[f"{NAME}.e164.arpa", dns.NAPTR] = lambda question, _: [
            reply(question, code=dns.ENAME, authority=[soa("e164.arpa", 60)])
        ]
        for _ in range(2):
            self.assertEqual(await self.uris("+4111100"), [])
        self.assertEqual(len(self.server.asked), 3)
