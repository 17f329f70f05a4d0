"""An LDAP server in memory that answers as a test tells it, and a directory that asks it."""

from collections.abc import Sequence
from typing import Any

from ldaptor.protocols import pureber, pureldap  # type: ignore[import-untyped]
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionAborted, ConnectionDone, ConnectionRefusedError
from twisted.internet.testing import MemoryReactorClock, StringTransport
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from sipproxy.errors import StoreError
from sipproxy.net.ldap import LdapDirectory
from sipproxy.net.ldap_connector import LdapServer
from sipproxy.net.ldap_messages import Bind, Entry

TIMEOUT = 2.0
BASE, READER = "ou=h350,dc=example", "cn=reader,dc=example"
#: What the tests look for.
CONDITIONS = {"objectClass": ("SIPIdentity",), "uid": ("bob",)}
PAGED_RESULTS = b"1.2.840.113556.1.4.319"

_DECODER = pureldap.LDAPBERDecoderContext_TopLevel(
    inherit=pureldap.LDAPBERDecoderContext_LDAPMessage(
        fallback=pureldap.LDAPBERDecoderContext(fallback=pureber.BERDecoderContext()),
        inherit=pureldap.LDAPBERDecoderContext(fallback=pureber.BERDecoderContext()),
    )
)


def entry_of(uid: str) -> Entry:
    """Give an entry as a client sees it."""
    return Entry(f"uid={uid},{BASE}", {"uid": (uid.encode(),)})


def octets(number: int, response: Any, controls: Any = None) -> bytes:
    """Write a response."""
    written: bytes = pureldap.LDAPMessage(response, controls, number).toWire()
    return written


def found(number: int, *uids: str) -> bytes:
    """Write entries."""
    entries = (pureldap.LDAPSearchResultEntry(f"uid={uid},{BASE}", [("uid", [uid])]) for uid in uids)
    return b"".join(octets(number, entry) for entry in entries)


def done(number: int, code: int = 0, message: str = "", cookie: bytes | None = None) -> bytes:
    """Write the end of an answer."""
    controls = None
    if cookie is not None:
        value = pureber.BERSequence([pureber.BERInteger(0), pureber.BEROctetString(cookie)]).toWire()
        controls = [(PAGED_RESULTS, None, value)]
    return octets(number, pureldap.LDAPSearchResultDone(code, errorMessage=message), controls)


class Transport(StringTransport):
    """The client's end of a connection; it is lost a moment after it is given up, as TCP's is."""

    def __init__(self, reactor: MemoryReactorClock, protocol: Any) -> None:
        super().__init__()
        self.connected = True
        self.is_polite = True
        self.tls: list[object] = []
        self._reactor = reactor
        self._protocol = protocol

    def loseConnection(self) -> None:
        """Close; a server that is not polite does not see it."""
        if self.is_polite:
            self._reactor.callLater(0, self.lose, ConnectionDone())

    def abortConnection(self) -> None:
        """Close at once."""
        self._reactor.callLater(0, self.lose, ConnectionAborted())

    def lose(self, reason: Exception) -> None:
        """Be lost."""
        if self.connected:
            self.connected = False
            self._protocol.connectionLost(Failure(reason))

    def startTLS(self, options: object) -> None:
        """Take note."""
        self.tls.append(options)


class Peer:
    """The server's end of a connection."""

    def __init__(self, transport: Transport, protocol: Any) -> None:
        self.transport = transport
        self._protocol = protocol
        self._read = 0

    @property
    def is_open(self) -> bool:
        """Whether it is."""
        return self.transport.connected

    def heard(self) -> list[Any]:
        """Give the messages that came since the last time."""
        found, written = [], self.transport.value()
        while self._read < len(written):
            message, length = pureber.berDecodeObject(_DECODER, written[self._read :])
            self._read += length
            found.append(message)
        return found

    def say(self, *responses: bytes) -> None:
        """Send octets."""
        self._protocol.dataReceived(b"".join(responses))

    def accept(self) -> Any:
        """Take a bind, and give it."""
        (message,) = self.heard()
        self.say(octets(message.id, pureldap.LDAPBindResponse(0)))
        return message.value

    def numbers(self) -> list[int]:
        """Give the numbers of the searches that came since the last time."""
        return [message.id for message in self.heard() if isinstance(message.value, pureldap.LDAPSearchRequest)]

    def answer(self, *uids: str) -> None:
        """Answer the searches that came since the last time."""
        for number in self.numbers():
            self.say(found(number, *uids), done(number))


class Names:
    """A resolver.

    @ivar answer: what it gives, an exception to be raised
    """

    def __init__(self) -> None:
        self.answer: Any = ["192.0.2.1"]

    def addresses(self, host: str) -> "list[str] | Deferred[list[str]]":
        """Give addresses."""
        if isinstance(self.answer, Exception):
            raise self.answer
        given: list[str] = self.answer
        return given


class DirectoryTestCase(SynchronousTestCase):
    """A directory whose connections a test takes and answers."""

    def setUp(self) -> None:
        self.reactor = MemoryReactorClock()
        self.names = Names()
        self.peers: list[Peer] = []
        self.directory = self.make()

    def make(self, size: int = 2, bind: Bind | None = None, tls: Any = None, starts_tls: bool = False) -> LdapDirectory:
        """Make a directory."""
        who = bind or Bind(READER, b"secret")
        server = LdapServer("ldap.example", 389, BASE, who, tls, starts_tls)
        return LdapDirectory(self.reactor, self.names, server, size, TIMEOUT)  # type: ignore[arg-type]

    @property
    def attempts(self) -> int:
        """How often it has begun to connect."""
        return len(self.reactor.tcpClients)

    def connect(self, accept: bool = True) -> Peer:
        """Take the next connection that it has begun, and the bind on it."""
        factory: Any = self.reactor.tcpClients[len(self.peers)][2]
        protocol = factory.buildProtocol(None)
        transport = Transport(self.reactor, protocol)
        peer = Peer(transport, protocol)
        self.peers.append(peer)
        protocol.makeConnection(transport)
        if accept:
            peer.accept()
        return peer

    def refuse(self, index: int = -1) -> None:
        """Refuse a connection that it has begun."""
        factory = self.reactor.tcpClients[index][2]
        factory.clientConnectionFailed(self.reactor.connectors[index], Failure(ConnectionRefusedError()))

    def ask(self) -> "Deferred[list[Entry]]":
        """Ask for somebody."""
        return self.directory.search(CONDITIONS, ("uid",))

    def reason(self, asked: "Deferred[Any]") -> str:
        """Give why a question failed."""
        return str(self.failureResultOf(asked, StoreError).value)

    def see_clean(self, open_connections: Sequence[Peer] = ()) -> None:
        """See that no timer and no connection is left."""
        self.reactor.advance(0)
        self.assertEqual(self.reactor.getDelayedCalls(), [])
        self.assertEqual([peer for peer in self.peers if peer.is_open], list(open_connections))
