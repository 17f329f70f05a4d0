"""The Containerfile, as far as that can be seen without an engine: what it names is there.

It is not built here. Its packages are Debian's, of the release it begins from.
"""

import configparser
import re
import shlex
import subprocess
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from sipproxy.app import load_settings
from sipproxy.cli.main import cli
from test.test_project import ROOT

#: What its instructions may be, and what of Debian and Python its commands are.
INSTRUCTIONS = {"FROM", "RUN", "COPY", "USER", "VOLUME", "EXPOSE", "HEALTHCHECK", "ENTRYPOINT", "CMD"}
PROGRAMS = {"apt-get", "install", "ln", "mkdir", "python3", "rm", "sed", "sh", "useradd"}
#: Where the virtual environment is.
HOME = "/usr/lib/sipproxy"


def instructions() -> list[tuple[str, str]]:
    """Give the instructions, each with what follows it on its lines."""
    text = re.sub(r"^#.*\n", "", (ROOT / "Containerfile").read_text(), flags=re.MULTILINE).replace("\\\n", " ")
    found = [line.partition(" ") for line in text.splitlines() if line.strip()]
    return [(word, rest.strip()) for word, _, rest in found]


def all_of(word: str) -> list[str]:
    """Give what follows each instruction of one kind."""
    return [rest for name, rest in instructions() if name == word]


def commands() -> list[list[str]]:
    """Give the words of each command that is run, redirections among them."""
    return [shlex.split(part) for rest in all_of("RUN") for part in re.split(r"&&|\|", rest)]


class ContainerTests(SynchronousTestCase):
    """The Containerfile."""

    def test_instructions(self) -> None:
        """It has no others than are known; both stages are of one Debian, whose Python is new enough."""
        self.assertEqual({word for word, _ in instructions()} - INSTRUCTIONS, set())
        self.assertEqual({rest.split()[0] for rest in all_of("FROM")}, {"debian:bookworm-slim"})
        setup = configparser.ConfigParser()
        setup.read(ROOT / "setup.cfg")
        # Debian 12 has 3.11.
        self.assertEqual(setup["options"]["python_requires"], ">=3.11")

    def test_commands(self) -> None:
        """What it runs is shell, by programs that the image has or the environment that it makes."""
        for rest in all_of("RUN"):
            done = subprocess.run(["sh", "-n"], input=rest, capture_output=True, text=True)
            self.assertEqual((done.returncode, done.stderr), (0, ""), rest)
        self.assertEqual({words[0] for words in commands()} - PROGRAMS, {f"{HOME}/bin/pip"})

    def test_paths(self) -> None:
        """What it takes from the source is there, and what one stage takes from the other was made in it."""
        taken = [word.lstrip("<") for words in commands() for word in words if word.lstrip("<").startswith("/source/")]
        self.assertEqual(sorted(taken), ["/source/debian/configuration.sh", "/source/etc/sipd.conf"])
        for path in taken:
            self.assertTrue((ROOT / path.removeprefix("/source/")).is_file(), path)
        self.assertEqual(all_of("COPY")[0], ". /source")
        made = {words[-1] for words in commands() if words[0] == "mkdir" or words[1:3] == ["-m", "venv"]}
        copied = {rest.split()[1] for rest in all_of("COPY") if rest.startswith("--from=build ")}
        self.assertEqual(copied, made)

    def test_programs(self) -> None:
        """The programs that it starts are what the package installs, with options that they have."""
        setup = configparser.ConfigParser()
        setup.read(ROOT / "setup.cfg")
        self.assertIn("sipproxyctl = sipproxy.cli.main:main", setup["options.entry_points"]["console_scripts"])
        (link,) = (words for words in commands() if words[0] == "ln")
        self.assertEqual(Path("/usr/bin", link[2]), Path("/usr/bin/../lib/sipproxy/bin/sipproxyctl"))
        (check,) = all_of("HEALTHCHECK")
        self.assertRegex(check, r'CMD \["sipproxyctl", "(\w+)"\]$')
        self.assertIn(check.split('"')[3], cli.commands)
        self.assertEqual(all_of("ENTRYPOINT"), [f'["{HOME}/bin/twistd", "--nodaemon", "--pidfile=", "sipproxy"]'])
        self.assertEqual(all_of("CMD"), ['["--config", "/etc/sipproxy/sipd.conf"]'])

    def test_configuration(self) -> None:
        """The configuration that it makes is right, runs as its user and writes only where that user may."""
        sample = (ROOT / "etc" / "sipd.conf").read_text()
        script = ["sh", str(ROOT / "debian" / "configuration.sh")]
        made = subprocess.run(script, input=sample, capture_output=True, text=True, check=True).stdout
        (edit,) = (words for words in commands() if words[0] == "sed")
        made = subprocess.run(edit[:2], input=made, capture_output=True, text=True, check=True).stdout
        self.assertIn("ErrorLog", made)
        self.assertRegex(made, r"(?m)^ErrorLog\s+\"?stderr")
        path = Path(self.mktemp())
        # The user may not be there.
        path.write_text(re.sub(r"^(User|Group) .*\n", "", made, flags=re.MULTILINE))
        self.assertEqual(load_settings(path).warnings, ())
        (user,) = all_of("USER")
        self.assertIn(["User", user], [line.split() for line in made.splitlines()])
        (folders,) = (words for words in commands() if words[0] == "install")
        mine = [word for word in folders if word.startswith("/")]
        written = re.findall(r"(?<![\w/])/(?:run|var)/\S*", made)
        self.assertEqual([each for each in written if not each.startswith(tuple(mine))], [])
