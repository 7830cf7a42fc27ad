"""What nodes say to each other, as bytes: orders that concern a user's connections, questions and their answers.

MessagePack. A node of another version may not know a message, or fields of it; it passes over what it does not know.
"""

from __future__ import annotations

import msgspec
from msgspec import Struct

from tidings.gateway.grants import SubscriptionGrant
from tidings.model import StreamPosition


class Message(Struct, frozen=True, tag_field="kind", tag=str.lower):
    """The root of all messages."""


class Subscribe(Message, frozen=True):
    """Subscribe a user's connections, or the one that `client` names."""

    user: str
    channel: str
    grant: SubscriptionGrant
    client: str = ""
    since: StreamPosition | None = None


class Unsubscribe(Message, frozen=True):
    """End subscriptions; to all channels where `channel` is ""."""

    user: str
    channel: str
    client: str = ""


class Disconnect(Message, frozen=True):
    """End connections, except those to `spare`."""

    user: str
    code: int
    reason: str
    client: str = ""
    spare: tuple[str, ...] = ()


class Refresh(Message, frozen=True):
    """Let connections live until another moment; 0 is for ever, None leaves it as it is."""

    user: str
    expire_at: float | None
    client: str = ""
    info: bytes | None = None


class Ask(Message, frozen=True):
    """A question to every node. `number` is the asker's, and comes back with the answer."""

    number: int
    question: str
    details: bytes = b""


class Answer(Message, frozen=True):
    """The answer of one node to an `Ask`."""

    number: int
    content: bytes


AnyMessage = Subscribe | Unsubscribe | Disconnect | Refresh | Ask | Answer


class Letter(Struct, frozen=True, array_like=True):
    """A message, and which node wrote it."""

    sender: str
    message: AnyMessage


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Letter)


def encode(sender: str, message: AnyMessage) -> bytes:
    return _encoder.encode(Letter(sender, message))


def decode(letter: bytes) -> Letter | None:
    """None for what this version does not know, and for what nobody can read."""
    try:
        return _decoder.decode(letter)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None
