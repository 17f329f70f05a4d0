"""A simulated H.323 gatekeeper: answers LRQs from a table, late or wrongly where it is told to (H.225.0 RAS).

It is configured by a file of its own, in the form of C{sipd.conf}::

    Listen 127.0.0.1:1719
    #      pattern       answer
    Answer 1408555....   LCF host=192.0.2.1:1720 alternate=192.0.2.2:1720/2,192.0.2.3:1720/1
    Answer 1#1408T       LCF host=192.0.2.4:1720 prefix=1# name=gw1
    Answer 18005551212   LCF host=192.0.2.1:1720 number=14085551234
    Answer 1900T         LRJ reason=requestDenied
    Answer 1700T         LCF host=192.0.2.5:1720 patience=2000 delay=1500
    Answer 1600T         LCF host=192.0.2.6:1720 fault=twice
    Zone   44T           127.0.0.1:1720

C{twistd sipproxy-gatekeeper -c FILE} runs it. In tests it takes any network and
clock, so that its delays pass in virtual time.

It is a directory gatekeeper for its zones: a question goes on to another
gatekeeper with one hop less, and that one answers to who asked. There is no
registration, no admission and no call signalling.
"""

from collections import deque
from dataclasses import replace
from random import Random
from typing import Any

from twisted.application.service import Service
from twisted.logger import Logger
from zope.interface import implementer

from sipproxy.config import Settings
from sipproxy.dialplan import NumberTable
from sipproxy.interfaces import Address, IDatagramUser, INetwork, IPort
from sipproxy.net.sockets import address_text
from sipproxy.simulation.gatekeeper_settings import ANSWER, DELAY, LISTEN, LOSS, ZONE, Row
from sipproxy.wire.h225.messages import (
    DIALLED_DIGITS,
    H323_ID,
    Alias,
    Alternate,
    DecodeError,
    LocationConfirm,
    LocationReject,
    LocationRequest,
    Message,
    RequestInProgress,
    decode,
    encode,
)

log = Logger(namespace="sipproxy_gatekeeper")

#: Answers that may wait for their delay.
MOST_WAITING = 10_000
#: Questions that are remembered.
MOST_REMEMBERED = 1000
_NOWHERE = ("0.0.0.0", 1720)


@implementer(IDatagramUser)
class _Nobody:
    """Who reads the port that answers with the fault other-port leave from."""

    def makeConnection(self, port: IPort) -> None:
        """See IDatagramUser."""

    def datagramReceived(self, datagram: bytes, addr: Address) -> None:
        """See IDatagramUser."""

    def datagramFailed(self, datagram: bytes, addr: Address, reason: str) -> None:
        """See IDatagramUser."""


@implementer(IDatagramUser)
class GatekeeperService(Service):
    """The gatekeeper.

    @ivar asked: the last questions, in order
    @ivar malformed: datagrams that were no LRQ
    """

    def __init__(self, settings: Settings, clock: Any, network: INetwork, random: Random) -> None:
        """
        @param settings: of L{sipproxy.simulation.gatekeeper_settings.MODULE}
        @param clock: provider of IReactorTime
        @param random: of what it loses
        """
        self.asked: deque[LocationRequest] = deque(maxlen=MOST_REMEMBERED)
        self.malformed = 0
        self._clock = clock
        self._network = network
        self._random = random
        self._place: Address = settings[LISTEN]
        self._answers = NumberTable((row.pattern, row) for row in settings[ANSWER])
        self._zones = NumberTable((zone.pattern, zone.gatekeeper) for zone in settings[ZONE])
        self._delay = settings[DELAY]
        self._loss = settings[LOSS] / 100
        self._port: IPort | None = None
        self._other: IPort | None = None
        self._waiting: set[Any] = set()

    @property
    def address(self) -> Address:
        """Where it listens; before it does, where it is going to."""
        return self._place if self._port is None else self._port.address

    def open(self) -> None:
        """Listen; a second call does nothing.

        @raise ListenError: the port cannot be opened
        """
        if self._port is None:
            self._port = self._network.listen(*self._place, self)

    def startService(self) -> None:
        """Listen."""
        super().startService()  # type: ignore[no-untyped-call]
        self.open()
        log.info("simulated gatekeeper at {place}", place=address_text(self.address))

    def stopService(self) -> None:
        """Close the port; what waits is not sent any more."""
        super().stopService()  # type: ignore[no-untyped-call]
        for call in self._waiting:
            call.cancel()
        self._waiting.clear()
        for port in (self._port, self._other):
            if port is not None:
                port.stop()
        self._port = self._other = None

    # IDatagramUser.

    def makeConnection(self, port: IPort) -> None:
        """See IDatagramUser; C{open} has it."""

    def datagramFailed(self, datagram: bytes, addr: Address, reason: str) -> None:
        """Nobody is there any more to take an answer."""

    def datagramReceived(self, datagram: bytes, addr: Address) -> None:
        """Take a question."""
        try:
            request = decode(datagram)
        except DecodeError as error:
            self.malformed += 1
            log.debug("what {place} sends cannot be read: {error}", place=address_text(addr), error=error)
            return
        if not isinstance(request, LocationRequest):
            self.malformed += 1
            return
        self.asked.append(request)
        if self._random.random() >= self._loss:
            self._take(request)

    # Answering.

    def _take(self, request: LocationRequest) -> None:
        rows = self._answers.find(request.number)
        zones = [] if rows else self._zones.find(request.number)
        if zones:
            self._pass_on(request, zones[0])
        elif rows:
            self._answer(request, rows[0])
        else:
            self._send(LocationReject(request.seq, "unallocatedNumber"), request.reply_address)

    def _pass_on(self, request: LocationRequest, gatekeeper: Address) -> None:
        if 1 in (request.hop_count, request.ttl):
            self._send(LocationReject(request.seq, "hopCountExceeded"), request.reply_address)
            return
        fewer = replace(
            request,
            hop_count=None if request.hop_count is None else request.hop_count - 1,
            ttl=None if request.ttl is None else request.ttl - 1,
        )
        self._send(fewer, gatekeeper)

    def _answer(self, request: LocationRequest, row: Row) -> None:
        if row.patience:
            self._send(RequestInProgress(request.seq, max(1, round(row.patience * 1000))), request.reply_address)
        delay = row.delay + self._delay
        if not delay:
            self._give(request, row)
        elif len(self._waiting) < MOST_WAITING:

            def give() -> None:
                self._waiting.discard(call)
                self._give(request, row)

            call = self._clock.callLater(delay, give)
            self._waiting.add(call)

    def _give(self, request: LocationRequest, row: Row) -> None:
        """Give an answer, with what is wrong with it."""
        answer, destination = self._message(request, row), request.reply_address
        match row.fault:
            case "silent":
                pass
            case "garbage":
                self._write(b"\xff" * 20, destination)
            case "wrong-seq":
                self._send(replace(answer, seq=request.seq % 65535 + 1), destination)
            case "twice":
                self._send(answer, destination)
                self._send(answer, destination)
            case "other-port":
                self._other = self._other or self._network.listen(self._place[0], 0, _Nobody())
                self._other.write(encode(answer), destination)
            case _:
                self._send(answer, destination)

    def _message(self, request: LocationRequest, row: Row) -> LocationConfirm | LocationReject:
        number = row.replaced(request.number)
        if row.answer == "LRJ":
            return LocationReject(request.seq, row.reason)
        if number and not request.can_map_alias:
            return LocationReject(request.seq, "aliasesInconsistent")
        aliases: tuple[Alias, ...] = (Alias(DIALLED_DIGITS, number),) if number else ()
        if row.name:
            aliases += (Alias(H323_ID, row.name),)
        return LocationConfirm(
            request.seq,
            _NOWHERE if row.fault == "nowhere" else row.host,
            self._reachable(request),
            aliases,
            tuple(Alternate(backup.priority, (backup.address,)) for backup in row.alternates),
            row.prefixes or None,
        )

    def _reachable(self, request: LocationRequest) -> Address:
        """Give our address as who asks can reach it."""
        host, port = self.address
        return (self._network.local_address(request.reply_address[0]) if host in ("0.0.0.0", "::") else host), port

    def _send(self, message: Message, destination: Address) -> None:
        self._write(encode(message), destination)

    def _write(self, datagram: bytes, destination: Address) -> None:
        host, port = destination
        if self._port is not None and port and (":" in host) == (":" in self._port.address[0]):
            self._port.write(datagram, destination)
