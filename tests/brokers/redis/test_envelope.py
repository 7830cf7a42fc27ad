"""What travels over Redis: the same comes out as went in, and what nobody here wrote is a `ValueError`."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Struct
from msgspec.structs import replace

from tidings.brokers.redis import envelope
from tidings.brokers.who import Who
from tidings.model import ClientInfo, Publication

pytestmark = pytest.mark.core

texts = st.text(st.characters(codec="utf-8"), max_size=20)
infos = st.builds(ClientInfo, texts, texts, st.binary(max_size=20), st.binary(max_size=20))
publications = st.builds(
    Publication,
    st.binary(max_size=50),
    offset=st.just(0),
    info=st.none() | infos,
    tags=st.dictionaries(texts, texts, max_size=3),
    time=st.just(0.0),
)
offsets = st.integers(0, 2**53)
microseconds = st.integers(0, 2**52)
epochs = st.text("0123456789abcdef", max_size=20)


@given(publications, offsets, epochs, microseconds)
def test_a_publication_arrives_with_its_position(publication: Publication, offset: int, epoch: str, time: int):
    """As a script writes it: what it gives in front of what the node made."""
    message = b"p%d:%b:%d:" % (offset, epoch.encode(), time) + envelope.encode_body(publication)
    arrived = Publication(publication.data, offset, publication.info, publication.tags, time / 1_000_000)
    assert envelope.decode_publication(message) == (arrived, epoch)


class Older(Struct, frozen=True, array_like=True):
    """What a node reads that does not know of traces."""

    data: bytes
    who: Who | None = None
    tags: dict[str, str] = {}


@given(publications)
def test_the_trace_is_a_field_at_the_end(publication: Publication):
    """Which is not there where there is no trace; whoever does not know it reads the rest."""
    plain, traced = envelope.encode_body(publication), envelope.encode_body(replace(publication, trace="00-1"))
    assert envelope.decode_body(traced, 0, b"0") == replace(publication, trace="00-1")
    before = msgspec.msgpack.decode(plain)
    assert msgspec.msgpack.decode(traced) == [*before, "00-1"]
    assert len(before) == 3
    assert msgspec.msgpack.decode(traced, type=Older) == msgspec.msgpack.decode(plain, type=Older)


@given(publications, st.floats(0.0, 1e10))
def test_a_publication_that_is_not_kept_has_a_time_and_no_position(publication: Publication, time: float):
    message = envelope.stamped(envelope.encode_body(publication), time)
    assert message[:1] == envelope.PUBLICATION
    arrived, epoch = envelope.decode_publication(message)
    assert (arrived.data, arrived.info, arrived.tags) == (publication.data, publication.info, publication.tags)
    assert (arrived.offset, epoch) == (0, "")
    assert arrived.time == pytest.approx(time, abs=1e-5)


@given(publications, offsets, microseconds)
def test_a_publication_is_retained_as_it_was(publication: Publication, offset: int, time: int):
    """As a stream answers; further fields are somebody else's."""
    body = envelope.encode_body(publication)
    retained = Publication(publication.data, offset, publication.info, publication.tags, time / 1_000_000)
    for more in ([], [b"i", b"id"], [b"i", b"id", b"z", b"?"]):
        assert envelope.decode_entry([b"%d-0" % offset, [b"b", body, b"t", b"%d" % time, *more]]) == retained


@given(infos)
def test_a_client_arrives_as_it_was(info: ClientInfo):
    assert envelope.decode_info(envelope.encode_info(info)) == info


@given(texts | st.text("0123456789:", max_size=8), st.binary(max_size=30))
def test_a_label_comes_off(label: str, content: bytes):
    """Whatever it and the content look like; its length is in bytes."""
    assert envelope.unlabelled(envelope.labelled(label, content)) == (label, content)


def test_kinds_begin_with_letters_of_their_own():
    assert len({envelope.PUBLICATION, envelope.JOIN, envelope.LEAVE}) == 3


# Garbage.


def refused_or_understood(decode: Callable[[bytes], object], data: bytes) -> None:
    try:
        decode(data)
    except ValueError:
        return


DECODERS = (
    envelope.decode_publication,
    envelope.decode_info,
    envelope.unlabelled,
    lambda data: envelope.decode_body(data, 1, b"1"),
    lambda data: envelope.decode_entry([data, [b"b", data, b"t", data, b"i", b""]]),
)


@given(st.binary(max_size=60))
def test_garbage_is_a_value_error_and_nothing_else(data: bytes):
    for decode in DECODERS:
        refused_or_understood(decode, data)


@given(publications, st.data())
def test_a_damaged_publication_is_a_value_error_and_nothing_else(publication: Publication, data: st.DataObject):
    message = bytearray(envelope.stamped(envelope.encode_body(publication), 1.0))
    for _ in range(data.draw(st.integers(1, 3))):
        message[data.draw(st.integers(0, len(message) - 1))] = data.draw(st.integers(0, 255))
    refused_or_understood(envelope.decode_publication, bytes(message[: data.draw(st.integers(0, len(message)))]))


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"p",
        b"p1",
        b"p1:e:1",
        b"p:e:1:" + envelope.encode_body(Publication(b"")),
        b"p1:\xff:1:" + envelope.encode_body(Publication(b"")),
        b"p1:e:x:" + envelope.encode_body(Publication(b"")),
        b"p1:e:1:",
        b"p1:e:1:not msgpack",
        b"p1:e:" + b"9" * 400 + b":" + envelope.encode_body(Publication(b"")),
        b"p1:e:" + b"9" * 10_000 + b":" + envelope.encode_body(Publication(b"")),
    ],
)
def test_what_is_no_publication(message: bytes):
    with pytest.raises(ValueError):
        envelope.decode_publication(message)


@pytest.mark.parametrize("entry", [[], [b"1-0"], [b"1-0", []], [b"1-0", [b"b", b"", b"t"]], None, [None, None]])
def test_what_is_no_entry(entry: list[object]):
    with pytest.raises(ValueError):
        envelope.decode_entry(entry)


@pytest.mark.parametrize("data", [b"", b"x", b"x:y", b":", b"1:\xff"])
def test_what_has_no_label(data: bytes):
    with pytest.raises(ValueError):
        envelope.unlabelled(data)
