"""The timer wheel."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidings.gateway.timers import TimerWheel

pytestmark = pytest.mark.core


def test_nobody_is_called_early() -> None:
    """A moment is rounded up to the end of its slot."""
    wheel: TimerWheel[str] = TimerWheel(resolution=0.1)
    wheel.add(10.01, "a")
    assert wheel.deadline() == pytest.approx(10.1)
    assert wheel.take(10.05) == []
    assert wheel.take(10.11) == ["a"]
    assert wheel.take(99.0) == []
    assert wheel.deadline() == math.inf


def test_never_is_not_remembered() -> None:
    wheel: TimerWheel[str] = TimerWheel()
    wheel.add(math.inf, "a")
    wheel.discard(math.inf, "a")
    assert (len(wheel), wheel.deadline()) == (0, math.inf)


def test_what_was_discarded_is_not_called() -> None:
    wheel: TimerWheel[str] = TimerWheel()
    wheel.add(10.0, "a")
    wheel.add(10.0, "b")
    wheel.discard(10.0, "a")
    wheel.discard(77.0, "b")
    assert wheel.take(11.0) == ["b"]


@given(
    st.lists(st.tuples(st.floats(0, 100), st.integers(0, 20))),
    st.lists(st.floats(0, 5), min_size=1, max_size=60),
)
def test_everybody_is_called_once_in_time(adds: list[tuple[float, int]], steps: list[float]) -> None:
    """However time passes: whoever is due by a slot's width is called, and nobody before their time."""
    wheel: TimerWheel[tuple[int, float]] = TimerWheel(resolution=0.5)
    waiting = {(number, when) for when, number in adds}
    for when, number in adds:
        wheel.add(when, (number, when))
    now = 0.0
    for step in steps:
        now += step
        called = wheel.take(now)
        assert len(called) == len(set(called))
        assert all(when <= now for _, when in called)
        waiting -= set(called)
        assert all(when > now - 0.5 - 1e-6 for _, when in waiting)
    assert len(wheel) == len(waiting)
