"""A sliding window, alone and next to the one that others use: `MovingWindowRateLimiter` of the library `limits`.

That one reads the wall clock itself. It is not replaced: instead of time going on by a day, everything that it has
remembered becomes a day older. When it decided is then known nearly exactly. What it admitted bears its own stamp, and
a refusal lies between two readings of the same clock, so it holds for the earlier one, too.
"""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from limits import RateLimitItemPerSecond
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter

from tidings.gateway.admission import Limiter, Rate, Window

pytestmark = pytest.mark.core

THREE = Rate(3, 10.0)


class Reference:
    """The library's limiter, with time that goes on when it is told to, and a little by itself."""

    def __init__(self, rate: Rate) -> None:
        self._item = RateLimitItemPerSecond(rate.amount, int(rate.seconds))
        self._storage = MemoryStorage()
        self._limiter = MovingWindowRateLimiter(self._storage)
        self._passed = 0.0

    def close(self) -> None:
        """Wait for the thread that sweeps."""
        self._storage.timer.join()

    def now(self) -> float:
        return time.time() + self._passed

    def advance(self, seconds: float) -> None:
        """Make everything older. Exact, as long as `seconds` is a sum of halves of halves down to 1/1024."""
        self._passed += seconds
        for key in list(self._storage.events):
            with self._storage.locks[key]:
                for entry in self._storage.events[key]:
                    entry.atime -= seconds
                    entry.expiry -= seconds

    def hit(self, key: str) -> tuple[bool, float]:
        """Whether it was admitted, and when that was decided, or at the latest after which moment."""
        before = self.now()
        if not self._limiter.hit(self._item, key):
            return False, before
        return True, self._storage.events[self._item.key_for(key)][0].atime + self._passed

    def stats(self, key: str) -> tuple[float, int]:
        """Seconds until more is allowed, and how much is now."""
        reset, remaining = self._limiter.get_window_stats(self._item, key)
        return reset - time.time(), remaining


gaps = st.one_of(
    st.just(0.0),
    st.integers(0, 64).map(lambda number: number / 1024),
    st.integers(0, 5000).map(lambda number: number / 1024),
    st.sampled_from([1.0, 2.0, 3.0, 5.0, 10.0]),
)
rates = st.builds(Rate, st.integers(1, 8), st.sampled_from([1.0, 2.0, 3.0, 10.0]))


@given(rate=rates, steps=st.lists(st.tuples(gaps, st.sampled_from("ab")), max_size=80))
@settings(max_examples=200, deadline=None)
def test_it_decides_as_the_reference_does(rate: Rate, steps: list[tuple[float, str]]) -> None:
    """Every single decision, at whatever moments, for several keys; and what it says is left."""
    reference, limiter = Reference(rate), Limiter(rate)
    try:
        for gap, key in steps:
            reference.advance(gap)
            admitted, when = reference.hit(key)
            assert limiter.hit(key, when) is admitted
            reset, remaining = reference.stats(key)
            assert limiter.remaining(key, when) <= remaining <= limiter.remaining(key, reference.now())
            assert limiter.reset(key, when) >= reset - 1e-3
    finally:
        reference.close()


@given(rate=rates, moments=st.lists(st.integers(0, 200), max_size=60))
def test_it_is_what_it_says(rate: Rate, moments: list[int]) -> None:
    """The definition, with all that was ever admitted: no window of that length holds more, and no refusal is needless.

    Moments in whole seconds, so that they often are exactly a window apart: such a one is still inside.
    """
    window = Window()
    admitted: list[float] = []
    for now in sorted(map(float, moments)):
        inside = [moment for moment in admitted if now - rate.seconds <= moment]
        has_room = len(inside) < rate.amount
        assert window.has_room(rate, now) is has_room
        assert window.remaining(rate, now) == rate.amount - len(inside)
        assert window.is_idle(rate, now) is (not inside)
        assert window.reset(rate, now) == (inside[0] + rate.seconds - now if inside else 0.0)
        assert window.wait(rate, now) == (0.0 if has_room else inside[0] + rate.seconds - now)
        assert window.hit(rate, now) is has_room
        if has_room:
            admitted.append(now)
    assert len(window) <= rate.amount


def test_what_was_refused_does_not_count() -> None:
    """Whoever goes on asking gets in as soon as whoever waits."""
    window = Window()
    assert [window.hit(THREE, now) for now in (0.0, 1.0, 2.0, 3.0, 9.0, 10.0)] == [True] * 3 + [False] * 3
    assert window.wait(THREE, 9.0) == 1.0
    assert window.hit(THREE, 10.1)
    assert not window.hit(THREE, 11.0)
    assert window.hit(THREE, 11.1)


def test_remembers_no_more_than_it_needs() -> None:
    window = Window()
    for second in range(1000):
        window.hit(THREE, second * 11.0)
    assert len(window) == 3
    assert window.remaining(THREE, 10_989.0) == 2
