"""Many calls at once between SIPps: none may fail, in any mode of the server (RFC 3261 16, 16.11, 8.3, 10)."""

from twisted.trial.unittest import SynchronousTestCase

from test.interop.proxy import Proxy, start_proxy
from test.interop.sipp import Sipp, register_service
from test.interop.telephone import Telephone, host_port

RATE = 200  # calls begun in a second
CALLS = RATE * 5
FEW = RATE * 2


class LoadTests(SynchronousTestCase):
    """Each mode at a rate at which retransmissions would show if there were any."""

    def call(self, proxy: Proxy, caller: str, callee: str, calls: int) -> None:
        """Let one SIPp call another."""
        called = Sipp(self, callee, calls)
        register_service(self, proxy.address, host_port(called.address))
        calling = Sipp(self, caller, calls, proxy.address, RATE)
        calling.see_success()
        called.see_success()

    def test_stateful(self) -> None:
        """Record-Route and transactions: each call is in the access log from its beginning to its end."""
        proxy = start_proxy(self, "AddRecordRoute On")
        self.call(proxy, "uac", "uas", CALLS)
        proxy.wait_for_access("INVITE sip:service@", "200", CALLS)
        proxy.wait_for_access("BYE ", "200", CALLS)

    def test_hang_up_of_callee(self) -> None:
        """Record-Route, and the callee ends each call."""
        proxy = start_proxy(self, "AddRecordRoute On")
        self.call(proxy, "uac_listens", "uas_hangs_up", FEW)
        proxy.wait_for_access("BYE ", "200", FEW)

    def test_stateless(self) -> None:
        """Record-Route without transactions: requests are in the access log without a status."""
        proxy = start_proxy(self, "AddRecordRoute On\nStatefulServer Off")
        self.call(proxy, "uac", "uas", CALLS)
        proxy.wait_for_access("INVITE sip:service@", "-", CALLS)
        proxy.wait_for_access("BYE ", "-", CALLS)

    def test_builtin(self) -> None:
        """SIPp's own scenarios, without Record-Route."""
        proxy = start_proxy(self)
        self.call(proxy, "builtin:uac", "builtin:uas", FEW)
        proxy.wait_for_access("INVITE sip:service@", "200", FEW)

    def test_redirect(self) -> None:
        """Each caller is told the registered contact."""
        proxy = start_proxy(self, "SIPServerMode Redirect")
        contact = "sip:desk@127.0.0.9:5999"
        self.assertEqual(Telephone(self, proxy.address, "service").register(contact=contact).status, 200)
        Sipp(self, "redirect", FEW, proxy.address, RATE).see_success()
        proxy.wait_for_access("INVITE ", "302", FEW)

    def test_register(self) -> None:
        """Each telephone is told its contact, and all are on the disk once they are."""
        proxy = start_proxy(self)
        Sipp(self, "register", CALLS, proxy.address, RATE).see_success()
        expected = sorted(f"user{number}@example.test" for number in range(1, CALLS + 1))
        self.assertEqual(proxy.bindings_on_disk(), expected)
