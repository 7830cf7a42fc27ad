"""Open loops: the plan, and that a stall is seen by those who would have come during it."""

from __future__ import annotations

from itertools import pairwise
from statistics import fmean

import pytest

from tidings.testing.load import OpenLoop

pytestmark = pytest.mark.core


def test_the_plan() -> None:
    """Evenly from `now` on, up to and without the end."""
    assert list(OpenLoop(4.0, 1.0).times(100.0)) == [100.0, 100.25, 100.5, 100.75]
    assert list(OpenLoop(2.0, 1.6).times(0.0)) == [0.0, 0.5, 1.0, 1.5]


def test_roundings_do_not_add_up() -> None:
    """The millionth start is where it belongs."""
    *_, last = OpenLoop(1000.0, 1000.0).times(0.0)
    assert last == 999.999


def test_independent_people() -> None:
    """The same for the same seed, another for another one; the rate is held, and the gaps are uneven."""
    plan = list(OpenLoop(100.0, 100.0, seed=1).times(0.0))
    assert plan == list(OpenLoop(100.0, 100.0, seed=1).times(0.0))
    assert plan != list(OpenLoop(100.0, 100.0, seed=2).times(0.0))
    assert len(plan) == pytest.approx(10_000, rel=0.05)
    assert plan == sorted(plan)
    assert plan[0] > 0.0 and plan[-1] < 100.0
    gaps = [later - earlier for earlier, later in pairwise(plan)]
    assert fmean(gap > 0.01 for gap in gaps) == pytest.approx(0.368, rel=0.1)  # 1/e of them are above the mean


@pytest.mark.parametrize(("rate", "duration", "name"), [(0.0, 1.0, "rate"), (1.0, -1.0, "duration")])
def test_what_is_no_load(rate: float, duration: float, name: str) -> None:
    with pytest.raises(ValueError, match=f"{name} is"):
        OpenLoop(rate, duration)
