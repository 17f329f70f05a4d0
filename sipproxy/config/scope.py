"""What may be written where, and what has been written there.

The file as a whole is one scope, each block another. A scope takes statements
one by one and keeps the values; L{sipproxy.config.settings} makes them final.
"""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from sipproxy.config.directives import Block, Directive, Module
from sipproxy.config.kinds import Kind, WrongValueError
from sipproxy.config.lexer import Word
from sipproxy.config.names import Suggestions
from sipproxy.config.problems import END_OF_LINE, Position, Problem, Report, quotation

INCLUDE = "Include"
IF_MODULE = "IfModule"


class Wrong:
    """Stands for the value of a directive that was written with a wrong one."""


WRONG = Wrong()


class Entry(NamedTuple):
    """One occurrence of a directive.

    @ivar value: its value, L{WRONG} if it has none
    @ivar words: what is written after its name, for problems that are found later
    """

    value: Any
    position: Position
    words: tuple[Word, ...]


class Place:
    """What may stand in the file outside of blocks, or in a block.

    @ivar title: where that is: "in <StaticRoute>"
    @ivar contents: what is looked for there: "a directive of <StaticRoute>"
    @ivar directives: by name in small letters, as are C{blocks}
    """

    def __init__(
        self, title: str, contents: str, directives: Iterable[Directive[Any]], blocks: Iterable[Block[Any]] = ()
    ) -> None:
        self.title = title
        self.contents = contents
        self.directives = {directive.name.lower(): directive for directive in directives}
        self.blocks = {block.name.lower(): block for block in blocks}
        self.names = (
            *(directive.name for directive in self.directives.values()),
            *(tag(block.name) for block in self.blocks.values()),
            INCLUDE,
            tag(IF_MODULE),
        )


class Scope:
    """The statements that were found in one place.

    @ivar start: where the place begins
    @ivar entries: the occurrences of each directive, in order
    @ivar sections: the arguments and contents of each block, in order
    """

    def __init__(self, place: Place, start: Position) -> None:
        self.place = place
        self.start = start
        self.entries: dict[Directive[Any], list[Entry]] = {}
        self.sections: dict[Block[Any], list[tuple[Any, Scope]]] = {}

    def add(self, directive: Directive[Any], entry: Entry) -> Problem | None:
        """Keep an occurrence of a directive.

        @return: the problem if the directive stands here already and may not do so again
        """
        earlier = self.entries.setdefault(directive, [])
        if not earlier or directive.kind.occurrences == "many":
            earlier.append(entry)
            return None
        first, second = earlier[0].position, entry.position
        place = f"line {first.line}" if first.file == second.file else f"{first.file}:{first.line}"
        return Problem(second, f"{directive.name} only once", f"a duplicate of {place}")


class Catalogue:
    """All that modules declare, by place.

    @ivar top: the place outside of blocks
    @ivar inner: the place in each block
    @raise ValueError: two declarations have the same name
    """

    def __init__(self, modules: Sequence[Module]) -> None:
        directives = [directive for module in modules for directive in module.directives]
        blocks = [block for module in modules for block in module.blocks]
        _see_unique([*(directive.name for directive in directives), *(block.name for block in blocks)])
        for block in blocks:
            _see_unique([directive.name for directive in block.directives])
        self.top = Place("outside of blocks", "a directive or container", directives, blocks)
        self.inner = {
            block: Place(f"in {tag(block.name)}", f"a directive of {tag(block.name)}", block.directives)
            for block in blocks
        }
        self._modules = {_module_key(module.name) for module in modules}

    def knows(self, module: str) -> bool:
        """Tell whether a module is there, by its name with or without C{.c}."""
        return _module_key(module) in self._modules

    def container(self, name: str) -> str:
        """Give the spelling of a container's name, empty if there is none of that name."""
        if name.lower() == IF_MODULE.lower():
            return IF_MODULE
        block = self.top.blocks.get(name.lower())
        return "" if block is None else block.name

    def containers(self) -> list[str]:
        """Give the names of all containers."""
        return [IF_MODULE, *(block.name for block in self.top.blocks.values())]

    def misplaced(self, word: Word, place: Place, suggestions: Suggestions) -> Problem:
        """Say what is wrong with a name that is no directive of the place where it stands."""
        name = word.text
        if self.container(name):
            return Problem(word.position, f"the container {tag(self.container(name))}", quotation(name))
        homes = [home for home in (self.top, *self.inner.values()) if name.lower() in home.directives]
        if homes:
            spelling = homes[0].directives[name.lower()].name
            expected = f"{spelling} {' or '.join(home.title for home in homes)}"
            return Problem(word.position, expected, f"{spelling} {place.title}")
        meant = self._nearest(name, place, suggestions)
        return Problem(word.position, place.contents, quotation(name), meant)

    def unknown_container(self, word: Word, place: Place, suggestions: Suggestions) -> Problem:
        """Say what is wrong with an opening tag whose name is no container's."""
        meant = self._nearest(tag(word.text), place, suggestions)
        return Problem(word.position, "a container", quotation(tag(word.text)), meant)

    def _nearest(self, name: str, place: Place, suggestions: Suggestions) -> str:
        """Find the name that was meant: one of the place, else one of any place."""
        here = suggestions.nearest(name, place.names)
        everywhere = (known for home in (self.top, *self.inner.values()) for known in home.names)
        return here or suggestions.nearest(name, everywhere)


def _see_unique(names: list[str]) -> None:
    """See that no name is declared twice; that would be a mistake of ours, not of the operator.

    @raise ValueError: one is
    """
    seen = {INCLUDE.lower(), IF_MODULE.lower()}
    for name in names:
        if name.lower() in seen:
            raise ValueError(f"{name} is declared twice")
        seen.add(name.lower())


def _module_key(name: str) -> str:
    """Give the form of a module's name in which names are compared."""
    return name.lower().removesuffix(".c")


def tag(name: str) -> str:
    """Write the opening tag of a container."""
    return f"<{name}>"


def value_of(kind: Kind[Any], words: Sequence[Word], end: Position, suggestions: Suggestions, report: Report) -> Any:
    """Read the value of some words.

    @param end: where a missing word would have been
    @return: L{WRONG} where they are no value; that is reported
    """
    try:
        return kind.parse([word.text for word in words])
    except WrongValueError as wrong:
        expected, index = wrong.expected, wrong.index
    except ValueError as error:
        # Only a plain ValueError has its text from a kind's author; those of its subclasses are the library's.
        expected, index = (str(error) if type(error) is ValueError else "") or kind.expected, 0
    if index >= len(words):
        report(Problem(end, expected, END_OF_LINE))
    else:
        word = words[index]
        meant = "" if expected == END_OF_LINE else suggestions.nearest(word.text, kind.candidates)
        report(Problem(word.position, expected, quotation(word.text), meant))
    return WRONG
