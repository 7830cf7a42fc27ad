"""Both encodings, against the codecs of the server."""

from __future__ import annotations

import pytest

from tidings.testing.clients.centrifuge.encoding import SPEECHES, Encoding, payload, value_of
from tidings.wire.centrifuge.codec import Codec
from tidings.wire.centrifuge.json import JSON
from tidings.wire.centrifuge.messages import (
    NOTHING,
    Command,
    ConnectResult,
    Publication,
    PublishRequest,
    Push,
    Reply,
    SubscribeRequest,
)
from tidings.wire.centrifuge.protobuf import PROTOBUF

pytestmark = pytest.mark.core

CODECS: dict[Encoding, Codec] = {Encoding.JSON: JSON, Encoding.PROTOBUF: PROTOBUF}

COMMANDS = [
    Command(),
    Command(id=1, subscribe=SubscribeRequest(channel="news", recover=True, offset=2**40, epoch="e")),
    Command(id=2, publish=PublishRequest("news", payload({"ä": [1, None]}))),
]
REPLIES = [
    Reply(),
    Reply(id=1, connect=ConnectResult(client="c", ping=25, pong=True)),
    Reply(push=Push(channel="news", pub=Publication(data=payload("text"), offset=7, tags={"a": "b"}))),
]


def as_message(encoding: Encoding, data: bytes) -> str | bytes:
    return data.decode() if encoding is Encoding.JSON else data


@pytest.mark.parametrize("encoding", Encoding)
@pytest.mark.parametrize("command", COMMANDS)
def test_the_server_understands_a_command(encoding: Encoding, command: Command) -> None:
    said = SPEECHES[encoding].encode(command)
    (understood,) = CODECS[encoding].decode(said.encode() if isinstance(said, str) else said)
    assert SPEECHES[encoding].encode(understood) == said


@pytest.mark.parametrize("encoding", Encoding)
def test_the_client_understands_replies(encoding: Encoding) -> None:
    """Several in one message."""
    codec = CODECS[encoding]
    said = as_message(encoding, codec.join([codec.encode(reply) for reply in REPLIES]))
    understood = SPEECHES[encoding].decode(said)
    assert [codec.encode(reply) for reply in understood] == [codec.encode(reply) for reply in REPLIES]


@pytest.mark.parametrize(
    ("encoding", "message"),
    [
        (Encoding.JSON, "{"),
        (Encoding.JSON, '{"id":"one"}'),
        (Encoding.JSON, b"{}"),
        (Encoding.PROTOBUF, b"\x05\x08"),
        (Encoding.PROTOBUF, "{}"),
    ],
)
def test_what_is_not_the_protocol_is_an_error(encoding: Encoding, message: str | bytes) -> None:
    with pytest.raises(ValueError, match=r".+"):
        SPEECHES[encoding].decode(message)


@pytest.mark.parametrize("value", [{"a": 1}, [], 0, False, "", b"\xff\x00", b"{"])
def test_payloads_are_values(value: object) -> None:
    assert value_of(payload(value)) == value


def test_no_payload_is_none() -> None:
    assert payload(None) is NOTHING
    assert value_of(NOTHING) is None
    assert value_of(payload(b"null")) is None
