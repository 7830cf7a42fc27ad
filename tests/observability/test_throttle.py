"""How often the same thing is said."""

from __future__ import annotations

import pytest

from tidings.clock import ManualClock
from tidings.observability.throttle import Throttle

pytestmark = pytest.mark.core


@pytest.fixture
def throttle(clock: ManualClock) -> Throttle[str]:
    return Throttle(clock, interval=1.0)


def test_the_first_of_a_kind_is_said(throttle: Throttle[str]):
    """Each kind has its own right to speak."""
    assert list(throttle.take("a", "a1")) == [("a1", 0)]
    assert list(throttle.take("b", "b1")) == [("b1", 0)]


def test_within_the_interval_nothing_more_is_said(throttle: Throttle[str], clock: ManualClock):
    """Up to, and not including, its end."""
    list(throttle.take("a", "a1"))
    clock.advance(0.875)
    assert list(throttle.take("a", "a2")) == []
    clock.advance(0.125)
    assert list(throttle.take("a", "a3")) == [("a3", 1)]


def test_the_count_begins_anew(throttle: Throttle[str], clock: ManualClock):
    """What was told once is not told again."""
    for thing in ("a1", "a2", "a3"):
        list(throttle.take("a", thing))
    clock.advance(1.0)
    assert list(throttle.take("a", "a4")) == [("a4", 2)]
    clock.advance(1.0)
    assert list(throttle.take("a", "a5")) == [("a5", 0)]


def test_another_kind_brings_along_what_was_held_back(throttle: Throttle[str], clock: ManualClock):
    """The newest is said with the number of those before it, and then has to be quiet as if it came now."""
    for thing in ("a1", "a2", "a3", "a4"):
        list(throttle.take("a", thing))
    clock.advance(1.5)
    assert list(throttle.take("b", "b1")) == [("a4", 2), ("b1", 0)]
    clock.advance(0.75)
    assert list(throttle.take("a", "a5")) == []
    clock.advance(0.25)
    assert list(throttle.take("b", "b2")) == [("a5", 0), ("b2", 0)]


def test_quiet_kinds_are_forgotten(throttle: Throttle[str], clock: ManualClock):
    """Ten thousand kinds take room for as long as they speak, and no longer."""
    for kind in range(10_000):
        list(throttle.take(kind, "once"))
    clock.advance(1.0)
    assert list(throttle.take("last", "said")) == [("said", 0)]
    assert len(throttle) == 1


def test_the_rest_is_what_is_held_back(throttle: Throttle[str], clock: ManualClock):
    """Of each kind the newest, with the number of those before it, whether its interval is over or not; and once."""
    for kind in ("a", "b", "c"):
        list(throttle.take(kind, f"{kind}1"))
    clock.advance(0.5)
    for thing in ("a2", "a3", "a4"):
        list(throttle.take("a", thing))
    list(throttle.take("c", "c2"))
    assert list(throttle.rest()) == [("a4", 2), ("c2", 0)]
    assert list(throttle.rest()) == []
    assert list(throttle.take("a", "a5")) == [("a5", 0)]
