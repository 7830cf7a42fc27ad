"""The map of a cluster's slots, as CLUSTER SLOTS tells it."""

from __future__ import annotations

import pytest

from tidings.brokers.redis.fleet import SlotMap

pytestmark = pytest.mark.core

A, B, C = ("10.0.0.1", 7000), ("10.0.0.2", 7000), ("10.0.0.3", 7001)
ANSWER = [
    [11000, 16383, [b"10.0.0.2", 7000, b"id-b"]],
    [0, 5000, [b"10.0.0.1", 7000, b"id-a"], [b"10.0.0.9", 7000, b"replica"]],
    [5001, 9999, [b"10.0.0.2", 7000, b"id-b"]],
    [10500, 10500, [b"", 7001, b"id-c"]],
]


@pytest.mark.parametrize(
    ("slot", "endpoint"),
    [(0, A), (5000, A), (5001, B), (9999, B), (10000, None), (10499, None), (10500, C), (10501, None), (16383, B)],
)
def test_each_slot_is_found_in_its_range(slot: int, endpoint: tuple[str, int] | None):
    """In whatever order they are told; a slot that nobody has is nobody's. Without a host it is who was asked."""
    assert SlotMap(ANSWER, asked=C).endpoint(slot) == endpoint


def test_the_primaries_are_all_endpoints():
    assert SlotMap(ANSWER, asked=C).endpoints() == {A, B, C}


def test_an_unread_map_knows_nobody():
    assert (SlotMap().endpoint(0), SlotMap().endpoints()) == (None, set())
