"""Which server is meant, and the ways to it."""

import os
import subprocess
import sys
from contextlib import redirect_stderr
from io import StringIO
from pathlib import Path

import click
from click.shell_completion import ShellComplete
from twisted.trial.unittest import SynchronousTestCase

from sipproxy.cli.failure import Failure, NoConfigurationError, ServerDownError
from sipproxy.cli.main import COMMANDS, cli
from sipproxy.cli.session import Session
from sipproxy.control import unix_socket

MAN = Path(__file__).resolve().parents[2] / "man" / "sipproxyctl.1"


class ConfigurationTests(SynchronousTestCase):
    """The configuration file."""

    def setUp(self) -> None:
        folder = Path(self.mktemp()).resolve()
        folder.mkdir()
        self.addCleanup(os.chdir, os.getcwd())
        os.chdir(folder)

    def test_order(self) -> None:
        """It is that of -c, else of SIPPROXY_CONF, else the one here, else the system's."""
        self.assertEqual(Session(None, {}).configuration, "/etc/sipproxy/sipd.conf")
        Path("sipd.conf").write_text("")
        self.assertEqual(Session(None, {}).configuration, "sipd.conf")
        self.assertEqual(Session(None, {"SIPPROXY_CONF": ""}).configuration, "sipd.conf")
        self.assertEqual(Session(None, {"SIPPROXY_CONF": "other.conf"}).configuration, "other.conf")
        self.assertEqual(Session("this.conf", {"SIPPROXY_CONF": "other.conf"}).configuration, "this.conf")

    def test_none(self) -> None:
        """Without any the server cannot be known, which is told apart from one that is down."""
        session = Session(None, {}, ("here.conf", "there.conf"))
        said = "there is no configuration file: neither -c nor $SIPPROXY_CONF, nor here.conf or there.conf"
        self.assertEqual(str(self.assertRaises(NoConfigurationError, lambda: session.server)), said)
        self.assertEqual(str(self.assertRaises(NoConfigurationError, lambda: session.registry)), said)
        said_of_one_named = StringIO()
        with redirect_stderr(said_of_one_named):
            self.assertRaises(click.exceptions.Exit, lambda: Session("here.conf", {}).server)
        self.assertIn("here.conf:1:1: expected a readable file", said_of_one_named.getvalue())

    def test_wrong(self) -> None:
        """All that is wrong in it is told, and ends the command with status 1."""
        Path("sipd.conf").write_text("Lisen 5060\nLisen 5061\n")
        said = StringIO()
        with redirect_stderr(said):
            ended = self.assertRaises(click.exceptions.Exit, lambda: Session(None, {}).settings)
        self.assertEqual(ended.exit_code, 1)
        self.assertEqual([line[:12] for line in said.getvalue().splitlines()], ["sipd.conf:1:", "sipd.conf:2:"])

    def test_wrong_beside_a_server(self) -> None:
        """A server that runs is found though its file has become wrong; without one all that is wrong is told."""
        Path("sipd.conf").write_text("Lisen 5060\nControlSocket here.sock\n")
        said = StringIO()
        with redirect_stderr(said), unix_socket.listen(Path("here.sock").resolve()):
            _ = Session(None, {}).server
        self.assertEqual(
            said.getvalue(),
            "sipproxyctl: sipd.conf is wrong, as 'check' tells; asking a server that began with another one\n",
        )
        Path("here.sock").unlink()
        for text in ("Lisen 5060\nControlSocket here.sock\n", "ControlSocket\n"):
            Path("sipd.conf").write_text(text)
            said = StringIO()
            with redirect_stderr(said):
                self.assertRaises(click.exceptions.Exit, lambda: Session(None, {}).server)
            self.assertEqual(said.getvalue()[:12], "sipd.conf:1:")

    def test_down(self) -> None:
        """Where nobody answers at ControlSocket the server is down; what a dead one left says no more."""
        Path("sipd.conf").write_text("ControlSocket here.sock\nRegistryDatabase memory\n")
        place = Path("here.sock").resolve()
        for reason in ("No such file or directory", "Connection refused"):
            error = self.assertRaises(ServerDownError, lambda: Session(None, {}).server)
            self.assertEqual(str(error), f"the server is down: nobody answers at {place} ({reason})")
            unix_socket.listen(place).close()

    def test_no_file_of_the_registry(self) -> None:
        """A registry in memory is gone with its server, one that no server has made yet is not made."""
        Path("sipd.conf").write_text("RegistryDatabase memory\n")
        error = self.assertRaises(Failure, lambda: Session(None, {}).registry)
        self.assertEqual(str(error), "the server is down, and its registry with it: RegistryDatabase is memory")
        Path("sipd.conf").write_text("")
        error = self.assertRaises(Failure, lambda: Session(None, {}).registry)
        path = Path("data/registry.db").resolve()
        self.assertEqual(str(error), f"the server is down, and there is no {path} yet")
        self.assertEqual(os.listdir(), ["sipd.conf"])


class TableTests(SynchronousTestCase):
    """All commands."""

    def test_help(self) -> None:
        """Every command and every option says what it does."""
        for command in commands():
            self.assertTrue(command.help, command.name)
            for parameter in command.params:
                if isinstance(parameter, click.Option):
                    self.assertTrue(parameter.help, f"{command.name} {parameter.name}")

    def test_manual(self) -> None:
        """sipproxyctl(1) has every command and every option."""
        page = MAN.read_text()
        for command in commands():
            self.assertIn(f" {command.name}", page)
            options = [option for option in command.params if isinstance(option, click.Option)]
            names = [name.removeprefix("-") for option in options for name in option.opts]
            self.assertEqual([name for name in names if f"Fl {name}" not in page], [], command.name)

    def test_completion(self) -> None:
        """A shell completes commands, modules and levels."""
        complete = ShellComplete(cli, {}, "sipproxyctl", "_SIPPROXYCTL_COMPLETE")
        for words, begun, found in (
            ([], "reg", ["registrations"]),
            (["registrations"], "d", ["delete"]),
            (["loglevel"], "mod_sip_co", ["mod_sip_control"]),
            (["loglevel"], "emer", ["emerg"]),
            (["loglevel", "mod_sip"], "de", ["debug", "default"]),
            (["completion"], "z", ["zsh"]),
        ):
            items = complete.get_completions(words, begun)
            self.assertEqual([item.value for item in items], found, (words, begun))


def commands() -> list[click.Command]:
    """Give all commands, those in groups too."""
    found = list(COMMANDS)
    for command in COMMANDS:
        if isinstance(command, click.Group):
            found += command.commands.values()
    return found


class OutputTests(SynchronousTestCase):
    """The command as a process."""

    def test_full(self) -> None:
        """Where the output cannot be written that is told in one line, with status 1."""
        main = "import sys; from sipproxy.cli.main import main; sys.argv[1:] = sys.argv[1].split(); main()"
        for words in ("completion zsh", "--help"):
            with open("/dev/full", "w") as full:
                done = subprocess.run(
                    [sys.executable, "-c", main, words],
                    cwd=MAN.parents[1],
                    stdout=full,
                    stderr=subprocess.PIPE,
                    text=True,
                    timeout=60,
                    check=False,
                )
            said = "sipproxyctl: the output cannot be written: No space left on device\n"
            self.assertEqual((done.returncode, done.stderr), (1, said), words)
