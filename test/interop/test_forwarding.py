"""Call forwarding between telephones of three makers, with a voice mail behind them, and what a voice mail sends."""

import time

from twisted.trial.unittest import SynchronousTestCase

from test.interop.baresip import Baresip
from test.interop.harness import free_host
from test.interop.linphone import Linphone
from test.interop.phones import Phone, aor
from test.interop.pjsua import Pjsua
from test.interop.proxy import Proxy, start_proxy
from test.interop.sipp import Sipp, register_service
from test.interop.subscribers import put_subscribers
from test.interop.telephone import Telephone, host_port

SETTINGS = """
AddRecordRoute On
CallForwardUnconditional On
CallForwardBusy On
CallForwardNoAnswer On
CallForwardUnavailable On
"""
#: How long bob's telephone rings, milliseconds.
RING_TIME = 500


def start_server(test: SynchronousTestCase) -> Proxy:
    """Start a server that forwards calls."""
    # The usual port, as linphone knows no other in an address of record.
    return start_proxy(test, SETTINGS, [free_host(5060)], 5060)


class ForwardingTestCase(SynchronousTestCase):
    """Alice calls bob, who wishes his calls elsewhere; sometimes that is carol, sometimes the voice mail."""

    def setUp(self) -> None:
        """Start the server and what everybody calls."""
        self.proxy = start_server(self)
        self.mail = Sipp(self, "voice_mail", 100)
        self.alice: Phone = Baresip(self, "alice", self.proxy.address)

    @property
    def mailbox(self) -> str:
        """The URI of the voice mail."""
        return f"sip:mail@{host_port(self.mail.address)}"

    def dial(self, user: str) -> None:
        """Let alice begin a call."""
        self.alice.dial(aor(user, self.proxy.address))

    def see_mailbox(self, *entries: str) -> None:
        """See that alice has the voice mail on the line, for these mailboxes and reasons so far; she hangs up."""
        self.alice.wait_established()
        self.assertEqual(self.mail.logged(), list(entries))
        self.alice.hang_up()
        self.alice.wait_closed()
        self.proxy.wait_for_access("BYE ", "200", len(entries))


class UnconditionalTests(ForwardingTestCase):
    """All of a subscriber's calls go elsewhere."""

    def test_telephones(self) -> None:
        """Each maker's telephone is forwarded to another maker's, and does not ring; a call from each."""
        bob, carol = Pjsua(self, "bob", self.proxy.address), Linphone(self, "carol", self.proxy.address)
        put_subscribers(
            self.proxy,
            alice={"unconditional": "sip:bob@example.test"},
            bob={"unconditional": "sip:carol@example.test"},
        )
        for caller, dialled, callee in ((self.alice, "bob", carol), (bob, "bob", carol)):
            caller.dial(aor(dialled, self.proxy.address))
            callee.wait_called()
            caller.wait_ringing()
            callee.answer()
            callee.wait_established()
            caller.wait_established()
            callee.hang_up()
            caller.wait_closed()
            callee.wait_closed()
        self.proxy.wait_for_access(f"INVITE {aor('bob', self.proxy.address)} ", "200", 2)
        # Her telephone is forwarded to one that is, and so back to herself.
        self.dial("alice")
        carol.wait_called()
        carol.refuse()
        self.alice.wait_closed()
        self.proxy.wait_for_access(f"INVITE {aor('alice', self.proxy.address)} ", str(Linphone.REFUSAL))

    def test_mailbox(self) -> None:
        """Of several who have forwarded a call, the first one called has the mailbox."""
        put_subscribers(
            self.proxy, bob={"unconditional": "sip:carol@example.test"}, carol={"unconditional": self.mailbox}
        )
        self.dial("carol")
        self.see_mailbox("carol unconditional")
        self.dial("bob")
        self.see_mailbox("carol unconditional", "bob unconditional")


class BusyTests(ForwardingTestCase):
    """Bob's telephone is busy, or rings in vain."""

    def setUp(self) -> None:
        """Give bob a telephone."""
        super().setUp()
        self.bob = Pjsua(self, "bob", self.proxy.address)

    def test_busy(self) -> None:
        """What bob refuses goes to his mailbox, and alice hears nothing of his 486."""
        put_subscribers(self.proxy, bob={"busy": self.mailbox})
        self.dial("bob")
        self.bob.wait_called()
        self.bob.refuse()
        self.see_mailbox("bob user-busy")

    def test_no_answer(self) -> None:
        """When it has rung for bob's own time it is cancelled, and the mailbox answers."""
        put_subscribers(self.proxy, bob={"no_answer": self.mailbox, "ring_time_ms": RING_TIME})
        self.dial("bob")
        self.bob.wait_called()
        self.bob.wait_closed()
        self.see_mailbox("bob no-answer")

    def test_answered(self) -> None:
        """A call that bob takes is his, however long it lasts."""
        put_subscribers(self.proxy, bob={"no_answer": self.mailbox, "busy": self.mailbox, "ring_time_ms": RING_TIME})
        self.dial("bob")
        self.bob.wait_called()
        self.bob.answer()
        self.alice.wait_established()
        time.sleep(RING_TIME / 1000 + 0.2)
        self.bob.hang_up()
        self.alice.wait_closed()
        self.assertEqual(self.mail.logged(), [])

    def test_one_after_the_other(self) -> None:
        """Bob is busy, carol does not answer: it is bob's mailbox, for carol's reason."""
        carol = Linphone(self, "carol", self.proxy.address)
        put_subscribers(
            self.proxy,
            bob={"busy": "sip:carol@example.test"},
            carol={"no_answer": self.mailbox, "ring_time_ms": RING_TIME},
        )
        self.dial("bob")
        self.bob.wait_called()
        self.bob.refuse()
        carol.wait_called()
        carol.wait_closed()
        self.see_mailbox("bob no-answer")

    def test_cancel_while_bob_rings(self) -> None:
        """A caller who gives up before it is forwarded is not in the mailbox later."""
        put_subscribers(self.proxy, bob={"no_answer": self.mailbox, "ring_time_ms": RING_TIME})
        self.dial("bob")
        self.bob.wait_called()
        self.alice.wait_ringing()
        self.alice.hang_up()
        self.bob.wait_closed()
        self.proxy.wait_for_access("INVITE ", "487")
        time.sleep(RING_TIME / 1000 + 0.2)
        self.assertEqual(self.mail.logged(), [])

    def test_cancel_while_carol_rings(self) -> None:
        """A caller who gives up when it is forwarded: the telephone that it was forwarded to stops ringing."""
        carol = Linphone(self, "carol", self.proxy.address)
        put_subscribers(
            self.proxy,
            bob={"no_answer": "sip:carol@example.test", "ring_time_ms": RING_TIME},
            carol={"no_answer": self.mailbox},
        )
        self.dial("bob")
        self.bob.wait_called()
        self.bob.wait_closed()
        carol.wait_called()
        self.alice.hang_up()
        carol.wait_closed()
        self.alice.wait_closed()
        self.proxy.wait_for_access("INVITE ", "487")
        self.proxy.wait_for_access("CANCEL ", "200")
        self.assertEqual(self.mail.logged(), [])


class UnavailableTests(ForwardingTestCase):
    """Subscribers whom no call reaches."""

    def test_unavailable(self) -> None:
        """Not registered, and registered where nobody is: each has a mailbox; others hear the truth."""
        put_subscribers(self.proxy, dave={"unavailable": self.mailbox}, erin={"unavailable": self.mailbox})
        erin = Telephone(self, self.proxy.address, "erin")
        # The discard port, where nobody listens.
        self.assertEqual(erin.register(contact="sip:erin@127.0.0.1:9").status, 200)
        self.dial("dave")
        self.see_mailbox("dave unavailable")
        self.dial("erin")
        self.see_mailbox("dave unavailable", "erin unavailable")
        put_subscribers(self.proxy, gina={})
        for user, status in (("gina", 480), ("frank", 404)):
            self.assertEqual(erin.ask("INVITE", aor(user, self.proxy.address)).status, status)


class MessageWaitingTests(SynchronousTestCase):
    """What telephones and a voice mail tell each other."""

    def test_subscription(self) -> None:
        """SUBSCRIBE and NOTIFY pass, each way, also for one whose calls are all forwarded."""
        proxy = start_proxy(self, SETTINGS)
        mail = Sipp(self, "notifies", 20)
        register_service(self, proxy.address, host_port(mail.address))
        put_subscribers(proxy, service={"unconditional": "sip:elsewhere@127.0.0.1:9"})
        telephones = Sipp(self, "subscribes", 20, proxy.address)
        telephones.see_success()
        mail.see_success()
        proxy.wait_for_access("SUBSCRIBE ", "200", 20)
        proxy.wait_for_access("NOTIFY ", "200", 20)
