"""What travels over NATS comes out as it went in, and what is none of ours is refused."""

from __future__ import annotations

import msgspec
import pytest
from msgspec import Struct

from tidings.brokers.nats import envelope
from tidings.brokers.nats.envelope import Card
from tidings.brokers.who import Who
from tidings.model import ClientInfo, Publication

pytestmark = pytest.mark.core

ANN = ClientInfo("ann", "client-1", b"{}", bytes(range(256)))


@pytest.mark.parametrize("publication", [Publication(b""), Publication(bytes(range(256)), info=ANN, tags={"": "ä"})])
def test_a_publication(publication: Publication):
    """Byte for byte, with the time that it is given."""
    decoded = envelope.decode_publication(envelope.encode_publication(publication, 12.5))
    assert decoded == Publication(publication.data, 0, publication.info, publication.tags, 12.5)


class Older(Struct, frozen=True, array_like=True):
    """What a node reads that does not know of traces."""

    time: float
    data: bytes
    who: Who | None = None
    tags: dict[str, str] = {}


def test_the_trace_is_a_field_at_the_end():
    """Which is not there where there is no trace; whoever does not know it reads the rest."""
    plain = envelope.encode_publication(Publication(b"1", info=ANN, tags={"a": "b"}), 12.5)
    traced = envelope.encode_publication(Publication(b"1", info=ANN, tags={"a": "b"}, trace="00-1"), 12.5)
    assert envelope.decode_publication(traced).trace == "00-1"
    before = msgspec.msgpack.decode(plain[1:])
    assert msgspec.msgpack.decode(traced[1:]) == [*before, "00-1"]
    assert len(before) == 4
    assert msgspec.msgpack.decode(traced[1:], type=Older) == msgspec.msgpack.decode(plain[1:], type=Older)


def test_joins_and_leaves():
    """They differ in their first byte."""
    join, leave = envelope.encode_join(ANN), envelope.encode_leave(ANN)
    assert (join[:1], leave[:1]) == (envelope.JOIN, envelope.LEAVE)
    assert envelope.decode_info(join) == envelope.decode_info(leave) == ANN


def test_cards():
    """One without a lease says that the node is gone."""
    for card in (Card("a", bytes(range(256)), 4.0), Card("a")):
        assert envelope.decode_card(envelope.encode_card(card)) == card
    assert envelope.encode_card(Card("a"))[:1] == envelope.GONE


@pytest.mark.parametrize("message", [b"", b"p", b"p\x90", b"pnonsense", b"\xff" * 20])
def test_nonsense_is_refused(message: bytes):
    """With a `ValueError`, whatever it is taken for."""
    for decode in (envelope.decode_publication, envelope.decode_info, envelope.decode_card):
        with pytest.raises(ValueError):
            decode(message)
