"""The project's own order: packages, version, docstrings, sizes, and what an install brings along."""

import ast
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from configparser import ConfigParser
from pathlib import Path
from zipfile import ZipFile

from twisted.trial.unittest import SynchronousTestCase

from sipproxy import __version__

ROOT = Path(__file__).resolve().parent.parent
MAX_LINES = 500
# What make, the tests and the server write into the tree; .gitignore says the same.
GENERATED = {".git", ".venv", ".venv-peers", "__pycache__", ".hypothesis", ".mypy_cache", ".ruff_cache"}
GENERATED |= {"build", "dist", "var", "sipproxy.egg-info"}
# Where packages come from is the business of the machine that installs them. Put together here, lest this file offend.
REGISTRIES = [
    ".".join(words)
    for words in (
        ("pypi", "org"),
        ("pythonhosted", "org"),
        ("debian", "org"),
        ("ubuntu", "com"),
        ("npmjs", "org"),
        ("npmjs", "com"),
    )
]


def files(folder: Path = ROOT) -> Iterator[Path]:
    """Give the files below a folder that people wrote."""
    for path in sorted(folder.iterdir()):
        if path.name in GENERATED or path.name.startswith("_trial_temp"):
            continue
        if path.is_dir():
            yield from files(path)
        else:
            yield path


def modules() -> list[Path]:
    """Give all Python files that people wrote."""
    return [path for path in files() if path.suffix == ".py"]


def name(path: Path) -> str:
    """Give a path as it is read from the project's folder."""
    return str(path.relative_to(ROOT))


def listed_packages() -> set[str]:
    """Give the packages that setup.cfg lists."""
    parser = ConfigParser()
    parser.read(ROOT / "setup.cfg")
    return set(parser["options"]["packages"].split())


class SourceTests(SynchronousTestCase):
    """Every file that people wrote."""

    maxDiff = None

    def test_docstrings(self) -> None:
        """Every module says what it is for."""
        silent = [name(path) for path in modules() if not ast.get_docstring(ast.parse(path.read_text()))]
        self.assertEqual(silent, [])

    def test_sizes(self) -> None:
        """No module of the package is longer than one can hold in mind."""
        sizes = {name(path): len(path.read_text().splitlines()) for path in modules()}
        long = {path: size for path, size in sizes.items() if path.startswith("sipproxy/") and size > MAX_LINES}
        self.assertEqual(long, {})

    def test_registries(self) -> None:
        """No file names the host of a package registry."""
        naming = [
            f"{name(path)}: {host}"
            for path in files()
            for host in REGISTRIES
            if host.encode() in path.read_bytes().lower()
        ]
        self.assertEqual(naming, [])


class PackageTests(SynchronousTestCase):
    """What is installed."""

    maxDiff = None

    def test_listed_packages(self) -> None:
        """setup.cfg lists every package of the tree and no other; twisted.plugins is none of ours, but is filled."""
        packages = {".".join(path.parent.relative_to(ROOT).parts) for path in modules() if path.name == "__init__.py"}
        ours = {package for package in packages if package.split(".")[0] not in {"test", "bench"}}
        self.assertEqual(listed_packages(), ours | {"twisted.plugins"})

    def test_no_module_outside(self) -> None:
        """No folder of modules lacks its __init__.py: it would not be installed, or its tests not be found."""
        folders = {path.parent for path in modules() if path.relative_to(ROOT).parts[0] in {"sipproxy", "test"}}
        self.assertEqual([name(folder) for folder in sorted(folders) if not (folder / "__init__.py").exists()], [])

    def test_plugins_folder(self) -> None:
        """twisted/plugins is no package, so that it adds to Twisted's own and does not hide it."""
        self.assertFalse(list((ROOT / "twisted").rglob("__init__.py")))

    def test_changelog(self) -> None:
        """The changelog has an entry for this version."""
        self.assertIn(f"## [{__version__}]", (ROOT / "CHANGELOG.md").read_text())

    def test_wheel(self) -> None:
        """A wheel holds every file of the package, data included, and the plugin."""
        scratch = Path(self.mktemp()).resolve()
        ignore = shutil.ignore_patterns(*GENERATED, "_trial_temp*", "dropin.cache")
        shutil.copytree(ROOT, scratch / "tree", ignore=ignore)
        command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
        environment = {**os.environ, "SIPPROXY_COMPILE": "0"}
        subprocess.run([*command, "--wheel-dir", scratch, scratch / "tree"], check=True, env=environment)
        (wheel,) = scratch.glob("*.whl")
        held = {member for member in ZipFile(wheel).namelist() if not re.match(r"[^/]+\.(dist-info|data)/", member)}
        wanted = {name(path) for path in files() if path.parts[len(ROOT.parts)] in {"sipproxy", "twisted"}}
        self.assertEqual(held, wanted - {"twisted/plugins/dropin.cache"})
