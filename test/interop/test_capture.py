"""What the server sends, in calls of real telephones and in all its modes, is SIP to tshark too."""

from twisted.trial.unittest import SynchronousTestCase

from test.interop.baresip import Baresip
from test.interop.capture import Capture
from test.interop.harness import free_host
from test.interop.linphone import Linphone
from test.interop.phones import Phone, aor
from test.interop.pjsua import Pjsua
from test.interop.proxy import Proxy, start_proxy
from test.interop.sipp import Sipp, register_service
from test.interop.telephone import Telephone, host_port

CALLS = 50


class CaptureTests(SynchronousTestCase):
    """Each kind of message that the server sends, at least once."""

    def see_wire(self, capture: Capture, expected: dict[str, int]) -> None:
        """Check what was captured.

        @param expected: the least number of frames by display filter
        """
        capture.finish()
        for selected, least in expected.items():
            self.assertGreaterEqual(capture.count(selected), least, selected)
        capture.see_nothing_amiss()

    def call_around(self, proxy: Proxy, caller: Phone, callee: Phone) -> None:
        """A call, one that is cancelled, one that is refused, and one to nobody."""
        for end in (self._answered, self._cancelled, self._refused):
            caller.dial(aor(callee.user, proxy.address))
            callee.wait_called()
            caller.wait_ringing()
            end(caller, callee)
            caller.wait_closed()
            callee.wait_closed()
        caller.dial(aor("nobody", proxy.address))
        caller.wait_closed()

    def _answered(self, caller: Phone, callee: Phone) -> None:
        callee.answer()
        callee.wait_established()
        caller.wait_established()
        caller.hang_up()

    def _cancelled(self, caller: Phone, callee: Phone) -> None:
        caller.hang_up()

    def _refused(self, caller: Phone, callee: Phone) -> None:
        callee.refuse()

    def test_telephones(self) -> None:
        """Three makes register and call each other round in a circle."""
        proxy = start_proxy(self, "AddRecordRoute On", [free_host(5060)], 5060)
        capture = Capture(self, proxy.address)
        phones: tuple[Phone, ...] = (
            Baresip(self, "alice", proxy.address),
            Linphone(self, "bob", proxy.address),
            Pjsua(self, "carol", proxy.address),
        )
        for caller, callee in zip(phones, (*phones[1:], phones[0]), strict=True):
            self.call_around(proxy, caller, callee)
        expected = {"INVITE": 9, "CANCEL": 3, "BYE": 3, "ACK": 6}
        requests = {f'sip.Method == "{method}"': least for method, least in expected.items()}
        statuses = {"200": 3 + 3 + 3 + 3, "404": 3, "487": 3}
        self.see_wire(capture, {**requests, **{f"sip.Status-Code == {code}": n for code, n in statuses.items()}})

    def call(self, settings: str, caller: str, callee: str) -> Capture:
        """Capture calls between SIPps, and the registration that they need."""
        proxy = start_proxy(self, settings)
        capture = Capture(self, proxy.address)
        called = Sipp(self, callee, CALLS)
        register_service(self, proxy.address, host_port(called.address))
        calling = Sipp(self, caller, CALLS, proxy.address, 100)
        calling.see_success()
        called.see_success()
        return capture

    def test_stateful(self) -> None:
        """INVITE, 100, 180, 200, ACK, BYE, 200 of each call."""
        capture = self.call("AddRecordRoute On", "uac_listens", "uas_hangs_up")
        self.see_wire(capture, {"sip": 7 * CALLS, "sip.Status-Code == 100": CALLS})

    def test_stateless(self) -> None:
        """The same but 100."""
        capture = self.call("AddRecordRoute On\nStatefulServer Off", "uac", "uas")
        self.see_wire(capture, {"sip": 6 * CALLS})
        self.assertEqual(capture.count("sip.Status-Code == 100"), 0)

    def test_redirect(self) -> None:
        """A 302 for each call, and the 200 of registrations."""
        proxy = start_proxy(self, "SIPServerMode Redirect")
        capture = Capture(self, proxy.address)
        contact = "sip:desk@127.0.0.9:5999"
        self.assertEqual(Telephone(self, proxy.address, "service").register(contact=contact).status, 200)
        Sipp(self, "redirect", CALLS, proxy.address).see_success()
        Sipp(self, "register", CALLS, proxy.address).see_success()
        self.see_wire(capture, {"sip.Status-Code == 302": CALLS, "sip.Status-Code == 200": CALLS})
