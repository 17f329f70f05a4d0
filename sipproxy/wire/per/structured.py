"""Coders of SEQUENCE, SET, CHOICE and lists, with extensions (X.691 sections 19 to 23)."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from sipproxy.wire.per.bits import BitReader, BitWriter
from sipproxy.wire.per.errors import EncodeError
from sipproxy.wire.per.numbers import (
    Range,
    read_contents,
    read_octets,
    read_pieces,
    read_small_length,
    write_octets,
    write_pieces,
    write_small_length,
)
from sipproxy.wire.per.simple import Coder, read_index, write_index


class Chosen(NamedTuple):
    """A value of a CHOICE.

    @ivar name: the alternative; "" for one behind the extension marker that our type does not have
    @ivar value: its value; of an unknown alternative the octets of the encoding
    """

    name: str
    value: Any


class _Absent:
    """There is no default: not even None, which is the value of a NULL."""


ABSENT = _Absent()


class Component(NamedTuple):
    """A component of a SEQUENCE.

    @ivar coder: what writes and reads its value
    @ivar optional: it may be absent
    @ivar default: the value that it has if absent, or L{ABSENT}
    """

    name: str
    coder: Coder
    optional: bool = False
    default: Any = ABSENT


class SequenceCoder:
    """SEQUENCE, and SET with its components in the order of their tags: a dictionary of those that are there.

    An addition that our type does not have is skipped when read. One that is mandatory and absent is no error: the
    sender may be older than it.
    """

    def __init__(self, root: Sequence[Component], additions: Sequence[Component], extensible: bool) -> None:
        self._root, self._additions, self._extensible = root, additions, extensible
        self._names = {component.name for component in (*root, *additions)}
        self._choosable = [component for component in root if component.optional]
        self._mandatory = len(root) - len(self._choosable)
        self._defaults = {each.name: each.default for each in (*root, *additions) if each.default is not ABSENT}

    def encode(self, writer: BitWriter, value: Any) -> None:
        if not isinstance(value, dict) or not self._names.issuperset(value):
            raise EncodeError(f"no value of ({', '.join(sorted(self._names))}): {value!r:.100}")
        additions = [_is_there(component, value) for component in self._additions]
        if self._extensible:
            writer.bits(any(additions), 1)
        for component in self._choosable:
            writer.bits(_is_there(component, value), 1)
        for component in self._root:
            if not component.optional and component.name not in value:
                raise EncodeError(f"{component.name} is missing")
            if _is_there(component, value):
                component.coder.encode(writer, value[component.name])
        if any(additions):
            write_small_length(writer, len(additions))
            for there in additions:
                writer.bits(there, 1)
            for component, there in zip(self._additions, additions, strict=True):
                if there:
                    write_open(writer, component.coder, value[component.name])

    def decode(self, reader: BitReader) -> dict[str, Any]:
        extended = self._extensible and reader.bit()
        presence = reader.bits(len(self._choosable)) if self._choosable else 0
        bit = 1 << len(self._choosable)
        reader.spend(1 + self._mandatory + presence.bit_count())
        value: dict[str, Any] = {}
        if presence or self._mandatory:
            for name, coder, optional, _ in self._root:
                if optional:
                    bit >>= 1
                    if not presence & bit:
                        continue
                value[name] = coder.decode(reader)
        if extended:
            self._read_additions(reader, value)
        return self._defaults | value if self._defaults else value

    def _read_additions(self, reader: BitReader, value: dict[str, Any]) -> None:
        count = read_small_length(reader)
        presence = reader.bits(count)
        reader.spend(presence.bit_count())
        while presence:
            place = count - presence.bit_length()
            presence &= (1 << presence.bit_length() - 1) - 1
            if place < len(self._additions):
                name, coder, _, _ = self._additions[place]
                value[name] = read_open(reader, coder)
            else:
                read_octets(reader, reader.limits.length)


class ChoiceCoder:
    """CHOICE: L{Chosen}, or any pair of a name and a value."""

    def __init__(self, alternatives: Sequence[tuple[str, Coder]], root: int, extensible: bool) -> None:
        self._alternatives, self._root, self._extensible = alternatives, root, extensible
        self._places = {name: place for place, (name, _) in enumerate(alternatives)}

    def encode(self, writer: BitWriter, value: Any) -> None:
        name, inner = value if isinstance(value, tuple) and len(value) == 2 else ("", None)
        place = self._places.get(name)
        if place is None:
            raise EncodeError(f"no choice among {', '.join(self._places)}: {value!r:.100}")
        write_index(writer, place, self._root, self._extensible)
        coder = self._alternatives[place][1]
        if place < self._root:
            coder.encode(writer, inner)
        else:
            write_open(writer, coder, inner)

    def decode(self, reader: BitReader) -> Chosen:
        reader.spend(1)
        place = read_index(reader, self._root, self._extensible)
        if place >= len(self._alternatives):
            return Chosen("", read_octets(reader, reader.limits.length))
        name, coder = self._alternatives[place]
        return Chosen(name, coder.decode(reader) if place < self._root else read_open(reader, coder))


class ListCoder:
    """SEQUENCE OF, and SET OF in any order: a list."""

    def __init__(self, item: Coder, size: Range) -> None:
        self._item, self._size = item, size

    def encode(self, writer: BitWriter, value: Any) -> None:
        if not isinstance(value, list | tuple):
            raise EncodeError(f"no list: {value!r:.100}")
        for piece in write_pieces(writer, len(value), self._size):
            for item in value[piece]:
                self._item.encode(writer, item)

    def decode(self, reader: BitReader) -> list[Any]:
        items: list[Any] = []
        decode = self._item.decode
        for count in read_pieces(reader, self._size):
            reader.spend(count)
            items.extend(decode(reader) for _ in range(count))
        return items


def write_open(writer: BitWriter, coder: Coder, value: Any) -> None:
    """Write a value as the contents of an open type (X.691 11.2)."""
    contents = BitWriter()
    coder.encode(contents, value)
    write_octets(writer, contents.finish())


def read_open(reader: BitReader, coder: Coder) -> Any:
    """Read a value that is the contents of an open type. Octets that are left in it are skipped.

    A newer sender's type may be longer than ours without a marker that says so, and some pad.
    """
    return coder.decode(read_contents(reader))


def _is_there(component: Component, value: dict[str, Any]) -> bool:
    # A default that is sent after all is no error, but never necessary (X.691 19.5).
    return component.name in value and (component.default is ABSENT or value[component.name] != component.default)
