"""The manhole's SSH: connections, and who is let in (RFC 4252).

To import this chooses a reactor, as Twisted's authentication asks for one at
once; so it is imported where there is a manhole, and nowhere else.

Public keys only, sessions only: there is no password, no forwarding, no subsystem.
"""

import struct
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from twisted.conch.error import IgnoreAuthentication, ValidPublicKey
from twisted.conch.interfaces import IConchUser
from twisted.conch.ssh.common import getNS
from twisted.conch.ssh.factory import SSHFactory
from twisted.conch.ssh.keys import BadKeyError, Key
from twisted.conch.ssh.transport import SSHServerTransport
from twisted.conch.ssh.userauth import SSHUserAuthServer
from twisted.cred.checkers import ICredentialsChecker
from twisted.cred.credentials import ISSHPrivateKey
from twisted.cred.error import UnauthorizedLogin
from twisted.cred.portal import IRealm, Portal
from twisted.internet.defer import fail
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from sipproxy.control.manhole_keys import KeyFileError, fingerprint, read_authorized_keys, read_key
from sipproxy.control.manhole_session import ManholeUser, Namespace, text_of

log = Logger(namespace="mod_sip_control")

#: Seconds from a connection to a login, and keys that may be tried meanwhile.
GRACE = 30.0
ATTEMPTS = 6

#: How a login may be signed (RFC 8308 3.1): all that Twisted can check, without RSA over SHA-1.
ALGORITHMS = (
    b"ssh-ed25519",
    b"sk-ssh-ed25519@openssh.com",
    b"ecdsa-sha2-nistp256",
    b"ecdsa-sha2-nistp384",
    b"ecdsa-sha2-nistp521",
    b"sk-ecdsa-sha2-nistp256@openssh.com",
    b"rsa-sha2-512",
    b"rsa-sha2-256",
)

Address = tuple[str, int]


class ManholeFactory(SSHFactory):
    """Makes the protocols of connections.

    @ivar clock: ends connections that nobody logs in on
    """

    noisy = False

    def __init__(
        self,
        authorized_keys: Path,
        own_key: Key,
        namespace: Namespace,
        flush: Callable[[], None],
        clock: IReactorTime,
    ) -> None:
        """
        @param authorized_keys: the file of the keys that may log in, read at each login
        @param own_key: the server's private key
        @param namespace: the names that everybody finds
        @param flush: writes what waits in the logs to their files
        """
        self.protocol = _Transport
        self.clock = clock
        kind: Any = own_key.sshType()
        self.privateKeys = {kind: own_key}
        self.publicKeys = {kind: own_key.public()}
        self.portal = Portal(_Realm(namespace, flush, clock), [_KeyChecker(authorized_keys)])

    def getService(self, transport: Any, service: bytes) -> Any:
        """Give the class of a service; our own for the login."""
        if service == b"ssh-userauth":
            return partial(_Authentication, self.clock)
        return super().getService(transport, service)


class _Transport(SSHServerTransport):
    """A connection."""

    factory: Any
    _grace: IDelayedCall | None = None

    def connectionMade(self) -> None:
        """Begin; whoever does not log in is not kept."""
        super().connectionMade()
        self._grace = self.factory.clock.callLater(GRACE, self._too_slow)

    def dataReceived(self, data: bytes) -> None:
        """Take octets; whoever is not logged in yet can send what Twisted does not expect."""
        try:
            super().dataReceived(data)
        except Exception as error:
            if hasattr(self, "avatar"):
                raise
            log.warn("manhole: what came is no SSH: {error!r}", error=error, **_client_of(self))
            self._abort()

    def sendExtInfo(self, extensions: Any) -> None:
        """Tell how a login may be signed; Twisted would name what our own key can."""
        super().sendExtInfo([(b"server-sig-algs", b",".join(ALGORITHMS))])

    def receiveError(self, reasonCode: int, description: bytes) -> None:
        """Take the client's farewell; to Twisted it is an error, and OpenSSH's client says so whenever it ends."""
        log.debug("manhole: the client ends: {text}", text=text_of(description), **_client_of(self))

    def setService(self, service: Any) -> None:
        """Go on behind the login."""
        super().setService(service)
        if service.name == b"ssh-connection":
            self._end_grace()

    def connectionLost(self, reason: Any = None) -> None:
        """End."""
        self._end_grace()
        super().connectionLost(reason)

    def _end_grace(self) -> None:
        if self._grace is not None:
            self._grace.cancel()
            self._grace = None

    def _too_slow(self) -> None:
        self._grace = None
        log.warn("manhole: a connection without a login is closed", **_client_of(self))
        self._abort()

    def _abort(self) -> None:
        transport: Any = self.transport
        transport.abortConnection()


def _client_of(transport: Any) -> dict[str, Address]:
    """Name who is at the other end of a connection, for the log; on a Unix socket nobody has a name."""
    address = transport.getPeer().address
    return {"client": (address.host, address.port)} if hasattr(address, "port") else {}


# Who is let in.


class _Authentication(SSHUserAuthServer):
    """The login (RFC 4252); who is refused is in the log."""

    loginTimeout = int(GRACE)
    attemptsBeforeDisconnect = ATTEMPTS
    transport: Any
    user: Any

    def __init__(self, clock: IReactorTime) -> None:
        self.clock = clock

    def auth_publickey(self, packet: bytes) -> Any:
        """Try a key."""
        try:
            key = read_key(getNS(packet[1:], 2)[1], "blob")
        except (BadKeyError, struct.error):
            return fail(UnauthorizedLogin("a key that cannot be read"))
        return super().auth_publickey(packet).addErrback(self._refused, key)

    def _refused(self, failure: Failure, key: Key) -> Failure:
        if failure.check(IgnoreAuthentication) is None:
            log.warn(
                "manhole: {user} is refused: {reason}, {key}",
                user=text_of(self.user),
                reason=failure.getErrorMessage(),
                key=fingerprint(key),
                **_client_of(self.transport),
            )
        return failure


@implementer(ICredentialsChecker)
class _KeyChecker:
    """Knows who may log in: under any name, with a key of the file as it is now."""

    credentialInterfaces = (ISSHPrivateKey,)

    def __init__(self, authorized_keys: Path) -> None:
        self._path = authorized_keys

    def requestAvatarId(self, credentials: Any) -> Any:
        """Give the name for the log.

        @raise UnauthorizedLogin: the key may not log in, or is somebody else's
        @raise ValidPublicKey: it may, and has to be proved
        """
        try:
            authorized = read_authorized_keys(self._path)
        except KeyFileError as error:
            log.error("manhole: {error}", error=error)
            raise UnauthorizedLogin("the keys cannot be read") from None
        key = read_key(credentials.blob, "blob")
        names = [known.name for known in authorized if known.key == key]
        if not names:
            raise UnauthorizedLogin("the key is not authorized")
        if not credentials.signature:
            raise ValidPublicKey
        if not _is_signed(key, credentials):
            raise UnauthorizedLogin("the signature is wrong")
        return f"{text_of(credentials.username)} ({names[0]})"


def _is_signed(key: Key, credentials: Any) -> bool:
    try:
        kind, _ = getNS(credentials.signature)
        return kind in ALGORITHMS and bool(key.verify(credentials.signature, credentials.sigData))
    except Exception:  # noqa: BLE001 - Twisted's reader lets out what comes up in it, and it is no signature then
        return False


@implementer(IRealm)
class _Realm:
    """Gives everybody who is let in the same."""

    def __init__(self, namespace: Namespace, flush: Callable[[], None], clock: IReactorTime) -> None:
        self._namespace = namespace
        self._flush = flush
        self._clock = clock

    def requestAvatar(self, avatarId: Any, mind: Any, *interfaces: Any) -> Any:
        """Give a user."""
        return IConchUser, ManholeUser(avatarId, self._namespace, self._flush, self._clock), _nothing


def _nothing() -> None:
    """A user has nothing to close: his sessions end with the connection."""
