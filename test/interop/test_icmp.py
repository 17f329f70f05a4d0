"""Next hops where nobody listens: the ICMP error ends the wait at once (RFC 3261 18.4, 16.9, RFC 3263 4.3)."""

import time

from twisted.trial.unittest import SynchronousTestCase

from test.interop.harness import free_host, free_port
from test.interop.proxy import Proxy, start_proxy
from test.interop.sipp import Sipp, register_service
from test.interop.telephone import Telephone

AT_ONCE = 1.0  # seconds; timers B and F would take 32, NextHopTimeoutInMs 4
CALLS = 20


class IcmpTests(SynchronousTestCase):
    """Contacts at closed ports."""

    def register(self, proxy: Proxy, *contacts: str) -> None:
        """Register contacts of bob."""
        bob = Telephone(self, proxy.address, "bob")
        for contact in contacts:
            self.assertEqual(bob.register(contact=contact).status, 200)

    def test_closed_port(self) -> None:
        """The only contact is at a closed port: 503 at once."""
        proxy = start_proxy(self)
        self.register(proxy, f"sip:bob@127.0.0.1:{free_port()}")
        caller = Telephone(self, proxy.address)
        for method in ("INVITE", "OPTIONS"):
            began = time.monotonic()
            self.assertEqual(caller.ask(method, f"sip:bob@{proxy.domain}").status, 503)
            self.assertLess(time.monotonic() - began, AT_ONCE)

    def test_one_of_two_contacts(self) -> None:
        """The other contact rings on."""
        proxy = start_proxy(self)
        telephone = Telephone(self, proxy.address, "bob")
        self.register(proxy, f"sip:bob@127.0.0.1:{free_port()}", telephone.contact)
        caller = Telephone(self, proxy.address)
        caller.request("INVITE", f"sip:bob@{proxy.domain}")
        invite, _ = telephone.receive()
        telephone.answer(invite, "200 OK", proxy.address, [f"Contact: <{telephone.contact}>"])
        self.assertEqual(caller.final().status, 200)

    def test_second_address(self) -> None:
        """A host with two addresses, nobody at the first: each call is at the second at once."""
        port = free_port()
        closed, opened = free_host(port), free_host(port)
        callee = Sipp(self, "uas", CALLS, host=opened, port=port)
        proxy = start_proxy(self, "AddRecordRoute On\nHostsFile hosts")
        (proxy.folder / "hosts").write_text(f"{closed} gw.test\n{opened} gw.test\n")
        register_service(self, proxy.address, f"gw.test:{port}")
        began = time.monotonic()
        caller = Sipp(self, "uac", CALLS, proxy.address)
        caller.see_success()
        callee.see_success()
        self.assertLess(time.monotonic() - began, CALLS / 50 + 2 * AT_ONCE)

    def test_second_address_of_transaction(self) -> None:
        """Other requests than INVITE go on to the second address too."""
        proxy = start_proxy(self, "HostsFile hosts")
        host = free_host(proxy.address[1])
        telephone = Telephone(self, proxy.address, "bob", host)
        port = telephone.address[1]
        (proxy.folder / "hosts").write_text(f"{free_host(port)} gw.test\n{host} gw.test\n")
        self.register(proxy, f"sip:bob@gw.test:{port}")
        caller = Telephone(self, proxy.address)
        began = time.monotonic()
        caller.request("OPTIONS", f"sip:bob@{proxy.domain}")
        request, source = telephone.receive()
        telephone.answer(request, "200 OK", source)
        self.assertEqual(caller.final().status, 200)
        self.assertLess(time.monotonic() - began, AT_ONCE)
