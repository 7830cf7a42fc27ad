"""Payloads that carry an id."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidings.testing.delivery import Tag, stamped, stamped_bytes, tag_of

pytestmark = pytest.mark.core


def test_a_payload_is_recognised_however_it_is_written() -> None:
    """As the value, and as JSON with other spaces and another order."""
    expected = Tag("p-17", '{"id":"p-17","price":3}')
    assert tag_of(stamped("p-17", price=3)) == expected
    assert tag_of(b'{ "price" : 3,\n "id":"p-17"}') == expected


def test_bytes_are_recognised() -> None:
    assert tag_of(stamped_bytes("p-17", b"\x00\xff")) == Tag("p-17", "hex:" + b"tidings-id:p-17\n\x00\xff".hex())
    assert tag_of(stamped_bytes("p-17", b"text")) == Tag("p-17", "tidings-id:p-17\ntext")


def test_ids_of_their_own() -> None:
    """Nobody has to invent them."""
    assert tag_of(stamped()).id != tag_of(stamped()).id
    assert tag_of(stamped_bytes()).id != tag_of(stamped_bytes()).id


def test_an_id_has_one_line() -> None:
    with pytest.raises(ValueError, match="an id has no line breaks"):
        stamped_bytes("a\nb")


@pytest.mark.parametrize("payload", [b"", b"{", b"[1]", b'{"id":7}', b"\xff", [1], None, b"[" * 100_000])
def test_others_have_no_id(payload: object) -> None:
    assert tag_of(payload).id == ""


def test_long_payloads_are_told_apart() -> None:
    """And are not kept whole."""
    one, other = (tag_of(stamped("p", text="x" * 70_000 + end)).content for end in "ab")
    assert one != other
    assert len(one) < 200


@given(st.binary())
def test_whatever_came_in_is_read(payload: bytes) -> None:
    """Nothing raises, and equal bytes have equal content."""
    assert tag_of(payload) == tag_of(bytearray(payload))


@given(st.binary(), st.binary())
def test_different_bytes_have_different_contents(one: bytes, other: bytes) -> None:
    tags = tag_of(stamped_bytes("p", one)), tag_of(stamped_bytes("p", other))
    assert (tags[0] == tags[1]) is (one == other)
