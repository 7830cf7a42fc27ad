"""Plots: what they look like, and that they always fit."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidings.testing.load import LatencyRecorder
from tidings.testing.load.plot import BAR, ROWS, readable

pytestmark = pytest.mark.core

PLOT = """\
Publishing
101 calls, mean 10.9 ms, slowest 1 s
to  1.78 ms |############################       100  p50 p95 p99
to  3.16 ms |                                     0
to  5.62 ms |                                     0
to    10 ms |                                     0
to  17.8 ms |                                     0
to  31.6 ms |                                     0
to  56.2 ms |                                     0
to   100 ms |                                     0
to   178 ms |                                     0
to   316 ms |                                     0
to   562 ms |                                     0
to      1 s |#                                    1  p99.9"""


def of(seconds: list[float]) -> LatencyRecorder:
    recorder = LatencyRecorder()
    for value in seconds:
        recorder.record(value)
    return recorder


def test_one_slow_call_among_a_hundred() -> None:
    """It can be seen, and the pause between it and the others too."""
    assert of([0.001] * 100 + [1.0]).plot("Publishing") == PLOT


def test_equal_latencies_are_one_row() -> None:
    lines = of([0.02] * 5).plot().splitlines()
    assert lines[1:] == ["to    20 ms |############################         5  p50 p95 p99 p99.9"]


def test_narrow_spreads_have_rows_that_differ() -> None:
    rows = of([0.1 + number / 100_000 for number in range(1000)]).plot().splitlines()[1:]
    limits = [row.partition("|")[0] for row in rows]
    assert 1 < len(limits) == len(set(limits)) < ROWS


@given(st.lists(st.floats(0.0, 4000.0), min_size=1, max_size=50))
def test_it_fits(seconds: list[float]) -> None:
    """Into 70 plain characters a line; every call is in one row, and none of these is invisible."""
    recorder = of(seconds)
    recorder.merge(recorder)
    rows = recorder.plot().splitlines()[1:]
    assert 1 <= len(rows) <= ROWS
    assert all(len(row) <= 70 and row.isascii() for row in rows)
    counts = [(row.partition("|")[2][:BAR].count("#"), int(row.partition("|")[2][BAR:].split()[0])) for row in rows]
    assert sum(count for _, count in counts) == 2 * len(seconds)
    assert all(bool(bar) == bool(count) for bar, count in counts)
    assert max(bar for bar, _ in counts) == BAR
    assert [word for row in rows for word in row.split() if word.startswith("p")] == ["p50", "p95", "p99", "p99.9"]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0, "0 s"),
        (1e-9, "1 ns"),
        (0.00004, "40 us"),
        (0.00125, "1.25 ms"),
        (0.01234, "12.3 ms"),
        (0.99999, "1 s"),
        (12.0, "12 s"),
        (3600.0, "3600 s"),
    ],
)
def test_times_in_words(seconds: float, text: str) -> None:
    assert readable(seconds) == text
