"""Servers of a farm as their operator runs them: killed, cut off from etcd, asked with sipproxyctl."""

from test.interop.control import asked, run_control
from test.interop.farm import FarmTestCase
from test.interop.harness import wait_until


class FarmProcessTests(FarmTestCase):
    """Three servers that are asked now and then."""

    def test_killed(self) -> None:
        """What a server has answered 200 is known by the others after it was killed, and by itself when it is back."""
        one, other, third = self.proxies
        users = {f"user{number}" for number in range(40)}
        for user in sorted(users):
            self.register(other, user)
        other.kill()
        wait_until(lambda: self.registered(one) == users, "the first one knows all")
        self.assertEqual(self.registered(third), users)
        wait_until(lambda: self.members(one)["b"] == "missing", "the killed one is missing")
        self.assertEqual(run_control(one, "farm", "status").returncode, 1)
        self.register(one, "later")
        other.start()
        self.assertEqual(self.registered(other), {*users, "later"})
        wait_until(lambda: self.members(other) == {"a": "there", "b": "here", "c": "there"}, "all are there")
        self.assertEqual(run_control(other, "farm", "verify").returncode, 0)

    def test_majority_lost(self) -> None:
        """Without a majority of etcd servers answer REGISTER all the same, and tell each other when it is back."""
        self.etcd.kill(0)
        self.etcd.kill(1)
        for number, proxy in enumerate(self.proxies):
            self.register(proxy, f"user{number}")
            wait_until(lambda proxy=proxy: asked(proxy, "/farm")["pending"] == 1, "it is pending")  # type: ignore[misc]
        self.etcd.start(0)
        self.etcd.start(1)
        self.wait_for_users(self.proxies, {"user0", "user1", "user2"})
        self.wait_for_farm(self.proxies)
        self.assertEqual(run_control(self.proxies[2], "farm", "status").returncode, 0)

    def test_commands(self) -> None:
        """A route that is added at one server is at all; the commands tell of the farm."""
        one, _, third = self.proxies
        done = run_control(one, "routes", "add", "E164", "1408555....", "--next-hop", "192.0.2.9")
        self.assertEqual(done.returncode, 0, done.stderr)
        wait_until(lambda: "1408555...." in run_control(third, "routes", "list").stdout, "the third one has it")
        table = run_control(one, "farm", "members").stdout
        self.assertEqual(
            [line.split()[:2] for line in table.splitlines()[1:]], [["a", "here"], ["b", "there"], ["c", "there"]]
        )
        for proxy in self.proxies:
            proxy.stop()
