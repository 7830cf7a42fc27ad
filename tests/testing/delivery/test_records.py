"""Records are what they say: a field of another type would be reported as a promise that was broken."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable

import pytest

from tidings.model import StreamPosition
from tidings.testing.delivery import Connected, Delivered, History, PublishInvoked, PublishOk, Record, stamped, tag_of
from tidings.testing.delivery.records import KINDS

pytestmark = pytest.mark.core

PAYLOAD = stamped("p-1", price=3)
TAG = tag_of(PAYLOAD)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (
            lambda at: Delivered(at, "ann", "", "news", TAG, TAG.content),
            "id of Delivered is str.*tag_of\\(payload\\).id",
        ),
        (lambda at: Delivered(at, "ann", "", "news", TAG.id, PAYLOAD), "data of Delivered is str.*payload\\).content"),
        (lambda at: PublishInvoked(at, TAG.id, "news", "shop", b"{}"), "data of PublishInvoked is str, and not b'{}'"),
        (lambda at: Delivered(at, "ann", None, "news", TAG.id, ""), "user of Delivered is str, and not None"),
        (lambda at: Delivered(at, "ann", "", "news", TAG.id, "", "7"), "offset of Delivered is int, and not '7'"),
        (lambda at: PublishOk(at, TAG.id, 7), "position of PublishOk is .*StreamPosition \\| None, and not 7"),
        (lambda at: Connected("ann", "ann"), r"at of Connected is float \| int, and not 'ann'"),
    ],
)
def test_another_type_is_an_error_at_once(make: Callable[[float], Connected], words: str) -> None:
    """And the history has nothing of it."""
    history = History()
    with pytest.raises(TypeError, match=words):
        history.note(make)
    assert len(history) == 0


def test_what_is_right_is_taken() -> None:
    Delivered(1, "ann", "", "news", TAG.id, TAG.content, 5, "e")
    PublishOk(1.0, TAG.id, StreamPosition(5, "e"))


def test_every_field_is_looked_at() -> None:
    """But for those in which what is wrong compares as False."""
    records = [each for each in Record.__subclasses__() if not inspect.isabstract(each)]
    fields = {name for record in records for name in typing.get_type_hints(record)}
    assert fields - KINDS.keys() <= {"recovered", "temporary", "asked"}
