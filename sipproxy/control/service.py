"""The control socket as a service: HTTP on a Unix socket."""

from pathlib import Path
from typing import Any

from sipproxy.control.api import Api
from sipproxy.control.http import http_factory
from sipproxy.control.streams import StreamService

#: Connections at one time.
_MOST = 200


class ControlService(StreamService):
    """The control socket.

    @ivar api: what can be asked
    """

    def __init__(self, path: Path, api: Api, reactor: Any) -> None:
        super().__init__("control", path, http_factory(api, reactor), reactor, _MOST)
        self.api = api
