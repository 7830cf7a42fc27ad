"""The breaker: when to try again, with time as an argument."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidings.balancer.breaker import Breaker, Circuit

pytestmark = pytest.mark.core

LATE = 1e9
draws = st.floats(0.0, 1.0, exclude_max=True)
moments = st.floats(0.0, LATE)


def failed(times: int, *, now: float = 0.0, draw: float = 0.5, **bounds: float) -> Breaker:
    """A breaker after so many failures in a row, all of them now."""
    breaker = Breaker(draw=lambda: draw, **bounds)
    for _ in range(times):
        breaker.failed(now)
    return breaker


# States.


def test_at_first_everything_goes_through():
    breaker = Breaker()
    assert (breaker.state(0.0), breaker.deadline(), breaker.failures) == (Circuit.CLOSED, None, 0)
    assert all(breaker.attempt(0.0) for _ in range(3))


def test_a_failure_opens_it():
    """Nobody tries until the pause is over; `deadline` says when that is."""
    breaker = failed(1, now=10.0, base=2.0, cap=3.0)
    assert breaker.deadline() == 11.0
    assert breaker.state(10.9) is Circuit.OPEN
    assert not breaker.attempt(10.9)


def test_one_attempt_tells():
    """When the pause is over the first to ask may try, and the others wait for what comes of it, however long."""
    breaker = failed(1, base=2.0, cap=3.0)
    assert breaker.state(1.0) is Circuit.HALF_OPEN
    assert [breaker.attempt(now) for now in (1.0, 1.0, 5.0, LATE)] == [True, False, False, False]
    assert breaker.state(LATE) is Circuit.HALF_OPEN


def test_success_closes_it():
    breaker = failed(3)
    assert breaker.attempt(LATE)
    breaker.succeeded()
    assert (breaker.state(LATE), breaker.deadline(), breaker.failures) == (Circuit.CLOSED, None, 0)
    assert all(breaker.attempt(LATE) for _ in range(3))


def test_failure_of_the_attempt_opens_it_again():
    """With a longer pause, after which there is one attempt again."""
    breaker = failed(1, base=2.0, cap=30.0)
    assert breaker.attempt(1.0)
    breaker.failed(1.0)
    assert (breaker.state(2.9), breaker.deadline()) == (Circuit.OPEN, 3.0)
    assert [breaker.attempt(3.0) for _ in range(2)] == [True, False]


def test_after_a_success_pauses_begin_anew():
    breaker = failed(5, base=2.0, cap=30.0)
    breaker.succeeded()
    breaker.failed(100.0)
    assert (breaker.failures, breaker.deadline()) == (1, 101.0)


@pytest.mark.parametrize("threshold", [1, 2, 5])
def test_it_opens_from_the_threshold_on(threshold: int):
    """A success in between begins the count anew."""
    breaker = failed(threshold - 1, threshold=threshold)
    breaker.succeeded()
    for _ in range(threshold - 1):
        breaker.failed(0.0)
        assert breaker.attempt(0.0)
    breaker.failed(0.0)
    assert breaker.state(0.0) is Circuit.OPEN


# Pauses.


@pytest.mark.parametrize("threshold", [1, 3])
def test_pauses_double_up_to_the_cap(threshold: int):
    """From the threshold on; here a draw of half of what there is."""
    pauses = [failed(threshold + n, base=1.0, cap=10.0, threshold=threshold).deadline() for n in range(6)]
    assert pauses == [0.5, 1.0, 2.0, 4.0, 5.0, 5.0]


@given(failures=st.integers(1, 100), draw=draws, now=moments, bounds=st.tuples(*[st.floats(1e-3, 1e6)] * 2))
def test_a_pause_is_drawn_from_nothing_up_to_its_bound(
    failures: int, draw: float, now: float, bounds: tuple[float, float]
):
    """Full jitter: never negative, never above the cap, in proportion to the draw."""
    base, cap = sorted(bounds)
    deadline = failed(failures, now=now, draw=draw, base=base, cap=cap).deadline()
    assert deadline == now + draw * min(cap, base * 2.0 ** min(failures - 1, 32))
    assert 0.0 <= deadline - now <= cap + LATE * 1e-15


@given(base=st.floats(min_value=0.0, exclude_min=True, allow_infinity=False), draw=draws)
def test_a_pause_is_never_endless(base: float, draw: float):
    """Whatever the bounds, and however often it failed."""
    deadline = failed(1100, draw=draw, base=base, cap=max(base, 3.0)).deadline()
    assert deadline is not None
    assert math.isfinite(deadline)


def test_a_thousand_that_lost_the_same_server_come_back_spread():
    """No tenth of the time until the cap has more than twice its share of them."""
    deadlines = []
    for _ in range(1000):
        breaker = Breaker(base=1.0, cap=1.0)
        breaker.failed(0.0)
        deadlines.append(breaker.deadline() or 0.0)
    assert max(tenths(deadlines)) < 200


def tenths(moments: Sequence[float]) -> list[int]:
    """How many are in each tenth of a second."""
    return [sum(1 for moment in moments if tenth <= moment * 10 < tenth + 1) for tenth in range(10)]


@given(st.lists(st.tuples(st.sampled_from(["attempt", "succeeded", "failed"]), st.floats(0.0, 5.0)), max_size=50))
def test_whatever_happens_somebody_may_try_later(events: list[tuple[str, float]]):
    """Where no attempt is under way, there is one after the deadline."""
    breaker, now = Breaker(), 0.0
    for event, passed in events:
        now += passed
        if event == "attempt":
            breaker.attempt(now)
        elif event == "failed":
            breaker.failed(now)
        else:
            breaker.succeeded()
    breaker.failed(now)
    deadline = breaker.deadline()
    assert deadline is not None
    assert breaker.attempt(max(now, deadline))


def test_an_attempt_that_was_given_up_says_nothing():
    """The next one may tell."""
    breaker = failed(1)
    deadline = breaker.deadline()
    assert deadline is not None
    assert breaker.attempt(deadline)
    assert not breaker.attempt(deadline)
    breaker.abandoned()
    assert breaker.failures == 1
    assert breaker.attempt(deadline)


# What cannot be.


@pytest.mark.parametrize(
    "bounds",
    [(0.0, 1.0), (-1.0, 1.0), (2.0, 1.0), (math.nan, 1.0), (1.0, math.nan), (1.0, math.inf), (math.inf, math.inf)],
)
def test_bounds_that_make_no_sense(bounds: tuple[float, float]):
    base, cap = bounds
    with pytest.raises(ValueError, match="a pause grows from base to cap"):
        Breaker(base=base, cap=cap)


@pytest.mark.parametrize("threshold", [0, -1])
def test_a_threshold_that_makes_no_sense(threshold: int):
    with pytest.raises(ValueError, match=f"after one failure or more, and not after {threshold}"):
        Breaker(threshold=threshold)


def test_it_says_how_it_is():
    assert repr(failed(2)) == "<Breaker after 2 failures>"
