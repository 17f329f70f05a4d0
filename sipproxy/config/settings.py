"""The values of a configuration, final and immutable.

L{load} reads a file, L{Settings.of} takes the same texts from a mapping; both
go through the same kinds and the same checks, and give L{Settings} or raise
L{sipproxy.config.problems.ConfigError} with all that is wrong.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, Generic, Literal, TypeVar

from sipproxy.config.directives import Block, Computed, Directive, Module
from sipproxy.config.lexer import Line
from sipproxy.config.problems import ConfigError, Position, Problem, Report, in_order, quotation
from sipproxy.config.reader import Reader
from sipproxy.config.scope import WRONG, Entry, Scope

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

#: What a directive's value is in L{Settings.of}: one text, or one for each occurrence.
Text = str | Sequence[str]

#: The file name in positions of L{Settings.of}.
NO_FILE = "<settings>"


class _UnknownValueError(Exception):
    """A check has read a directive that was written with a wrong value: it cannot go on."""


@dataclass(frozen=True)
class Section(Generic[T_co]):
    """A block as it was written.

    @ivar arguments: the value of the words in its opening tag
    @ivar settings: what stands inside
    @ivar position: where it begins
    """

    arguments: T_co
    settings: "Settings"
    position: Position


class Settings:
    """The values of directives.

    A directive that no given module declares may be asked for too: it has its default.

    @ivar warnings: what deserves a second look
    @ivar lines: what they were read from, with included files in their place; see L{load_lines}
    @ivar directory: where a relative ServerRoot starts
    """

    __slots__ = ("_entries", "_root", "_sections", "_start", "_values", "_warnings", "directory", "lines")

    def __init__(self, scope: Scope, root: Path, root_directive: Directive[Path] | None = None) -> None:
        """Take what was written in a scope.

        @param root: where relative paths start
        @param root_directive: the directive whose value C{root} is
        """
        self._entries = scope.entries
        self._root = root
        self._start = scope.start
        self._warnings: tuple[Problem, ...] = ()
        self.lines: tuple[Line, ...] = ()
        self.directory = root
        self._values: dict[Directive[Any], Any] = {
            directive: _value(directive, entries, root) for directive, entries in scope.entries.items()
        }
        if root_directive is not None:
            self._values[root_directive] = root
        self._sections: dict[Block[Any], tuple[Section[Any], ...]] = {
            block: tuple(Section(arguments, Settings(inner, root), inner.start) for arguments, inner in sections)
            for block, sections in scope.sections.items()
        }

    @classmethod
    def of(
        cls,
        modules: Sequence[Module],
        values: Mapping[str, Text | Sequence[Mapping[str, Text]]] | None = None,
        root: Path = Path(),
        root_directive: Directive[Path] | None = None,
    ) -> "Settings":
        """Give settings without a file: C{{"SIPT1InMs": "100", "Listen": ["127.0.0.1:5060", "[::1]:5060"]}}.

        A block is written C{{"<StaticRoute E164 5....>": [{"Static_Route_NextHop": "gw.example.com"}]}}, with a
        mapping for each one.

        @param values: by name, as they would stand in a file after it; what is left out has its default
        @param root: where relative paths start, as they are by default
        @raise ConfigError: there is something wrong
        """
        reader = Reader(Position(NO_FILE, 1, 1), root, modules, {}, root_directive)
        reader.read_lines(Line(NO_FILE, number, text) for number, text in enumerate(_written(values or {}), 1))
        return cls._checked(reader, modules, root_directive)

    @classmethod
    def _checked(cls, reader: Reader, modules: Sequence[Module], root_directive: Directive[Path] | None) -> "Settings":
        """Make what was read final, if it is right.

        @raise ConfigError: it is not
        """
        settings = cls(reader.top, reader.root, root_directive)
        for module in modules:
            _check(module, settings, reader.problems.append)
        if any(problem.severity == "error" for problem in reader.problems):
            raise ConfigError(reader.problems)
        settings._warnings = in_order(reader.problems)
        settings.lines, settings.directory = tuple(reader.lines), reader.directory
        return settings

    def __getitem__(self, directive: Directive[T]) -> T:
        try:
            value = self._values[directive]
        except KeyError:
            # Kept, as a computed default may cost something; the answer never changes.
            value = self._values[directive] = self._default(directive)
        if value is WRONG:
            raise _UnknownValueError(directive.name)
        # The table holds values of all types; each was made by the kind of its directive.
        return value  # type: ignore[no-any-return]

    def _default(self, directive: Directive[Any]) -> Any:
        """Give the value of a directive that is not written."""
        default = directive.default
        value = default.function(self) if isinstance(default, Computed) else default
        return None if value is None else directive.kind.resolve(value, self._root)

    @property
    def warnings(self) -> tuple[Problem, ...]:
        """What deserves a second look, by file, line and column."""
        return self._warnings

    def blocks(self, block: Block[T]) -> tuple[Section[T], ...]:
        """Give the blocks of a declaration, in the order of the file."""
        return self._sections.get(block, ())

    def is_set(self, directive: Directive[object]) -> bool:
        """Tell whether a directive is written, rather than left to its default."""
        return directive in self._entries

    def position(self, directive: Directive[object]) -> Position | None:
        """Tell where a directive is written, the first time; None if it is not."""
        return next(iter(self.positions(directive)), None)

    def positions(self, directive: Directive[object]) -> tuple[Position, ...]:
        """Tell where each occurrence of a directive is written."""
        return tuple(entry.position for entry in self._entries.get(directive, ()))

    def error(self, directive: Directive[object], expected: str) -> Problem:
        """Make the error that a directive's value, right for itself, does not go with others.

        It stands where the value is written, or where its scope (file or block) begins.

        @param expected: what would have been right, without the word "expected"
        """
        return self._problem(directive, expected, "error")

    def warning(self, directive: Directive[object], expected: str) -> Problem:
        """Make a warning, as L{error} makes an error."""
        return self._problem(directive, expected, "warning")

    def _problem(self, directive: Directive[Any], expected: str, severity: Literal["error", "warning"]) -> Problem:
        """Make a problem of a directive's value."""
        entries = self._entries.get(directive)
        if entries and entries[0].words:
            words = entries[0].words
            got = quotation(" ".join(word.text for word in words))
            return Problem(words[0].position, expected, got, severity=severity)
        value = self[directive]
        got = "none" if value is None else f"{quotation(directive.kind.show(value))} by default"
        return Problem(self._start, expected, got, severity=severity)


def load(
    path: str | Path,
    modules: Sequence[Module],
    environ: Mapping[str, str],
    root_directive: Directive[Path] | None = None,
) -> Settings:
    """Read a configuration file, and those that it includes.

    @param modules: all that declare directives, the server's core among them
    @param environ: what C{${NAME}} is replaced from
    @param root_directive: the directive that says where relative paths start; by default, and where a relative
        value of it starts, that is the directory of the file
    @raise ConfigError: there is something wrong
    """
    return Settings._checked(_read(path, modules, environ, root_directive), modules, root_directive)


def load_value(
    directive: Directive[T],
    path: str | Path,
    modules: Sequence[Module],
    environ: Mapping[str, str],
    root_directive: Directive[Path] | None = None,
) -> T | None:
    """Read the value of one directive, whatever else is wrong with a configuration file.

    @return: None where the value itself is wrong
    """
    reader = _read(path, modules, environ, root_directive)
    settings = Settings(reader.top, reader.root, root_directive)
    try:
        return settings[directive]
    except _UnknownValueError:
        return None


def _read(
    path: str | Path,
    modules: Sequence[Module],
    environ: Mapping[str, str],
    root_directive: Directive[Path] | None,
) -> Reader:
    start = Position(str(path), 1, 1)
    directory = Path(os.path.abspath(path)).parent
    reader = Reader(start, directory, modules, environ, root_directive)
    reader.read_file(str(path), start)
    return reader


def load_lines(
    lines: Sequence[Line],
    directory: Path,
    modules: Sequence[Module],
    environ: Mapping[str, str],
    root_directive: Directive[Path] | None = None,
) -> Settings:
    """Make settings once more from what others were read from, whatever the files say by now.

    @param lines: L{Settings.lines}
    @param directory: L{Settings.directory}
    @raise ConfigError: there is something wrong
    """
    start = lines[0].position(0) if lines else Position(NO_FILE, 1, 1)
    reader = Reader(start, directory, modules, environ, root_directive)
    reader.read_lines(lines)
    return Settings._checked(reader, modules, root_directive)


def _value(directive: Directive[Any], entries: list[Entry], root: Path) -> Any:
    """Give the value of a directive that is written."""
    values = [entry.value for entry in entries]
    if any(value is WRONG for value in values):
        return WRONG
    value = tuple(chain.from_iterable(values)) if directive.kind.occurrences == "many" else values[0]
    return directive.kind.resolve(value, root)


def _check(module: Module, settings: Settings, report: Report) -> None:
    """Look for the problems between values that a module knows of."""
    if module.check is None:
        return
    try:
        for problem in module.check(settings):
            report(problem)
    except _UnknownValueError:
        # The wrong value that ended the check is reported already.
        return


def _written(values: Mapping[str, Text | Sequence[Mapping[str, Text]]]) -> Iterator[str]:
    """Write values as the lines of a file."""
    for name, value in values.items():
        for item in (value,) if isinstance(value, str) else value:
            if isinstance(item, str):
                yield f"{name} {item}"
            else:
                yield name
                yield from _written(item)
                yield f"</{name.strip('<>').split()[0]}>"


def changed(modules: Sequence[Module], old: Settings, new: Settings) -> list[Directive[Any] | Block[Any]]:
    """Give the declarations whose values differ between two configurations, in the order of the manual."""
    found: list[Directive[Any] | Block[Any]] = []
    for module in modules:
        found += [directive for directive in module.directives if old[directive] != new[directive]]
        found += [block for block in module.blocks if _contents(block, old) != _contents(block, new)]
    return found


def _contents(block: Block[Any], settings: Settings) -> list[object]:
    """Give what stands in the blocks of a kind, comparable."""
    return [
        (section.arguments, [section.settings[directive] for directive in block.directives])
        for section in settings.blocks(block)
    ]
