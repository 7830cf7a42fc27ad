"""Both encodings of the protocol from the client's side: commands become messages, messages become replies.

The messages are the server's own types, so what a field is called and numbered is said in one place.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any, Protocol

import msgspec
from msgspec import Raw

from tidings.wire.centrifuge.messages import NOTHING, Command, Reply
from tidings.wire.centrifuge.proto3 import delimited, layout, read_delimited


class Encoding(StrEnum):
    JSON = "json"
    PROTOBUF = "protobuf"


class Speech(Protocol):
    """One encoding. It holds no state."""

    subprotocols: tuple[str, ...]
    """What the client has to offer in the handshake."""

    def encode(self, command: Command) -> str | bytes:
        """One command as one message."""

    def decode(self, message: str | bytes) -> list[Reply]:
        """The replies of one message, in order. Raises `ValueError` if it is not what the protocol says."""


class _Json:
    subprotocols: tuple[str, ...] = ()
    _encode = staticmethod(msgspec.json.Encoder().encode)
    _decode = staticmethod(msgspec.json.Decoder(Reply).decode)

    def encode(self, command: Command) -> str:
        return self._encode(command).decode()

    def decode(self, message: str | bytes) -> list[Reply]:
        if isinstance(message, bytes):
            raise ValueError("a binary message on a connection that speaks JSON")
        return [self._decode(line) for line in message.removesuffix("\n").split("\n")]


class _Protobuf:
    subprotocols: tuple[str, ...] = ("centrifuge-protobuf",)
    _command = layout(Command)
    _reply = layout(Reply)

    def encode(self, command: Command) -> bytes:
        return delimited(self._command.write(command))

    def decode(self, message: str | bytes) -> list[Reply]:
        if isinstance(message, str):
            raise ValueError("a text message on a connection that speaks Protobuf")
        replies, at = [], 0
        while at < len(message):
            body, at = read_delimited(message, at)
            replies.append(self._reply.read(body))
        return replies


SPEECHES: dict[Encoding, Speech] = {Encoding.JSON: _Json(), Encoding.PROTOBUF: _Protobuf()}


def payload(value: Any) -> Raw:
    """A value as the payload of a command: JSON, or `bytes` as they are. `None` is no payload; JSON's is b"null"."""
    if value is None:
        return NOTHING
    return Raw(bytes(value) if isinstance(value, bytes | bytearray | memoryview) else msgspec.json.encode(value))


def value_of(raw: Raw) -> Any:
    """What a payload says: the value if it is JSON, else its bytes; None where there is none."""
    data = bytes(raw)
    if not data:
        return None
    try:
        return msgspec.json.decode(data)
    except ValueError:
        return data
