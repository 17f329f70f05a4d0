"""A farm as its operator runs it: three servers over three of etcd."""

from collections.abc import Iterable

from twisted.trial.unittest import SynchronousTestCase

from test.interop.control import asked
from test.interop.etcd import Etcd
from test.interop.harness import wait_until
from test.interop.proxy import Proxy
from test.interop.telephone import Telephone

_SETTINGS = "Farm On\nFarmLockTTLInS 3\nFarmExpectMembers a b c\nControlSocket run/control.sock\n"


class FarmTestCase(SynchronousTestCase):
    """Three servers over three of etcd.

    @cvar SETTINGS: what each one's configuration says beyond the farm
    """

    SETTINGS = ""

    def setUp(self) -> None:
        self.etcd = Etcd(self, 3)
        endpoints = "".join(f"FarmEndpoint {url}\n" for url in self.etcd.urls)
        self.proxies = [Proxy(self, f"{_SETTINGS}{self.SETTINGS}FarmMember {name}\n{endpoints}") for name in "abc"]
        for proxy in self.proxies:
            proxy.begin()
        for proxy in self.proxies:
            proxy.wait_for_answer()

    def register(self, proxy: Proxy, user: str, contact: str = "") -> None:
        """Register a telephone, or what it names as its contact, at a server."""
        answer = Telephone(self, proxy.address, user).register(contact=contact)
        self.assertEqual(answer.status, 200)

    def registered(self, proxy: Proxy) -> set[str]:
        """Give the users that a server knows."""
        users: set[str] = set()
        query: dict[str, str] = {}
        while True:
            page = asked(proxy, "/registrations", **query)
            users.update(item["aor"].partition("@")[0] for item in page["registrations"])
            if not page.get("next"):
                return users
            query = {"after": page["next"]}

    def wait_for_users(self, proxies: Iterable[Proxy], users: set[str]) -> None:
        """Wait until servers know exactly these users."""
        for proxy in proxies:
            wait_until(lambda proxy=proxy: self.registered(proxy) == users, "it knows all", 20)  # type: ignore[misc]

    def wait_for_farm(self, proxies: Iterable[Proxy]) -> None:
        """Wait until servers are in the farm and keep nothing for later."""
        for proxy in proxies:
            wait_until(
                lambda proxy=proxy: (state := asked(proxy, "/farm"))["state"] == "up" and not state["pending"],  # type: ignore[misc]
                "it is in the farm",
                20,
            )

    def members(self, proxy: Proxy) -> dict[str, str]:
        """Give the members as a server sees them."""
        return {member["name"]: member["state"] for member in asked(proxy, "/farm")["members"]}
