"""The process that changes the kernel's tables, with a program in the place of C{ip}."""

import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from sipproxy.ipsec import helper
from sipproxy.ipsec.kernel import helper_command
from sipproxy.ipsec.manual import entries
from test.ipsec.fake_ip import FakeIp
from test.ipsec.fixtures import manual_peer

ROOT = Path(__file__).resolve().parent.parent.parent

BLOCK = {"what": "block", "direction": "in", "peer": "192.0.2.1", "port": 5060}
IN, OUT, PROTECT_IN, PROTECT_OUT = entries(manual_peer(), "198.51.100.1", [5060])
STATE = "state src 192.0.2.2 dst 198.51.100.1 proto esp spi 0x1001"


class HelperTests(SynchronousTestCase):
    """Requests as the server sends them, and others."""

    def setUp(self) -> None:
        """Begin with empty tables."""
        self.ip = FakeIp(self)
        self.kernel = helper.Kernel(str(self.ip.path))

    def ask(self, request: Any, do: str = "add") -> str:
        """Give the error of a request, empty where it was done."""
        answer = self.kernel.serve(json.dumps({"id": 7, "do": do, **request}))
        self.assertEqual(answer["id"], 7)
        return str(answer.get("error", ""))

    def test_block(self) -> None:
        """A policy that discards, in both families and directions."""
        self.assertEqual(self.ask(BLOCK), "")
        self.assertEqual(self.ask({**BLOCK, "direction": "out", "peer": "2001:DB8::1"}), "")
        self.assertEqual(
            self.ip.commands,
            [
                "xfrm policy add src 192.0.2.1 dst 0.0.0.0/0 proto udp dport 5060 dir in"
                " action block priority 1397313536",
                "xfrm policy add src ::/0 dst 2001:db8::1 proto udp sport 5060 dir out"
                " action block priority 1397313536",
            ],
        )

    def test_association(self) -> None:
        """An association has its keys, the full length of its authenticator, and no check for replays."""
        self.assertEqual(self.ask(IN), "")
        (command,) = self.ip.commands
        self.assertEqual(
            command,
            "xfrm state add src 192.0.2.2 dst 198.51.100.1 proto esp spi 0x1001 reqid 5458256 mode tunnel"
            f" replay-window 0 auth-trunc hmac(sha256) 0x{'cd' * 32} 128 enc cbc(aes) 0x{'ab' * 16}",
        )

    def test_protection(self) -> None:
        """A policy asks for the association, for the ports or for all that passes."""
        self.assertEqual(self.ask(PROTECT_OUT), "")
        self.assertEqual(self.ask({**PROTECT_IN, "port": 0}), "")
        self.assertEqual(
            self.ip.commands,
            [
                "xfrm policy add src 198.51.100.1 dst 192.0.2.2 proto udp sport 5060 dir out priority 5060"
                " tmpl src 198.51.100.1 dst 192.0.2.2 proto esp reqid 5458256 mode tunnel",
                "xfrm policy add src 192.0.2.2 dst 198.51.100.1 dir in priority 5060"
                " tmpl src 192.0.2.2 dst 198.51.100.1 proto esp reqid 5458256 mode tunnel",
            ],
        )

    def test_remove(self) -> None:
        """Only what was added here is removed."""
        self.ip.put(STATE, "reqid 1 mode tunnel")
        self.assertEqual(self.ask(IN, "remove"), "it was not added here")
        self.assertEqual(list(self.ip.entries), [STATE])
        self.assertEqual(self.ask(OUT), "")
        self.assertEqual(self.ask(OUT, "remove"), "")
        self.assertEqual(list(self.ip.entries), [STATE])
        self.assertEqual(self.ask(OUT, "remove"), "it was not added here")

    def test_foreign(self) -> None:
        """What others have put there stays."""
        self.ip.put(STATE, "reqid 1 mode tunnel")
        self.assertEqual(self.ask(IN), "there is one that is not ours, which stays")
        self.assertEqual(self.ip.entries[STATE], "reqid 1 mode tunnel")
        self.kernel.remove_all()
        self.assertEqual(list(self.ip.entries), [STATE])

    def test_killed(self) -> None:
        """What a process of ours that was killed has left is replaced."""
        self.ip.put(STATE, f"reqid {helper.REQID} mode transport")
        self.assertEqual(self.ask(IN), "")
        self.assertIn("mode tunnel", self.ip.entries[STATE])

    def test_refused(self) -> None:
        """What the kernel refuses is an error, and not there to be removed."""
        self.ip.refuse("state", "Error: Requested type not found.")
        self.assertEqual(self.ask(IN), "Error: Requested type not found.")
        self.assertEqual(self.ask(IN, "remove"), "it was not added here")

    def test_twice(self) -> None:
        """An entry is added once."""
        self.assertEqual((self.ask(BLOCK), self.ask(BLOCK)), ("", "it is there already"))

    def test_wrong(self) -> None:
        """No field passes that is not exactly what it should be."""
        for request in (
            {**BLOCK, "peer": "192.0.2.1 dst 0.0.0.0/0"},
            {**BLOCK, "peer": "gw.example.com"},
            {**BLOCK, "peer": "fe80::1%eth0"},
            {**BLOCK, "peer": 3},
            {**BLOCK, "port": 0},
            {**BLOCK, "port": "5060"},
            {**BLOCK, "port": True},
            {**BLOCK, "port": 5060.0},
            {**BLOCK, "direction": "fwd"},
            {**BLOCK, "direction": ["in"]},
            {**BLOCK, "what": "route"},
            {**BLOCK, "what": ["block"]},
            {**BLOCK, "more": 1},
            {"what": "block"},
            {**IN, "spi": 255},
            {**IN, "destination": "2001:db8::1"},
            {**IN, "mode": "beet"},
            {**IN, "encryption": "null"},
            {**IN, "authentication": "hmac-md5"},
            {**IN, "encryption_key": "zz" * 16},
            {**IN, "authentication_key": "ab 1; ls"},
        ):
            self.assertNotEqual(self.ask(request), "", request)
        self.assertNotEqual(self.ask(BLOCK, "flush"), "")
        self.assertEqual(self.ip.commands, [])

    def test_no_json(self) -> None:
        """What is no request gets an answer too."""
        for line in ("", "[]", "{", "[" * 4000, "1", json.dumps({**BLOCK, "id": 1, "do": "add", "x": "y" * 5000})):
            self.assertIn("error", self.kernel.serve(line))

    @given(
        st.text(max_size=80) | st.dictionaries(st.sampled_from([*IN, *BLOCK, "do", "id"]), st.text()).map(json.dumps)
    )
    @settings(max_examples=200, deadline=None)
    def test_any_line(self, line: str) -> None:
        """Any line gives an answer."""
        self.assertIsInstance(helper.Kernel("/nonexistent").serve(line), dict)

    def test_no_program(self) -> None:
        """Without C{ip} the error says so."""
        kernel = helper.Kernel("/nonexistent")
        answer = kernel.serve(json.dumps({"id": 1, "do": "add", **BLOCK}))
        self.assertIn("No such file", answer["error"])

    def test_end(self) -> None:
        """With the end of its input all is removed, the newest first."""
        lines = [json.dumps({"id": number, "do": "add", **request}) for number, request in enumerate((IN, PROTECT_IN))]
        answers = io.StringIO()
        helper.serve(io.StringIO("\n".join(lines) + "\n"), answers, self.kernel)
        self.assertEqual([json.loads(line) for line in answers.getvalue().splitlines()], [{"id": 0}, {"id": 1}])
        self.assertEqual(self.ip.entries, {})
        self.assertEqual(
            [command.split()[1:3] for command in self.ip.commands[2:]], [["policy", "delete"], ["state", "delete"]]
        )

    def test_process(self) -> None:
        """It runs by its path alone and as a module, and ends with its input."""
        line = json.dumps({"id": 1, "do": "add", **BLOCK})
        for command in (helper_command(), (sys.executable, "-m", "sipproxy.ipsec.helper")):
            done = subprocess.run(
                [*command, str(self.ip.path)],
                input=line + "\n",
                capture_output=True,
                text=True,
                timeout=20,
                env={"PYTHONPATH": str(ROOT)},
            )
            self.assertEqual((done.stdout, done.stderr, done.returncode), ('{"id": 1}\n', "", 0))
            self.assertEqual(self.ip.entries, {})

    def test_keys_are_not_on_a_command_line(self) -> None:
        """Keys go by the standard input: the program in the place of C{ip} refuses any other words."""
        self.assertEqual(self.ask(IN), "")
        self.assertEqual(len(self.ip.commands), 1)
