"""Percentiles and ratios are reported and held to their bounds."""

from __future__ import annotations

import math

import pytest

from tidings.testing.plugin import Measured

pytestmark = pytest.mark.core


def test_percentiles_are_told_in_order_with_their_bound():
    """The bound is for the highest of them."""
    measured = Measured()
    measured.percentile("delivery", p99_9=40.0, p50=2.5, bound=100.0)
    assert str(measured.reported[0]) == "delivery: p50 2.5 ms, p99.9 40 ms (p99.9 at most 100)"


def test_a_ratio_is_told_with_what_it_is_to():
    """It may be bounded from both sides."""
    measured = Measured()
    measured.ratio("CPU", 1.12, bound=1.35, to="a raw loop")
    measured.ratio("throughput", 3, at_least=2.0)
    assert list(map(str, measured.reported)) == [
        "CPU: 1.12 × a raw loop (at most 1.35)",
        "throughput: 3 × (at least 2)",
    ]


def test_out_of_bounds_is_a_failure_and_reported_too():
    """The failure says what was measured and what it should have been."""
    measured = Measured()
    with pytest.raises(AssertionError, match=r"delivery: p50 1 ms, p99 120 ms \(p99 at most 100\)"):
        measured.percentile("delivery", p99=120.0, p50=1.0, bound=100.0)
    with pytest.raises(AssertionError, match=r"speed: 1\.5 × a loop \(at least 2\)"):
        measured.ratio("speed", 1.5, at_least=2.0, to="a loop")
    assert len(measured.reported) == 2


def test_the_bound_itself_is_within():
    """At most and at least, not below and above."""
    measured = Measured()
    measured.percentile("delivery", p99=100.0, bound=100.0)
    measured.ratio("speed", 2.0, bound=2.0, at_least=2.0)


@pytest.mark.parametrize("key", ["seconds", "p", "p0", "p101", "p99_9_9", "mean"])
def test_what_is_no_percentile_is_refused(key: str):
    """A mean or a reading of a clock has no place to be put."""
    with pytest.raises(ValueError, match=f"{key} of delivery is no percentile"):
        Measured().percentile("delivery", **{key: 1.0})


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_what_is_no_number_is_refused(value: float):
    """It would be within every bound, or within none."""
    with pytest.raises(ValueError, match="not a measurement"):
        Measured().percentile("delivery", p99=value)
    with pytest.raises(ValueError, match="not a measurement"):
        Measured().ratio("speed", value)


@pytest.mark.parametrize("bound", [math.nan, math.inf])
def test_a_bound_that_holds_for_everything_is_none(bound: float):
    """No value is above it."""
    for report in (
        lambda: Measured().percentile("delivery", p99=1.0, bound=bound),
        lambda: Measured().ratio("speed", 1.0, bound=bound),
        lambda: Measured().ratio("speed", 1.0, at_least=bound),
    ):
        with pytest.raises(ValueError, match=r"the bound of (delivery|speed) is"):
            report()


def test_a_percentile_has_to_be_named():
    """A name alone says nothing."""
    with pytest.raises(ValueError, match="name a percentile of delivery"):
        Measured().percentile("delivery", bound=1.0)
