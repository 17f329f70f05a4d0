"""Calls between telephones of three makers that are registered at one server (RFC 3261 10, 13, 9, 15)."""

from typing import TYPE_CHECKING

from twisted.trial.unittest import SynchronousTestCase

from test.interop.baresip import Baresip
from test.interop.harness import free_host
from test.interop.linphone import Linphone
from test.interop.phones import Phone, aor
from test.interop.pjsua import Pjsua
from test.interop.proxy import start_proxy
from test.interop.telephone import Address

if TYPE_CHECKING:
    Mixin = SynchronousTestCase
else:
    Mixin = object  # no tests by themselves


class PairTests(Mixin):
    """What any two telephones do with each other; alice is of the first make, bob of the second."""

    def make_phones(self, proxy: Address) -> tuple[Phone, Phone]:
        """Make and register alice and bob."""
        raise NotImplementedError

    def setUp(self) -> None:
        """Start the server and register both."""
        # The usual port, as linphone knows no other in an address of record.
        self.proxy = start_proxy(self, "AddRecordRoute On", [free_host(5060)], 5060)
        self.alice, self.bob = self.make_phones(self.proxy.address)

    def connect(self, caller: Phone, callee: Phone) -> None:
        """Make a call and let it be answered."""
        caller.dial(aor(callee.user, self.proxy.address))
        callee.wait_called()
        caller.wait_ringing()
        callee.answer()
        callee.wait_established()
        caller.wait_established()

    def test_both_directions(self) -> None:
        """A call each way, the first ended by its caller, the second by its callee; both are in the access log."""
        self.connect(self.alice, self.bob)
        self.alice.hang_up()
        self.alice.wait_closed()
        self.bob.wait_closed()
        self.connect(self.bob, self.alice)
        self.alice.hang_up()
        self.bob.wait_closed()
        self.alice.wait_closed()
        # PJSUA2 settles the codec with an INVITE of its own within the call.
        self.proxy.wait_for_access(f"INVITE {aor('bob', self.proxy.address)} ", "200")
        self.proxy.wait_for_access(f"INVITE {aor('alice', self.proxy.address)} ", "200")
        self.proxy.wait_for_access("BYE ", "200", 2)

    def test_cancel(self) -> None:
        """A caller who gives up before the answer: the callee stops ringing."""
        for caller, callee in ((self.alice, self.bob), (self.bob, self.alice)):
            caller.dial(aor(callee.user, self.proxy.address))
            callee.wait_called()
            caller.wait_ringing()
            caller.hang_up()
            callee.wait_closed()
            caller.wait_closed()
        self.proxy.wait_for_access("INVITE ", "487", 2)
        self.proxy.wait_for_access("CANCEL ", "200", 2)

    def test_busy(self) -> None:
        """A callee who refuses, with the status that its make refuses with."""
        for caller, callee in ((self.alice, self.bob), (self.bob, self.alice)):
            caller.dial(aor(callee.user, self.proxy.address))
            callee.wait_called()
            callee.refuse()
            caller.wait_closed()
            callee.wait_closed()
        for status in {self.alice.REFUSAL, self.bob.REFUSAL}:
            count = [self.alice.REFUSAL, self.bob.REFUSAL].count(status)
            self.proxy.wait_for_access("INVITE ", str(status), count)

    def test_unknown_user(self) -> None:
        """Nobody of that name is registered."""
        self.alice.dial(aor("nobody", self.proxy.address))
        self.alice.wait_closed()
        self.bob.dial(aor("nobody", self.proxy.address))
        self.bob.wait_closed()
        self.proxy.wait_for_access("INVITE ", "404", 2)

    def test_restart(self) -> None:
        """Both registrations are on the disk, and after a restart both can be called without a new one."""
        self.assertEqual(self.proxy.bindings_on_disk(), ["alice@example.test", "bob@example.test"])
        self.proxy.restart()
        registers = [line for line in self.proxy.access_log() if line.startswith("REGISTER ")]
        self.connect(self.alice, self.bob)
        self.bob.hang_up()
        self.alice.wait_closed()
        self.bob.wait_closed()
        self.assertEqual([line for line in self.proxy.access_log() if line.startswith("REGISTER ")], registers)


class BaresipLinphoneTests(PairTests, SynchronousTestCase):
    """baresip and linphone."""

    def make_phones(self, proxy: Address) -> tuple[Phone, Phone]:
        """Make them."""
        return Baresip(self, "alice", proxy), Linphone(self, "bob", proxy)


class LinphonePjsuaTests(PairTests, SynchronousTestCase):
    """linphone and PJSUA2."""

    def make_phones(self, proxy: Address) -> tuple[Phone, Phone]:
        """Make them."""
        return Linphone(self, "alice", proxy), Pjsua(self, "bob", proxy)


class PjsuaBaresipTests(PairTests, SynchronousTestCase):
    """PJSUA2 and baresip."""

    def make_phones(self, proxy: Address) -> tuple[Phone, Phone]:
        """Make them."""
        return Pjsua(self, "alice", proxy), Baresip(self, "bob", proxy)
