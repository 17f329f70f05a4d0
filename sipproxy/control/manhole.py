"""The manhole: Python inside the running server, by SSH, for whoever is called at night (ManholeListen).

Whoever gets in can do all that the server can. So it is off unless it is
configured, lets public keys in and nothing else, and writes each line that is
typed to the error log before it runs. L{sipproxy.control.manhole_ssh} is the
SSH, L{sipproxy.control.manhole_console} runs what is typed,
L{sipproxy.control.manhole_namespace} is what is found there.

To import this chooses a reactor (see L{sipproxy.control.manhole_ssh}).
"""

from pathlib import Path
from typing import Any, Protocol

from sipproxy.control.api import Api
from sipproxy.control.manhole_keys import host_key
from sipproxy.control.manhole_namespace import make_namespace
from sipproxy.control.manhole_ssh import ManholeFactory
from sipproxy.control.streams import Place, StreamService
from sipproxy.logs import Logs

#: Connections at one time.
MOST = 8


class Logged(Protocol):
    """Something with logs: the server (L{sipproxy.app.Server})."""

    logs: Logs


def manhole_service(
    place: Place, authorized_keys: Path, own_key: Path, server: Logged, api: Api, reactor: Any
) -> StreamService:
    """Give the service.

    @param place: literal address and port, or the path of a Unix socket
    @param authorized_keys: the file of the keys that may log in
    @param own_key: the file of the server's own key; made where there is none, in a folder that there is
    @param server: what is looked at
    @param api: what can be asked of it
    @raise sipproxy.errors.ListenError: the own key cannot be read or made
    """
    factory = ManholeFactory(
        authorized_keys, host_key(own_key), make_namespace(server, api), server.logs.flush, reactor
    )
    return StreamService("manhole", place, factory, reactor, MOST)
