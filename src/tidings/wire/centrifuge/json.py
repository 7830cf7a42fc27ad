"""The JSON encoding: one object per line, payloads embedded as they are.

`msgspec` checks embedded payloads as strictly as everything else, except for their UTF-8, which is checked for the
whole transport message at once. So whatever is embedded in a decoded command may be embedded in a reply.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Sequence
from itertools import accumulate
from typing import Any

import msgspec
from msgspec import Raw

from tidings.wire.centrifuge.codec import Codec, Inexpressible, Undecodable
from tidings.wire.centrifuge.messages import NOTHING, Command, Reply

DEPTH_LIMIT = 256
"""How deep a command or a payload may nest.

What msgspec can check depends on the stack it is called on. Without this limit, a client could publish what is just
accepted when it comes in, and is not expressible when it goes out to others.
"""

_COMMAND_DEPTH = 4
"""How deep a command's own objects nest: itself, its request, the request's subscriptions, one of these."""

# A string that never ends is one as well: its escaped quotes must not each be tried as the beginning of another.
_STRING = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"?', re.DOTALL)
_STEPS = {"[": 1, "{": 1, "]": -1, "}": -1}

_command = msgspec.json.Decoder(Command).decode
_object = msgspec.json.Decoder(dict[str, Raw]).decode
_value = msgspec.json.Decoder(Raw).decode
_encode = msgspec.json.Encoder().encode


class JSONCodec:
    name = "json"
    binary = False
    ping = b"{}"

    def decode(self, message: bytes) -> list[Command]:
        try:
            lines = message.decode().removesuffix("\n").split("\n")
            return [_decode(line) for line in lines]
        except ValueError as error:
            raise Undecodable(str(error)) from error

    def encode(self, reply: Reply) -> bytes:
        return _encode(reply)

    def join(self, replies: Sequence[bytes]) -> bytes:
        return b"\n".join(replies)

    def embed(self, payload: bytes) -> Raw:
        """Line breaks, which JSON has only between tokens, become spaces: a reply must stay one line."""
        if not payload:
            return NOTHING
        try:
            text = payload.decode()
            require_shallow(text)
            _value(text)
        except ValueError as error:
            raise Inexpressible(str(error)) from error
        return Raw(payload.replace(b"\n", b" ").replace(b"\r", b" "))

    def extract(self, raw: Raw) -> bytes:
        return bytes(raw)


JSON: Codec = JSONCodec()


def twins(payload: bytes) -> tuple[Raw, str]:
    """A payload as a field and as its base64 twin, as the server API has them: one of the two is empty."""
    try:
        return JSON.embed(payload), ""
    except Inexpressible:
        return NOTHING, b64encode(payload).decode()


def _decode(line: str) -> Command:
    require_shallow(line)
    try:
        return _command(line)
    except msgspec.ValidationError:
        return _command(_encode(_without_nulls(line, _COMMAND_DEPTH)))


def _without_nulls(text: str | bytes, depth: int) -> dict[str, Any]:
    """An object without its null fields, which some clients write for what is absent.

    What the application put into `data` stays as it is, and so does whatever lies deeper than a command's own fields.
    """
    fields: dict[str, Any] = {}
    for name, value in _object(text).items():
        content = bytes(value)
        if name != "data" and depth > 1 and content.startswith(b"{"):
            fields[name] = _without_nulls(content, depth - 1)
        elif name == "data" or content != b"null":
            fields[name] = value
    return fields


def require_shallow(text: str) -> None:
    """Raise `ValueError` if brackets nest deeper than the limit. Most texts have too few to be looked at."""
    if len(text) <= DEPTH_LIMIT or text.count("{") + text.count("[") <= DEPTH_LIMIT:
        return
    steps = (_STEPS.get(character, 0) for character in _STRING.sub("", text))
    if max(accumulate(steps, initial=0)) > DEPTH_LIMIT:
        raise ValueError("nested too deeply")
