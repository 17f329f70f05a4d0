"""Options, addresses and error queue entries of sockets."""

import errno
import socket

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from sipproxy.net.sockets import (
    QueuedError,
    address_text,
    family_of,
    from_sockaddr,
    open_udp,
    set_dscp,
    set_receive_buffer,
    to_sockaddr,
)


class AddressTests(SynchronousTestCase):
    """Addresses as text, and as the socket module has them."""

    def test_family(self) -> None:
        """Only literal addresses have a family."""
        self.assertEqual(socket.AF_INET, family_of("192.0.2.1"))
        self.assertEqual(socket.AF_INET6, family_of("2001:db8::1"))
        self.assertEqual(socket.AF_INET6, family_of("fe80::1%eth0"))
        for text in ("", "localhost", "192.0.2", "192.0.2.256", "[::1]", "::1::", "1\0.2.3.4", "\u0661.2.3.4"):
            self.assertIsNone(family_of(text), text)

    @given(st.text())
    def test_any_text(self, text: str) -> None:
        """Any text has a family or none."""
        self.assertIn(family_of(text), (None, socket.AF_INET, socket.AF_INET6))

    def test_text(self) -> None:
        """An IPv6 address is written in brackets."""
        self.assertEqual("192.0.2.1:5060", address_text(("192.0.2.1", 5060)))
        self.assertEqual("[::1]:5060", address_text(("::1", 5060)))

    def test_zone(self) -> None:
        """A zone becomes the scope id and back; other addresses stay as they are."""
        index = socket.if_nametoindex("lo")
        self.assertEqual(("fe80::1", 5060, 0, index), to_sockaddr(("fe80::1%lo", 5060)))
        self.assertEqual(("fe80::1", 5060, 0, 7), to_sockaddr(("fe80::1%7", 5060)))
        self.assertEqual(("::1", 5060), to_sockaddr(("::1", 5060)))
        self.assertEqual(("fe80::1%lo", 5060), from_sockaddr(("fe80::1", 5060, 0, index)))
        self.assertEqual(("fe80::1%999999", 5060), from_sockaddr(("fe80::1", 5060, 0, 999_999)))
        self.assertEqual(("::1", 5060), from_sockaddr(("::1", 5060, 5, 0)))
        self.assertEqual(("192.0.2.1", 5060), from_sockaddr(("192.0.2.1", 5060)))


class OptionTests(SynchronousTestCase):
    """What is asked of the kernel."""

    def test_receive_buffer(self) -> None:
        """What was given is told, in octets as asked for."""
        with open_udp(("127.0.0.1", 0)) as opened:
            self.assertEqual(50_000, set_receive_buffer(opened, 50_000))

    def test_dscp(self) -> None:
        """The code point is the upper six bits of the octet in the header."""
        with open_udp(("127.0.0.1", 0)) as opened:
            set_dscp(opened, 24)
            self.assertEqual(0x60, opened.getsockopt(socket.IPPROTO_IP, socket.IP_TOS))

    def test_dscp_ipv6(self) -> None:
        """So it is in the traffic class of IPv6."""
        if not socket.has_ipv6:
            self.skipTest("no IPv6")
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as opened:
            set_dscp(opened, 24)
            self.assertEqual(0x60, opened.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_TCLASS))


class QueuedErrorTests(SynchronousTestCase):
    """Which entries of the error queue are failures to send."""

    def failure(self, number: int, origin: int, icmp_type: int) -> bool:
        """Judge an entry."""
        return QueuedError(b"", ("192.0.2.1", 5060), number, origin, icmp_type).is_failure

    def test_unreachable(self) -> None:
        """Unreachable port, host and network are, by ICMP and ICMPv6."""
        self.assertTrue(self.failure(errno.ECONNREFUSED, 2, 3))
        self.assertTrue(self.failure(errno.EHOSTUNREACH, 2, 3))
        self.assertTrue(self.failure(errno.ECONNREFUSED, 3, 1))

    def test_time_exceeded(self) -> None:
        """TTL exceeded is not (RFC 3261 18.4)."""
        self.assertFalse(self.failure(errno.EHOSTUNREACH, 2, 11))
        self.assertFalse(self.failure(errno.EHOSTUNREACH, 3, 3))

    def test_path_mtu(self) -> None:
        """A datagram too big for the path is not: its retransmission will be fragmented."""
        self.assertFalse(self.failure(errno.EMSGSIZE, 2, 3))

    def test_local(self) -> None:
        """A local error is not: sendto has raised it."""
        self.assertFalse(self.failure(errno.EMSGSIZE, 1, 0))
