"""What packages hold: source and wheel, and the Debian package's own files."""

import os
import re
import shutil
import subprocess
import sys
import tarfile
from fnmatch import fnmatch
from pathlib import Path
from zipfile import ZipFile

from twisted.trial.unittest import SynchronousTestCase

from sipproxy import __version__
from sipproxy.app import load_settings
from sipproxy.control import CONTROL_SOCKET
from sipproxy.directives import PID_FILE, SERVER_ROOT
from sipproxy.logs.directives import ERROR_LOG
from test.test_project import GENERATED, ROOT, files, name

DEBIAN = ROOT / "debian"
#: Folders of which every file is brought along.
FOLDERS = ("docs", "etc", "man")


def wanted(*folders: str) -> set[str]:
    """Give the files of some folders, as they are read from the project's folder."""
    return {name(path) for folder in folders for path in files(ROOT / folder) if path.suffix != ".pyc"}


class ArchiveTests(SynchronousTestCase):
    """A source archive and a wheel."""

    maxDiff = None

    def setUp(self) -> None:
        self.scratch = Path(self.mktemp()).resolve()
        ignore = shutil.ignore_patterns(*GENERATED, "_trial_temp*", "dropin.cache")
        shutil.copytree(ROOT, self.scratch / "tree", ignore=ignore)

    def build(self, kind: str) -> Path:
        """Build one, and give its file."""
        command = f"from setuptools import build_meta; print(build_meta.build_{kind}({str(self.scratch)!r}))"
        environment = {**os.environ, "SIPPROXY_COMPILE": "0"}
        tree = self.scratch / "tree"
        subprocess.run([sys.executable, "-c", command], cwd=tree, env=environment, check=True, capture_output=True)
        (found,) = (path for path in self.scratch.iterdir() if path.suffix in (".gz", ".whl"))
        return found

    def test_source(self) -> None:
        """From the source archive all can be made again: it has everything that people wrote, but what git is told."""
        with tarfile.open(self.build("sdist")) as archive:
            held = {member.name.partition("/")[2] for member in archive.getmembers() if member.isfile()}
        folders = wanted("debian", "docs", "etc", "man", "sipproxy", "test", "twisted")
        missing = folders - held - {"twisted/plugins/dropin.cache"}
        self.assertEqual(missing, set())
        self.assertLessEqual(
            {"LICENSE", "Makefile", "README.md", "CHANGELOG.md", "pyproject.toml", "setup.cfg", "setup.py"}, held
        )

    def test_wheel(self) -> None:
        """A wheel brings documents, manual pages and the files of etc/ along, below share/."""
        with ZipFile(self.build("wheel")) as archive:
            held = [member.partition(".data/data/share/")[2] for member in archive.namelist()]
        places = {"docs/": "doc/sipproxy/", "etc/": "sipproxy/etc/"}
        expected = set()
        for path in wanted(*FOLDERS):
            if path.startswith("man/"):
                expected.add(f"man/man{path[-1]}/{path.removeprefix('man/')}")
            else:
                folder = path.split("/")[0] + "/"
                expected.add(places[folder] + path.removeprefix(folder))
        self.assertEqual({path for path in held if path}, expected)


class DebianTests(SynchronousTestCase):
    """The folder debian/."""

    def test_version(self) -> None:
        """The changelog is at the project's version; what comes before a release sorts before it there too."""
        found = re.match(r"sipproxy \((.+)-\d+\) ", (DEBIAN / "changelog").read_text())
        assert found is not None
        self.assertEqual(found[1], re.sub(r"\.?(dev|a|b|rc)", r"~\1", __version__))

    def test_files(self) -> None:
        """Every file that it takes is there, and every file in etc/ and man/ is taken by it."""
        taken = []
        for kind in ("install", "examples", "manpages", "docs"):
            for line in (DEBIAN / f"sipproxy.{kind}").read_text().splitlines():
                taken.append(line.split()[0])
        self.assertEqual([path for path in taken if not list(ROOT.glob(path))], [])
        # The sample is made into the package's own configuration.
        left = [path for path in wanted(*FOLDERS) if not any(fnmatch(path, f"{each}*") for each in taken)]
        self.assertEqual(left, ["etc/sipd.conf"])

    def test_configuration(self) -> None:
        """Its configuration is right, and has its folders where Debian has them."""
        sample = (ROOT / "etc" / "sipd.conf").read_text()
        command = ["sh", str(DEBIAN / "configuration.sh")]
        text = subprocess.run(command, input=sample, capture_output=True, text=True, check=True).stdout
        folder = Path(self.mktemp()).resolve()
        folder.mkdir()
        path = folder / "sipd.conf"
        # The user may not be there.
        path.write_text(re.sub(r"^(User|Group) .*\n", "", text, flags=re.MULTILINE))
        settings = load_settings(path)
        self.assertEqual((settings[SERVER_ROOT], settings.warnings), (Path("/var/lib/sipproxy"), ()))
        self.assertEqual(settings[ERROR_LOG], Path("/var/log/sipproxy/error_log"))
        self.assertEqual(settings[CONTROL_SOCKET].parent, settings[PID_FILE].parent)
        self.assertEqual(
            re.findall(r"^(User|Group) +(\w+)$", text, re.MULTILINE), [("User", "sipproxy"), ("Group", "sipproxy")]
        )
        self.assertNotIn("var", [word.split("/")[0] for word in text.split()])

    def test_shell(self) -> None:
        """Its scripts, and the one that tests it, are shell."""
        for path in (
            *DEBIAN.glob("*.sh"),
            *DEBIAN.glob("sipproxy.p*"),
            DEBIAN / "sipproxy.init",
            ROOT / "test" / "deb_test.sh",
        ):
            done = subprocess.run(["sh", "-n", str(path)], capture_output=True, text=True)
            self.assertEqual((done.returncode, done.stderr), (0, ""), path)
