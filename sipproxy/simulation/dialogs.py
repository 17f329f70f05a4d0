"""Dialogs of the simulated user agents (RFC 3261 12).

A dialog knows both tags, both CSeq numbers, the remote target and the route
set, and from these writes requests within it. It sends nothing.
"""

from sipproxy.interfaces import Address
from sipproxy.message import Request, Response, Uri, parse_name_addr, parse_uri
from sipproxy.message.uri import DEFAULT_PORT
from sipproxy.simulation.endpoint import compose


class Dialog:
    """One side of a dialog.

    @ivar call_id: Call-ID
    @ivar local: our From value, with its tag
    @ivar remote: the other's To value, with its tag
    @ivar local_cseq: CSeq number of our last request
    @ivar remote_cseq: CSeq number of the other's last request, 0 before the first one
    @ivar routes: the route set, in the order of Route values
    @ivar remote_target: the URI that requests go to
    @ivar ended: whether a BYE was sent or received
    """

    def __init__(
        self,
        call_id: bytes,
        local: bytes,
        remote: bytes,
        local_cseq: int,
        remote_cseq: int,
        routes: list[bytes],
        remote_target: bytes,
    ) -> None:
        self.call_id = call_id
        self.local = local
        self.remote = remote
        self.local_cseq = local_cseq
        self.remote_cseq = remote_cseq
        self.routes = routes
        self.remote_target = remote_target
        self.ended = False

    @classmethod
    def of_response(cls, response: Response) -> "Dialog":
        """Make the caller's side (12.1.2): the route set is Record-Route in reverse order."""
        return cls(
            response.call_id,
            response.required("from"),
            response.required("to"),
            response.cseq[0],
            0,
            response.values("record-route")[::-1],
            contact_uri(response),
        )

    @classmethod
    def of_request(cls, request: Request, local_tag: bytes) -> "Dialog":
        """Make the callee's side (12.1.1)."""
        return cls(
            request.call_id,
            request.required("to") + b";tag=" + local_tag,
            request.required("from"),
            0,
            request.cseq[0],
            request.values("record-route"),
            contact_uri(request),
        )

    @property
    def key(self) -> tuple[bytes, bytes, bytes]:
        """What identifies it: Call-ID, local tag, remote tag (12)."""
        return self.call_id, parse_name_addr(self.local).tag, parse_name_addr(self.remote).tag

    def next_hop(self) -> Address:
        """Tell where its requests are sent: to the first of the route set, or to the remote target."""
        return address_of(parse_name_addr(self.routes[0]).uri if self.routes else parse_uri(self.remote_target))

    def write(self, method: bytes, via: bytes, cseq: int, *headers: bytes, body: bytes = b"") -> bytes:
        """Write a request within the dialog (12.2.1.1).

        @param via: value of the Via
        @param cseq: CSeq number; an ACK has that of its INVITE
        """
        uri, routes = self.remote_target, self.routes
        if routes and b"lr" not in parse_name_addr(routes[0]).uri.params:
            # A strict router: its URI is the Request-URI, the remote target the last Route.
            uri, routes = parse_name_addr(routes[0]).uri.raw, [*routes[1:], b"<" + uri + b">"]
        lines = (
            b"Via: " + via,
            *(b"Route: " + route for route in routes),
            b"Max-Forwards: 70",
            b"From: " + self.local,
            b"To: " + self.remote,
            b"Call-ID: " + self.call_id,
            b"CSeq: %d %b" % (cseq, method),
            *headers,
        )
        return compose(b"%b %b SIP/2.0" % (method, uri), lines, body)


def contact_uri(message: Request | Response) -> bytes:
    """Give the URI of the Contact of a message.

    @raise sipproxy.errors.SipParseError: there is none
    """
    return parse_name_addr(message.required("contact")).uri.raw


def address_of(uri: Uri) -> Address:
    """Give the address of a URI whose host is literal.

    @raise ValueError: it is a name; there is no DNS here
    """
    host = uri.host.decode("ascii").strip("[]")
    if not (":" in host or host.replace(".", "").isdigit()):
        raise ValueError(f"{host} is no literal address")
    return host, uri.port or DEFAULT_PORT
