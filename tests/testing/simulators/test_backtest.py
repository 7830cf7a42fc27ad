"""Backtests: progress from 0 to 100, one result, some failures."""

from __future__ import annotations

from collections import defaultdict
from itertools import pairwise
from statistics import fmean
from typing import Any

import pytest

from tidings.testing.simulators import BacktestProgress, BacktestResult, Backtests, within
from tidings.testing.simulators.backtest import Status

pytestmark = pytest.mark.core

SIMULATOR = Backtests(seed=5)
JOBS = [list(SIMULATOR.job(number)) for number in range(1, 1001)]
RESULTS: list[BacktestResult] = [job[-1].data for job in JOBS]  # type: ignore[misc]


def percents(job: list[Any]) -> list[float]:
    return [event.data.progress for event in job if isinstance(event.data, BacktestProgress)]


def test_progress_rises_to_100() -> None:
    """In `updates` steps, at even times, and the result comes with the last."""
    for job in JOBS:
        if job[-1].data.status is Status.COMPLETED:  # type: ignore[union-attr]
            assert percents(job)[0] == 0.0 and percents(job)[-1] == 100.0
            assert len(job) == SIMULATOR.updates + 2
            assert job[-1].at == job[-2].at


def test_progress_never_falls() -> None:
    for job in JOBS:
        assert all(0.0 <= earlier < later <= 100.0 for earlier, later in pairwise(percents(job)))


def test_one_result_and_nothing_after_it() -> None:
    for job in JOBS:
        assert [isinstance(event.data, BacktestResult) for event in job] == [False] * (len(job) - 1) + [True]
        assert len({event.data.job_id for event in job}) == 1


def test_some_fail() -> None:
    """Two in a hundred, before they are at 100, and without figures."""
    failed = [job for job in JOBS if job[-1].data.status is Status.FAILED]  # type: ignore[union-attr]
    assert len(failed) == pytest.approx(20, abs=13)
    assert all(percents(job)[-1] < 100.0 for job in failed)
    assert all(result.trades == result.wins == 0 for result in RESULTS if result.status is Status.FAILED)


def test_durations() -> None:
    """Half to one and a half times the mean."""
    lengths = [job[-1].at for job in JOBS if job[-1].data.status is Status.COMPLETED]  # type: ignore[union-attr]
    assert min(lengths) >= 5.0 and max(lengths) <= 15.0
    assert fmean(lengths) == pytest.approx(10.0, rel=0.03)


def test_figures_agree() -> None:
    for result in RESULTS:
        assert 0 <= result.wins <= result.trades <= 400
        assert -0.6 <= result.profit < 2.0
        assert 0.0 <= result.drawdown <= 0.6


def test_backtests_overlap() -> None:
    """At one backtest in two seconds of ten seconds each, five run at a time on average."""
    spans: dict[str, list[float]] = defaultdict(list)
    for event in within(SIMULATOR.events(), 2000.0):
        spans[event.data.job_id].append(event.at)
    assert sum(max(times) - min(times) for times in spans.values()) / 2000.0 == pytest.approx(5.0, rel=0.1)


def test_a_job_of_the_whole_is_the_job_alone() -> None:
    """So that a single one can be looked at by its number."""
    third = [event for event in within(SIMULATOR.events(), 60.0) if event.data.job_id == "backtest-3"]
    assert [event.data for event in third] == [event.data for event in SIMULATOR.job(3)]
