"""Calls through Kamailio and this server, each way round; both stay in the path (RFC 3261 16, 12, RFC 3327)."""

from twisted.trial.unittest import SynchronousTestCase

from test.interop.kamailio import Kamailio
from test.interop.proxy import start_proxy
from test.interop.sipp import Sipp, register_service
from test.interop.telephone import host_port

CALLS = 20


class KamailioTests(SynchronousTestCase):
    """Kamailio before the server, and behind it."""

    def setUp(self) -> None:
        """Start both."""
        self.proxy = start_proxy(self, "AddRecordRoute On")
        self.kamailio = Kamailio(self, self.proxy.address)

    def call_from_kamailio(self, caller: str, callee: str) -> None:
        """Caller, Kamailio, server, callee."""
        called = Sipp(self, callee, CALLS)
        register_service(self, self.proxy.address, host_port(called.address))
        calling = Sipp(self, caller, CALLS, self.kamailio.address)
        calling.see_success()
        called.see_success()

    def call_to_kamailio(self, caller: str, callee: str) -> None:
        """Caller, server, Kamailio, callee: Kamailio is in the Path of the callee's registration."""
        called = Sipp(self, callee, CALLS)
        path = f"Path: <sip:{host_port(self.kamailio.address)};lr>"
        register_service(self, self.proxy.address, host_port(called.address), [path, "Supported: path"])
        calling = Sipp(self, caller, CALLS, self.proxy.address)
        calling.see_success()
        called.see_success()

    def see_calls(self) -> None:
        """See that each call came through the server, its end too."""
        self.proxy.wait_for_access("INVITE ", "200", CALLS)
        self.proxy.wait_for_access("BYE ", "200", CALLS)

    def test_upstream(self) -> None:
        """Kamailio calls, the caller hangs up."""
        self.call_from_kamailio("uac", "uas")
        self.see_calls()

    def test_upstream_callee_hangs_up(self) -> None:
        """Kamailio calls, the callee hangs up."""
        self.call_from_kamailio("uac_listens", "uas_hangs_up")
        self.see_calls()

    def test_downstream(self) -> None:
        """Kamailio is called, the caller hangs up."""
        self.call_to_kamailio("uac", "uas")
        self.see_calls()

    def test_downstream_callee_hangs_up(self) -> None:
        """Kamailio is called, the callee hangs up."""
        self.call_to_kamailio("uac_listens", "uas_hangs_up")
        self.see_calls()
