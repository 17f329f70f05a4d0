"""Copies of SIP messages for a HOMER, heplify or other HEP3 receiver, over UDP.

A L{sipproxy.net.tapped.Tap}. Nothing is kept: a copy that cannot be sent now is
counted and gone, and calls do not wait for it. A receiver that is away is seen
by ICMP only, as it never answers. Its name is looked up again each minute; what
was found last is used while nobody answers.

Not here: HEP over TCP or TLS, and what HOMER collects beside SIP.
"""

from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from sipproxy.errors import ListenError, NameNotFoundError, ResolverTimeoutError
from sipproxy.interfaces import Address, IDatagramUser, INetwork, IPort, IResolver
from sipproxy.wire.hep import Encoder

log = Logger(namespace="mod_sip_control")

#: Octets of a UDP datagram's payload over IPv4, at most.
LONGEST = 65_507
#: Seconds between two look-ups of the receiver's name; as long after its last ICMP error it counts as away.
LOOK_AGAIN = 60.0
# Shorter ones are keep-alives (RFC 5626 4.4.1), no SIP.
_LONGEST_KEEP_ALIVE = 4
_WILDCARDS = {4: "0.0.0.0", 6: "::"}


@implementer(IDatagramUser)
class HepSender(Service):
    """Sends the copies.

    @ivar sent: copies given to the kernel
    @ivar dropped: copies that could not be sent, as the receiver's address is not known
    @ivar refused: copies that came back by ICMP, or that the kernel refused
    @ivar away_reason: why the receiver is away, empty where it is not known to be
    """

    def __init__(
        self,
        server: Address,
        agent: int,
        key: bytes,
        network: INetwork,
        resolver: IResolver,
        clock: IReactorTime,
    ) -> None:
        """
        @param server: host, name or literal address, and port of the receiver
        @param agent: our number there (HEPCaptureId)
        @param key: what it knows us by, empty for nothing
        @param network: where our port comes from; not one that this sender watches, or copies would be copied
        @param clock: its C{seconds} are those since 1970
        """
        self.setName("hep")
        self.sent = self.dropped = self.refused = 0
        self.away_reason = ""
        self._server = server
        self._encode = Encoder(agent, key, LONGEST).encode
        self._network = network
        self._resolver = resolver
        self._seconds = clock.seconds
        self._destination: Address | None = None
        self._port: IPort | None = None
        self._away_since: float | None = None
        self._last_trouble = float("-inf")
        self._looking = LoopingCall(self._look_up)
        self._looking.clock = clock

    @property
    def away_since(self) -> float | None:
        """Since when the receiver is away, seconds since 1970; None where it is not known to be."""
        if self._destination is not None and self._seconds() - self._last_trouble > LOOK_AGAIN:
            self._away_since, self.away_reason = None, ""
        return self._away_since

    def startService(self) -> None:
        """Look the receiver up, and send from then on."""
        super().startService()
        self._looking.start(LOOK_AGAIN).addErrback(_broke)

    def stopService(self) -> None:
        """Send no more."""
        super().stopService()
        if self._looking.running:
            self._looking.stop()
        self._close()

    # Tap.

    def seen(self, datagram: bytes, source: Address, destination: Address) -> None:
        """Send a copy of a message."""
        if len(datagram) <= _LONGEST_KEEP_ALIVE:
            return
        if self._port is None or self._destination is None:
            self.dropped += 1
            return
        try:
            packet = self._encode(source, destination, int(self._seconds() * 1_000_000), datagram)
        except ValueError:  # sent to what is no address of the port's family, which the port tells its user
            self.dropped += 1
            return
        self.sent += 1
        self._port.write(packet, self._destination)

    # The receiver's address.

    def _look_up(self) -> Deferred[Any]:
        ask: Any = self._resolver.addresses  # the types of maybeDeferred know a value or a Deferred of it, not both
        return maybeDeferred(ask, self._server[0]).addCallback(self._found).addErrback(self._not_found)

    def _found(self, addresses: list[str]) -> None:
        if not self.running or (self._destination is not None and self._destination[0] in addresses):
            return
        self._close()
        self._network.listen(_WILDCARDS[6 if ":" in addresses[0] else 4], 0, self)
        self._destination = (addresses[0], self._server[1])
        self._away_since, self.away_reason = None, ""
        log.info("copies of SIP messages go to {host} port {port}", host=addresses[0], port=self._server[1])

    def _not_found(self, failure: Failure) -> None:
        if not isinstance(failure.value, NameNotFoundError | ResolverTimeoutError | ListenError):
            failure.raiseException()
        self._trouble(str(failure.value) or type(failure.value).__name__)

    def _close(self) -> None:
        if self._port is not None:
            self._port.stop()
        self._port = self._destination = None

    def _trouble(self, reason: str) -> None:
        """Take note that the receiver is away; the log is told once, until it is there again."""
        if self.away_since is None:
            self._away_since = self._seconds()
            log.warn("HEPServer {server}: {reason}", server=self._server[0], reason=reason)
        self._last_trouble = self._seconds()
        self.away_reason = reason

    # IDatagramUser.

    def makeConnection(self, port: IPort) -> None:
        """Take the open port."""
        self._port = port

    def datagramReceived(self, datagram: bytes, addr: Address) -> None:
        """Leave it: nobody has anything to say here."""

    def datagramFailed(self, datagram: bytes, addr: Address, reason: str) -> None:
        """Count a copy that did not arrive."""
        self.refused += 1
        self._trouble(reason)


def _broke(failure: Failure) -> None:
    log.failure("the HEP receiver is not looked up any more", failure)
