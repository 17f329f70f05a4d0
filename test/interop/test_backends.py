"""The server starts and serves with each of its backends away, and with all at once, and its status says so."""

from base64 import b64encode
from collections.abc import Callable
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from test.interop.control import asked, run_control
from test.interop.harness import LOOPBACK, free_port, wait_until
from test.interop.proxy import Proxy, start_proxy
from test.interop.telephone import Telephone

#: Seconds that all may take together until what is away is known to be.
_LONG = 30.0
_NUMBER = "16505551234"
_STRANGER = "127.0.0.2"

_LDAP = "SubscriberDatabase ldap\nLDAPServer ldap://127.0.0.1:{port}\nLDAPBaseDN dc=example,dc=test\n"
_NAM = "GKTMPModule On\nGKTMPServer 127.0.0.1:{port} priority=1 id=NAM-1\n"
_GATEKEEPER = """
RASModule On
RASTimeoutInterval 300
RASBindAddress 127.0.0.1:0
<RASGateKeeperCluster 1>
    RASGatekeeper 127.0.0.1 {port}
</RASGateKeeperCluster>
"""
_MYSQL = "SubscriberDatabase mysql\nDB_MySQL_HostName 127.0.0.1\nDB_MySQL_Port {port}\n" + (
    "DB_MySQL_DB sip\nDB_MySQL_UserName sip\nDB_MySQL_TimeoutInMs 500\n"
)
_FARM = "Farm On\nFarmMember a\nFarmEndpoint http://127.0.0.1:{port}\n"
_RADIUS = "RadiusTimeoutInMs 200\nRadiusRetries 0\n"


class AwayTests(SynchronousTestCase):
    """A server whose backends are ports that nobody listens at, or files that are folders.

    @ivar proxy: the server
    @ivar bob: a telephone whose contact is in the configuration
    @ivar names: of those that must be away
    """

    proxy: Proxy

    def setUp(self) -> None:
        self.folder = Path(self.mktemp()).resolve()
        self.folder.mkdir()
        self.secret = self.folder / "secret"
        self.secret.touch(0o600)
        self.secret.write_text("s3cret")
        self.bob = Telephone(self, (LOOPBACK, 5060), "bob")
        self.names: set[str] = set()

    # Settings.

    def nobody(self, settings: str, name: str) -> str:
        """Give settings with a port that nobody listens at.

        @param name: what the status calls who is away
        """
        port = free_port()
        self.names.add(name.format(port=port))
        return settings.format(port=port)

    def blocked(self, directive: str, name: str) -> str:
        """Give a directive whose file is a folder."""
        self.names.add(name)
        path = self.folder / directive
        path.mkdir()
        return f"{directive} {path}\n"

    def accounting(self) -> str:
        """Give settings of accounting servers."""
        self.names.add("accounting servers")
        server = self.nobody("RadiusServer acct 127.0.0.1:{port}", "radius acct 127.0.0.1:{port}")
        return f"Accounting On\n{server} {self.secret}\n"

    def guard(self) -> str:
        """Give settings by which RADIUS says who may; those at the usual address need not be asked about."""
        server = self.nobody("RadiusServer auth 127.0.0.1:{port}", "radius auth 127.0.0.1:{port}")
        return f"Authentication On\nAuthScheme CHAP\nAuthTrustedPeer {LOOPBACK}\n{server} {self.secret}\n"

    # What is done.

    def start(self, settings: str) -> None:
        """Start the server; it serves."""
        static = f"StaticRegistration bob@example.test {self.bob.contact}\n"
        fast = "DNSTimeoutInMs 300\nAddRecordRoute On\n"
        self.proxy = start_proxy(self, f"{fast}{static}{settings}", clean=False)

    def register(self, host: str = LOOPBACK) -> int:
        """Register with a password, and give the status."""
        telephone = Telephone(self, self.proxy.address, "alice", host)
        credentials = b64encode(b"alice:secret").decode()
        return telephone.register(headers=[f"Authorization: Basic {credentials}"]).status

    def call_bob(self) -> None:
        """Call bob; he answers."""
        alice = Telephone(self, self.proxy.address, "alice")
        alice.request("INVITE", f"sip:bob@{self.proxy.domain}", headers=[f"Contact: <{alice.contact}>"])
        while (found := self.bob.receive())[0].start.split()[0] != "INVITE":
            pass
        invite, source = found
        self.bob.answer(invite, "200 OK", source, [f"Contact: <{self.bob.contact}>"])
        self.assertEqual(alice.final().status, 200)

    def dial(self, uri: str) -> int:
        """Call somebody elsewhere, and give the status."""
        return Telephone(self, self.proxy.address, "carol").ask("INVITE", uri).status

    def states(self) -> dict[str, str]:
        """Give the state of each backend."""
        return {each["name"]: each["state"] for each in asked(self.proxy, "/status")["dependencies"]}

    def see_away(self) -> None:
        """See that the status says of all that are away, and of no other, since when, why, and what goes on."""

        def away() -> set[str]:
            return {name for name, state in self.states().items() if state == "away"}

        wait_until(lambda: away() == self.names, f"{self.names} are away, and no other", _LONG)
        found = [each for each in asked(self.proxy, "/status")["dependencies"] if each["state"] == "away"]
        for each in found:
            self.assertTrue(each["since"] and each["reason"] and each["without"], each)
        told = run_control(self.proxy, "status", timeout=_LONG)
        self.assertEqual((told.returncode, told.stderr), (1, ""))
        lines = {line.partition("  ")[0]: line for line in told.stdout.splitlines()}
        for each in found:
            self.assertIn("AWAY since", lines[each["name"]])
            self.assertIn(each["reason"].split("\n")[0][:20], lines[each["name"]])

    def see_served(self, *uses: Callable[[], None], registers: int = 200) -> None:
        """See that the server serves: before and after what is away is known to be."""
        for _ in range(2):
            self.assertEqual(self.register(), registers)
            self.call_bob()
            for use in uses:
                use()
            self.see_away()
        self.proxy.stop()

    # How each is needed.

    def ask_dns(self) -> None:
        """Call somebody whose host nobody knows."""
        self.assertEqual(self.dial("sip:dave@nowhere.example"), 503)

    def ask_radius(self) -> None:
        """Let somebody register who is not trusted."""
        self.assertEqual(self.register(_STRANGER), 503)

    def ask_gatekeeper(self) -> None:
        """Call a number that no route is for."""
        self.assertGreaterEqual(self.dial(f"sip:{_NUMBER}@{self.proxy.domain}"), 400)

    # Tests.

    def test_none(self) -> None:
        """With all there that was asked it is well; what was not asked yet is not told to be there."""
        self.start("")
        self.assertEqual(self.register(), 200)
        self.call_bob()
        self.assertEqual(
            self.states(), {**dict.fromkeys(("registry", "routes", "numbers", "subscribers"), "up"), "DNS": "unasked"}
        )
        told = run_control(self.proxy, "status", timeout=_LONG)
        self.assertEqual((told.returncode, told.stderr), (0, ""))
        self.assertRegex(told.stdout, "\nDNS +not asked yet *\n")

    def test_mysql(self) -> None:
        """MySQL is away."""
        self.start(self.nobody(_MYSQL, "MySQL 127.0.0.1:{port}"))
        self.see_served()

    def test_ldap(self) -> None:
        """The directory is away."""
        self.start(self.nobody(_LDAP, "LDAP 127.0.0.1:{port}"))
        self.see_served()

    def test_radius(self) -> None:
        """RADIUS is away: who must authenticate is answered 503, others are served."""
        self.start(self.guard() + _RADIUS)
        self.see_served(self.ask_radius)

    def test_accounting(self) -> None:
        """The accounting servers are away."""
        self.start(self.accounting() + _RADIUS)
        self.see_served()

    def test_dns(self) -> None:
        """The name servers are away."""
        self.names.add("DNS")
        self.start("")
        self.see_served(self.ask_dns)

    def test_gatekeeper(self) -> None:
        """The gatekeeper is away."""
        self.start(self.nobody(_GATEKEEPER, "gatekeeper 127.0.0.1:{port}"))
        self.see_served(self.ask_gatekeeper)

    def test_nam(self) -> None:
        """The NAM is away."""
        self.start(self.nobody(_NAM, "NAM NAM-1"))
        self.see_served()

    def test_farm(self) -> None:
        """The farm's etcd is away: registrations are pending, and acknowledged."""
        self.start(self.nobody(_FARM, "farm"))
        self.see_served()

    def test_spool(self) -> None:
        """The spool cannot be opened."""
        self.start("Accounting On\nAccountingFile records\n" + self.blocked("AccountingSpool", "accounting spool"))
        self.see_served()

    def test_databases(self) -> None:
        """No file of the server's own can be opened: REGISTER is answered 503, calls go on."""
        files = (("RegistryDatabase", "registry"), ("RoutingDatabase", "routes"), ("NumbersDatabase", "numbers"))
        self.start("".join(self.blocked(*each) for each in files))
        self.see_served(registers=503)

    def see_all_away(self, subscribers: str) -> None:
        """Serve with everything away."""
        self.names.add("DNS")
        self.start(
            "".join(
                (
                    subscribers,
                    self.guard(),
                    self.accounting(),
                    _RADIUS,
                    self.nobody(_GATEKEEPER, "gatekeeper 127.0.0.1:{port}"),
                    self.nobody(_NAM, "NAM NAM-1"),
                    self.nobody(_FARM, "farm"),
                    self.blocked("AccountingSpool", "accounting spool"),
                )
            )
        )
        self.see_served(self.ask_dns, self.ask_radius, self.ask_gatekeeper)

    def test_all_and_mysql(self) -> None:
        """All are away at once, MySQL among them."""
        self.see_all_away(self.nobody(_MYSQL, "MySQL 127.0.0.1:{port}"))

    def test_all_and_ldap(self) -> None:
        """All are away at once, the directory among them."""
        self.see_all_away(self.nobody(_LDAP, "LDAP 127.0.0.1:{port}"))
