"""Listening points: the ports that we listen on, and which one a message leaves from.

What a point writes of itself (Via sent-by, Record-Route) is built once for
each local address; a point on a wildcard address asks the network which one
a destination sees (RFC 3261 18.1.1, 16.6 items 4 and 8).
"""

from collections.abc import Callable, Sequence

from sipproxy.interfaces import Address, INetwork, IPort
from sipproxy.message import AnyResponse, parse_via
from sipproxy.message.uri import DEFAULT_PORT

MAX_REMEMBERED = 10_000
#: Octets of the longest datagram of IPv4.
LONGEST = 65_507


class Point:
    """One Listen line, open.

    @ivar port: the open port
    @ivar family: 4 or 6
    @ivar write: sends one datagram to an address
    """

    __slots__ = (
        "_advertised", "_lines", "_local_address", "_names", "_starts", "_via_port", "_wildcard", "family", "port",
        "write",
    )  # fmt: skip

    def __init__(
        self,
        port: IPort,
        advertised: str | None,
        local_address: Callable[[str], str],
        via_port: int | None = None,
    ) -> None:
        """
        @param advertised: C{host[:port]} to write instead of the address, or None
        @param via_port: the port that Via names, where responses are to come in at another one than requests
        """
        self.port = port
        self.write: Callable[[bytes, Address], None] = port.write
        self.family = 6 if ":" in port.address[0] else 4
        self._wildcard = port.address[0] in ("0.0.0.0", "::") and advertised is None
        self._advertised = (advertised or sent_by(*port.address)).encode("ascii")
        self._local_address = local_address
        self._via_port = via_port
        self._lines: dict[str, tuple[bytes, bytes]] = {}
        self._starts: set[bytes] = set()
        self._names: set[tuple[bytes, int]] = set()

    def __repr__(self) -> str:
        return f"<Point {sent_by(*self.port.address)}>"

    def lines(self, host: str) -> tuple[bytes, bytes]:
        """Give our lines for a host: Via up to the value of its branch, Record-Route up to its last bracket."""
        # Kept by our own address, not by the host: the way to a host changes.
        local = self._local_address(host) if self._wildcard else ""
        lines = self._lines.get(local)
        if lines is None:
            name = sent_by(local, self.port.address[1]).encode("ascii") if local else self._advertised
            start = b"SIP/2.0/UDP " + self._home(name)
            lines = (b"Via: " + start + b";branch=", b"Record-Route: <sip:" + name + b";lr")
            self._lines[local] = lines
            via = parse_via(start)
            self._starts.add(start)
            self._names.add((via.host, via.port or DEFAULT_PORT))
        return lines

    def wrote(self, response: AnyResponse) -> bool:
        """Tell whether the topmost Via of a response has a sent-by of ours (RFC 3261 18.1.2).

        @raise sipproxy.errors.SipParseError: it is none
        """
        if response.via_start() in self._starts:
            return True
        via = response.via  # in another spelling
        return (via.host, via.port or DEFAULT_PORT) in self._names

    def _home(self, name: bytes) -> bytes:
        """Give what Via says for a host and port of ours."""
        return name if self._via_port is None else b"%b:%d" % (name.rpartition(b":")[0], self._via_port)


def sent_by(host: str, port: int) -> str:
    """Write host and port as a sent-by, IPv6 in brackets."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


class Points:
    """All listening points of a server."""

    def __init__(self, points: Sequence[Point] = ()) -> None:
        self.all = list(points)
        self._chosen: dict[tuple[str, Point], Point] = {}

    def choose(self, host: str, arrival: Point) -> Point:
        """Choose the point that a request to a host leaves from: where it came in, if that fits.

        A point on a loopback address reaches only loopback addresses, one of an IP family only that.
        """
        point = self._chosen.get((host, arrival))
        if point is None:
            if len(self._chosen) >= MAX_REMEMBERED:
                self._chosen.clear()
            fitting = (point for point in (arrival, *self.all) if _reaches(point, host))
            point = self._chosen[host, arrival] = next(fitting, arrival)
        return point


def _reaches(point: Point, host: str) -> bool:
    if (point.family == 6) != (":" in host):
        return False
    return is_loopback(host) or not is_loopback(point.port.address[0])


def is_loopback(host: str) -> bool:
    """Tell whether a literal address is one of the loopback."""
    return host.startswith("127.") or host == "::1"


def open_point(network: INetwork, port: IPort, advertised: str | None) -> Point:
    """Make the point of an open port."""
    return Point(port, advertised, network.local_address)
