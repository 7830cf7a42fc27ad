"""Which nodes are there, by what was heard and when."""

from __future__ import annotations

import pytest

from tidings.brokers.nats.envelope import Card
from tidings.brokers.nats.registry import Registry

pytestmark = pytest.mark.core


def test_a_card_lives_until_its_lease_runs_out():
    """The newest counts, with its lease."""
    registry = Registry()
    registry.hear(Card("a", b"old", 4.0), now=0.0)
    registry.hear(Card("b", b"", 4.0), now=0.0)
    registry.hear(Card("a", b"new", 4.0), now=3.0)
    assert registry.alive(3.9) == {"a": b"new", "b": b""}
    assert registry.alive(4.0) == {"a": b"new"}
    assert registry.alive(7.0) == {}


def test_who_is_gone_is_forgotten_at_once():
    """Hearing so again, or of somebody unknown, is harmless."""
    registry = Registry()
    registry.hear(Card("a", b"", 4.0), now=0.0)
    for _ in range(2):
        registry.hear(Card("a"), now=1.0)
    assert registry.alive(1.0) == {}


def test_whoever_asks_hears_what_is_left_of_the_lease():
    """And nothing when nothing is left, nor before joining and after quitting."""
    registry = Registry()
    assert registry.own(0.0) is None
    registry.join(Card("a", b"card", 4.0), now=0.0)
    assert registry.own(1.0) == Card("a", b"card", 3.0)
    assert registry.own(4.0) is None
    registry.join(Card("a", b"card", 4.0), now=5.0)
    assert registry.name == "a"
    registry.quit()
    assert (registry.name, registry.own(6.0)) == ("", None)
