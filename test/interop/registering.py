"""A process that registers as fast as it can and tells each registration that is durable.

C{python -m test.interop.registering FILE FIRST}: one line on stdout for each address of record, numbered from FIRST.
"""

import os
import sys
import time
from pathlib import Path

from twisted.internet import reactor
from twisted.internet.interfaces import IReactorTime

from sipproxy.databases.registry import Registry
from sipproxy.databases.registry_sqlite import SqliteStore
from sipproxy.registrar.bindings import Binding

#: Registrations on their way at one time.
AT_ONCE = 20


def register_for_ever(path: Path, number: int) -> None:
    """Register one address of record after the other."""
    registry = Registry(SqliteStore(path, reactor), IReactorTime(reactor), time.time, linger=0.001)  # type: ignore[arg-type]

    def register_next(_: None = None) -> None:
        nonlocal number
        number += 1
        aor, now = b"%d@example.com" % number, time.time()
        bindings = (Binding(b"sip:%d@192.0.2.1" % number, expires=now + 3600, updated=now, call_id=b"c", cseq=number),)
        registry.store(aor, bindings).addCallback(confirm, aor)

    def confirm(_: None, aor: bytes) -> None:
        os.write(1, aor + b"\n")
        register_next()

    def begin(_: None) -> None:
        for _each in range(AT_ONCE):
            register_next()

    registry.start().addCallback(begin)
    reactor.run()


if __name__ == "__main__":
    register_for_ever(Path(sys.argv[1]), int(sys.argv[2]))
