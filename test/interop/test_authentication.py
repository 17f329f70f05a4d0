"""Authentication: telephones of four makers, and SQLite, MariaDB and FreeRADIUS that come and go (RFC 3261 22)."""

import hashlib
import json
import subprocess
import time
from base64 import b64encode
from collections.abc import Iterable
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from test.interop.baresip import Baresip
from test.interop.control import asked
from test.interop.freeradius import SECRET, FreeRadius
from test.interop.harness import LOOPBACK, PATIENCE, ROOT, free_host, free_port, make_folder, program, wait_until
from test.interop.linphone import Linphone
from test.interop.mysql import DATABASE, PASSWORD, USER, MariaDb
from test.interop.phones import Phone, aor
from test.interop.pjsua import Pjsua
from test.interop.proxy import Proxy, start_proxy
from test.interop.sipp import Sipp
from test.interop.subscribers import put_subscribers
from test.interop.telephone import Telephone

REALM = "example.test"
FILTER = ROOT / "etc" / "fail2ban" / "filter.d" / "sipproxy.conf"
# SIPp knows no other.
MD5 = "Authentication On\nAddRecordRoute On\nAuthAlgorithms MD5\n"


class AuthenticationTestCase(SynchronousTestCase):
    """What all servers are asked for."""

    proxy: Proxy

    def register(self, user: str, password: str) -> str:
        """Let SIPp register a user with a password, and give the status that its credentials brought."""
        options = ["-s", user, "-au", user, "-ap", password]
        telephone = Sipp(self, "register_auth", 1, self.proxy.address, options=options)
        telephone.see_success()
        (status,) = telephone.logged()
        return status

    def registering(self, users: Iterable[str], password: str) -> Sipp:
        """Let SIPp begin to register users, all with one password, two hundred in a second."""
        lines = [f"{user};[authentication username={user} password={password}]" for user in users]
        folder = make_folder(self, "users")
        (folder / "users.csv").write_text("\n".join(["SEQUENTIAL", *lines, ""]))
        options = ["-inf", str(folder / "users.csv")]
        return Sipp(self, "registers_auth", len(lines), self.proxy.address, 200, options=options)

    def start(self, settings: str, expected: str = "authentication failed") -> None:
        """Start the server."""
        self.proxy = start_proxy(self, settings, expected=expected)


class SqliteTests(AuthenticationTestCase):
    """Subscribers in the server's own file."""

    def test_register(self) -> None:
        """The right password, a wrong one, nobody's; fail2ban finds the two failures in the log."""
        fail2ban = program("fail2ban-regex", "fail2ban")
        self.start(MD5)
        put_subscribers(self.proxy, alice={"password": "secret"})
        self.assertEqual(self.register("alice", "secret"), "200")
        self.assertEqual(self.register("alice", "guess"), "401")
        self.assertEqual(self.register("mallory", "secret"), "401")
        self.assertEqual(self.proxy.bindings_on_disk(), [f"alice@{REALM}"])
        log = self.proxy.folder / "logs" / "error_log"
        command: list[str | Path] = [fail2ban, "--out", "ip", log, FILTER]
        found = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE)
        self.assertEqual(found.stdout.split(), [LOOPBACK] * 2, found.stderr)

    def test_call(self) -> None:
        """A call is challenged once: an INVITE and a BYE over our Record-Route are not, by its key."""
        place = f"{LOOPBACK}:{free_port()}"
        self.start(f"{MD5}AuthMethods INVITE BYE\nStaticRegistration bob@{REALM} sip:bob@{place}\n")
        put_subscribers(self.proxy, alice={"password": "secret"})
        called = Sipp(self, "uas_twice", 50, port=int(place.rpartition(":")[2]))
        options = ["-s", "alice", "-au", "alice", "-ap", "secret"]
        Sipp(self, "uac_auth", 50, self.proxy.address, options=options).see_success()
        called.see_success()
        self.proxy.wait_for_access("INVITE ", "407", 50)
        self.proxy.wait_for_access("INVITE ", "200", 100)
        self.proxy.wait_for_access("BYE ", "200", 50)
        # A BYE that has not come this way before.
        stranger = Telephone(self, self.proxy.address, "alice")
        self.assertEqual(stranger.ask("BYE", f"sip:bob@{self.proxy.domain}").status, 407)


class TelephoneTests(SynchronousTestCase):
    """Registrations and calls of telephones that answer challenges by themselves."""

    def start(self, algorithms: str, more: str = "", expected: str = "") -> None:
        """Start the server."""
        settings = f"Authentication On\nAddRecordRoute On\nAuthAlgorithms {algorithms}\n{more}"
        # The usual port, as linphone knows no other in an address of record.
        self.proxy = start_proxy(self, settings, [free_host(5060)], 5060, expected=expected)

    def call(self, caller: Phone, callee: Phone) -> None:
        """Make a call and end it."""
        caller.dial(aor(callee.user, self.proxy.address))
        callee.wait_called()
        callee.answer()
        callee.wait_established()
        caller.wait_established()
        callee.hang_up()
        caller.wait_closed()
        callee.wait_closed()

    def test_md5(self) -> None:
        """baresip, linphone and PJSUA2 by MD5, with passwords in clear and with hashes; a call of each."""
        self.start("MD5")
        hashed = hashlib.md5(f"bob:{REALM}:secret".encode()).hexdigest()
        put_subscribers(
            self.proxy,
            alice={"password": "secret"},
            bob={"ha1_md5": hashed, "realm": REALM},
            carol={"password": "secret"},
        )
        alice = Baresip(self, "alice", self.proxy.address, "secret")
        bob = Linphone(self, "bob", self.proxy.address, "secret")
        carol = Pjsua(self, "carol", self.proxy.address, "secret")
        self.proxy.wait_for_access("REGISTER ", "401", 3)
        self.proxy.wait_for_access("REGISTER ", "200", 3)
        self.call(alice, bob)
        self.call(bob, carol)
        self.call(carol, alice)

    def test_sha_256(self) -> None:
        """linphone and PJSUA2 take SHA-256, which is first; there is no hash for anything else."""
        self.start("SHA-256 MD5")
        hashed = {name: hashlib.sha256(f"{name}:{REALM}:secret".encode()).hexdigest() for name in ("bob", "carol")}
        rows = {name: {"ha1_sha256": value, "realm": REALM} for name, value in hashed.items()}
        put_subscribers(self.proxy, **rows)
        bob = Linphone(self, "bob", self.proxy.address, "secret")
        carol = Pjsua(self, "carol", self.proxy.address, "secret")
        self.call(bob, carol)
        self.call(carol, bob)

    def test_wrong_password(self) -> None:
        """A call with a wrong password is challenged once more, and ends; nobody's telephone rings."""
        self.start("MD5", "AuthMethods INVITE", "authentication failed")
        put_subscribers(self.proxy, alice={"password": "secret"})
        bob = Telephone(self, self.proxy.address, "bob")
        self.assertEqual(bob.register().status, 200)
        alice = Baresip(self, "alice", self.proxy.address, "guess")
        alice.dial(aor("bob", self.proxy.address))
        alice.wait_closed()
        self.proxy.wait_for_access("INVITE ", "407", 2)
        self.assertRaises(TimeoutError, bob.receive, 0.1)


class MysqlTests(AuthenticationTestCase):
    """Subscribers in MariaDB."""

    def setUp(self) -> None:
        """Start MariaDB and the server, which makes the table."""
        self.database = MariaDb()
        self.addCleanup(self.database.remove)
        self.database.install()
        password = self.database.folder / "password"
        password.touch(0o600)
        password.write_text(PASSWORD)
        self.start(
            f"{MD5}SubscriberDatabase mysql\nSubscriberCacheInS 1\nDB_MySQL_HostName {LOOPBACK}\n"
            f"DB_MySQL_Port {self.database.port}\nDB_MySQL_DB {DATABASE}\nDB_MySQL_UserName {USER}\n"
            f"DB_MySQL_PasswordFile {password}\n",
            expected="authentication failed|subscriber database is away",
        )
        tables = (
            f"SELECT 1 FROM information_schema.tables WHERE table_name = 'subscribers' AND table_schema = '{DATABASE}'"
        )
        wait_until(lambda: self.database.as_root(tables), "the server has made its table")
        self.put("alice", "bob")

    def put(self, *names: str) -> None:
        """Insert subscribers, as another program would."""
        rows = ", ".join(f"('{name}', 'secret')" for name in names)
        self.database.as_root(f"INSERT INTO subscribers (username, password) VALUES {rows}", database=DATABASE)

    def test_many(self) -> None:
        """Four hundred of whom nothing is known yet register, two hundred in a second; none fails."""
        names = [f"user{number}" for number in range(400)]
        self.put(*names)
        self.registering(names, "secret").see_success()
        self.assertEqual(self.proxy.bindings_on_disk(), sorted(f"{name}@{REALM}" for name in names))

    def state(self) -> str:
        """Give what the server says of its database."""
        dependencies = asked(self.proxy, "/status")["dependencies"]
        (state,) = [each["state"] for each in dependencies if each["name"].startswith("MySQL ")]
        return str(state)

    def test_killed(self) -> None:
        """While it is away those who are known are let in and others get 503; when it is back all is as before."""
        self.assertEqual(self.register("alice", "secret"), "200")
        self.assertEqual(self.register("alice", "guess"), "401")
        self.database.kill()
        time.sleep(1.1)
        self.assertEqual(self.register("alice", "secret"), "200")
        self.assertEqual(self.register("alice", "guess"), "401")
        self.assertEqual(self.register("bob", "secret"), "503")
        self.assertEqual(self.register("mallory", "secret"), "503")
        self.assertEqual(self.state(), "away")
        self.database.start()
        wait_until(lambda: self.register("bob", "secret") == "200", "the database is asked again")
        self.assertEqual(self.register("mallory", "secret"), "401")
        self.assertEqual(self.state(), "up")


class RadiusTests(AuthenticationTestCase):
    """FreeRADIUS knows who may, among them bob."""

    def start_with(
        self,
        scheme: str,
        patience: str = "RadiusTimeoutInMs 300\nRadiusRetries 1\nRadiusDeadTimeInS 1\n",
    ) -> FreeRadius:
        """Start FreeRADIUS and the server.

        @param patience: directives, also others
        """
        radius = FreeRadius(self)
        secret = Path(self.mktemp()).resolve()
        secret.touch(0o600)
        secret.write_bytes(SECRET)
        host, port = radius.auth
        self.start(
            f"{MD5}AuthScheme {scheme}\nRadiusServer auth {host}:{port} {secret}\n{patience}",
            expected="authentication failed|radius auth|AuthScheme CHAP",
        )
        return radius

    def test_digest(self) -> None:
        """Digest credentials are RADIUS's to judge; without it they get 503, and it comes back."""
        radius = self.start_with("RADIUS_Digest")
        self.assertEqual(self.register("bob", "hello"), "200")
        self.assertEqual(self.register("bob", "guess"), "401")
        self.assertEqual(self.register("mallory", "hello"), "401")
        radius.stop()
        self.assertEqual(self.register("bob", "hello"), "503")
        self.assertEqual(self.register("bob", "guess"), "503")
        self.assertIn("away", json.dumps(asked(self.proxy, "/status")["dependencies"]))
        radius.start()
        wait_until(lambda: self.register("bob", "hello") == "200", "FreeRADIUS is asked again")

    def test_slow(self) -> None:
        """Three hundred registrations wait for a server that is stopped; calls go on, and in the end nothing failed."""
        place = f"{LOOPBACK}:{free_port()}"
        contact = f"StaticRegistration service@{REALM} sip:service@{place}\n"
        radius = self.start_with("RADIUS_Digest", f"RadiusTimeoutInMs 20000\nAuthMethods REGISTER\n{contact}")
        radius.pause()
        registering = self.registering(["bob"] * 300, "hello")
        wait_until(lambda: self.pending() == 300, "all of them wait")
        called = Sipp(self, "uas", 100, port=int(place.rpartition(":")[2]))
        Sipp(self, "uac", 100, self.proxy.address).see_success()
        called.see_success()
        self.assertEqual(self.pending(), 300)
        radius.resume()
        registering.see_success()
        self.assertEqual(self.pending(), 0)

    def pending(self) -> int:
        """Give how many requests the server is dealing with."""
        return int(asked(self.proxy, "/status")["pending"])

    def test_chap(self) -> None:
        """A Basic challenge, and CHAP to RADIUS: right, wrong, and nobody to ask."""
        radius = self.start_with("CHAP")
        self.assertIn("every telephone sends its password", self.proxy.error_log())
        bob = Telephone(self, self.proxy.address, "bob")
        self.assertRegex(bob.register()["www-authenticate"], f'^Basic realm="{REALM}"')
        right, wrong = (
            f"Authorization: Basic {b64encode(f'bob:{word}'.encode()).decode()}" for word in ("hello", "guess")
        )
        self.assertEqual(bob.register(headers=[wrong]).status, 401)
        self.assertEqual(bob.register(headers=[right]).status, 200)
        radius.stop()
        refused = bob.register(headers=[right])
        self.assertEqual((refused.status, int(refused["retry-after"]) > 0), (503, True))
