"""Two commands together: calls of C{twistd sipproxy} to numbers that C{twistd sipproxy-nam} is asked about."""

from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from test.interop.control import posted, run_control
from test.interop.harness import LOOPBACK, Process, free_port, make_folder, wait_until
from test.interop.proxy import environment, start_proxy, twistd
from test.interop.sipp import Sipp
from test.interop.telephone import Telephone

FREE = "18005551212"
PLAIN = "14085551234"
ESTABLISHED = "01"  # as it stands in /proc/net/tcp
_ROUTE = """
<StaticRoute E164 {pattern}>
    Static_Route_NextHop {host}
    Static_Route_NextHopPort {port}
</StaticRoute>
"""


class Nam:
    """A simulated NAM as a process of its own.

    @ivar port: where it listens
    """

    def __init__(self, test: SynchronousTestCase, *answers: str) -> None:
        """Start it.

        @param answers: values of its directive Answer
        """
        self.port = free_port()
        self._test = test
        self._folder = make_folder(test, "nam")
        lines = [f"Listen {LOOPBACK}:{self.port}", *(f"Answer {answer}" for answer in answers)]
        (self._folder / "nam.conf").write_text("\n".join([*lines, ""]))
        self.start()

    def start(self) -> None:
        """Start it, also after L{stop}."""
        command: list[str | Path] = [twistd(), "--nodaemon", "--pidfile=", "sipproxy-nam", "-c", "nam.conf"]
        self._process = Process(self._test, command, self._folder, "nam", environment())

    def stop(self) -> None:
        """End it."""
        self._process.stop()


class NumberServicesTests(SynchronousTestCase):
    """Numbers of two kinds, and a gateway for each."""

    def setUp(self) -> None:
        """Start the NAM, the gateways and the server."""
        self.office = Sipp(self, "uas", 100)
        self.carrier = Sipp(self, "uas", 100)
        self.direct = Sipp(self, "uas", 100)
        self.nam = Nam(
            self,
            f"800 {FREE} LCF number={PLAIN}",
            f"800 18005551213 LCF number=77 host={LOOPBACK}:{self.direct.address[1]}",
            "800 18005551214 LRJ",
        )
        self.proxy = start_proxy(self, self.settings(self.nam), expected="NAM-1")

    def settings(self, nam: Nam) -> str:
        """Write a configuration with a NAM."""
        routes = [("1408T", self.office), ("1800T", self.carrier)]
        blocks = [_ROUTE.format(pattern=p, host=LOOPBACK, port=gateway.address[1]) for p, gateway in routes]
        return (
            f"AddRecordRoute On\nGKTMPModule On\nGKTMPServer {LOOPBACK}:{nam.port} id=NAM-1\nGKTMPRetryInS 1\n"
            f"NumberService 1800T 800\nNumExpand 800....... 1800.......\n{''.join(blocks)}"
        )

    def call(self, number: str, count: int = 1) -> None:
        """Call a number; each call is answered."""
        Sipp(self, "uac", count, self.proxy.address, options=["-s", number]).see_success()

    def explained(self, number: str) -> tuple[list[str], list[int]]:
        """Ask the server where a call would go: what the NAM said of it, and the ports of next hops."""
        found = posted(self.proxy, "/explain", method="INVITE", uri=f"sip:{number}@{self.proxy.domain}")
        said = [stage["text"] for stage in found["stages"] if stage["module"] == "mod_sip_gktmp"]
        return said, [hop["port"] for target in found["targets"] for hop in target["next_hops"]]

    def goes_to(self, number: str, gateway: Sipp, said: str) -> None:
        """Wait until a call would go to a gateway, and see that what is said of the NAM has a text in it."""

        def there() -> bool:
            texts, ports = self.explained(number)
            return ports == [gateway.address[1]] and said in " ".join(texts)

        wait_until(there, f"{number} goes to {gateway.address[1]}: {self.explained(number)}")

    def test_answers(self) -> None:
        """A new number is routed, an address is the next hop, a number that is rejected goes on as it is."""
        self.goes_to(FREE, self.office, f"800 of {FREE}: LCF")
        self.goes_to(FREE[1:], self.office, f"800 of {FREE}: LCF")
        self.goes_to("18005551213", self.direct, "LCF")
        self.goes_to("18005551214", self.carrier, "LRJ")
        self.assertEqual(self.explained(PLAIN), (["nothing"], [self.office.address[1]]))
        # Dialled short: expanded, asked about, routed by the answer.
        for number in (FREE, FREE[1:], "18005551213", "18005551214"):
            self.call(number)
        self.proxy.wait_for_access("INVITE sip:", "200", 4)

    def test_dead(self) -> None:
        """A NAM that dies: the number as dialled goes on, at once; when it is back, it is asked again."""
        self.goes_to(FREE, self.office, "LCF")
        self.nam.stop()
        self.goes_to(FREE, self.carrier, "no answer")
        self.call(FREE, 5)
        self.proxy.wait_for_access(f"INVITE sip:{FREE}@", "200", 5)
        self.nam.start()
        self.goes_to(FREE, self.office, "LCF")
        self.call(FREE)
        self.proxy.wait_for_access(f"INVITE sip:{FREE}@", "200", 6)

    def connections(self, nam: Nam) -> int:
        """Count the connections to a NAM, as the kernel sees them from the other end."""
        lines = (line.split() for line in Path("/proc/net/tcp").read_text().splitlines())
        ends = [(remote.rpartition(":")[2], state) for _, _, remote, state, *_ in lines]
        return ends.count((f"{nam.port:04X}", ESTABLISHED))

    def test_reload(self) -> None:
        """With a new configuration another NAM is asked, over one connection; the one to the former NAM is closed."""
        self.goes_to(FREE, self.office, "LCF")
        other = Nam(self, f"800 {FREE} LRJ")
        self.proxy.configure(self.settings(other))
        self.assertEqual(run_control(self.proxy, "reload").returncode, 0)
        self.goes_to(FREE, self.carrier, "LRJ")
        wait_until(lambda: not self.connections(self.nam), "the former NAM is left")
        self.assertEqual(self.connections(other), 1)
        self.call(FREE)

    def test_added_service(self) -> None:
        """A service that an operator adds while the server runs counts for the next call, until it is deleted."""
        caller = Telephone(self, self.proxy.address)
        self.goes_to(FREE, self.office, "LCF")
        uri = f"sip:19005551212@{self.proxy.domain}"
        self.assertEqual(caller.ask("INVITE", uri).status, 404)
        self.assertEqual(run_control(self.proxy, "numbers", "add", "1900T", "900").returncode, 0)
        self.assertRegex(self.explained("19005551212")[0][0], "900 of 19005551212: LRJ")
        self.assertEqual(run_control(self.proxy, "numbers", "delete", "1900T").returncode, 0)
        self.assertEqual(self.explained("19005551212"), (["nothing"], []))
