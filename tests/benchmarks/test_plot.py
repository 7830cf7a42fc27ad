"""Figures become bars in proportion."""

from __future__ import annotations

import pytest
from benchmarks.over_redis.plot import bars

pytestmark = pytest.mark.core


def test_the_largest_figure_has_the_whole_width() -> None:
    """The others are in proportion, and columns stay straight."""
    lines = bars([("one", 50.0), ("hundred", 100.0)], unit="µs", width=10)
    assert lines == ["one     |#####       50.0 µs", "hundred |########## 100.0 µs"]


def test_what_is_not_zero_can_be_seen() -> None:
    """However small it is; and zero has no bar."""
    small, _, none = bars([("a", 0.1), ("b", 1000.0), ("c", 0.0)], unit="µs", width=10)
    assert small.count("#") == 1
    assert none.count("#") == 0
    assert bars([], unit="µs") == []
