"""A farm whose members are replaced one after the other in the middle of calls."""

from test.interop.control import posted
from test.interop.farm import FarmTestCase
from test.interop.harness import LOOPBACK, wait_until
from test.interop.proxy import Proxy, start_proxy
from test.interop.sipp import Sipp
from test.interop.telephone import host_port

_NUMBER = "14085551234"
# Calls begun in one second, and more than there can be until all members are replaced.
_RATE, _UNBOUNDED = 20, 100_000
_PATIENCE = 120
# Seconds that a drained member may need; it needs less than four.
_END = 30

_ROUTE = """
<StaticRoute E164 1408T>
    Static_Route_NextHop {}
    Static_Route_NextHopPort {}
</StaticRoute>
"""


class ReplacedTests(FarmTestCase):
    """A proxy in front that spreads its calls over the members, and callers who know only that one."""

    # What is drained ends after 64*T1, at the earliest. SIPp answers all of a call to where its INVITE came from: hence
    # a route by way of the member.
    SETTINGS = "AddRecordRoute On\nSIPT1InMs 30\nSIPT2InMs 400\n"

    def test_rolling(self) -> None:
        """Each member is drained, ends by itself and comes back while calls go on, and not one of them fails."""
        routes = "".join(_ROUTE.format(LOOPBACK, proxy.address[1]) for proxy in self.proxies)
        front = start_proxy(self, f"Registry Off{routes}", expected=r"gateway \S+ is ")
        called = Sipp(self, "uas", _UNBOUNDED, patience=_PATIENCE)
        self.register(self.proxies[0], _NUMBER, f"sip:{_NUMBER}@{host_port(called.address)}")
        self.wait_for_users(self.proxies, {_NUMBER})
        options = ("-s", _NUMBER)
        calling = Sipp(self, "uac_domain", _UNBOUNDED, front.address, _RATE, options=options, patience=_PATIENCE)
        self.wait_for_calls()
        for proxy in self.proxies:
            posted(proxy, "/drain", on=True)
            self.assertEqual(proxy.process.wait(_END), 0, proxy.process.text())
            proxy.start()
            self.wait_for_farm([proxy])
        # Each has said that it takes no calls: the one in front asks all again now.
        self.wait_for_calls()
        calling.finish()
        calling.see_success()
        called.finish()
        called.see_success()
        self.assertEqual(self.members(self.proxies[0]), {"a": "here", "b": "there", "c": "there"})

    def wait_for_calls(self) -> None:
        """Wait until each member has set up a call more."""
        before = [self.calls(proxy) for proxy in self.proxies]
        for proxy, count in zip(self.proxies, before, strict=True):
            wait_until(lambda proxy=proxy, count=count: self.calls(proxy) > count, "it sets up calls", 30)  # type: ignore[misc]

    def calls(self, proxy: Proxy) -> int:
        """Give how many calls a member has set up."""
        log = proxy.folder / "logs" / "access_log"
        lines = log.read_text().splitlines() if log.exists() else []
        return sum(line.startswith("INVITE ") and line.endswith(" 200") for line in lines)
