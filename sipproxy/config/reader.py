"""The grammar above single lines: containers, conditions, included files.

A reader takes a file and those that it includes, and fills the scope of the
server and those of its blocks. It never gives up: after a problem it goes on
with the next line, so that all problems are found in one reading. What looks at
several values at once is not done here, see L{sipproxy.config.settings}.
"""

import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from glob import glob
from pathlib import Path
from typing import Any

from sipproxy.config.directives import Block, Directive, Module
from sipproxy.config.environment import expanded
from sipproxy.config.kinds import absolute, one_word
from sipproxy.config.lexer import Line, Statement, Word, lines, statement
from sipproxy.config.names import Suggestions
from sipproxy.config.problems import LONGEST_PATH, Position, Problem, quotation
from sipproxy.config.scope import IF_MODULE, INCLUDE, WRONG, Catalogue, Entry, Scope, tag, value_of

#: Files that may include one another in a chain.
DEEPEST_INCLUDE = 20

#: Directories in the path of an Include; glob() calls itself for each.
DEEPEST_PATTERN = 100

_INCLUDE = one_word(str, "a path or a pattern of paths", "path")
_MODULE_NAME = one_word(str, "a module's name", "module")


@dataclass(frozen=True)
class _Container:
    """An open container.

    @ivar name: its opening tag
    @ivar scope: where what stands inside goes, None if it is passed over
    @ivar block: what it is, None for C{<IfModule>} and unknown ones
    """

    name: Word
    scope: Scope | None
    block: Block[Any] | None = None


class _Body:
    """A file while it is read.

    @ivar open: its open containers, the innermost last
    """

    def __init__(self, outside: Scope) -> None:
        self.open: list[_Container] = []
        self._outside = outside
        # Counted, as a search of the list for each closing tag would take quadratic time.
        self._names: Counter[str] = Counter()

    @property
    def scope(self) -> Scope | None:
        """Where statements go, None where they are passed over."""
        return self.open[-1].scope if self.open else self._outside

    def push(self, container: _Container) -> None:
        """Open a container."""
        self.open.append(container)
        self._names[container.name.text.lower()] += 1

    def pop(self) -> _Container:
        """Close the innermost container."""
        container = self.open.pop()
        self._names[container.name.text.lower()] -= 1
        return container

    def has_open(self, name: str) -> bool:
        """Tell whether a container of a name (in small letters) is open."""
        return self._names[name] > 0


class Reader:
    """Reads one configuration.

    @ivar top: what stands outside of blocks
    @ivar problems: what was found so far
    @ivar root: where relative paths start: ServerRoot, or the directory that was given
    @ivar directory: where a relative ServerRoot starts, and relative paths before it
    @ivar lines: all lines with a statement, those of included files in the place of the Include
    """

    def __init__(
        self,
        start: Position,
        directory: Path,
        modules: Sequence[Module],
        environ: Mapping[str, str],
        root_directive: Directive[Path] | None,
    ) -> None:
        """Begin with nothing read.

        @param start: where the configuration begins
        @param directory: where a relative ServerRoot starts, and relative paths before it
        @param root_directive: the directive that gives C{root}
        """
        self._catalogue = Catalogue(modules)
        self.directory = directory
        self._environ = environ
        self._root_directive = root_directive
        self._suggestions = Suggestions()
        self._reading: list[Path] = []
        self.top = Scope(self._catalogue.top, start)
        self.problems: list[Problem] = []
        self.root = directory
        self.lines: list[Line] = []

    def read_file(self, file: str, cause: Position) -> None:
        """Read the main file.

        @param file: its path
        @param cause: where a problem with the file itself is reported
        """
        self._read_file(file, cause, self.top)

    def read_lines(self, given: Iterable[Line]) -> None:
        """Read lines that come from no file."""
        self._read_lines(given, self.top)

    def _read_file(self, file: str, cause: Position, scope: Scope) -> None:
        """Read a file whose statements belong to a scope."""
        try:
            data = Path(file).read_bytes()
            identity = Path(file).resolve()
        except OSError as error:
            got = f"{quotation(file, LONGEST_PATH)}: {error.strerror or type(error).__name__}"
            self.problems.append(Problem(cause, "a readable file", got))
            return
        if identity in self._reading:
            self.problems.append(Problem(cause, "a file that does not include itself", quotation(file, LONGEST_PATH)))
        elif len(self._reading) == DEEPEST_INCLUDE:
            self.problems.append(
                Problem(cause, f"at most {DEEPEST_INCLUDE} files in a chain", quotation(file, LONGEST_PATH))
            )
        else:
            self._reading.append(identity)
            self._read_lines(lines(file, data, self.problems.append), scope)
            self._reading.pop()

    def _read_lines(self, given: Iterable[Line], scope: Scope) -> None:
        """Take the statements of a file; the containers that it opens it must close."""
        body = _Body(scope)
        for line in given:
            found = statement(line, self.problems.append)
            if found is None:
                continue
            if found.form != "directive" or found.name.text.lower() != INCLUDE.lower():
                self.lines.append(line)
            if found.form == "close":
                self._close(found, body)
            elif found.form == "open":
                self._open(found, body)
            elif body.scope is not None:
                self._directive(found, body.scope)
        for container in body.open:
            self._unclosed(container, "end of file")

    def _words(self, found: Statement) -> tuple[Word, ...] | None:
        """Give the words of a statement with their variables replaced, None where there is something wrong."""
        if found.words is None:
            return None
        return expanded(found.words, self._environ, self._suggestions, self.problems.append)

    def _directive(self, found: Statement, scope: Scope) -> None:
        """Take a directive."""
        name = found.name.text.lower()
        directive = scope.place.directives.get(name)
        if name == INCLUDE.lower():
            self._include(found, scope)
        elif directive is None:
            self.problems.append(self._catalogue.misplaced(found.name, scope.place, self._suggestions))
        else:
            self._assign(directive, found, scope)

    def _assign(self, directive: Directive[Any], found: Statement, scope: Scope) -> None:
        """Keep the value of a directive."""
        words = self._words(found)
        value: Any = WRONG
        if words is not None:
            value = value_of(directive.kind, words, found.end, self._suggestions, self.problems.append)
        problem = scope.add(directive, Entry(value, found.name.position, words or ()))
        if problem is not None:
            self.problems.append(problem)
        elif directive is self._root_directive and value is not WRONG:
            self.root = absolute(value, self.directory)

    def _include(self, found: Statement, scope: Scope) -> None:
        """Read the files that an Include names; only a pattern may name none."""
        words = self._words(found)
        if words is None:
            return
        name = value_of(_INCLUDE, words, found.end, self._suggestions, self.problems.append)
        if name is WRONG:
            return
        for file in self._included(name, words[0].position):
            self._read_file(file, words[0].position, scope)

    def _included(self, name: str, cause: Position) -> list[str]:
        """Give the paths that an Include names; a pattern passes over directories."""
        if len(Path(name).parts) > DEEPEST_PATTERN:
            self.problems.append(Problem(cause, f"at most {DEEPEST_PATTERN} directories in a path", quotation(name)))
            return []
        try:
            os.fsencode(name)
        except UnicodeEncodeError:
            self.problems.append(Problem(cause, "a path in the character set of the system", quotation(name)))
            return []
        if not any(wildcard in name for wildcard in "*?["):
            return [str(absolute(Path(name), self.root))]
        paths = [absolute(Path(match), self.root) for match in sorted(glob(name, root_dir=self.root))]
        return [str(path) for path in paths if not path.is_dir()]

    def _open(self, found: Statement, body: _Body) -> None:
        """Take an opening tag."""
        scope = body.scope
        name = found.name.text.lower()
        if scope is None:
            body.push(_Container(found.name, None))
        elif name == IF_MODULE.lower():
            body.push(_Container(found.name, self._condition(found, scope)))
        elif name in scope.place.blocks:
            self._open_block(scope.place.blocks[name], found, scope, body)
        elif name in self._catalogue.top.blocks:
            self._open_in_block(self._catalogue.top.blocks[name], found, scope, body)
        else:
            self.problems.append(self._catalogue.unknown_container(found.name, scope.place, self._suggestions))
            body.push(_Container(found.name, None))

    def _condition(self, found: Statement, scope: Scope) -> Scope | None:
        """Give the scope of what stands in an IfModule; if the condition is malformed, all is judged."""
        words = self._words(found)
        if words is None:
            return scope
        name = value_of(_MODULE_NAME, words, found.end, self._suggestions, self.problems.append)
        if name is WRONG:
            return scope
        wanted = not name.startswith("!")
        return scope if self._catalogue.knows(name.removeprefix("!")) == wanted else None

    def _open_block(self, block: Block[Any], found: Statement, scope: Scope, body: _Body) -> None:
        """Begin a block; its contents are judged even if its arguments are wrong."""
        inner = Scope(self._catalogue.inner[block], found.name.position)
        words = self._words(found)
        if words is not None:
            arguments = value_of(block.arguments, words, found.end, self._suggestions, self.problems.append)
            if arguments is not WRONG:
                scope.sections.setdefault(block, []).append((arguments, inner))
        body.push(_Container(found.name, inner, block))

    def _open_in_block(self, block: Block[Any], found: Statement, scope: Scope, body: _Body) -> None:
        """Begin a block within another: most likely the other's closing tag is missing, and it ends here."""
        got = f"{tag(block.name)} {scope.place.title}"
        self.problems.append(Problem(found.name.position, f"{tag(block.name)} outside of blocks", got))
        if body.open and body.open[-1].block is not None:
            body.pop()
        self._open_block(block, found, Scope(self._catalogue.top, found.name.position), body)

    def _close(self, found: Statement, body: _Body) -> None:
        """Take a closing tag."""
        if found.words:
            self.problems.append(Problem(found.words[0].position, ">", quotation(found.words[0].text)))
        name = found.name.text.lower()
        if body.open and body.open[-1].name.text.lower() == name:
            body.pop()
        elif body.has_open(name):
            self._close_over(found, body)
        else:
            self._close_nothing(found, body)

    def _close_over(self, found: Statement, body: _Body) -> None:
        """Take the closing tag of a container in which others are still open."""
        name = found.name.text.lower()
        while (container := body.pop()).name.text.lower() != name:
            self._unclosed(container, f"{quotation(f'</{found.name.text}>')} of line {found.name.position.line}")

    def _close_nothing(self, found: Statement, body: _Body) -> None:
        """Take the closing tag of a container that is not open: one out of place, or a misspelt name."""
        got = quotation(f"</{found.name.text}>")
        if not body.open:
            self.problems.append(Problem(found.name.position, "no closing tag, as no container is open", got))
            return
        expected = f"</{body.open[-1].name.text}>"
        self.problems.append(Problem(found.name.position, quotation(expected), got))
        if not self._catalogue.container(found.name.text):
            body.pop()

    def _unclosed(self, container: _Container, got: str) -> None:
        """Report a container without its closing tag, where it was opened."""
        expected = f"{quotation(f'</{container.name.text}>')} for {quotation(tag(container.name.text))}"
        self.problems.append(Problem(container.name.position, expected, got))
