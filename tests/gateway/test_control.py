"""What nodes say to each other, as bytes, between versions that do not know all of each other's words."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidings.channels.options import Override
from tidings.gateway import control
from tidings.gateway.grants import SubscriptionGrant
from tidings.model import StreamPosition

pytestmark = pytest.mark.core

GRANT = SubscriptionGrant(b"{}", b"\xff\x00", 12.5, Override(), renewable=True)
MESSAGES: list[control.AnyMessage] = [
    control.Subscribe("ada", "news", GRANT, "a", StreamPosition(3, "epoch")),
    control.Unsubscribe("ada", "news", "a"),
    control.Disconnect("ada", 4501, "enough", "a", ("b", "c")),
    control.Refresh("ada", None, "a", b"{}"),
    control.Ask(7, "info", b"details"),
    control.Answer(7, b"content"),
]


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: type(message).__name__.lower())
def test_what_is_written_is_read(message: control.AnyMessage) -> None:
    assert control.decode(control.encode("a node", message)) == control.Letter("a node", message)


def test_a_message_that_this_version_does_not_know_is_none() -> None:
    """Nor one whose fields it cannot read."""
    for message in ({"kind": "sing", "song": 4}, {"kind": "refresh"}, {"kind": "ask", "number": "seven"}, [], None):
        assert control.decode(msgspec.msgpack.encode(["a node", message])) is None, message


def test_fields_that_this_version_does_not_know_are_passed_over() -> None:
    letter = msgspec.msgpack.encode(["a node", {"kind": "unsubscribe", "user": "ada", "channel": "news", "mood": 1}, 5])
    assert control.decode(letter) == control.Letter("a node", control.Unsubscribe("ada", "news"))


@given(st.sampled_from(MESSAGES), st.lists(st.tuples(st.integers(0, 1000), st.integers(0, 255)), max_size=4))
def test_letters_that_were_spoilt_are_read_or_none(message: control.AnyMessage, spoilt: list[tuple[int, int]]) -> None:
    """Never an exception: it would come out where the broker hands messages over."""
    letter = bytearray(control.encode("a node", message))
    for place, value in spoilt:
        letter[place % len(letter)] = value
    found = control.decode(bytes(letter))
    assert found is None or isinstance(found, control.Letter)


@given(st.binary(max_size=40))
def test_anything_else_is_read_or_none(letter: bytes) -> None:
    found = control.decode(letter)
    assert found is None or isinstance(found, control.Letter)
