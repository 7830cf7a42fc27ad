"""Messages in proto3's binary format.

How a message type is laid out follows from its declaration in `messages`. The rules are those of the chapter
"Encoding" of the Protocol Buffers documentation; where it leaves a choice, Google's runtime is followed:

    an unknown field, or a known number with another wire type     is skipped
    a scalar field that comes twice                                has its last value
    a singular message that comes twice                            is merged
    an integer wider than its field                                is cut to the field's width
    text that is not UTF-8, or more than 100 levels below the top  is malformed

Unlike there, groups are malformed: proto3 cannot declare them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from msgspec import Raw, Struct, inspect
from msgspec.structs import asdict, astuple

from tidings.wire.centrifuge.messages import NOTHING

VARINT, FIXED64, DELIMITED, FIXED32 = 0, 1, 2, 5

_LEVELS = 100

Write = Callable[[Any], bytes]
"""From a field's value to what stands on the wire, tag included."""

Read = Callable[[Any, Any, int], Any]
"""From what stands on the wire (an integer or bytes), the field's value so far (or None) and the number of levels of
messages that may still follow, to the field's new value."""


class Layout:
    """How messages of one type stand on the wire."""

    def __init__(self, struct: inspect.StructType) -> None:
        _LAYOUTS[struct.cls] = self  # before the fields are looked at, because a FilterNode has FilterNodes
        self._type = struct.cls
        self._writers: list[Write] = []
        self._readers: dict[int, tuple[str, Read]] = {}
        self._required: dict[str, Callable[[], Any]] = {}
        for field in struct.fields:
            number, kind = _declaration(field)
            wire_type, read = _reader(kind)
            self._writers.append(_writer(number, kind))
            self._readers[number << 3 | wire_type] = field.name, read
            if field.required:
                self._required[field.name] = _ZEROS[type(kind)]

    def write(self, message: Struct) -> bytes:
        """A message, without its zero values."""
        return b"".join([write(value) for write, value in zip(self._writers, astuple(message), strict=True) if value])

    def read(self, data: bytes, before: Struct | None = None, levels: int = _LEVELS) -> Any:
        """A message, merged into the one `before` it. Raises `ValueError` if the data is malformed."""
        values = {name: zero() for name, zero in self._required.items()} if before is None else asdict(before)
        _read_fields(data, self._readers, values, levels)
        return self._type(**values)


_LAYOUTS: dict[type[Struct], Layout] = {}

_ZEROS: dict[type[inspect.Type], Callable[[], Any]] = {
    inspect.IntType: int,
    inspect.StrType: str,
    inspect.ListType: list,
    inspect.DictType: dict,
}


def layout(type_: type[Struct]) -> Layout:
    """The layout of a message type, made when it is first asked for."""
    struct = inspect.type_info(type_)
    assert isinstance(struct, inspect.StructType)
    return _layout(struct)


def _layout(struct: inspect.StructType) -> Layout:
    return _LAYOUTS.get(struct.cls) or Layout(struct)


def _declaration(field: inspect.Field) -> tuple[int, inspect.Type]:
    """A field's number and the type of its value when it is there: for `X | None` that is X."""
    assert isinstance(field.type, inspect.Metadata) and field.type.extra
    kind = field.type.type
    if isinstance(kind, inspect.UnionType):
        kind = next(option for option in kind.types if not isinstance(option, inspect.NoneType))
    return field.type.extra["number"], kind


# Writing.


def delimited(body: bytes) -> bytes:
    """Bytes after their length."""
    return _varint(len(body)) + body


def _writer(number: int, kind: inspect.Type) -> Write:
    match kind:
        case inspect.BoolType() | inspect.IntType():
            tag = _varint(number << 3 | VARINT)
            return lambda value: tag + _varint(value)
        case inspect.StrType():
            return _delimited_writer(number, str.encode)
        case inspect.RawType():
            return _delimited_writer(number, bytes)
        case inspect.StructType():
            return _delimited_writer(number, _layout(kind).write)
        case inspect.ListType():
            item = _writer(number, kind.item_type)
            return lambda items: b"".join(map(item, items))
        case inspect.DictType():
            key, value, entry = _writer(1, kind.key_type), _writer(2, kind.value_type), _delimited_writer(number, bytes)
            return lambda entries: b"".join([entry(key(k) + value(v)) for k, v in entries.items()])
    raise TypeError(f"{kind} has no place in a message")


def _delimited_writer(number: int, content: Callable[[Any], bytes]) -> Write:
    tag = _varint(number << 3 | DELIMITED)
    return lambda value: tag + delimited(content(value))


def _varint(value: int) -> bytes:
    """Seven bits a byte, the lowest first; of a negative number, its two's complement in 64 bits."""
    if 0 <= value < 0x80:
        return bytes((value,))
    value &= 2**64 - 1
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


# Reading.


def read_delimited(data: bytes, at: int) -> tuple[bytes, int]:
    """Bytes that stand after their length, and the place behind them.

    Raises `ValueError` if there are fewer than announced.
    """
    length, at = _read_varint(data, at, 5)
    end = at + length
    if end > len(data):
        raise ValueError("cut short")
    return data[at:end], end


def _reader(kind: inspect.Type) -> tuple[int, Read]:
    match kind:
        case inspect.BoolType():
            return VARINT, lambda value, before, levels: value != 0
        case inspect.IntType():
            return VARINT, _integer_reader(kind)
        case inspect.StrType():
            return DELIMITED, lambda value, before, levels: value.decode()
        case inspect.RawType():
            return DELIMITED, lambda value, before, levels: Raw(value) if value else NOTHING
        case inspect.StructType():
            return DELIMITED, _layout(kind).read
        case inspect.ListType():
            wire_type, read_item = _reader(kind.item_type)
            return wire_type, _list_reader(read_item)
        case inspect.DictType():
            (_, read_key), (_, read_value) = _reader(kind.key_type), _reader(kind.value_type)
            return DELIMITED, _map_reader(read_key, read_value)
    raise TypeError(f"{kind} has no place in a message")


def _integer_reader(kind: inspect.IntType) -> Read:
    """What the width and sign of an integer are, its bounds tell."""
    bits = 64 if kind.le is None or kind.le >= 2**32 else 32
    mask = 2**bits - 1
    if kind.ge == 0:
        return lambda value, before, levels: value & mask
    sign = 2 ** (bits - 1)
    return lambda value, before, levels: ((value & mask) ^ sign) - sign


def _list_reader(read_item: Read) -> Read:
    def read(value: Any, before: list[Any] | None, levels: int) -> list[Any]:
        items = [] if before is None else before
        items.append(read_item(value, None, levels))
        return items

    return read


def _map_reader(read_key: Read, read_value: Read) -> Read:
    """A map is a list of entries, each a message of a key and a value.

    Both are delimited in all maps of the protocol, so one that is absent reads like empty bytes.
    """
    readers = {1 << 3 | DELIMITED: ("key", read_key), 2 << 3 | DELIMITED: ("value", read_value)}

    def read(data: bytes, before: dict[str, Any] | None, levels: int) -> dict[str, Any]:
        entries = {} if before is None else before
        entry: dict[str, Any] = {}
        _read_fields(data, readers, entry, levels)
        entries[entry.get("key", "")] = entry.get("value") or read_value(b"", None, levels)
        return entries

    return read


def _read_fields(data: bytes, readers: dict[int, tuple[str, Read]], values: dict[str, Any], levels: int) -> None:
    if levels < 0:
        raise ValueError("too many levels")
    at = 0
    while at < len(data):
        tag, value, at = _read_field(data, at)
        if tag in readers:
            name, read = readers[tag]
            values[name] = read(value, values.get(name), levels - 1)


def _read_field(data: bytes, at: int) -> tuple[int, Any, int]:
    """A field's tag, its value and the place behind it; of a fixed length no field is ours, so there is no value."""
    tag, at = _read_varint(data, at, 5)
    if not 1 << 3 <= tag < 2**32:
        raise ValueError("no such field number")
    wire_type = tag & 0x07
    if wire_type == DELIMITED:
        return tag, *read_delimited(data, at)
    if wire_type == VARINT:
        return tag, *_read_varint(data, at, 10)
    end = at + _fixed_length(wire_type)
    if end > len(data):
        raise ValueError("cut short")
    return tag, None, end


def _fixed_length(wire_type: int) -> int:
    if wire_type == FIXED32:
        return 4
    if wire_type == FIXED64:
        return 8
    raise ValueError("no such wire type")


def _read_varint(data: bytes, at: int, longest: int) -> tuple[int, int]:
    """The lowest 64 bits of an integer that takes at most `longest` bytes, and the place behind it."""
    if at < len(data) and (byte := data[at]) < 0x80:
        return byte, at + 1
    value = 0
    for index, byte in enumerate(data[at : at + longest]):
        value |= (byte & 0x7F) << 7 * index
        if byte < 0x80:
            return value & 2**64 - 1, at + index + 1
    raise ValueError("a varint without end")
