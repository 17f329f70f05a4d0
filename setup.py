"""Compiles what every message passes through, where that can be done; all else stands in setup.cfg.

mypyc makes an extension of the rooms named here. Without mypy or a C compiler, or with C{SIPPROXY_COMPILE=0}, they
stay Python and do the same, slower. An editable install is never compiled: what is edited is what runs.
"""

import os
import sys
import tempfile
from pathlib import Path

from setuptools import Distribution, Extension, setup
from setuptools.command.build_ext import build_ext

HERE = Path(__file__).resolve().parent

#: Packages and modules that a message passes; the benchmarks say what it gains (bench/README.md).
COMPILED = (
    # Of digest what each request passes; mypyc makes nothing of a file that declares interfaces.
    "access/access",
    "access/credentials",
    "access/digest",
    "access/failures",
    "access/keyed",
    "access/keys",
    "access/nonces",
    # Of accounting what each record passes, but for the call itself: what is compiled takes no weak reference.
    "accounting/backlog",
    "accounting/calls",
    "accounting/delivery",
    "accounting/packets",
    "accounting/records",
    "accounting/spool",
    "chance",
    "databases/commit",
    "databases/expiry",
    "databases/feed",
    "databases/static",
    "dialplan",
    "message",
    "net/radius",
    "net/radius_ports",
    "net/radius_question",
    "net/radius_server",
    "proxy",
    "registrar",
    "transaction",
    "wire/radius",
    "wire/radius_packing",
)
_BUILDS = frozenset({"bdist_wheel", "build", "build_ext", "install"})
# What is checked strictly is checked by `make lint`; here other packages need not be installed.
_MYPY = (
    "--config-file=pyproject.toml",
    "--ignore-missing-imports",
    "--follow-imports=silent",
    "--allow-subclassing-any",
    "--allow-untyped-decorators",
    "--no-warn-return-any",
    "--no-warn-unused-ignores",
    "--disable-error-code=no-untyped-call",
    "--disable-error-code=no-any-unimported",
)


def modules() -> list[str]:
    """Give the files that are compiled; a package's C{__init__} only names what is in others."""
    found: list[Path] = []
    for place in COMPILED:
        path = HERE / "sipproxy" / place
        found += sorted(path.glob("*.py")) if path.is_dir() else [path.with_suffix(".py")]
    return [str(path.relative_to(HERE)) for path in found if path.name != "__init__.py" and not _has_coroutines(path)]


def _has_coroutines(path: Path) -> bool:
    """Tell whether a file has some: Twisted takes those of the interpreter only."""
    text = path.read_text(encoding="utf-8")
    return "async def " in text or "@inlineCallbacks" in text


def can_compile() -> bool:
    """Tell whether there is a C compiler with Python's headers."""
    command = build_ext(Distribution())
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "probe.c"
        source.write_text("#include <Python.h>\nPyObject *PyInit_probe(void) { return 0; }\n")
        command.extensions = [Extension("probe", [str(source)])]
        command.build_lib = command.build_temp = folder
        try:
            command.ensure_finalized()
            command.run()
        except Exception as error:  # noqa: BLE001 - whatever it is, Python does without
            print(f"sipproxy is not compiled: {error}", file=sys.stderr)
            return False
    return True


def extensions() -> list[Extension]:
    """Give what is compiled, nothing where it cannot be or is not wanted."""
    wanted = os.environ.get("SIPPROXY_COMPILE", "")
    if wanted == "0" or not _BUILDS.intersection(sys.argv) or not (wanted or can_compile()):
        return []
    try:
        from mypyc.build import mypycify
    except ImportError as error:
        if wanted:
            raise
        print(f"sipproxy is not compiled: {error}", file=sys.stderr)
        return []
    os.chdir(HERE)
    compiled: list[Extension] = mypycify([*_MYPY, *modules()], opt_level="2", debug_level="0")
    return compiled


setup(ext_modules=extensions())
