"""The examples in docs/: each sipd.conf is read, each command exists, each module's page is whole, the module works."""

import re
import shlex
import time
from collections.abc import Iterator
from pathlib import Path

import click
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from docs.examples import night_desk
from sipproxy.app import load_settings
from sipproxy.cli.main import cli
from sipproxy.config import ConfigError, Settings
from sipproxy.directives import SERVER_ROOT
from sipproxy.message import Request, parse_message, parse_uri
from sipproxy.modules import MODULES
from sipproxy.translation import ITranslator, Subject, Target, TranslationChain

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
PAGES = sorted([*ROOT.glob("*.md"), *DOCS.glob("*.md"), *DOCS.glob("modules/*.md")])
LONGEST_PAGE = 200

_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_CODE = re.compile(r"`(sipproxyctl [^`]+)`")
# A command behind a prompt, or indented, wherever the program is.
_COMMAND = re.compile(r"^(?:    |\$ |    \$ )(?:sudo )?(?:\S*/)?(sipproxyctl\b[^#\n]*)", re.MULTILINE)
# What the examples name beside the configuration: files that are made here.
_FILES = {
    "secrets/radius": "s3cr3t\n",
    "secrets/mysql": "s3cr3t\n",
    "secrets/ldap": "s3cr3t\n",
    "secrets/etcd": "s3cr3t\n",
    "secrets/hep": "s3cr3t\n",
    "secrets/gateway.psk": "s3cr3t\n",
    "secrets/gateway.keys": f"{'0123456789abcdef' * 2} {'0123456789abcdef' * 4}\n",
    "etc/manhole_keys": "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDtqJ7zOtqQtYqOo0CpvDXNlMhV3HeJDpjrASKGLWdop operator\n",
    "etc/gktmp_tags": "destinationInfo d\n",
}


def blocks(page: Path, language: str) -> Iterator[str]:
    """Give the fenced blocks of a language on a page."""
    return (found[2] for found in _BLOCK.finditer(page.read_text()) if found[1] == language)


def commands(page: Path) -> Iterator[str]:
    """Give the command lines of sipproxyctl on a page."""
    text = page.read_text()
    yield from (found[1] for found in _COMMAND.finditer(text))
    yield from (found[1] for found in _CODE.finditer(text))


def fault_of(line: str) -> str:
    """Say what is wrong with a command line, empty where it is one.

    Its words in capitals, and what stands in angle brackets, are places for others; behind a pipe is another program.
    """
    words = shlex.split(re.split(r"[|;>]| < ", line)[0])[1:]
    command: click.Command = cli
    path = ["sipproxyctl"]
    while isinstance(command, click.Group):
        context = click.Context(command, info_name=path[-1])
        try:
            _, words, _ = command.make_parser(context).parse_args(words)
        except click.UsageError as error:
            return f"{line}: {error.format_message()}"
        if not words or words == ["..."]:
            return ""
        found = command.get_command(context, words[0])
        if found is None:
            return f"{line}: no command {words[0]}"
        command, words = found, words[1:]
    try:
        command.make_parser(click.Context(command, info_name=command.name)).parse_args(words)
    except click.UsageError as error:
        # Inside of a sentence a command may stand without its arguments.
        return "" if isinstance(error, click.MissingParameter) else f"{line}: {error.format_message()}"
    return ""


class PageTests(SynchronousTestCase):
    """Every page."""

    maxDiff = None

    def test_configurations(self) -> None:
        """Every sipd.conf on a page is read without an error, as is every file of docs/examples."""
        texts = [(page, text) for page in PAGES for text in blocks(page, "sipd")]
        texts += [(path, path.read_text()) for path in sorted(DOCS.glob("examples/*.conf"))]
        self.assertGreater(len(texts), 10)
        wrong = [f"{page.name}: {problems}" for page, text in texts if (problems := self.problems_of(text))]
        self.assertEqual(wrong, [])

    def problems_of(self, text: str) -> str:
        """Give what is wrong with a configuration that stands beside the files that it names."""
        folder = Path(self.mktemp()).resolve()
        for name, content in _FILES.items():
            file = folder / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.touch(0o600)
            file.write_text(content)
        (folder / "sipd.conf").write_text(text)
        try:
            load_settings(folder / "sipd.conf")
        except ConfigError as error:
            return str(error)
        return ""

    def test_commands(self) -> None:
        """Every command of sipproxyctl on a page exists, with its options."""
        lines = [(page.name, line) for page in PAGES for line in commands(page)]
        self.assertGreater(len(lines), 20)
        self.assertEqual([f"{page}: {fault}" for page, line in lines if (fault := fault_of(line))], [])

    def test_faults(self) -> None:
        """A command or an option that does not exist would be found."""
        for line in ("sipproxyctl frobnicate", "sipproxyctl routes frobnicate", "sipproxyctl status --frobnicate"):
            self.assertTrue(fault_of(line), line)

    def test_lengths(self) -> None:
        """No page is longer than one reads."""
        long = [page.name for page in PAGES if len(page.read_text().splitlines()) > LONGEST_PAGE]
        self.assertEqual(long, [])


class ModulePageTests(SynchronousTestCase):
    """docs/modules/: a page for each module, of one shape."""

    maxDiff = None
    HEADINGS = ("What it does", "Where it stands", "Directives", "Example", "See it work", "What goes wrong")

    def pages(self) -> Iterator[tuple[str, str]]:
        """Give name and text of each page."""
        for module in MODULES:
            name = module.name.removesuffix(".c")
            if name.startswith("mod_sip"):
                yield name, (DOCS / "modules" / f"{name}.md").read_text()

    def test_shape(self) -> None:
        """Each page has the same headings, and an example."""
        for name, text in self.pages():
            self.assertTrue(text.startswith(f"# {name}\n"), name)
            self.assertEqual(tuple(re.findall(r"^## (.*)$", text, re.MULTILINE)), self.HEADINGS, name)
            self.assertIn("```sipd\n", text, name)

    def test_directives(self) -> None:
        """Each page names all directives of its module, and nothing else under that heading."""
        pages = dict(self.pages())
        for module in MODULES:
            name = module.name.removesuffix(".c")
            if name not in pages:
                continue
            section = pages[name].partition("## Directives\n")[2].partition("\n## ")[0]
            inner = [directive.name for block in module.blocks for directive in block.directives]
            wanted = {directive.name for directive in module.directives} | set(inner)
            wanted |= {f"<{block.name}>" for block in module.blocks}
            self.assertEqual(set(re.findall(r"`([^`]+)`", section)), wanted, name)


class TutorialTests(SynchronousTestCase):
    """docs/tutorial.md."""

    def test_configuration(self) -> None:
        """The page shows the file that it uses."""
        (shown,) = blocks(DOCS / "tutorial.md", "sipd")
        self.assertEqual(shown, (DOCS / "examples" / "tutorial.conf").read_text())


class TranslationModuleTests(SynchronousTestCase):
    """docs/examples/night_desk.py."""

    def settings(self, **values: str | list[str]) -> Settings:
        """Read directives of the module."""
        return Settings.of((night_desk.MODULE,), values, Path(), SERVER_ROOT)

    def targets(self, uri: bytes, hour: int, *translators: ITranslator) -> tuple[list[bytes], Subject]:
        """Translate a URI at an hour; the modules of a configuration stand before those that are given."""
        request = parse_message(
            b"INVITE %b SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1\r\nFrom: <sip:a@b>;tag=1\r\n"
            b"To: <%b>\r\nCall-ID: 1\r\nCSeq: 1 INVITE\r\nMax-Forwards: 70\r\n\r\n" % (uri, uri)
        )
        assert isinstance(request, Request)
        subject = Subject(parse_uri(uri), request, ("192.0.2.1", 5060), hour * 3600.0)
        settings = self.settings(NightUser=["porter", "office"], NightDesk="sip:guard@example.org")
        ours = night_desk.configured(settings, time.gmtime)
        found = TranslationChain([*ours, *translators]).translate(subject)
        assert isinstance(found, list | tuple)
        return [target.uri.raw for target in found], subject

    def test_night(self) -> None:
        """At night calls go to the desk; by day, and for others, the next module is asked."""
        desk = [b"sip:guard@example.org"]
        for hour, wanted in ((0, desk), (7, desk), (8, []), (17, []), (18, desk), (23, desk)):
            self.assertEqual(self.targets(b"sip:porter@example.org", hour)[0], wanted, hour)
        self.assertEqual(self.targets(b"sip:alice@example.org", 0)[0], [])

    def test_next_module(self) -> None:
        """What it leaves is for the module behind it; what it found, or not, is in the trace."""

        @implementer(ITranslator)
        class Next:
            name = "next"

            def translate(self, subject: Subject) -> list[Target]:
                return [Target(subject.uri)]

        found, subject = self.targets(b"sip:porter@example.org", 12, Next())
        self.assertEqual(found, [b"sip:porter@example.org"])
        self.assertEqual(subject.trace[0], ("translation", "mod_night_desk", "12 o'clock is no night"))

    def test_directives(self) -> None:
        """Its directives have defaults, and bad values are told as those of any module."""
        self.assertEqual(night_desk.configured(self.settings()), [])
        for name, value in (("NightHours", "18-24"), ("NightDesk", "guard"), ("NightUser", "a b")):
            self.assertRaises(ConfigError, self.settings, **{name: value})
