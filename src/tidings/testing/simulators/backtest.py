"""Backtests: a strategy is tried on old prices, which tells how far it is, from 0 to 100, and at last how it did.

What is drawn from where: backtests begin independently, `rate` a second, and overlap. One lasts `duration` seconds on
average, 0.5 to 1.5 times that, and tells its progress `updates` times in even steps of time; progress rises by uneven
steps that together make 100. One in fifty fails on its way, and ends with a result that says so. The numbers of a
result agree with each other: wins are a share of the trades, and no drawdown is above 60 %.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum
from itertools import accumulate

import msgspec

from tidings.testing.load.draws import Draws, positive
from tidings.testing.simulators.timeline import Planned, overlapping, plan

STRATEGIES = ("momentum", "mean_reversion", "breakout", "pairs", "trend_following")
FAILURES = 0.02


class Status(Enum):
    """How a backtest ended."""

    COMPLETED = "completed"
    FAILED = "failed"


class BacktestProgress(msgspec.Struct, frozen=True, kw_only=True, tag="backtest_progress"):
    """How far a backtest is, in percent. Never falls; the first is 0, the last of a completed one 100."""

    job_id: str
    progress: float


class BacktestResult(msgspec.Struct, frozen=True, kw_only=True, tag="backtest_result"):
    """How a backtest ended; always its last event. `profit` and `drawdown` are shares of the money put in.

    The figures of one that failed are 0.
    """

    job_id: str
    strategy: str
    status: Status
    trades: int = 0
    wins: int = 0
    profit: float = 0.0
    drawdown: float = 0.0


BacktestEvent = BacktestProgress | BacktestResult


class Backtests(msgspec.Struct, frozen=True, kw_only=True):
    """An endless sequence of backtests, of which `rate` begin each second on average, in `channel`."""

    seed: int
    rate: float = 0.5
    duration: float = 10.0
    updates: int = 20
    channel: str = "backtests"

    def __post_init__(self) -> None:
        positive(rate=self.rate, duration=self.duration, updates=self.updates)

    def events(self) -> Iterator[Planned[BacktestEvent]]:
        """The events of all backtests, from the beginning each time."""
        return overlapping(self._jobs())

    def job(self, number: int, at: float = 0.0) -> Iterator[Planned[BacktestEvent]]:
        """One backtest alone, which begins at `at`."""
        draws, job_id = Draws(self.seed, "backtest", number), f"backtest-{number}"
        every = self.duration * draws.between(0.5, 1.5) / self.updates
        fails_after = int(self.updates * draws.fraction()) if draws.chance(FAILURES) else self.updates
        for step, progress in enumerate(percents(draws, self.updates)[: fails_after + 1]):
            yield plan(at + step * every, self.channel, BacktestProgress(job_id=job_id, progress=progress), by=job_id)
        failed = fails_after < self.updates
        ends = at + fails_after * every
        yield plan(ends, self.channel, failure(draws, job_id) if failed else success(draws, job_id), by=job_id)

    def _jobs(self) -> Iterator[tuple[float, Iterator[Planned[BacktestEvent]]]]:
        draws, at, number = Draws(self.seed, "backtests"), 0.0, 0
        while True:
            at, number = at + draws.gap(self.rate), number + 1
            yield at, self.job(number, at)


def percents(draws: Draws, steps: int) -> list[float]:
    """From 0 to exactly 100, in steps of which none is more than three times another."""
    sums = list(accumulate(draws.between(0.5, 1.5) for _ in range(steps)))
    return [0.0, *(round(100.0 * value / sums[-1], 1) for value in sums)]


def success(draws: Draws, job_id: str) -> BacktestResult:
    trades = int(draws.between(20, 400))
    return BacktestResult(
        job_id=job_id,
        strategy=draws.one_of(STRATEGIES),
        status=Status.COMPLETED,
        trades=trades,
        wins=int(trades * draws.between(0.35, 0.65)),
        profit=round(max(draws.normal(0.08, 0.2), -0.6), 4),
        drawdown=round(draws.between(0.02, 0.6), 4),
    )


def failure(draws: Draws, job_id: str) -> BacktestResult:
    return BacktestResult(job_id=job_id, strategy=draws.one_of(STRATEGIES), status=Status.FAILED)
