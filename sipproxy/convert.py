"""Reads a C{sipd.conf} of the Cisco SIP Proxy Server and says, line by line, what becomes of it here.

The original was built on the Apache HTTP server, so that its file has the same
grammar as ours and the directives of Apache's own core in it. A line is kept where
name and value hold here too, written anew where another name does, and made a
comment, with the reason behind it, where nothing here does the same. Each line
gives one line, so that the numbers of both files agree.

What is right is not decided here: the reader of C{sipd.conf} and the checks of
the modules are asked. Not done: included files (each is converted by itself),
routes and subscribers, which the original kept in databases.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sipproxy.config import Directive, Module, Problem, Settings
from sipproxy.config.lexer import Line, Statement, lines, statement
from sipproxy.config.names import Suggestions
from sipproxy.config.problems import Position, in_order, printable
from sipproxy.config.reader import Reader
from sipproxy.config.scope import IF_MODULE, INCLUDE, Catalogue

SAME = "same"
RENAMED = "renamed"
UNSUPPORTED = "not supported"
REFUSED = "value refused"
UNKNOWN = "unknown"
_KEPT = frozenset((SAME, RENAMED))

#: Directives of Apache that are called otherwise here, with the name of ours; the words stay.
OTHER_NAMES = {"port": "Listen", "transferlog": "CustomLog"}

_NO_POOL = "as many processes serve as StartServers says; MaxTransactions bounds what they take on"
_NO_HTTP = "of the HTTP server that the original was built on; nothing here answers HTTP"
_NO_CONNECTIONS = "over UDP there are no connections"
_BUILT_IN = "the modules are part of the server; each has a directive that turns it on"

#: Directives of Apache, and of the original, that nothing here replaces one by one, and why.
REASONS = {
    "accessconfig": "write Include",
    "addmodule": _BUILT_IN,
    "bindaddress": "write the address before the port, as in Listen 192.0.2.1:5060",
    "clearmodulelist": _BUILT_IN,
    "coredumpdirectory": "Python writes its traceback to the error log",
    "defaulttype": _NO_HTTP,
    "documentroot": _NO_HTTP,
    "hostnamelookups": "addresses are logged as they are",
    "keepalive": _NO_CONNECTIONS,
    "keepalivetimeout": _NO_CONNECTIONS,
    "loadmodule": _BUILT_IN,
    "maxclients": _NO_POOL,
    "maxkeepaliverequests": _NO_CONNECTIONS,
    "maxrequestsperchild": _NO_POOL,
    "maxspareservers": _NO_POOL,
    "minspareservers": _NO_POOL,
    "resourceconfig": "write Include",
    "scoreboardfile": "no memory is shared between processes",
    "serveradmin": _NO_HTTP,
    "serverlimit": _NO_POOL,
    "serversignature": _NO_HTTP,
    "servertokens": _NO_HTTP,
    "servertype": "the server always stands alone",
    "timeout": "see SIPT1InMs and what follows from it",
    "typesconfig": _NO_HTTP,
    "usecanonicalname": "Via and Record-Route name AdvertisedAddress",
}

_SECRET = re.compile("password|secret|passwd", re.IGNORECASE)
#: What a name is about, by a part of it, and where that is configured here.
_HINTS = (
    (_SECRET, "secrets stand in files of their own, such as DB_MySQL_PasswordFile or the file of a RadiusServer"),
    (re.compile("radius|acct|account", re.IGNORECASE), "see RadiusServer and Accounting"),
    (re.compile("mysql|subscriber", re.IGNORECASE), "see SubscriberDatabase and DB_MySQL_HostName"),
    (re.compile("farm|member|replic", re.IGNORECASE), "see Farm: members meet in etcd, not on ports of their own"),
    (re.compile("route|nexthop", re.IGNORECASE), "see <StaticRoute> and sipproxyctl routes"),
    (re.compile("ipsec", re.IGNORECASE), "see <IPSecPeer>"),
    (re.compile("gktmp|nam|800|900|number", re.IGNORECASE), "see GKTMPServer and NumberService"),
)

#: How often the reader may be asked: what it finds wrong is taken out, and may lay open something else.
_MOST_READINGS = 10


@dataclass(frozen=True)
class Finding:
    """What became of a directive or of the tag of a container.

    @ivar line: line number from 1, in both files
    @ivar name: as it was written; that of a tag in its brackets
    @ivar verdict: C{SAME}, C{RENAMED}, C{UNSUPPORTED}, C{REFUSED} or C{UNKNOWN}
    @ivar note: why, or what it became; may be empty
    """

    line: int
    name: str
    verdict: str
    note: str = ""

    def __str__(self) -> str:
        return printable(": ".join(filter(None, (self.name, self.verdict, self.note))))


@dataclass(frozen=True)
class Conversion:
    """A converted file.

    @ivar text: its contents
    @ivar findings: one for each directive and tag, by line
    @ivar remaining: what is still to be done: problems between values, or of no directive
    """

    text: str
    findings: tuple[Finding, ...]
    remaining: tuple[Problem, ...]

    @property
    def is_complete(self) -> bool:
        """Whether all of the original has been carried over and the result is right."""
        is_right = all(problem.severity == "warning" for problem in self.remaining)
        return is_right and all(finding.verdict in _KEPT for finding in self.findings)


def convert(
    name: str,
    data: bytes,
    directory: Path,
    modules: Sequence[Module],
    environ: Mapping[str, str],
    root_directive: Directive[Path],
) -> Conversion:
    """Convert a file.

    @param name: its name, for positions
    @param data: its octets; what is not UTF-8 is taken for Latin-1
    @param directory: where a relative ServerRoot starts
    @param modules: all that declare directives
    @param environ: what C{${NAME}} is replaced from
    @param root_directive: the directive that says where relative paths start
    """
    work = _Work(name, _decoded(data), Catalogue(modules))
    work.judge()
    for _ in range(_MOST_READINGS):
        reader = Reader(Position(name, 1, 1), directory, modules, environ, root_directive)
        reader.read_lines(lines(name, work.without_includes().encode("utf-8"), reader.problems.append))
        if not work.refuse(reader.problems):
            break
    problems = list(reader.problems)
    if not problems:
        problems += _between_values(modules, Settings(reader.top, reader.root, root_directive))
    findings = sorted(work.findings.values(), key=lambda finding: finding.line)
    return Conversion(work.text(), tuple(findings), in_order(problems))


def _decoded(data: bytes) -> str:
    """Give the text of a file, whose lines end in LF."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = data.decode("latin-1")
    return text.replace("\r\n", "\n").removesuffix("\n")


def _between_values(modules: Sequence[Module], settings: Settings) -> Iterator[Problem]:
    """Give what the modules find wrong between values that are right one by one."""
    for module in modules:
        if module.check is not None:
            yield from module.check(settings)


def _ignore(problem: Problem) -> None:
    """Leave it to the reader, which will find the same."""


class _Work:
    """A file while it is converted.

    @ivar findings: by the line on which the statement begins
    """

    def __init__(self, name: str, text: str, catalogue: Catalogue) -> None:
        self.findings: dict[int, Finding] = {}
        self._catalogue = catalogue
        self._in_blocks = {name for place in catalogue.inner.values() for name in place.directives}
        self._suggestions = Suggestions()
        self._lines = {line.number: line for line in lines(name, text.encode("utf-8", "replace"), _ignore)}
        self._rows = text.split("\n")
        self._includes: set[int] = set()
        # Open containers that are taken out whole, the outermost first; and for each open IfModule, whether it stays.
        self._dead: list[str] = []
        self._conditions: list[bool] = []

    def text(self) -> str:
        """Give the file as it is now."""
        return "\n".join(self._rows) + "\n"

    def without_includes(self) -> str:
        """Give it without the lines that would have others read."""
        return "\n".join("" if number in self._includes else row for number, row in enumerate(self._rows, 1))

    def judge(self) -> None:
        """Judge every statement by its name."""
        for line in self._lines.values():
            found = statement(line, _ignore)
            if found is None:
                continue
            if self._dead:
                self._inside(line, found)
            elif found.form == "directive":
                self._directive(line, found)
            elif found.name.text.lower() == IF_MODULE.lower():
                self._condition(line, found)
            else:
                self._container(line, found)

    def refuse(self, problems: Sequence[Problem]) -> bool:
        """Take out the statements that the reader finds wrong.

        @return: whether there were any
        """
        refused = False
        for problem in problems:
            number = problem.position.line
            while number not in self._lines:
                number -= 1
            finding = self.findings.get(number)
            if finding is None or finding.verdict not in _KEPT:
                continue
            refused = True
            got = "" if _SECRET.search(finding.name) else f", got {problem.got}"
            question = f", did you mean {problem.suggestion}?" if problem.suggestion else ""
            self._take_out(self._lines[number], finding.name, REFUSED, f"expected {problem.expected}{got}{question}")
        return refused

    def _directive(self, line: Line, found: Statement) -> None:
        name, key = found.name.text, found.name.text.lower()
        if key == INCLUDE.lower():
            self._includes.add(line.number)
            self._keep(line, name, SAME, "that file is to be converted too")
        elif key in self._catalogue.top.directives or key in self._in_blocks:
            self._known(line, found)
        elif key in OTHER_NAMES:
            row = line.text.replace(name, OTHER_NAMES[key], 1)
            self._write(line, row)
            self._keep(line, name, RENAMED, row.strip())
        elif key in REASONS:
            self._take_out(line, name, UNSUPPORTED, REASONS[key])
        else:
            self._take_out(line, name, UNKNOWN, self._advice(name))

    def _known(self, line: Line, found: Statement) -> None:
        """Keep a directive of ours, unless Apache gives its value a meaning that the reader would take for a path."""
        name, first = found.name.text, found.words[0].text.lower() if found.words else ""
        if name.lower() in {"errorlog", "customlog"} and first.startswith("|"):
            self._take_out(line, name, REFUSED, "expected a file, which LogRotate can rotate, got a pipe")
        elif name.lower() == "errorlog" and first.startswith("syslog:"):
            self._take_out(line, name, REFUSED, "expected syslog alone: its facility is daemon")
        else:
            self._keep(line, name, SAME)

    def _advice(self, name: str) -> str:
        """Say what an unknown name may be about."""
        for pattern, hint in _HINTS:
            if pattern.search(name):
                return hint
        nearest = self._suggestions.nearest(name, self._catalogue.top.names)
        return f"did you mean {nearest}?" if nearest else ""

    def _condition(self, line: Line, found: Statement) -> None:
        """Keep a condition on a module of ours; the tags of another are taken out, so that its contents count."""
        if found.form == "open":
            module = found.words[0].text if found.words else ""
            self._conditions.append(not module or module.startswith("!") or self._catalogue.knows(module))
            stays = self._conditions[-1]
        else:
            stays = self._conditions.pop() if self._conditions else True
        if stays:
            self._keep(line, _tag(found), SAME)
        else:
            self._take_out(line, _tag(found), UNSUPPORTED, "no module is called so; what stands inside counts")

    def _container(self, line: Line, found: Statement) -> None:
        if self._catalogue.container(found.name.text):
            self._keep(line, _tag(found), SAME)
            return
        if found.form == "open":
            self._dead.append(found.name.text.lower())
        self._take_out(line, _tag(found), UNSUPPORTED, "for addresses see AllowFrom and DenyFrom")

    def _inside(self, line: Line, found: Statement) -> None:
        """Take out what stands in a container that is taken out."""
        key, outermost = found.name.text.lower(), self._dead[0]
        if found.form == "open":
            self._dead.append(key)
        elif found.form == "close" and key in self._dead:
            while self._dead.pop() != key:
                pass
        name = found.name.text if found.form == "directive" else _tag(found)
        self._take_out(line, name, UNSUPPORTED, f"as <{outermost}>")

    def _keep(self, line: Line, name: str, verdict: str, note: str = "") -> None:
        self.findings[line.number] = Finding(line.number, name, verdict, note)

    def _take_out(self, line: Line, name: str, verdict: str, note: str) -> None:
        """Make a statement a comment, without what might be a secret."""
        self.findings[line.number] = finding = Finding(line.number, name, verdict, note)
        shown = f"{name} ..." if _SECRET.search(name) else line.text.strip()
        self._write(line, f"# {shown}  # {printable(': '.join(filter(None, (verdict, finding.note))))}")

    def _write(self, line: Line, row: str) -> None:
        """Put a row in the place of a statement; of continuation lines, empty ones are left."""
        first = line.number - 1
        self._rows[first : first + 1 + len(line.joints)] = [row, *[""] * len(line.joints)]


def _tag(found: Statement) -> str:
    return f"</{found.name.text}>" if found.form == "close" else f"<{found.name.text}>"
