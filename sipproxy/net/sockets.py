"""UDP sockets of Linux: opening, options, addresses and the error queue.

Plain functions over the socket module; L{sipproxy.net.udp} does the reading and
writing.  The error queue is that of ip(7) and ipv6(7), C{IP_RECVERR}: it holds
the ICMP errors (RFC 792, RFC 4443) that datagrams of the socket have caused,
each with what the error quoted of the datagram and where it had been sent.
"""

import errno
import fcntl
import os
import socket
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sipproxy.errors import ListenError
from sipproxy.interfaces import Address

# linux/in.h and linux/in6.h; the socket module has no names for them.
_IP_RECVERR = 11
_IPV6_RECVERR = 25
_SO_RCVBUFFORCE = 33
_SIOCGIFADDR = 0x8915
# linux/sockios.h: when the datagram that was read last had arrived; struct timeval.
_SIOCGSTAMP = 0x8906
_TIMEVAL = struct.Struct("@ll")

# struct sock_extended_err of linux/errqueue.h: errno, origin, type, code.
_EXTENDED_ERROR = struct.Struct("=IBBB")
_ORIGIN_ICMP = 2
_ORIGIN_ICMP6 = 3
_TIME_EXCEEDED = {_ORIGIN_ICMP: 11, _ORIGIN_ICMP6: 3}

_MAX_DATAGRAM = 65_535
_ANCILLARY_SPACE = 512


@dataclass(frozen=True, slots=True)
class QueuedError:
    """One entry of a socket's error queue.

    @ivar datagram: what was quoted of the datagram that failed, from its start (often 500 octets, perhaps none)
    @ivar destination: where it had been sent
    @ivar number: errno
    @ivar origin: C{SO_EE_ORIGIN_}* of linux/errqueue.h
    @ivar icmp_type: type of the ICMP message
    """

    datagram: bytes
    destination: Address
    number: int
    origin: int
    icmp_type: int

    @property
    def from_network(self) -> bool:
        """Whether an ICMP message brought it; otherwise C{sendto} has already raised it."""
        return self.origin in _TIME_EXCEEDED

    @property
    def is_failure(self) -> bool:
        """Whether the datagram's sender should hear of it."""
        if not self.from_network:
            return False
        # RFC 3261 18.4: "Source quench and TTL exceeded ICMP errors SHOULD be ignored."
        if self.icmp_type == _TIME_EXCEEDED[self.origin]:
            return False
        # The kernel has learned the path MTU and will fragment the retransmission.
        return self.number != errno.EMSGSIZE

    @property
    def reason(self) -> str:
        """The error in words, such as C{Connection refused}."""
        return os.strerror(self.number)


def family_of(host: str) -> "socket.AddressFamily | None":
    """Give the address family of a literal IP address (IPv6 perhaps with C{%zone}), None for any other text."""
    if ":" in host:
        family, text = socket.AF_INET6, host.partition("%")[0]
    else:
        family, text = socket.AF_INET, host
    try:
        socket.inet_pton(family, text)
    except (OSError, ValueError):
        return None
    return family


def address_text(address: Address) -> str:
    """Write an address for people: C{192.0.2.1:5060}, C{[2001:db8::1]:5060}."""
    host, port = address
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def to_sockaddr(address: Address) -> "tuple[Any, ...]":
    """Give what the socket module wants for an address: a zone becomes the scope id.

    @raise OSError: there is no such interface
    """
    host, port = address
    if "%" not in host:
        return address
    bare, _, zone = host.partition("%")
    return bare, port, 0, int(zone) if zone.isdigit() else socket.if_nametoindex(zone)


def from_sockaddr(sockaddr: "tuple[Any, ...]") -> Address:
    """Give the address in what the socket module returned; the scope id, which the
    kernel sets for link-local addresses only, becomes C{%zone}.
    """
    host, port = sockaddr[:2]
    if len(sockaddr) < 4 or not sockaddr[3]:
        return host, port
    try:
        zone = socket.if_indextoname(sockaddr[3])
    except OSError:  # the interface has gone meanwhile
        zone = str(sockaddr[3])
    return f"{host}%{zone}", port


def open_udp(address: Address, reuse_port: bool = False) -> socket.socket:
    """Open and bind a non-blocking UDP socket that keeps an error queue.

    @param address: literal address and port, 0 for any free port
    @param reuse_port: let other sockets share the port (SO_REUSEPORT)
    @raise ListenError: it cannot be opened
    """
    family = family_of(address[0])
    if family is None:
        raise ListenError(f"cannot listen on {address_text(address)}/udp: not an IP address")
    try:
        opened = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
    except OSError as error:
        raise _cannot_listen(address, error) from error
    try:
        if family == socket.AF_INET6:
            opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            opened.setsockopt(socket.IPPROTO_IPV6, _IPV6_RECVERR, 1)
        else:
            opened.setsockopt(socket.IPPROTO_IP, _IP_RECVERR, 1)
        if reuse_port:
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        opened.bind(to_sockaddr(address))
    except OSError as error:
        opened.close()
        raise _cannot_listen(address, error) from error
    return opened


def set_receive_buffer(opened: socket.socket, octets: int) -> int:
    """Ask for a receive buffer, past the system's limit (net.core.rmem_max) where we may.

    @return: octets given
    """
    try:
        opened.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, octets)
    except PermissionError:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, octets)
    # socket(7): the kernel doubles the value for its own book-keeping and gives back the double.
    return opened.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) // 2


def set_dscp(opened: socket.socket, dscp: int) -> None:
    """Mark what is sent with a Differentiated Services code point (RFC 2474), 0 to 63."""
    if opened.family == socket.AF_INET6:
        opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_TCLASS, dscp << 2)
    else:
        opened.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, dscp << 2)


def source_address(destination: str) -> str:
    """Ask the kernel's routing which local address packets to an address leave from; nothing is sent.

    @return: a literal address, the unspecified one (C{0.0.0.0}, C{::}) where no route leads there
    """
    family = socket.AF_INET6 if ":" in destination else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            # Any port will do; discard (9) is nobody's.
            probe.connect(to_sockaddr((destination, 9)))
        except OSError:
            return "::" if family == socket.AF_INET6 else "0.0.0.0"
        return from_sockaddr(probe.getsockname())[0]


def read_errors(opened: socket.socket, limit: int) -> list[QueuedError]:
    """Take what is in the error queue, at most C{limit} entries."""
    errors: list[QueuedError] = []
    while len(errors) < limit:
        try:
            datagram, ancillary, _, sockaddr = opened.recvmsg(_MAX_DATAGRAM, _ANCILLARY_SPACE, socket.MSG_ERRQUEUE)
        except BlockingIOError:
            break
        destination = from_sockaddr(sockaddr)
        for level, kind, data in ancillary:
            if (level, kind) in ((socket.IPPROTO_IP, _IP_RECVERR), (socket.IPPROTO_IPV6, _IPV6_RECVERR)):
                number, origin, icmp_type, _ = _EXTENDED_ERROR.unpack_from(data)
                errors.append(QueuedError(datagram, destination, number, origin, icmp_type))
    return errors


def _cannot_listen(address: Address, error: OSError) -> ListenError:
    return ListenError(f"cannot listen on {address_text(address)}/udp: {error.strerror or error}")


def local_addresses() -> list[str]:
    """Give the addresses of all interfaces of this machine, as Linux lists them."""
    found = ["127.0.0.1"]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        for _, name in socket.if_nameindex():
            request = struct.pack("256s", name.encode("utf-8")[:15])
            try:
                reply = fcntl.ioctl(any_socket.fileno(), _SIOCGIFADDR, request)
            except OSError:
                continue  # an interface without an IPv4 address
            found.append(socket.inet_ntop(socket.AF_INET, reply[20:24]))
    try:
        lines = Path("/proc/net/if_inet6").read_text(encoding="ascii").splitlines()
    except OSError:
        lines = []
    found.extend(socket.inet_ntop(socket.AF_INET6, bytes.fromhex(line.split()[0])) for line in lines)
    return list(dict.fromkeys(found))


def last_arrival(opened: socket.socket) -> float | None:
    """Tell when the datagram that was read last had arrived, seconds since 1970.

    The kernel notes the times of a socket from the first such question on: until a datagram has arrived since, None.
    """
    try:
        answer = fcntl.ioctl(opened.fileno(), _SIOCGSTAMP, bytes(_TIMEVAL.size))
    except OSError:
        return None
    whole, microseconds = _TIMEVAL.unpack(answer)
    return float(whole + microseconds / 1e6)
