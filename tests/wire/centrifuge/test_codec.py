"""What both encodings promise, and the kernel's values as messages."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from tidings import model
from tidings.wire.centrifuge import codec, messages
from tidings.wire.centrifuge.codec import Codec, Inexpressible, Undecodable
from tidings.wire.centrifuge.json import JSON
from tidings.wire.centrifuge.messages import NOTHING, Command, Reply
from tidings.wire.centrifuge.proto3 import delimited, layout, read_delimited
from tidings.wire.centrifuge.protobuf import PROTOBUF

pytestmark = pytest.mark.core

either = pytest.mark.parametrize("encoding", [JSON, PROTOBUF], ids=["json", "protobuf"])

# What a client does.

WRITE: dict[str, Callable[[Command], bytes]] = {
    "json": msgspec.json.encode,
    "protobuf": lambda command: delimited(layout(Command).write(command)),
}
READ: dict[str, Callable[[bytes], Reply]] = {
    "json": msgspec.json.Decoder(Reply).decode,
    "protobuf": lambda message: layout(Reply).read(read_delimited(message, 0)[0]),
}

ANN = model.ClientInfo("42", "c", conn_info=b'{"name":"Ann"}')


# Commands and replies.


@either
@given(command=st.from_type(Command))
def test_command(encoding: Codec, command: Command) -> None:
    """Every command that a client can write is read as it was meant."""
    assert encoding.decode(WRITE[encoding.name](command)) == [command]


@either
@given(reply=st.from_type(Reply))
def test_reply(encoding: Codec, reply: Reply) -> None:
    """Every reply can be read by a client as it was meant."""
    assert READ[encoding.name](encoding.encode(reply)) == reply


@either
@given(commands=st.lists(st.from_type(Command), min_size=1, max_size=5))
def test_several(encoding: Codec, commands: list[Command]) -> None:
    """Joined messages are read in order; commands and replies are framed alike."""
    assert encoding.decode(encoding.join([WRITE[encoding.name](command) for command in commands])) == commands


@either
def test_join_one(encoding: Codec) -> None:
    """A reply alone is a transport message already."""
    assert encoding.join([encoding.encode(Reply(7))]) == encoding.encode(Reply(7))


@either
def test_ping(encoding: Codec) -> None:
    """A ping is the empty reply, and reads like the empty command that answers it."""
    assert encoding.ping == encoding.encode(Reply())
    assert encoding.decode(encoding.ping) == [Command()]


@pytest.mark.parametrize(("encoding", "name", "binary"), [(JSON, "json", False), (PROTOBUF, "protobuf", True)])
def test_names(encoding: Codec, name: str, binary: bool) -> None:
    """JSON travels as text, Protobuf does not."""
    assert (encoding.name, encoding.binary) == (name, binary)


# What is not the protocol.


@either
def test_empty_message(encoding: Codec) -> None:
    """There is no message without a command."""
    with pytest.raises(Undecodable):
        encoding.decode(b"")


@either
@given(message=st.binary(max_size=200))
def test_any_bytes(encoding: Codec, message: bytes) -> None:
    """Whatever comes in is commands or undecodable."""
    commands_or_undecodable(encoding, message)


@either
@given(
    commands=st.lists(st.from_type(Command), min_size=1, max_size=2),
    place=st.floats(0, 1),
    removed=st.integers(0, 4),
    inserted=st.binary(max_size=4),
)
def test_damaged_message(encoding: Codec, commands: list[Command], place: float, removed: int, inserted: bytes) -> None:
    """A valid message that was cut or changed in one place is commands or undecodable."""
    message = encoding.join([WRITE[encoding.name](command) for command in commands])
    at = int(place * len(message))
    commands_or_undecodable(encoding, message[:at])
    commands_or_undecodable(encoding, message[:at] + inserted + message[at + removed :])


def commands_or_undecodable(encoding: Codec, message: bytes) -> None:
    try:
        commands = encoding.decode(message)
    except Undecodable:
        return
    assert commands
    assert all(isinstance(command, Command) for command in commands)


# Payloads.


@either
def test_embed_nothing(encoding: Codec) -> None:
    """An empty payload is the one object that is recognised as absent, on the way in as well."""
    assert encoding.embed(b"") is NOTHING
    (command,) = encoding.decode(WRITE[encoding.name](Command(1, rpc=messages.RPCRequest())))
    assert command.rpc is not None
    assert command.rpc.data is NOTHING


@either
def test_extract(encoding: Codec) -> None:
    """What is stored of a payload is plain bytes, and those alone."""
    message = WRITE[encoding.name](Command(send=messages.SendRequest(Raw(b'{"a": 1}'))))
    (command,) = encoding.decode(message)
    assert command.send is not None
    payload = encoding.extract(command.send.data)
    assert type(payload) is bytes
    assert payload == b'{"a": 1}'
    assert encoding.extract(NOTHING) == b""


@either
@given(raw=st.from_type(Raw))
def test_embed_and_extract(encoding: Codec, raw: Raw) -> None:
    """A payload that came in goes out as it came."""
    assert encoding.embed(encoding.extract(raw)) == raw


# The kernel's values.


@either
def test_client_info(encoding: Codec) -> None:
    """A client's payloads are embedded, and left out where there are none."""
    info = codec.client_info(ANN, encoding)
    assert info == messages.ClientInfo("42", "c", Raw(b'{"name":"Ann"}'))
    assert info.chan_info is NOTHING


@either
def test_publication(encoding: Codec) -> None:
    """A publication keeps all it has; its time becomes whole milliseconds, rounded."""
    publication = model.Publication(b"1", offset=7, info=ANN, tags={"k": "v"}, time=1700000000.0019)
    assert codec.publication(publication, encoding) == messages.Publication(
        data=Raw(b"1"), info=codec.client_info(ANN, encoding), offset=7, tags={"k": "v"}, time=1700000000002
    )


@either
def test_bare_publication(encoding: Codec) -> None:
    """A back end's publication in a channel without history is its data."""
    assert codec.publication(model.Publication(b"1"), encoding) == messages.Publication(Raw(b"1"))


@pytest.mark.parametrize(
    "publication", [model.Publication(b"\0"), model.Publication(b"1", info=model.ClientInfo("", "", b"\0"))]
)
def test_inexpressible_publication(publication: model.Publication) -> None:
    """One binary payload keeps a publication from JSON clients, and from nobody else."""
    with pytest.raises(Inexpressible):
        codec.publication(publication, JSON)
    assert codec.publication(publication, PROTOBUF)
