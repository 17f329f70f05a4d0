"""A MariaDB server of the tests' own, and one that says nothing."""

import atexit
import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Sequence
from contextlib import closing
from functools import cache
from pathlib import Path
from typing import Any

import pymysql  # type: ignore[import-untyped]

from sipproxy.databases.mysql import MysqlAddress
from test.interop.harness import LOOPBACK, PATIENCE, free_port, program, wait_until

USER, PASSWORD, DATABASE = "sipproxy", "p'w\\d \N{SNOWMAN}", "sip"
_INSTALLATION = ("--auth-root-authentication-method=normal", "--skip-test-db", "--skip-name-resolve")
_SMALL = ("--innodb-buffer-pool-size=32M", "--innodb-log-file-size=8M", "--performance-schema=OFF", "--skip-log-bin")


class MariaDb:
    """A server with an empty database and a user who may do everything in it.

    @ivar port: its TCP port on the loopback
    """

    def __init__(self) -> None:
        """Make it; it does not run yet.

        @raise SkipTest: MariaDB is not installed
        """
        self._server = program("mariadbd", "mariadb-server")
        self._installer = program("mariadb-install-db", "mariadb-server")
        # Not in trial's folder: the path of a Unix socket has 107 octets at most.
        self.folder = Path(tempfile.mkdtemp(prefix="mariadb"))
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    def install(self) -> None:
        """Make its files and start it."""
        shutil.copytree(_template() / "data", self.folder / "data")
        self.start()

    def make(self) -> None:
        """Make its files from nothing, start it, make the database and the user, and end it."""
        command = [self._installer, *self._common(), *_INSTALLATION, "--innodb-log-file-size=8M"]
        with open(self.folder / "install.out", "wb") as output:
            subprocess.run(command, stdout=output, stderr=output, check=True, timeout=6 * PATIENCE)
        self.start()
        self.as_root(
            f"CREATE DATABASE {DATABASE}",
            f"CREATE USER {USER}@'%' IDENTIFIED BY '{pymysql.converters.escape_string(PASSWORD)}'",
            f"GRANT ALL ON {DATABASE}.* TO {USER}@'%'",
        )
        assert self._process is not None
        self._process.terminate()
        self._process.wait(PATIENCE)

    def start(self) -> None:
        """Start it and wait until it can be connected to."""
        command = [
            self._server,
            *self._common(),
            *_SMALL,
            f"--socket={self.folder}/m.sock",
            f"--port={self.port}",
            f"--bind-address={LOOPBACK}",
            f"--pid-file={self.folder}/m.pid",
            "--skip-name-resolve",
        ]
        with open(self.folder / "server.out", "ab") as output:
            self._process = subprocess.Popen(command, stdout=output, stderr=output, stdin=subprocess.DEVNULL)
        wait_until(self._answers, "MariaDB answers", 3 * PATIENCE)

    def kill(self) -> None:
        """End it without notice."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def remove(self) -> None:
        """End it, and remove what it has written."""
        if self._process is not None:
            self.kill()
        shutil.rmtree(self.folder)

    def as_root(self, *statements: str, database: str | None = None) -> Sequence[Sequence[Any]]:
        """Run statements as the administrator.

        @return: the rows of the last one
        """
        connection = pymysql.connect(unix_socket=f"{self.folder}/m.sock", user="root", database=database)
        with closing(connection), connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
            connection.commit()
            rows: Sequence[Sequence[Any]] = cursor.fetchall()
            return rows

    def address(self, user: str = USER, password: str = PASSWORD) -> MysqlAddress:
        """Give what a client must know."""
        return MysqlAddress(LOOPBACK, self.port, DATABASE, user, password.encode())

    def _common(self) -> list[str]:
        who = ["--user=root"] if os.geteuid() == 0 else []
        return ["--no-defaults", *who, f"--datadir={self.folder}/data"]

    def _answers(self) -> bool:
        assert self._process is not None
        if self._process.poll() is not None:
            raise AssertionError(f"MariaDB has ended: {(self.folder / 'server.out').read_text()[-2000:]}")
        try:
            self.as_root("SELECT 1")
        except pymysql.Error:
            return False
        return True


@cache
def _template() -> Path:
    """Give the folder of a server that has been made and ended: to copy it takes a tenth of making another."""
    server = MariaDb()
    atexit.register(server.remove)
    server.make()
    return server.folder


class MuteServer:
    """A TCP server that accepts, by its backlog, and never says anything.

    @ivar port: its port on the loopback
    """

    def __init__(self) -> None:
        self._socket = socket.create_server((LOOPBACK, 0), backlog=100)
        self.port: int = self._socket.getsockname()[1]

    def address(self) -> MysqlAddress:
        """Give what a client must know."""
        return MysqlAddress(LOOPBACK, self.port, DATABASE, USER, b"")

    def close(self) -> None:
        """End it."""
        self._socket.close()
