"""What travels over NATS, as bytes.

    p<MessagePack>  j<MessagePack>  l<MessagePack>     in a channel: a publication, a join, a leave
    c<MessagePack>  g<MessagePack>  ?                  among nodes: a card, a node that is gone, "who is there?"

The rest are MessagePack arrays, which may grow at their end: a node ignores what it does not know. Nothing is ever
unpickled.
"""

from __future__ import annotations

import msgspec
from msgspec import Struct

from tidings.brokers.who import Who
from tidings.model import ClientInfo, Publication

PUBLICATION, JOIN, LEAVE = b"p", b"j", b"l"
CARD, GONE, WHO = b"c", b"g", b"?"


class _Body(Struct, frozen=True, array_like=True):
    """A publication. Whoever publishes is the one to set the time: NATS looks into nothing."""

    time: float
    data: bytes
    who: Who | None = None
    tags: dict[str, str] = {}
    trace: str = ""


class _Untraced(Struct, frozen=True, array_like=True):
    """A publication of which nobody records the trace; it costs no byte then."""

    time: float
    data: bytes
    who: Who | None
    tags: dict[str, str]


class Card(Struct, frozen=True, array_like=True):
    """A node's word that it is there, for the next `lease` seconds. Without a lease it is gone."""

    node: str
    card: bytes = b""
    lease: float = 0.0


_encoder = msgspec.msgpack.Encoder()
_bodies = msgspec.msgpack.Decoder(_Body)
_clients = msgspec.msgpack.Decoder(Who)
_cards = msgspec.msgpack.Decoder(Card)


def encode_publication(publication: Publication, time: float) -> bytes:
    who = None if publication.info is None else Who.of(publication.info)
    if publication.trace:
        return PUBLICATION + _encoder.encode(_Body(time, publication.data, who, publication.tags, publication.trace))
    return PUBLICATION + _encoder.encode(_Untraced(time, publication.data, who, publication.tags))


def decode_publication(message: bytes) -> Publication:
    """Raises `ValueError`, as all that decode here."""
    body = _bodies.decode(memoryview(message)[1:])
    info = None if body.who is None else body.who.info()
    return Publication(body.data, 0, info, body.tags, body.time, body.trace)


def encode_join(info: ClientInfo) -> bytes:
    return JOIN + _encoder.encode(Who.of(info))


def encode_leave(info: ClientInfo) -> bytes:
    return LEAVE + _encoder.encode(Who.of(info))


def decode_info(message: bytes) -> ClientInfo:
    return _clients.decode(memoryview(message)[1:]).info()


def encode_card(card: Card) -> bytes:
    return (CARD if card.lease > 0 else GONE) + _encoder.encode(card)


def decode_card(message: bytes) -> Card:
    return _cards.decode(memoryview(message)[1:])
