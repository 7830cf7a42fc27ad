"""Chance that repeats itself, and has the shape that it promises."""

from __future__ import annotations

from collections import Counter
from statistics import fmean, pstdev

import pytest

from tidings.testing.load.draws import Draws, Weighted, positive

pytestmark = pytest.mark.core


def test_always_the_same() -> None:
    """These very numbers, in every version of Python."""
    draws = Draws(1, "test")
    assert [round(draws.fraction(), 6) for _ in range(3)] == [0.923199, 0.358535, 0.248715]


def test_seeds_and_names_differ() -> None:
    firsts = [Draws(seed, *names).fraction() for seed in (-1, 0, 1) for names in [(), ("a",), ("a", 1), ("b",)]]
    assert len(set(firsts)) == len(firsts)


def test_shapes() -> None:
    """Of ten thousand draws: the mean and the deviation that belong to each shape."""
    draws = Draws(7)
    gaps = [draws.gap(4.0) for _ in range(10_000)]
    assert (fmean(gaps), pstdev(gaps)) == pytest.approx((0.25, 0.25), rel=0.05)
    assert min(gaps) >= 0.0
    normal = [draws.normal(10.0, 2.0) for _ in range(10_000)]
    assert (fmean(normal), pstdev(normal)) == pytest.approx((10.0, 2.0), rel=0.05)
    assert fmean(draws.between(2.0, 4.0) for _ in range(10_000)) == pytest.approx(3.0, rel=0.05)
    assert fmean(draws.chance(0.3) for _ in range(10_000)) == pytest.approx(0.3, rel=0.05)
    assert set(Counter(draws.one_of("abc") for _ in range(1000))) == set("abc")


def test_fame() -> None:
    """The first twice as often as the second, and three times as often as the third."""
    draws, famous = Draws(7), Weighted.by_rank("abc")
    found = Counter(famous.draw(draws) for _ in range(30_000))
    assert found["a"] / found["b"] == pytest.approx(2.0, rel=0.05)
    assert found["a"] / found["c"] == pytest.approx(3.0, rel=0.05)


@pytest.mark.parametrize("value", [0, -1.0, float("nan"), float("inf")])
def test_what_is_no_amount(value: float) -> None:
    positive(fine=1)
    with pytest.raises(ValueError, match=r"rate is .*, and has to be a number above 0"):
        positive(rate=value)
