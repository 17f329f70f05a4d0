"""Several listening points in one server, of both IP families (RFC 3261 18, RFC 5118, RFC 5658)."""

import socket
from unittest import SkipTest

from twisted.trial.unittest import SynchronousTestCase

from test.interop.harness import LOOPBACK, free_host, free_port
from test.interop.proxy import Proxy, start_proxy
from test.interop.sipp import Sipp, register_service
from test.interop.telephone import Telephone, host_port

CALLS = 20
LOOPBACK_6 = "::1"


def need_ipv6() -> None:
    """Go on only where there is IPv6.

    @raise SkipTest: there is none
    """
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as opened:
            opened.bind((LOOPBACK_6, 0))
    except OSError as error:
        raise SkipTest(f"not possible here: IPv6: {error}") from None


class SeveralTests(SynchronousTestCase):
    """Two addresses of one family."""

    def test_answer_from_where_asked(self) -> None:
        """Each Listen line answers, from its own address."""
        other = free_host(5060)
        proxy = start_proxy(self, listen=[LOOPBACK, other])
        for host in (LOOPBACK, other):
            place = (host, proxy.address[1])
            telephone = Telephone(self, place)
            telephone.request("OPTIONS", f"sip:{host_port(place)}")
            reply, source = telephone.receive()
            self.assertEqual((reply.status, source), (200, place))

    def test_one_in_use(self) -> None:
        """Where one of them is taken, none is opened."""
        other = free_host(5060)
        proxy = Proxy(self, listen=[LOOPBACK, other])
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
            taken.bind((other, proxy.address[1]))
            done = proxy.run()
        self.assertEqual((done.returncode, len(done.stderr.splitlines())), (1, 1), done.stderr)
        self.assertIn(f"{other}:{proxy.address[1]}", done.stderr)


class FamilyTests(SynchronousTestCase):
    """IPv6, and calls from one family to the other."""

    def setUp(self) -> None:
        """Start a server in both families."""
        need_ipv6()
        self.port = free_port()
        self.proxy = start_proxy(self, "AddRecordRoute On", [LOOPBACK, LOOPBACK_6], self.port)

    def call(self, caller_host: str, callee_host: str, caller: str = "uac", callee: str = "uas") -> None:
        """Let a SIPp in one family call one in another, each by its family's address of the server."""
        called = Sipp(self, callee, CALLS, host=callee_host)
        register_service(self, (callee_host, self.port), host_port(called.address), host=callee_host)
        calling = Sipp(self, caller, CALLS, (caller_host, self.port), host=caller_host)
        calling.see_success()
        called.see_success()
        self.proxy.wait_for_access("INVITE ", "200", CALLS)
        self.proxy.wait_for_access("BYE ", "200", CALLS)

    def test_ipv6(self) -> None:
        """Both ends in IPv6."""
        self.call(LOOPBACK_6, LOOPBACK_6)

    def test_ipv4_to_ipv6(self) -> None:
        """The caller in IPv4 hangs up."""
        self.call(LOOPBACK, LOOPBACK_6)

    def test_ipv6_to_ipv4(self) -> None:
        """The caller in IPv6 hangs up."""
        self.call(LOOPBACK_6, LOOPBACK)

    def test_ipv4_to_ipv6_callee_hangs_up(self) -> None:
        """The callee in IPv6 hangs up."""
        self.call(LOOPBACK, LOOPBACK_6, "uac_listens", "uas_hangs_up")

    def test_ipv6_to_ipv4_callee_hangs_up(self) -> None:
        """The callee in IPv4 hangs up."""
        self.call(LOOPBACK_6, LOOPBACK, "uac_listens", "uas_hangs_up")

    def test_record_route(self) -> None:
        """Between the families there are two Record-Route values, the callee's side first; within one there is one."""
        sides = {LOOPBACK: f"<sip:{LOOPBACK}:{self.port};lr>", LOOPBACK_6: f"<sip:[{LOOPBACK_6}]:{self.port};lr>"}
        for caller_host in sides:
            for callee_host in sides:
                bob = Telephone(self, (callee_host, self.port), "bob", callee_host)
                self.assertEqual(bob.register().status, 200)
                alice = Telephone(self, (caller_host, self.port), "alice", caller_host)
                alice.request("INVITE", f"sip:bob@{host_port((caller_host, self.port))}")
                invite, source = bob.receive()
                expected = list(dict.fromkeys([sides[callee_host], sides[caller_host]]))
                self.assertEqual(", ".join(invite.all("record-route")).split(", "), expected)
                self.assertEqual(source, (callee_host, self.port))
                bob.answer(invite, "486 Busy Here", source)
                self.assertEqual(alice.final().status, 486)
                self.assertEqual(bob.register(expires=0).status, 200)
