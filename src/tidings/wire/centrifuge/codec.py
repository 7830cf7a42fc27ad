"""What both encodings of the Centrifuge protocol can do, and the kernel's values as its messages.

A codec holds no state: one serves all connections. It turns transport messages into commands and replies into
transport messages, several to one where that saves a write.

A payload is stored as bytes and stands in a message as `msgspec.Raw`; `embed` and `extract` lead from one to the other.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from msgspec import Raw

from tidings import model
from tidings.wire.centrifuge import messages
from tidings.wire.centrifuge.messages import Command, Reply


class Undecodable(ValueError):
    """A message came in that is not what the protocol says. Its connection ends with code 3501."""


class Inexpressible(ValueError):
    """A payload that this encoding cannot carry, such as binary data for a JSON client. The code is then 3506."""


class Codec(Protocol):
    """One encoding of the protocol."""

    name: str
    """How this encoding is called in logs and metrics."""

    binary: bool
    """Whether its WebSocket messages are binary ones."""

    ping: bytes
    """The empty reply, encoded."""

    def decode(self, message: bytes) -> list[Command]:
        """The commands of one incoming transport message: one or more, in order.

        Raises `Undecodable`, and nothing else, if any part of the message is wrong.
        """

    def encode(self, reply: Reply) -> bytes:
        """One reply, ready to be a transport message of its own."""

    def join(self, replies: Sequence[bytes]) -> bytes:
        """Several encoded replies as one transport message."""

    def embed(self, payload: bytes) -> Raw:
        """A stored payload as it may stand in a message; the empty one is `NOTHING`.

        Raises `Inexpressible` if this encoding cannot carry it.
        """

    def extract(self, raw: Raw) -> bytes:
        """The payload of a message, to be stored: a copy, because a `Raw` keeps the whole transport message alive."""


def client_info(info: model.ClientInfo, codec: Codec) -> messages.ClientInfo:
    """Raises `Inexpressible` if the codec cannot carry one of its payloads."""
    return messages.ClientInfo(info.user, info.client, codec.embed(info.conn_info), codec.embed(info.chan_info))


def publication(publication: model.Publication, codec: Codec) -> messages.Publication:
    """Raises `Inexpressible` if the codec cannot carry one of its payloads."""
    return messages.Publication(
        data=codec.embed(publication.data),
        info=None if publication.info is None else client_info(publication.info, codec),
        offset=publication.offset,
        tags=publication.tags,
        time=round(publication.time * 1000),
    )
