"""The Protobuf encoding: messages in proto3's binary format, each after its length."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Raw

from tidings.wire.centrifuge.codec import Codec, Undecodable
from tidings.wire.centrifuge.messages import NOTHING, Command, Reply
from tidings.wire.centrifuge.proto3 import delimited, layout, read_delimited

_COMMAND = layout(Command)
_REPLY = layout(Reply)


class ProtobufCodec:
    name = "protobuf"
    binary = True
    ping = b"\0"

    def decode(self, message: bytes) -> list[Command]:
        if not message:
            raise Undecodable("the message is empty")
        commands, at = [], 0
        try:
            while at < len(message):
                body, at = read_delimited(message, at)
                commands.append(_COMMAND.read(body))
        except ValueError as error:
            raise Undecodable(str(error)) from error
        return commands

    def encode(self, reply: Reply) -> bytes:
        return delimited(_REPLY.write(reply))

    def join(self, replies: Sequence[bytes]) -> bytes:
        return b"".join(replies)

    def embed(self, payload: bytes) -> Raw:
        return Raw(payload) if payload else NOTHING

    def extract(self, raw: Raw) -> bytes:
        return bytes(raw)


PROTOBUF: Codec = ProtobufCodec()
