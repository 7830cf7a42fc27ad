"""The Protobuf encoding: its framing, and the comparison with Google's runtime.

The runtime uses the schema that the Python SDK ships, which has no field `type` yet.
"""

from __future__ import annotations

from typing import Any

import pytest
from centrifuge.protocol import client_pb2
from google.protobuf.message import DecodeError
from google.protobuf.unknown_fields import UnknownFieldSet
from hypothesis import assume, given
from hypothesis import strategies as st
from msgspec import Raw, structs

from tidings.wire.centrifuge.codec import Undecodable
from tidings.wire.centrifuge.messages import NOTHING, Command, Message, Note, Reply
from tidings.wire.centrifuge.proto3 import delimited, layout, read_delimited
from tidings.wire.centrifuge.protobuf import PROTOBUF

pytestmark = pytest.mark.core


# Framing.


def test_lengths() -> None:
    """Every message stands after its length; an empty one is a pong."""
    assert PROTOBUF.decode(b"\x02\x08\x01\x00\x03\x08\xac\x02") == [Command(1), Command(), Command(300)]


def test_join() -> None:
    """Replies follow each other without anything between."""
    assert PROTOBUF.join([b"\x02\x08\x01", b"\x00"]) == b"\x02\x08\x01\x00"


@pytest.mark.parametrize(
    "message",
    [
        pytest.param(b"\x03\x08\x01", id="cut short"),
        pytest.param(b"\x80", id="length cut short"),
        pytest.param(b"\xff\xff\xff\xff\x07", id="2 GiB announced"),
        pytest.param(b"\xff" * 9 + b"\x01", id="length of 64 bits"),
        pytest.param(b"\xff" * 100, id="length without end"),
        pytest.param(b"\x01\x08", id="malformed command"),
        pytest.param(b"\x05\x08\x01\x2a\x01\xff", id="malformed request"),
        pytest.param(b"\x05\x2a\x03\x0a\x01\xff", id="channel that is not UTF-8"),
        pytest.param(b'{"id":1}', id="JSON"),
    ],
)
def test_undecodable(message: bytes) -> None:
    """One bad message spoils its transport message, and no announced length is believed."""
    with pytest.raises(Undecodable):
        PROTOBUF.decode(message)
    with pytest.raises(Undecodable):
        PROTOBUF.decode(b"\x02\x08\x01" + message)


@given(st.binary())
def test_embed(payload: bytes) -> None:
    """Any bytes are a payload."""
    assert PROTOBUF.extract(PROTOBUF.embed(payload)) == payload
    assert (PROTOBUF.embed(payload) is NOTHING) == (payload == b"")


# The comparison.


@given(st.from_type(Reply))
def test_google_reads_what_we_write(reply: Reply) -> None:
    """A reply that we write is the same reply for Google's runtime, with nothing unknown in it."""
    body, _ = read_delimited(PROTOBUF.encode(reply), 0)
    assert client_pb2.Reply.FromString(body) == twin(reply)


@given(st.from_type(Command))
def test_we_read_what_google_writes(command: Command) -> None:
    """A command that Google's runtime writes is the same command for us."""
    (read,) = PROTOBUF.decode(delimited(twin(command).SerializeToString()))
    assert twin(read) == twin(command)


@given(st.from_type(Command), st.from_type(Command))
def test_merged_as_google_merges(first: Command, second: Command) -> None:
    """Two messages one after the other, without lengths, are the merged message."""
    merged = twin(first)
    merged.MergeFrom(twin(second))
    write = layout(Command).write
    assert twin(layout(Command).read(write(first) + write(second))) == merged


@given(st.binary(max_size=100))
def test_what_we_accept_google_accepts(body: bytes) -> None:
    """Bytes that are a command for us are the same command for Google's runtime."""
    read = ours(body)
    assert read is None or read == googles(body)


@given(st.from_type(Command), st.floats(0, 1), st.integers(0, 4), st.binary(max_size=4))
def test_damaged_commands(command: Command, place: float, removed: int, inserted: bytes) -> None:
    """The same of a command that was changed in one place."""
    body = layout(Command).write(command)
    at = int(place * len(body))
    damaged = body[:at] + inserted + body[at + removed :]
    read = ours(damaged)
    assert read is None or read == googles(damaged)


def varint(value: int, padding: int = 0) -> bytes:
    """A varint, made longer than needed by some bytes of padding."""
    septets = [value >> shift & 0x7F for shift in range(0, max(value.bit_length(), 1), 7)] + [0] * padding
    return bytes([septet | 0x80 for septet in septets[:-1]] + septets[-1:])


@st.composite
def fields(draw: st.DrawFn, depth: int = 4) -> bytes:
    """Well-formed fields, known and unknown, of whatever content."""
    return b"".join(draw(field(depth)) for _ in range(draw(st.integers(0, 3))))


@st.composite
def field(draw: st.DrawFn, depth: int) -> bytes:
    number = draw(st.integers(1, 15) | st.integers(1, 2**29 - 1))
    wire_type = draw(st.sampled_from([0, 1, 2, 2, 2, 5]))
    return varint(number << 3 | wire_type) + draw(value(wire_type, depth))


def value(wire_type: int, depth: int) -> st.SearchStrategy[bytes]:
    match wire_type:
        case 0:
            return st.builds(varint, st.integers(0, 300) | st.integers(0, 2**64 - 1), st.integers(0, 3))
        case 1 | 5:
            return st.just(bytes(8 if wire_type == 1 else 4))
    inner = [fields(depth - 1)] if depth else []
    leaf = (st.binary(max_size=4) | st.text(max_size=4).map(str.encode)).map(without_groups)
    return st.one_of(leaf, *inner).map(delimited)


def without_groups(content: bytes) -> bytes:
    """Content that may be taken for a message, less what would then begin a group: Google's runtime reads those."""
    return bytes(byte for byte in content if byte & 0x07 != 3)


@given(fields())
def test_fields_at_random(body: bytes) -> None:
    """Any fields without groups are accepted or refused by both, and read alike."""
    assert ours(body) == googles(body)


def ours(body: bytes) -> Any:
    """The command that we read, or None, as the runtime's type."""
    try:
        (command,) = PROTOBUF.decode(delimited(body))
    except Undecodable:
        return None
    return twin(command)


def googles(body: bytes) -> Any:
    """The command that Google's runtime reads, without what its schema does not know, or None."""
    try:
        command = client_pb2.Command.FromString(body)
    except DecodeError:
        return None
    assume(not unread_entries(command))
    command.DiscardUnknownFields()
    return command


def unread_entries(command: Any) -> bool:
    """Whether a map has an entry with a field that the schema does not know.

    Google's runtimes disagree: the one below Python counts the whole entry as unknown, those of C++ and Go read it.
    """
    maps = {field.number for field in command.connect.DESCRIPTOR.fields if field.message_type and field.is_repeated}
    return any(field.field_number in maps and field.wire_type == 2 for field in UnknownFieldSet(command.connect))


def twin(message: Message) -> Any:
    """The same message in the type of Google's runtime."""
    other = getattr(client_pb2, "Message" if isinstance(message, Note) else type(message).__name__)()
    for field in structs.fields(message):
        if field.name in other.DESCRIPTOR.fields_by_name:
            fill(other, field.name, getattr(message, field.name))
    return other


def fill(other: Any, name: str, value: Any) -> None:
    field = getattr(other, name)
    if isinstance(value, Message):
        field.CopyFrom(twin(value))
        field.SetInParent()
    elif isinstance(value, list):
        field.extend([twin(item) if isinstance(item, Message) else item for item in value])
    elif isinstance(value, dict):
        for key, item in value.items():
            if isinstance(item, Message):
                field[key].CopyFrom(twin(item))
            else:
                field[key] = item
    elif value is not None:
        setattr(other, name, bytes(value) if isinstance(value, Raw) else value)
