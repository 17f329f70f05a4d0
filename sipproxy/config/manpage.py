"""The manual page sipd.conf(5), made from the declarations.

The format of the file is described here, in a fixed introduction; all that is
said of a directive comes from its declaration. The page uses the macros of
man(7), which groff and mandoc both know.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from sipproxy.config.directives import Block, Computed, Directive, Module
from sipproxy.config.kinds import Kind

_INTRODUCTION = r"""
.TH SIPD.CONF 5 2026-11-25 sipproxy
.SH NAME
sipd.conf \- configuration of the SIP proxy server
.SH DESCRIPTION
The configuration is read by
.BR sipproxy (8)
when it starts and when it reloads, and by
.BR sipproxyctl (1).
It is a text file in UTF\-8, in the format of the Apache HTTP server.
Each line holds one directive: its name, in which case does not matter, and its values, separated by blanks.
.PP
A value with blanks stands in double quotes.
Inside them, \fB\e"\fR is a quote and \fB\e\e\fR a backslash; everywhere else a backslash is itself.
A \fB#\fR at the beginning of a line or of a word starts a comment, inside a word or in quotes it is itself.
A \fB\e\fR at the end of a line joins the next line to it, also in a comment.
.PP
\fB${\fR\fINAME\fR\fB}\fR in a value is replaced from the environment.
In quotes it stays one value, elsewhere blanks in it separate values.
A variable that is not set is an error.
.PP
Times are whole numbers; the end of a name tells what they count: \fBInMs\fR milliseconds, \fBInS\fR seconds.
A relative path starts at \fBServerRoot\fR.
.SS Containers and included files
.TP
\fB<IfModule\fR \fImodule\fR\fB>\fR ... \fB</IfModule>\fR
What stands inside counts only where the server knows the module; with \fB!\fR before its name, where it does not.
The name may be written with or without \fB.c\fR.
.TP
\fBInclude\fR \fIpath\fR
The file is read as if it stood here.
The path may be a pattern with \fB*\fR, \fB?\fR and \fB[\fR...\fB]\fR: the files are read in the order of their
names, and there may be none.
A relative path starts at \fBServerRoot\fR where that is given before, else at the directory of the configuration file.
.PP
Further containers are described with their modules.
.SS Problems
An unknown directive, a wrong value, a directive in the wrong place or a second one of those that may stand once is an
error, and nothing is started.
All of them are reported at once, a line for each:
.PP
.RS
\fIfile\fR:\fIline\fR:\fIcolumn\fR: expected ..., got ...[, did you mean \fIname\fR?]
.RE
"""

_ESCAPES = str.maketrans(
    {"\\": r"\e", "-": r"\-", '"': r"\(dq", "'": r"\(aq", "^": r"\(ha", "~": r"\(ti", "`": r"\(ga"}
)

_END = r"""
.SH SEE ALSO
.BR sipproxyctl (1),
.BR sipproxy (8)
"""


def manual(modules: Sequence[Module]) -> str:
    """Give the text of sipd.conf(5).

    @param modules: what is described, in this order
    """
    body = [line for module in modules for line in _module(module)]
    return "\n".join((_INTRODUCTION.strip(), *body, _END.strip(), ""))


def _module(module: Module) -> Iterator[str]:
    """Give the section of a module."""
    yield f'.SH "{_escaped(module.name)}"'
    for directive in module.directives:
        yield from _directive(directive)
    for block in module.blocks:
        yield from _block(block)


def _directive(directive: Directive[Any]) -> Iterator[str]:
    """Describe a directive."""
    yield ".TP"
    yield f"{_bold(directive.name)} {_italic(directive.kind.syntax)}"
    yield _line(directive.sentence)
    yield from _values(directive.kind)
    if directive.kind.occurrences == "many":
        yield "May stand several times."
    yield from (".br", f"Default: {_default(directive)}")


def _block(block: Block[Any]) -> Iterator[str]:
    """Describe a block and, indented, what stands inside."""
    yield ".TP"
    yield f"{_bold(f'<{block.name}')} {_italic(block.arguments.syntax)}{_bold('>')} ... {_bold(f'</{block.name}>')}"
    yield _line(block.sentence)
    yield from _values(block.arguments)
    yield "May stand several times."
    yield ".RS"
    for directive in block.directives:
        yield from _directive(directive)
    yield ".RE"


def _values(kind: Kind[Any]) -> Iterator[str]:
    """Say what is right, where the syntax does not say it already."""
    if not kind.candidates and kind.expected != kind.syntax:
        yield _line(f"Values: {kind.expected}.")


def _default(directive: Directive[Any]) -> str:
    """Say what holds where the directive is not written."""
    if isinstance(directive.default, Computed):
        return _escaped(directive.default.text)
    if directive.default is None or directive.default == ():
        shown = "none"
    else:
        shown = directive.kind.show(directive.default)
    return _bold(shown or '""')


def _line(text: str) -> str:
    """Give running text as one input line: a C{.} at its beginning would make it a request."""
    escaped = _escaped(" ".join(text.split()))
    return rf"\&{escaped}" if escaped.startswith(".") else escaped


def _bold(text: str) -> str:
    return rf"\fB{_escaped(text)}\fR"


def _italic(text: str) -> str:
    return rf"\fI{_escaped(text)}\fR"


def _escaped(text: str) -> str:
    """Give text in which each character prints as itself, those with a meaning for roff too."""
    return text.translate(_ESCAPES)
