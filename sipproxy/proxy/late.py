"""2xx responses to an INVITE that was answered already: all of them go upstream (RFC 3261 16.7 item 5, RFC 6026).

What is left of a call once its response context is done: a retransmitted 2xx,
or one of another branch further down, needs the server transaction and no more.
"""

from sipproxy.message import AnyResponse
from sipproxy.proxy.responses import pass_on
from sipproxy.transaction import ClientTransaction, ServerTransaction
from sipproxy.transaction.machines import ACCEPTED


class LateSuccess:
    """The user of a client transaction in Accepted."""

    __slots__ = ("_server",)

    def __init__(self, server: ServerTransaction) -> None:
        self._server = server

    def response_received(self, transaction: ClientTransaction, response: AnyResponse) -> None:
        """Pass a 2xx on."""
        pass_success(self._server, response.status, pass_on(response))

    def timed_out(self, transaction: ClientTransaction) -> None:
        """No timer that says so runs in Accepted."""

    def transport_failed(self, transaction: ClientTransaction, reason: str) -> None:
        """Nothing is sent in Accepted."""


def pass_success(server: ServerTransaction, status: int, response: bytes) -> None:
    """Send a 2xx upstream, also where its transaction is over, or ended otherwise."""
    if server.state == ACCEPTED:
        server.respond(status, response)
    else:
        server.point.write(response, server.destination)
