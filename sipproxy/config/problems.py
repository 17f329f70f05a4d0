"""What can be wrong with a configuration, and where: one line for the operator each.

A problem reads C{FILE:LINE:COLUMN: expected ..., got ...[, did you mean NAME?]}.
This module does not look for problems; it only words them.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal, NamedTuple

from sipproxy.errors import SipproxyError

#: Longest piece of the operator's own text that is repeated in a problem, in characters; and of a path.
LONGEST_QUOTATION = 60
LONGEST_PATH = 200

END_OF_LINE = "end of line"


class Position(NamedTuple):
    """A place in a file; positions sort as a reader meets them.

    @ivar file: name of the file as it was opened
    @ivar line: line number from 1
    @ivar column: character of the line from 1
    """

    file: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"{printable(self.file)}:{self.line}:{self.column}"


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong, or that deserves a second look.

    @ivar position: where the offending word begins
    @ivar expected: what would have been right, without the word "expected"
    @ivar got: what is there instead, in words or quoted with L{quotation}
    @ivar suggestion: the nearest valid name, empty if there is none
    @ivar severity: an error forbids the configuration, a warning does not
    """

    position: Position
    expected: str
    got: str
    suggestion: str = ""
    severity: Literal["error", "warning"] = "error"

    def __str__(self) -> str:
        warning = "warning: " if self.severity == "warning" else ""
        question = f", did you mean {self.suggestion}?" if self.suggestion else ""
        # Escaped as a whole: a module's own texts may repeat what the operator wrote.
        return printable(f"{self.position}: {warning}expected {self.expected}, got {self.got}{question}")


#: What the readers of a configuration call for each problem that they meet.
Report = Callable[[Problem], None]


class ConfigError(SipproxyError):
    """A configuration that cannot be used.

    @ivar problems: all that was found, warnings too, by file, line and column
    """

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = in_order(problems)
        super().__init__(self.problems)

    def __str__(self) -> str:
        return "\n".join(map(str, self.problems))


def in_order(problems: Iterable[Problem]) -> tuple[Problem, ...]:
    """Sort problems by place and drop repetitions (a file may be included twice)."""
    return tuple(sorted(set(problems), key=lambda problem: (problem.position, str(problem))))


def printable(text: str) -> str:
    r"""Give text that stays on its line: what cannot be printed becomes C{\n}, C{\x1b} and the like."""
    if text.isprintable():
        return text
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode("ascii")
        for character in text
    )


def quotation(text: str, longest: int = LONGEST_QUOTATION) -> str:
    """Repeat a piece of the operator's text: short, on one line, in quotes where it is empty or has blanks."""
    if len(text) > longest:
        text = text[: longest - 3] + "..."
    shown = printable(text)
    return f'"{shown}"' if not shown or " " in shown else shown
