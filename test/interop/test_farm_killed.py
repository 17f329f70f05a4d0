"""A farm of which a member and servers of etcd are killed while telephones register and call.

A few in a second at each member, or as many as C{FARM_REGISTRATIONS} and
C{FARM_CALLS} in the environment say.
"""

import os

from test.interop.control import asked, run_control
from test.interop.farm import FarmTestCase
from test.interop.harness import wait_until
from test.interop.proxy import Proxy
from test.interop.sipp import Sipp
from test.interop.telephone import host_port

# Begun in one second at each member, and more than there can be until all is over.
_REGISTRATIONS = int(os.environ.get("FARM_REGISTRATIONS", "12"))
_CALLS = int(os.environ.get("FARM_CALLS", "5"))
_UNBOUNDED = 100_000
_PATIENCE = 120


class KilledTests(FarmTestCase):
    """A load at each member, small enough for a busy machine."""

    # SIPp answers all of a call to where its INVITE came from: hence a route by way of the member.
    SETTINGS = "AddRecordRoute On\n"

    def test_everything_acknowledged(self) -> None:
        """A member and two of etcd are killed, etcd is compacted: no call fails, all that was answered 200 is there."""
        first, killed, third = self.proxies
        called = Sipp(self, "uas", _UNBOUNDED, patience=_PATIENCE)
        self.register(first, "service", f"sip:service@{host_port(called.address)}")
        self.wait_for_users(self.proxies, {"service"})
        calling = [self.begin(proxy, "uac_domain", _CALLS) for proxy in (first, third)]
        at_first, at_killed, at_third = [
            self.begin(proxy, "registers_told", _REGISTRATIONS, "-s", name)
            for proxy, name in zip(self.proxies, ("first", "killed", "third"), strict=True)
        ]
        registering = [at_first, at_killed, at_third]
        self.wait_for_more(registering)
        leader = self.etcd.leader()
        killed.kill()
        self.etcd.kill(leader)
        at_killed.stop()
        self.wait_for_more([at_first, at_third])
        other = (leader + 1) % 3
        self.etcd.kill(other)
        wait_until(lambda: asked(first, "/farm")["pending"] and asked(third, "/farm")["pending"], "both are alone", 20)
        self.wait_for_more([at_first, at_third])
        for at in (leader, other):
            self.etcd.start(at)
        self.etcd.wait_for_health()
        self.wait_for_farm([first, third])
        self.wait_for_more([at_first, at_third])
        self.etcd.compact(asked(first, "/farm")["revision"])
        killed.start()
        for sipp in (at_first, at_third, *calling):
            sipp.finish()
            sipp.see_success()
        self.wait_for_farm(self.proxies)
        told = {"service", *(line for sipp in registering for line in sipp.logged())}
        for proxy in self.proxies:
            # The killed one may have taken one more, whose answer nobody has seen.
            wait_until(lambda proxy=proxy: told <= self.registered(proxy), "it knows all", 20)  # type: ignore[misc]
            self.assertEqual(run_control(proxy, "farm", "verify").returncode, 0)

    def begin(self, proxy: Proxy, scenario: str, rate: int, *options: str) -> Sipp:
        """Begin a load at a member."""
        return Sipp(self, scenario, _UNBOUNDED, proxy.address, rate, options=options, patience=_PATIENCE)

    def wait_for_more(self, registering: list[Sipp]) -> None:
        """Wait until more registrations were accepted at each."""
        for sipp, count in [(sipp, len(sipp.logged())) for sipp in registering]:
            wait_until(lambda sipp=sipp, count=count: len(sipp.logged()) >= count + _REGISTRATIONS, "200", 30)  # type: ignore[misc]
