"""A MySQL or MariaDB database: PyMySQL in adbapi's threads, with deadlines.

A server may be away, be restarted, refuse us, or accept and say nothing. So
each connect, read and write in a thread has a timeout, which gives the thread
back, and each transaction a deadline on the reactor, which answers who asked.
What has waited in the queue beyond its deadline is not begun. A connection is
tried before each use, and made anew where it is dead.

Connections use TLS where the server has it, without looking at its certificate.
"""

import math
from collections.abc import Callable
from typing import Any, Generic, NamedTuple, TypeVar

import pymysql  # type: ignore[import-untyped]
from pymysql.constants import ER  # type: ignore[import-untyped]
from twisted.enterprise.adbapi import ConnectionPool
from twisted.internet.defer import Deferred, fail
from twisted.internet.defer import TimeoutError as DeadlineError
from twisted.internet.interfaces import IReactorThreads, IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from sipproxy.errors import StoreError

T = TypeVar("T")

_log = Logger(namespace="mod_sip_authen")


class MysqlAddress(NamedTuple):
    """Where a database is, and who we are there.

    @ivar password: octets, as the server compares octets
    """

    host: str
    port: int
    database: str
    user: str
    password: bytes

    def __str__(self) -> str:
        return f"mysql://{self.user}@{self.host}:{self.port}/{self.database}"


class _Connection:
    """A thread's connection as adbapi uses it for one transaction: made, or tried, when a cursor is asked for."""

    def __init__(self, pool: "_Pool") -> None:
        self._pool = pool
        self._opened: Any = None

    def cursor(self) -> Any:
        """Begin."""
        self._opened = self._pool.living()
        return self._opened.cursor()

    def commit(self) -> None:
        """End it."""
        if self._opened is not None:
            self._opened.commit()

    def rollback(self) -> None:
        """End it without effect; where that cannot be said to the server, it will see that we are gone."""
        if self._opened is None:
            return
        try:
            self._opened.rollback()
        except pymysql.Error:
            self._pool.disconnect(self._opened)  # type: ignore[no-untyped-call]


class _Pool(ConnectionPool):
    """adbapi's pool; it does not notice by itself that a connection is dead."""

    connectionFactory = _Connection  # type: ignore[assignment]

    def __init__(self, prepare: Callable[[Any], None], **arguments: object) -> None:
        super().__init__("pymysql", **arguments)  # type: ignore[no-untyped-call]
        self._prepare = prepare

    def living(self) -> Any:
        """Give the connection of this thread, a new one where it is dead."""
        connection = self.connections.get(self.threadID())  # type: ignore[no-untyped-call]
        if connection is not None:
            try:
                connection.ping()
                return connection
            except pymysql.Error:
                self.disconnect(connection)  # type: ignore[no-untyped-call]
        return self._prepared()

    def _prepared(self) -> Any:
        """Make a connection that is of use."""
        try:
            connection: Any = self.connect()  # type: ignore[no-untyped-call]
        except pymysql.Error:
            raise
        except Exception as error:
            # A server of another kind makes PyMySQL fail in any way.
            raise StoreError(f"no MySQL server that can be spoken to: {error!r}") from error
        try:
            with connection.cursor() as cursor:
                self._prepare(cursor)
            connection.commit()
        except BaseException:
            self.disconnect(connection)  # type: ignore[no-untyped-call]
            raise
        return connection


class _Task(Generic[T]):
    """A transaction to be run in a thread.

    @ivar is_wanted: whether somebody waits for it still; written by the reactor's thread, read by the other
    """

    def __init__(self, interaction: Callable[..., T], arguments: tuple[object, ...]) -> None:
        self._interaction = interaction
        self._arguments = arguments
        self.is_wanted = True

    def run(self, connection: _Connection) -> T:
        """Run it, in a thread."""
        if not self.is_wanted:
            raise StoreError("too late")
        try:
            with connection.cursor() as cursor:
                done = self._interaction(cursor, *self._arguments)
        except pymysql.ProgrammingError as error:
            if error.args[0] == ER.PARSE_ERROR:
                raise  # Ours.
            raise StoreError(_text(error)) from error
        except pymysql.Error as error:
            raise StoreError(_text(error)) from error
        if not self.is_wanted:
            raise StoreError("too late")  # Who asked has been told that it failed, so it does.
        return done


class MysqlDatabase:
    """A database, used by a few threads with a connection each.

    One long transaction leaves one thread less to the others.
    """

    def __init__(
        self,
        address: MysqlAddress,
        prepare: Callable[[Any], None],
        reactor: Any,
        size: int,
        timeout: float,
    ) -> None:
        """Prepare it; nothing is connected before the first use.

        @param prepare: called with a cursor of each new connection; raises StoreError where it is of no use
        @param reactor: an L{IReactorThreads} and L{IReactorTime}
        @param size: threads, and connections, at most
        @param timeout: how long a connect, a read or a write may take, seconds
        """
        self._address = address
        self._clock: IReactorTime = reactor
        self._timeout = timeout
        self._running = 0
        self._idle: Deferred[None] | None = None
        threads: IReactorThreads = reactor
        self._pool = _Pool(
            prepare,
            cp_min=1,
            cp_max=size,
            cp_reactor=threads,
            host=address.host,
            port=address.port,
            database=address.database,
            user=address.user,
            password=address.password,
            charset="utf8mb4",
            collation="utf8mb4_bin",
            sql_mode="STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION",
            init_command=f"SET SESSION innodb_lock_wait_timeout = {max(1, math.ceil(timeout) - 1):d}",
            connect_timeout=timeout,
            read_timeout=timeout,
            write_timeout=timeout,
        )

    def run(self, interaction: Callable[..., T], *arguments: object, statements: int = 1) -> Deferred[T]:
        """Run a transaction in a thread: C{interaction(cursor, *arguments)}.

        Cancelling the Deferred lets it go: it is not begun, or not committed, where that can still be.

        @param statements: how many there are in it; so many times the timeout it may take
        @return: fires with what it gives, once that is committed
        @raise StoreError: in the Deferred: the server could not in time. Nothing has changed, but where the connection
            was lost during the commit nobody knows
        """
        if self._idle is not None:
            return fail(StoreError(f"{self._address}: closed"))
        task = _Task(interaction, arguments)
        done: Deferred[T] = Deferred(lambda _: self._let_go(task))
        self._running += 1
        running: Deferred[T] = self._pool.runWithConnection(task.run)  # type: ignore[no-untyped-call]
        running.addBoth(self._returned, task, done)
        done.addTimeout(statements * self._timeout, self._clock)
        return done.addErrback(self._failed)

    def close(self) -> Deferred[None]:
        """Close all connections.

        @return: fires with None once the threads have come back, which their timeouts see to; always the same one
        """
        if self._idle is None:
            self._idle = Deferred()
            self._idle.addCallback(self._close)
            if not self._running:
                self._idle.callback(None)
        return self._idle

    def _close(self, _: None) -> None:
        self._pool.close()  # type: ignore[no-untyped-call]

    def _let_go(self, task: _Task[T]) -> None:
        task.is_wanted = False

    def _returned(self, result: T | Failure, task: _Task[T], done: Deferred[T]) -> None:
        """Take what a thread has brought."""
        self._running -= 1
        if task.is_wanted:
            done.callback(result)
        elif isinstance(result, Failure) and not result.check(StoreError):  # type: ignore[no-untyped-call]
            _log.failure("A transaction that nobody waits for failed", result)
        if self._idle is not None and not self._running and not self._idle.called:
            self._idle.callback(None)

    def _failed(self, failure: Failure) -> Failure:
        error = failure.value
        if isinstance(error, DeadlineError):
            raise StoreError(f"{self._address}: no answer in time") from error
        if type(error) is StoreError:
            raise StoreError(f"{self._address}: {error}") from error
        if isinstance(error, pymysql.OperationalError | pymysql.InterfaceError):  # the commit
            raise StoreError(f"{self._address}: {_text(error)}") from error
        return failure


def _text(error: pymysql.Error) -> str:
    """Give the server's, or PyMySQL's, sentence without its number."""
    return str(error.args[-1]) if error.args else type(error).__name__
