"""Accounting on a virtual clock, RADIUS servers that do as they are told, and requests as the core tells of them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from pyrad.packet import Packet as RadiusPacket  # type: ignore[import-untyped]
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from zope.interface import implementer

from sipproxy.accounting.calls import Rules
from sipproxy.accounting.file import IAppendFile
from sipproxy.accounting.journal import Journal
from sipproxy.accounting.rows import InlineFile
from sipproxy.accounting.service import AccountingService, Destinations, make_accounting
from sipproxy.accounting.spool import LINGER, IFile
from sipproxy.errors import UnavailableError
from sipproxy.interfaces import IOutcome
from sipproxy.message import Request, Response, parse_message
from sipproxy.wire.radius import ACCOUNTING_REQUEST, Packer, load_dictionary, make_request, nas_attributes

NOW = 1_790_000_000.0
NAS = nas_attributes("192.0.2.1")
RULES = Rules(max_age=86_400.0, most=1000)
DICTIONARY = load_dictionary()


class Hop(NamedTuple):
    """A next hop."""

    host: str = "10.0.0.2"
    port: int = 5060


HOP = Hop()


@implementer(IOutcome)
@dataclass
class Outcome:
    """A request as the core tells of it."""

    request: Request
    source: tuple[str, int] = ("10.0.0.1", 5060)
    local: tuple[str, int] = ("192.0.2.1", 5060)
    started: float = NOW
    duration: float = 0.0
    status: int | None = None
    size: int = 0
    notes: dict[str, str] = field(default_factory=dict)


def request(
    method: str = "INVITE",
    call_id: str = "c1",
    cseq: int = 1,
    tags: tuple[str, str] = ("alice", ""),
    further: Sequence[str] = (),
    uri: str = "sip:bob@example.com",
) -> Request:
    """Make a request of alice's.

    @param tags: of From and To
    """
    from_, to = ("alice", "bob") if tags[0] == "alice" else ("bob", "alice")
    lines = (
        f"{method} {uri} SIP/2.0",
        "Via: SIP/2.0/UDP 10.0.0.1;branch=z9hG4bK1",
        f"From: <sip:{from_}@example.com>;tag={tags[0]}",
        f"To: <sip:{to}@example.com>" + (f";tag={tags[1]}" if tags[1] else ""),
        f"Call-ID: {call_id}",
        f"CSeq: {cseq} {method}",
        *further,
        "",
        "",
    )
    message = parse_message("\r\n".join(lines).encode("utf-8", "surrogateescape"))
    assert isinstance(message, Request)
    return message


def response(tag: str = "bob", *further: str) -> Response:
    """Make a 200 to an INVITE of alice's."""
    lines = (
        "SIP/2.0 200 OK",
        "Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK2",
        "From: <sip:alice@example.com>;tag=alice",
        f"To: <sip:bob@example.com>;tag={tag}",
        "Call-ID: c1",
        "CSeq: 1 INVITE",
        *further,
        "",
        "",
    )
    message = parse_message("\r\n".join(lines).encode("ascii"))
    assert isinstance(message, Response)
    return message


class Packet(NamedTuple):
    """A packet that was sent.

    @ivar content: gives its attributes as octets
    @ivar answer: the Deferred of its answer
    """

    content: Callable[[], bytes]
    answer: "Deferred[Any]"

    def text(self, name: str) -> Any:
        """Give the value of an attribute as it is at this moment, None where it is not there."""
        data = make_request(ACCOUNTING_REQUEST, 1, b"secret", self.content()).data
        found = RadiusPacket(dict=DICTIONARY, packet=data).get(name, [None])[0]
        return found.decode("utf-8", "surrogateescape") if isinstance(found, bytes) else found

    @property
    def kind(self) -> Any:
        """Its Acct-Status-Type."""
        return self.text("Acct-Status-Type")


class Radius:
    """A RADIUS server.

    @ivar packer: writes attributes
    @ivar packets: what was sent, in order
    @ivar mode: C{answers}, C{silent}, or C{away}
    """

    def __init__(self) -> None:
        self.packer = Packer(DICTIONARY)
        self.packets: list[Packet] = []
        self.mode = "answers"

    def account(self, content: Callable[[], bytes]) -> "Deferred[Any]":
        """Take a record; it must be one that can be sent."""
        make_request(ACCOUNTING_REQUEST, 1, b"secret", content())
        packet = Packet(content, Deferred())
        self.packets.append(packet)
        if self.mode == "answers":
            packet.answer.callback(None)
        elif self.mode == "away":
            packet.answer.errback(UnavailableError(b"No RADIUS server answers"))
        return packet.answer

    @property
    def kinds(self) -> list[tuple[str, str]]:
        """The packets as Call-ID and Acct-Status-Type."""
        return [(packet.text("Acct-Session-Id"), packet.kind) for packet in self.packets]


class Accounts:
    """Accounting, which can end and begin again over the same files.

    @ivar clock: its clock
    @ivar radius: its RADIUS server
    @ivar service: what runs
    @ivar path: the spool
    """

    def __init__(
        self,
        folder: Path,
        clock: Clock | None = None,
        rules: Rules = RULES,
        most: int = 1000,
        file: IAppendFile | None = None,
        spool_file: IFile | None = None,
        has_radius: bool = True,
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        if clock is None:
            clock = Clock()
            clock.advance(NOW)
        self.clock = clock
        self.radius = Radius()
        self.path = folder / "accounting.db"
        self.rules = rules
        self._most = most
        self._destinations = Destinations(self.radius if has_radius else None, file)
        self.file: IFile = spool_file or InlineFile(self.path)
        self.service: AccountingService = self._made()
        self.service.startService()

    def _made(self) -> AccountingService:
        return make_accounting(
            self.clock,
            self.clock.seconds,
            self.file,
            Journal(self.path),
            self._most,
            self.rules,
            self._destinations,
            NAS,
        )

    def commit(self) -> None:
        """Let what has changed be written."""
        self.clock.advance(LINGER)

    def kill(self, down: float = 0.0) -> None:
        """End as with kill -9: nothing is written any more; and begin again after some seconds."""
        for call in list(self.clock.getDelayedCalls()):
            call.cancel()
        self.clock.advance(down)
        self.file = InlineFile(self.path)
        self.service = self._made()
        self.service.startService()

    # A call as the core tells of it.

    def invite(self, call_id: str = "c1", cseq: int = 1, **parts: Any) -> Outcome:
        """Let an INVITE leave."""
        outcome = Outcome(request(call_id=call_id, cseq=cseq, **parts), started=self.clock.seconds())
        self.service.calls.forwarded(outcome, HOP, b"sip:bob@10.0.0.2")
        return outcome

    def answer(self, outcome: Outcome, *further: str, tag: str = "bob", hop: Hop = HOP) -> None:
        """Let a 200 go upstream."""
        self.service.calls.answered(outcome, hop, response(tag, *further))
        self.finish(outcome, 200)

    def finish(self, outcome: Outcome, status: int, hop: str = "10.0.0.2:5060") -> None:
        """Let a request have its final response."""
        outcome.status = status
        outcome.duration = self.clock.seconds() - outcome.started
        outcome.notes["next-hop"] = hop
        self.service.calls.finished(outcome)

    def within(self, method: str, call_id: str = "c1", status: int = 200, **parts: Any) -> None:
        """Let a request within a dialog be done."""
        parts.setdefault("tags", ("alice", "bob"))
        outcome = Outcome(request(method, call_id, 2, **parts), started=self.clock.seconds())
        self.finish(outcome, status)

    def bye(self, call_id: str = "c1", status: int = 200, **parts: Any) -> None:
        """Let a BYE be done."""
        self.within("BYE", call_id, status, **parts)
