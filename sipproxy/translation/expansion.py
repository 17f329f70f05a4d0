"""Number expansion: what a dialled number means, and which names it is looked up under (mod_sip.c).

The expanded number stands in the Request-URI from here on. Whether the registry
is asked for the number as dialled, as expanded, or both, is the operator's
choice (NumericUserNameInterpretation).
"""

from collections.abc import Sequence

from sipproxy.config import Directive, WrongValueError, one_of, repeated, words
from sipproxy.dialplan import NumberTable, Pattern, fill, is_number, parse_pattern
from sipproxy.message import Uri, parse_uri
from sipproxy.message.grammar import unescape
from sipproxy.message.uri import digits

Rule = tuple[Pattern, str]

_EXPECTED = "a pattern and an expansion, such as 5.... 1408555...."


def parse_rule(given: Sequence[str]) -> Rule:
    """Read the words of a NumExpand.

    @raise ValueError: they are none
    """
    if len(given) != 2:
        raise ValueError(_EXPECTED)
    try:
        pattern = parse_pattern(given[0])
    except ValueError as error:
        raise WrongValueError(str(error), 0) from None
    if not is_number(given[1].replace(".", "0")):
        raise WrongValueError("an expansion of digits, # and *, and dots for the last digits of the number", 1)
    if given[1].count(".") > len(pattern.symbols) and not pattern.is_open:
        raise WrongValueError("an expansion with no more dots than the pattern has digits", 1)
    return pattern, given[1]


NUM_EXPAND: Directive[tuple[Rule, ...]] = Directive(
    "NumExpand",
    repeated(words(parse_rule, _EXPECTED, "pattern expansion", lambda rule: f"{rule[0].text} {rule[1]}")),
    (),
    "Numbers that match the pattern become the expansion; its dots are the last digits of the number.",
)
INTERPRETATION = Directive(
    "NumericUserNameInterpretation",
    one_of("IP_164", "164_IP", "IP", "164"),
    "IP_164",
    "How a number is looked up in the registry: as dialled then expanded, expanded then as dialled, "
    "only as dialled, or only expanded.",
)


class Expansion:
    """The number expansion of a configuration."""

    def __init__(self, rules: Sequence[Rule] = (), interpretation: str = "IP_164") -> None:
        self._table = NumberTable(rules)
        self._interpretation = interpretation

    def expand(self, uri: Uri) -> Uri:
        """Give a URI with its number expanded and without visual separators; itself where it has none.

        A user part is a number with C{user=phone}, or where it has only digits and no other C{user} parameter.
        """
        number = number_of(uri)
        if number is None:
            return uri
        expanded = self._expanded(number) if self._table else number
        user = uri.user or b""
        written = expanded.encode("ascii")
        if b"#" not in user:  # Cisco: "#" may stand in a user part; who escaped it gets it escaped.
            written = written.replace(b"#", b"%23")
        if b";" in user:  # RFC 3261 19.1.6: parameters of a tel: URI stand in the user part
            written += b";" + user.partition(b";")[2]
        if written == user:
            return uri
        return parse_uri(uri.raw.replace(b":" + user, b":" + written, 1))

    def expand_number(self, name: str) -> str:
        """Give what a name becomes that is a number; any other stays as it is."""
        return self._expanded(name) if self._table and is_number(name) else name

    def _expanded(self, number: str) -> str:
        for template, *_ in self._table.matches(number):
            try:
                return fill(template, number)
            except ValueError:
                continue  # an open pattern took a number too short for its expansion: the next one may fit
        return number

    def names(self, dialled: Uri, expanded: Uri) -> tuple[Uri, ...]:
        """Give the URIs under which a number is looked up, in their order."""
        if dialled is expanded:
            return (dialled,)
        if self._interpretation == "IP_164":
            return dialled, expanded
        if self._interpretation == "164_IP":
            return expanded, dialled
        return (dialled,) if self._interpretation == "IP" else (expanded,)


def number_of(uri: Uri) -> str | None:
    """Give the number in the user part of a URI, None where it has none."""
    user = uri.user
    if not user:
        return None
    kind = uri.params.get(b"user") if uri.params else None
    if b";" in user:
        user = user.partition(b";")[0]
    if kind == b"phone":
        text = digits(user).decode("latin-1")
        return text if is_number(text) else None
    if kind is not None:
        return None
    plain = unescape(user)
    return plain.decode("ascii") if plain.removeprefix(b"+").isdigit() else None


def routing_number_of(uri: Uri) -> str | None:
    """Give the number that a call is routed by: the routing number where a ported number has one (RFC 4694 4.1)."""
    user = uri.user
    if user and b";" in user:
        for parameter in user.split(b";")[1:]:
            name, _, value = parameter.partition(b"=")
            if name.lower() == b"rn":
                text = digits(value).decode("latin-1")
                return text if is_number(text) else None
    return number_of(uri)
