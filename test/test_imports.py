"""The import direction of docs/architecture.md: which room of the house may know which."""

import ast
from collections.abc import Iterator
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

ROOT = Path(__file__).resolve().parent.parent

# A room is a package or module under sipproxy. It may import itself and the rooms beside it here, and no others;
# "*" is all of them. A longer name has its own row: registrar.bindings is a room within registrar.
MAY_IMPORT = {
    "errors": "",
    "chance": "",
    "dialplan": "",
    "interfaces": "errors",
    "config": "errors",
    "directives": "config errors",
    "privileges": "config errors",
    "convert": "config",
    "message": "errors",
    "registrar.bindings": "errors message",
    "logs": "config errors interfaces message",
    "wire": "errors",
    "net": "config errors interfaces transaction.timers wire",
    "databases": "config databases.sqlite dialplan errors interfaces message registrar.bindings",
    "translation.chain": "errors interfaces message",
    "translation": "config dialplan errors interfaces message registrar.bindings translation.chain wire",
    "routing": "config dialplan errors interfaces message registrar.bindings translation translation.chain wire",
    "access": "access.keyed config errors interfaces message wire",
    "accounting": "config databases.sqlite errors interfaces message wire",
    "databases.sqlite": "config errors interfaces",
    "transaction": "errors interfaces message transaction.timers",
    "transaction.timers": "",
    "registrar": "config errors interfaces message registrar.bindings transaction",
    "access.keyed": "message",
    "proxy": "access.keyed config errors interfaces message routing transaction transaction.timers translation"
    " translation.chain",
    "ipsec": "config errors interfaces",
    "server": "config directives errors interfaces proxy routing transaction",
    "services": "errors logs routing translation",
    "farm": "config databases databases.sqlite errors registrar.bindings",
    "control": "accounting config databases errors farm interfaces ipsec logs message net proxy registrar.bindings"
    " routing server transaction translation.chain",
    "cli": "app composition config control convert databases directives errors farm logs modules net oversight"
    " replay server",
    "simulation": "*",
    "nam_tap": "config errors simulation",
    "gatekeeper_tap": "config errors net simulation",
    "modules": "*",
    "composition": "*",
    "oversight": "*",
    "backends": "*",
    "parts": "*",
    "preview": "*",
    "workers": "*",
    "replay": "*",
    "app": "*",
    "draining": "app farm",
    "notify": "",
    "process": "*",
    "tap": "*",
}
# Values to values: neither Twisted nor zope, so that they can be read, tested and used without either.
PURE = {"dialplan", "message", "registrar.bindings", "wire"}
# twistd has installed its reactor before it imports this; anybody else's import would choose one for who embeds us.
HAS_REACTOR = {"tap"}


def imported(tree: ast.AST, package: str) -> Iterator[str]:
    """Give the dotted names that a module of a package imports, relative ones made absolute.

    C{from x import y} gives x.y: where y is a module that is the one meant, and a name in x is in x's room anyhow.
    """
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            parents = package.split(".")[: 1 - node.level or None] if node.level else []
            origin = ".".join([*parents, *filter(None, [node.module])])
            yield from (f"{origin}.{alias.name}" for alias in node.names)


def room_of(name: str) -> str:
    """Give the room that a dotted name under sipproxy is in, the name itself where the table has none."""
    inside = name.removeprefix("sipproxy.")
    rooms = [room for room in MAY_IMPORT if f"{inside}.".startswith(f"{room}.")]
    return max(rooms, key=len, default=inside)


def broken_rules(module: str, source: str, package: str) -> Iterator[str]:
    """Say which imports of a module are against the rules."""
    room, tree = room_of(module), ast.parse(source)
    allowed = MAY_IMPORT.get(room, "").split()
    for name in imported(tree, package):
        target = room_of(name)
        if name.startswith("sipproxy.") and not ({"*", target} & {*allowed, room} or target.startswith("_")):
            yield f"{module} ({room}) imports {name} ({target})"
        if room in PURE and name.split(".")[0] in {"twisted", "zope"}:
            yield f"{module} is pure and imports {name}"
    outer: list[ast.stmt] = [node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
    if room not in HAS_REACTOR and "twisted.internet.reactor" in imported(ast.Module(outer, []), package):
        yield f"{module} imports the reactor at module level"


class ImportTests(SynchronousTestCase):
    """The table, and the code that reads it."""

    maxDiff = None

    def test_rooms(self) -> None:
        """No module imports what its room may not know, and every module has a room."""
        broken = []
        for path in sorted((ROOT / "sipproxy").rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            package = ".".join(parts[:-1])
            module = package if parts[-1] == "__init__" else ".".join(parts)
            if room_of(module) not in {*MAY_IMPORT, "sipproxy"}:
                broken.append(f"{module} has no room in the table")
            broken += broken_rules(module, path.read_text(), package)
        self.assertEqual(broken, [])

    def test_forms(self) -> None:
        """Every form of import is seen."""
        for source in (
            "import sipproxy.net.udp",
            "from sipproxy import net",
            "from sipproxy.net.udp import Network",
            "from .. import net",
            "from ..net import udp",
            "def late():\n    from ..net.udp import Network",
        ):
            broken = list(broken_rules("sipproxy.message.uri", source, "sipproxy.message"))
            self.assertEqual(len(broken), 1, source)

    def test_allowed_forms(self) -> None:
        """The own room, an allowed one and the version are no offence."""
        source = "from . import grammar\nfrom .grammar import token\nfrom sipproxy.errors import SipParseError\n"
        source += "from sipproxy import __version__\nimport re"
        self.assertEqual(list(broken_rules("sipproxy.message.uri", source, "sipproxy.message")), [])

    def test_pure_and_reactor(self) -> None:
        """A pure room has no Twisted, and nobody has the reactor."""
        source = "from twisted.internet import reactor"
        broken = list(broken_rules("sipproxy.message.uri", source, "sipproxy.message"))
        self.assertEqual(len(broken), 2)
