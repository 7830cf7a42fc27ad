"""What each client of a crowd says after the handshake, and how it understands what comes.

Pure, and without a state: a script is one for all clients. The same message often comes to all of them, so what one
means is remembered for a while.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Protocol

import msgspec
from msgspec import Raw

from tidings.testing.clients.crowd.wire import BINARY, TEXT, frame
from tidings.wire.centrifuge.messages import Command, ConnectRequest, SubscribeRequest

REMEMBERED = 256
"""Of how many messages the meaning is remembered. Crowds hear few at a time, each a thousand times."""


@dataclass(frozen=True, slots=True)
class Message:
    """What counts of a message: its place `order` in the stream `stream`, and when it was sent; None where unknown."""

    stream: str = ""
    order: int | None = None
    stamp: float | None = None


@dataclass(frozen=True, slots=True)
class Heard:
    """What one WebSocket message means to a client."""

    messages: tuple[Message, ...] = ()
    answers: int = 0
    """How many answers to the greeting are in it."""
    may_answer: bool = False
    """Whether it is an answer as long as one is awaited, as it is where no protocol tells them apart."""
    refusal: str = ""
    """Why the server does not want this client."""
    reply: bytes = b""
    """A frame to be sent back at once."""


class Script(Protocol):
    """What all clients of a crowd do."""

    subprotocol: str

    answers: int
    """A client is ready after so many answers to its greeting; with 0 it is after the handshake."""

    def greeting(self, number: int) -> bytes:
        """The frames that the client of this number, counted from 0, sends after the handshake."""

    def hear(self, opcode: int, data: bytes) -> Heard:
        """What a message means."""


class PlainScript:
    """Any WebSocket.

    `greeting` are the values that every client says first, or a function from the client's number to them: `bytes` and
    `str` are sent as they are, anything else as JSON. The first `answers` messages are taken as answers to them, and
    not counted.

    Where messages are JSON objects, `order` is the key of a number that grows by one from message to message, and
    `stamp` the key of when it was sent, on `time.monotonic()`.
    """

    subprotocol = ""

    def __init__(
        self,
        greeting: Sequence[Any] | Callable[[int], Sequence[Any]] = (),
        *,
        answers: int = 0,
        order: str = "",
        stamp: str = "",
    ) -> None:
        self.answers = answers
        self._greeting = greeting
        self._keys = order, stamp
        self._understand = lru_cache(REMEMBERED)(self._message)

    def greeting(self, number: int) -> bytes:
        values = self._greeting(number) if callable(self._greeting) else self._greeting
        return b"".join(map(framed, values))

    def hear(self, opcode: int, data: bytes) -> Heard:
        return self._understand(data)

    def _message(self, data: bytes) -> Heard:
        return Heard((measured(data, "", None, *self._keys),), may_answer=True)


class CentrifugeScript:
    """The Centrifuge protocol in JSON: connect with a token, then subscribe to channels.

    `token` is a token for all, or a function from the client's number to one. Offsets tell the order where the channel
    has a history; `order` and `stamp` are keys of the publications' data as in `PlainScript`, for other channels.
    """

    subprotocol = ""

    def __init__(
        self, *channels: str, token: str | Callable[[int], str] = "", order: str = "", stamp: str = ""
    ) -> None:
        self.answers = 1 + len(channels)
        self._token = token
        subscribe = [
            Command(id=place, subscribe=SubscribeRequest(channel=channel)) for place, channel in enumerate(channels, 2)
        ]
        self._subscribe = b"".join(framed(command) for command in subscribe)
        self._keys = order, stamp
        self._understand = lru_cache(REMEMBERED)(self._heard)

    def greeting(self, number: int) -> bytes:
        token = self._token(number) if callable(self._token) else self._token
        return framed(Command(id=1, connect=ConnectRequest(token=token))) + self._subscribe

    def hear(self, opcode: int, data: bytes) -> Heard:
        return self._understand(data)

    def _heard(self, data: bytes) -> Heard:
        replies = [_reply(line) for line in data.removesuffix(b"\n").split(b"\n")]
        refusals = [f"error {reply.error.code}: {reply.error.message}" for reply in replies if reply.error]
        pubs = [(reply.push.channel, reply.push.pub) for reply in replies if reply.push and reply.push.pub]
        return Heard(
            messages=tuple(measured(pub.data, channel, pub.offset or None, *self._keys) for channel, pub in pubs),
            answers=sum(1 for reply in replies if reply.id and not reply.error),
            refusal=", ".join(refusals),
            reply=_PONG if any(reply == _PING for reply in replies) else b"",
        )


# What a crowd looks at of a reply: much less than there is.


class _Error(msgspec.Struct, frozen=True):
    code: int = 0
    message: str = ""


class _Publication(msgspec.Struct, frozen=True):
    data: Raw = Raw(b"null")
    offset: int = 0


class _Push(msgspec.Struct, frozen=True):
    channel: str = ""
    pub: _Publication | None = None


class _Reply(msgspec.Struct, frozen=True):
    id: int = 0
    error: _Error | None = None
    push: _Push | None = None


_reply = msgspec.json.Decoder(_Reply).decode
_PING = _Reply()


def framed(value: Any) -> bytes:
    """A value as a frame: bytes as a binary one, a `str` as text, anything else as JSON."""
    if isinstance(value, bytes | bytearray | memoryview):
        return frame(BINARY, bytes(value))
    return frame(TEXT, value.encode() if isinstance(value, str) else msgspec.json.encode(value))


_PONG = frame(TEXT, b"{}")


def measured(data: bytes | Raw, stream: str, order: int | None, order_key: str, stamp_key: str) -> Message:
    """A message's place and time, of its data where they stand there."""
    if not (order_key or stamp_key):
        return Message(stream, order)
    try:
        value = msgspec.json.decode(data)
    except ValueError:
        return Message(stream, order)
    if not isinstance(value, dict):
        return Message(stream, order)
    place, stamp = value.get(order_key), value.get(stamp_key)
    return Message(
        stream,
        place if isinstance(place, int) else order,
        stamp if isinstance(stamp, int | float) else None,
    )
