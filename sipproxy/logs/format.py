"""C{LogFormat}: a line's text with C{%} directives, read once and then applied to each outcome.

A directive is C{%}, C{<} or C{>} (which of several statuses: here there is one,
both are accepted), an argument in braces, a letter. A C{\\t} between directives
is a tabulator, as in Apache; line ends are refused, since an outcome is one line.
Not here: Apache's conditions on the status (C{%!200u}).
"""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass

from sipproxy.interfaces import IOutcome
from sipproxy.logs.combined import COMBINED, combined_renderer
from sipproxy.logs.escape import escape, odd_octets
from sipproxy.logs.fields import Field, Surroundings, make_field

Renderer = Callable[[IOutcome], bytes]

PREDEFINED = {
    "common-sip": '%h %l %u %t "%r" %>s %b',
    "combined-sip": COMBINED,
}

_PLACEHOLDER = re.compile(r"%(?:%|[<>]?(?:\{([^{}]*)\})?([A-Za-z]))")
_ANYWHERE = Surroundings(server_name="localhost")


@dataclass(frozen=True, slots=True)
class Placeholder:
    """A directive as written.

    @ivar letter: its letter
    @ivar argument: what stood in braces, or C{""}
    """

    letter: str
    argument: str


@dataclass(frozen=True, slots=True)
class LineFormat:
    """A format that has been read.

    @ivar parts: literal texts and directives, in order
    """

    parts: tuple[str | Placeholder, ...]


def parse_format(text: str) -> LineFormat:
    """Read a format.

    @raise ValueError: it is wrong; the text says what was expected, and at which character of the format
    """
    parts: list[str | Placeholder] = []
    at = 0
    while at < len(text):
        percent = text.find("%", at)
        literal = text[at : percent if percent >= 0 else len(text)]
        if literal:
            parts.append(_literal(literal, at))
            at += len(literal)
            continue
        match = _PLACEHOLDER.match(text, at)
        if match is None:
            raise ValueError(f"a directive such as %h, %{{Call-ID}}i or %% at character {at + 1} of the format")
        parts.append(_placeholder(match[2], match[1] or "", at) if match[2] else "%")
        at = match.end()
    return LineFormat(tuple(parts))


def text_renderer(line_format: LineFormat, surroundings: Surroundings) -> Renderer:
    """Make the function that turns an outcome into a line, line end included."""
    general = general_renderer(line_format, surroundings)
    return combined_renderer(surroundings, general) if line_format == parse_format(COMBINED) else general


def general_renderer(line_format: LineFormat, surroundings: Surroundings) -> Renderer:
    """Make that function for any format: what L{text_renderer} gives is the same, or the same faster."""
    texts: list[Callable[[IOutcome], bytes]] = []
    template = b""
    for part in line_format.parts:
        if isinstance(part, str):
            template += part.encode().replace(b"%", b"%%")
        else:
            template += b"%b"
            texts.append(make_field(part.letter, part.argument, surroundings).text)
    template += b"\n"
    own_odd = odd_octets(template % ((b"",) * len(texts)))
    own_unquoted = own_odd.replace(b'"', b"")

    def render(outcome: IOutcome) -> bytes:
        values = tuple([text(outcome) for text in texts])
        line = template % values
        # One look at the finished line costs a fraction of a look at each value: where the format's
        # own octets are all that is odd, no value needs escaping.
        odd = odd_octets(line)
        if odd == own_odd:
            return line
        # The quotes of a display name (From, To) are so common that they get a short cut.
        if odd.replace(b'"', b"") == own_unquoted:
            return template % tuple([value.replace(b'"', b'\\"') for value in values])
        return template % tuple([escape(value) for value in values])

    return render


def json_renderer(line_format: LineFormat, surroundings: Surroundings) -> Renderer:
    """Make the function that turns an outcome into a JSON object of the same fields, in ASCII, line end included."""
    fields: dict[str, Field] = {}
    for part in line_format.parts:
        if isinstance(part, Placeholder):
            field = make_field(part.letter, part.argument, surroundings)
            fields.setdefault(_free_name(field, part, fields), field)
    values = [(name, field.value) for name, field in fields.items()]

    def render(outcome: IOutcome) -> bytes:
        return json.dumps({name: value(outcome) for name, value in values}).encode() + b"\n"

    return render


def _free_name(field: Field, placeholder: Placeholder, taken: dict[str, Field]) -> str:
    """Give the key of a field: its name, unless a header and a note have the same."""
    return f"{field.name}_{placeholder.letter}" if field.name in taken else field.name


def _literal(text: str, at: int) -> str:
    text = text.replace("\\t", "\t")
    for offset, char in enumerate(text):
        if char != "\t" and not char.isprintable():
            raise ValueError(f"printable text at character {at + offset + 1} of the format")
    return text


def _placeholder(letter: str, argument: str, at: int) -> Placeholder:
    if not argument.isprintable():
        raise ValueError(f"printable text in the braces at character {at + 1} of the format")
    try:
        make_field(letter, argument, _ANYWHERE)
    except ValueError as error:
        raise ValueError(f"{error} at character {at + 1} of the format") from None
    return Placeholder(letter, argument)
