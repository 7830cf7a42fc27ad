"""A mapping with deadlines and without a timer."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidings.brokers.memory.expiring import Expiring

pytestmark = pytest.mark.core


def test_an_entry_lives_until_its_deadline():
    """At the deadline itself it is gone."""
    entries = Expiring()
    entries.set("a", 1, deadline=10.0)
    assert entries.get("a", 9.9) == 1
    assert entries.get("a", 10.0) is None
    assert entries.get("b", 0.0) is None


def test_setting_again_replaces_value_and_deadline():
    """Earlier or later, the last one counts."""
    entries = Expiring()
    entries.set("a", 1, deadline=10.0)
    entries.set("a", 2, deadline=5.0)
    assert entries.get("a", 4.0) == 2
    assert entries.get("a", 6.0) is None
    assert len(entries) == 1


def test_removing_is_harmless_where_nothing_is():
    """An entry that was removed is gone before its deadline."""
    entries = Expiring()
    entries.remove("a")
    entries.set("a", 1, deadline=10.0)
    entries.remove("a")
    assert entries.get("a", 0.0) is None
    assert len(entries) == 0


def test_a_sweep_looks_at_two_entries():
    """However many there are to remove, one call does only its share, and says what it removed."""
    entries = Expiring()
    for number in range(5):
        entries.set(number, number, deadline=1.0)
    assert [sorted(entries.sweep(2.0)) for _ in range(4)] == [[0, 1], [2, 3], [4], []]
    assert len(entries) == 0


def test_a_sweep_goes_round():
    """What lives is looked at again after all others, and does not hide what expired behind it."""
    entries = Expiring()
    for number in range(6):
        entries.set(number, number, deadline=100.0 if number < 4 else 1.0)
    swept = [key for _ in range(3) for key in entries.sweep(2.0)]
    assert swept == [4, 5]
    assert [key for _ in range(2) for key in entries.sweep(200.0)] == [0, 1, 2, 3]


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(1, 30)), max_size=200))
def test_memory_follows_what_lives(additions: list[tuple[int, int]]):
    """Swept once for each entry added, it never holds more than twice the most that ever lived at once."""
    entries: Expiring[int, int] = Expiring()
    now, most = 0, 0
    deadlines: list[int] = []
    for key, (pause, ttl) in enumerate(additions):
        now += pause
        entries.sweep(now)
        entries.set(key, key, now + ttl)
        deadlines.append(now + ttl)
        most = max(most, sum(deadline > now for deadline in deadlines))
        assert len(entries) <= 2 * most
