"""Asks one of several etcd servers over HTTP, as a user where there is one; the next one where one fails.

Knows nothing of what is asked. A question whose answer is lost may have been
done: whoever asks a second server must be able to bear that.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

from treq.client import HTTPClient
from twisted.internet.defer import CancelledError, Deferred, maybeDeferred
from twisted.internet.error import ConnectingCancelledError
from twisted.internet.interfaces import IReactorTime
from twisted.internet.protocol import Protocol, connectionDone
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.client import Agent, HTTPConnectionPool, ResponseDone, ResponseFailed, _HTTP11ClientFactory
from twisted.web.iweb import IPolicyForHTTPS, IResponse

from sipproxy.farm.etcd_messages import Json, error_of, is_unknown_token
from sipproxy.farm.keyspace import AwayError, KeyspaceError, Place

T = TypeVar("T")

_log = Logger(namespace="mod_sip_farm")

#: How long a connection may take to be made, seconds.
_CONNECT = 1.0
#: Octets of an answer: a page of a thousand long values is some millions.
_LONGEST = 1 << 26
#: Octets of an answer that are kept of what is not JSON, for the log.
_SHOWN = 100


class _Body(Protocol):
    """Gathers an answer.

    @ivar done: fires with its octets; cancelled, it closes the connection
    """

    def __init__(self) -> None:
        self.done: Deferred[bytes] = Deferred(self._stop)
        self._parts: list[bytes] = []
        self._size = 0

    def dataReceived(self, data: bytes) -> None:
        """Take the next octets."""
        self._parts.append(data)
        self._size += len(data)
        if self._size > _LONGEST:
            self._stop(self.done)

    def _stop(self, _: Deferred[bytes]) -> None:
        transport: Any = self.transport
        if transport is not None:
            transport.stopProducing()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """All is there, or the connection was lost."""
        if self.done.called:
            return
        if reason.check(ResponseDone) is not None:  # type: ignore[no-untyped-call]
            self.done.callback(b"".join(self._parts))
        else:
            self.done.errback(reason)


class _QuietFactory(_HTTP11ClientFactory):
    """Connects without a line in the log for each connection."""

    noisy = False


class Login(NamedTuple):
    """Who we are to etcd."""

    user: str
    password: str


class EtcdClient:
    """Asks etcd.

    @param reactor: makes connections and measures time
    @param endpoints: URLs without a path; the first one that answers is used until it fails
    @param login: None where etcd asks for no name
    @param policy: how TLS servers are believed; None for what Twisted does
    @param attempt: how long one server may take, seconds
    """

    def __init__(
        self,
        reactor: Any,
        endpoints: Sequence[str],
        login: Login | None = None,
        policy: IPolicyForHTTPS | None = None,
        attempt: float = 1.0,
    ) -> None:
        self._clock: IReactorTime = reactor
        self._pool = HTTPConnectionPool(reactor, persistent=True)  # type: ignore[no-untyped-call]
        self._pool._factory = _QuietFactory
        tls = {} if policy is None else {"contextFactory": policy}
        agent = Agent(reactor, connectTimeout=_CONNECT, pool=self._pool, **tls)  # type: ignore[no-untyped-call]
        self._http = HTTPClient(agent)
        self._places = [Place(url.rstrip("/"), None, "") for url in endpoints]
        self._at = 0
        self._login = login
        self._token: str | None = None
        self._attempt = attempt
        self._asked: set[Deferred[Any]] = set()
        self._is_closed = False

    @property
    def places(self) -> tuple[Place, ...]:
        """The servers."""
        return tuple(self._places)

    async def ask(self, path: str, question: Json, timeout: float | None = None) -> Json:
        """Ask one server after the other until one answers.

        @param timeout: how long that may take in all, seconds; by default so long that each may be asked once
        @raise KeyspaceError: none does, or it refuses
        """
        end = self._clock.seconds() + (self._attempt * len(self._places) if timeout is None else timeout)
        tried = 0
        while True:
            if self._is_closed:
                raise AwayError("closed")
            left = end - self._clock.seconds()
            try:
                return await self._ask_place(self._at, path, question, max(min(left, self._attempt), 0.0))
            except AwayError:
                tried += 1
                self._at = (self._at + 1) % len(self._places)
                if tried == len(self._places) or self._clock.seconds() >= end:
                    raise

    async def open(self, path: str, question: Json) -> tuple[IResponse, Callable[[str], None]]:
        """Ask for an answer without an end.

        @return: the response, and what is to be called with the reason when it ends: another server is used then
        @raise KeyspaceError: nobody answers
        """
        at = self._at
        try:
            response = await self._post(at, path, question, self._attempt)
        except AwayError as error:
            self._failed(at, str(error))
            self._pass_over(at)
            raise
        if response.code != 200:
            self._pass_over(at)
            answer = await self._read(response, self._attempt)
            raise error_of(answer)

        def ended(reason: str) -> None:
            self._failed(at, reason)
            self._pass_over(at)

        return response, ended

    async def _ask_place(self, at: int, path: str, question: Json, timeout: float) -> Json:
        try:
            answer = await self._answered(at, path, question, timeout)
        except AwayError as error:
            self._failed(at, str(error))
            raise
        self._worked(at)
        return answer

    async def _answered(self, at: int, path: str, question: Json, timeout: float) -> Json:
        """Ask one server, a second time where it does not know our token any more."""
        end = self._clock.seconds() + timeout
        for _ in range(2):
            response = await self._post(at, path, question, max(0.0, end - self._clock.seconds()))
            answer = await self._read(response, max(0.0, end - self._clock.seconds()))
            if response.code == 200:
                return answer
            if self._login is None or not is_unknown_token(response.code, answer):
                break
            self._token = None
        raise error_of(answer)

    async def _post(self, at: int, path: str, question: Json, timeout: float) -> IResponse:
        if self._login is not None and self._token is None:
            self._token = await self._authenticate(at, self._login, timeout)
        headers = {
            "Content-Type": "application/json",
            # A server that has lost the others ends a watch only where this is asked for.
            "Grpc-Metadata-hasleader": "true",
        }
        if self._token is not None:
            headers["Authorization"] = self._token
        return await self._send(at, path, question, headers, timeout)

    async def _authenticate(self, at: int, login: Login, timeout: float) -> str:
        question = {"name": login.user, "password": login.password}
        headers = {"Content-Type": "application/json"}
        response = await self._send(at, "/v3/auth/authenticate", question, headers, timeout)
        answer = await self._read(response, timeout)
        if response.code != 200:
            raise error_of(answer)
        return str(answer["token"])

    async def _send(self, at: int, path: str, question: Json, headers: Mapping[str, str], timeout: float) -> IResponse:
        url = self._places[at].name + path
        data = json.dumps(question, separators=(",", ":")).encode("ascii")
        post: Any = self._http.post
        sent: Deferred[IResponse] = maybeDeferred(
            post, url, data=data, headers=dict(headers), unbuffered=True, allow_redirects=False
        )
        return await self._known(sent, timeout)

    async def _read(self, response: IResponse, timeout: float) -> Json:
        body = _Body()
        response.deliverBody(body)  # type: ignore[no-untyped-call]
        octets: bytes = await self._known(body.done, timeout)
        try:
            answer: Json = json.loads(octets)
        except ValueError:
            raise AwayError(f"no answer of etcd: {octets[:_SHOWN]!r}") from None
        return answer

    def _known(self, asked: Deferred[T], timeout: float) -> Deferred[T]:
        """Let an answer come in time or not at all, and not after all is closed."""
        self._asked.add(asked)

        def over(result: Any) -> Any:
            self._asked.discard(asked)
            return result

        return asked.addTimeout(timeout, self._clock, _late).addBoth(over).addErrback(self._away)

    def _away(self, failure: Failure) -> Any:
        """Say of what the network does that the server is away; a mistake of ours stays one."""
        error = failure.value
        if isinstance(error, KeyspaceError):
            return failure
        if isinstance(error, ResponseFailed) and error.reasons:
            error = error.reasons[0].value
        if isinstance(error, CancelledError | ConnectingCancelledError):
            if self._is_closed:
                raise AwayError("closed") from None
            raise CancelledError  # whoever asked does not want to know any more
        if isinstance(error, AssertionError | TypeError | AttributeError | NameError | LookupError):
            return failure
        raise AwayError(str(error) or type(error).__name__) from None

    # The servers' state

    def _failed(self, at: int, reason: str) -> None:
        if self._is_closed:
            return
        place = self._places[at]
        if place.since is None:
            _log.warn("etcd at {name}: {reason}", name=place.name, reason=reason)
            place = place._replace(since=self._clock.seconds())
        self._places[at] = place._replace(reason=reason)

    def _worked(self, at: int) -> None:
        place = self._places[at]
        if place.since is not None:
            _log.info("etcd at {name} answers again", name=place.name, severity="notice")
            self._places[at] = Place(place.name, None, "")

    def _pass_over(self, at: int) -> None:
        if self._at == at:
            self._at = (at + 1) % len(self._places)

    def close(self) -> Deferred[None]:
        """Close all connections; who still waits for an answer is told."""
        self._is_closed = True
        for asked in list(self._asked):
            asked.cancel()
        closed: Deferred[Any] = self._pool.closeCachedConnections()  # type: ignore[no-untyped-call]
        return closed.addCallback(lambda _: None)


def _late(result: object, timeout: float) -> Any:
    """Say that time is up, whatever the network makes of that."""
    if isinstance(result, Failure):
        raise AwayError("no answer in time")
    return result
