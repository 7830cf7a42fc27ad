"""What one check of a rate limit costs, beside the library `limits` with the same rate in the same run.

Both decide by an exact sliding window in memory, and both are asked what time it is at each check. CPU time is that of
the whole process, so it includes the thread by which the library forgets.
"""

from __future__ import annotations

import importlib.util
import itertools
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from benchmarks.report import Table
from tidings.clock import SystemClock
from tidings.gateway.admission import Limiter, Rate

AMOUNT, SECONDS = 100, 60

Check = Callable[[str], bool]
Step = Callable[[int, str], None]
Results = Mapping[str, Sequence[Mapping[str, float]]]
"""Row → rounds → nanoseconds by case and limiter."""


@dataclass(frozen=True)
class Row:
    name: str
    title: str


@dataclass(frozen=True)
class Scale:
    """How many checks of each case, and how often all of it."""

    checks: int
    rounds: int


ROWS = [Row("limits", "checks of a rate limit")]
FULL = Scale(checks=50_000, rounds=5)
QUICK = Scale(checks=2_000, rounds=2)


def run(rows: Sequence[Row], scale: Scale, step: Step) -> dict[str, list[dict[str, float]]]:
    results: dict[str, list[dict[str, float]]] = {row.name: [] for row in rows}
    for number in range(scale.rounds):
        step(number, f"{ROWS[0].title}, round {number + 1} of {scale.rounds}")
        results["limits"].append(
            {f"{case}, {name}": cost(open_, scale) for case, cost in CASES.items() for name, open_ in LIMITERS.items()}
        )
    return results


def steps(rows: Sequence[Row], scale: Scale) -> int:
    return scale.rounds * len(rows)


def table(results: Results) -> Table:
    lines = []
    for case in CASES:
        ours, theirs = (_median(results, f"{case}, {name}") for name in ("tidings", "limits"))
        lines.append(
            [case, f"{ours:,.0f}", *([f"{theirs:,.0f}", f"{theirs / ours:.1f} ×"] if theirs and ours else ["", ""])]
        )
    columns = [f"{AMOUNT}/{SECONDS}s", "Tidings", "limits", "limits / Tidings"]
    return Table("Nanoseconds of CPU to check a rate limit", columns, lines)


# The cases: nanoseconds for each check.


def admitted(open_limiter: Callable[..., object], scale: Scale) -> float:
    """Many keys in turn, each of which is below the limit."""
    keys = [f"192.0.2.{number}" for number in range(scale.checks // (AMOUNT // 2))]
    return _cost(open_limiter, itertools.chain.from_iterable([keys] * (AMOUNT // 2)), expected=True)


def met_once(open_limiter: Callable[..., object], scale: Scale) -> float:
    """Keys that are all new, as of an attacker with many addresses."""
    return _cost(open_limiter, (f"192.0.2.{number}" for number in range(scale.checks)), expected=True)


def refused(open_limiter: Callable[..., object], scale: Scale) -> float:
    """One key that is at its limit."""
    return _cost(open_limiter, itertools.repeat("192.0.2.1", scale.checks), expected=False)


CASES: Mapping[str, Callable[[Callable[..., object], Scale], float]] = {
    "admitted, half full": admitted,
    "admitted, seen for the first time": met_once,
    "refused": refused,
}


def _cost(open_limiter: Callable[..., object], keys: Iterator[str], *, expected: bool) -> float:
    with open_limiter() as check:  # type: ignore[attr-defined]
        if not expected:
            for _ in range(AMOUNT):
                assert check("192.0.2.1")
        asked = list(keys)
        began = time.process_time_ns()
        answers = [check(key) for key in asked]
        spent = time.process_time_ns() - began
    assert set(answers) == {expected}
    return spent / len(asked)


# Who is asked.


@contextmanager
def ours() -> Iterator[Check]:
    limiter, now = Limiter(Rate(AMOUNT, SECONDS), key_limit=200_000), SystemClock().now
    yield lambda key: limiter.hit(key, now())


@contextmanager
def theirs() -> Iterator[Check]:
    from limits import RateLimitItemPerSecond
    from limits.storage import MemoryStorage
    from limits.strategies import MovingWindowRateLimiter

    storage, item = MemoryStorage(), RateLimitItemPerSecond(AMOUNT, SECONDS)
    limiter = MovingWindowRateLimiter(storage)
    yield lambda key: limiter.hit(item, key)
    storage.timer.join()


LIMITERS: Mapping[str, Callable[..., object]] = {"tidings": ours} | (
    {"limits": theirs} if importlib.util.find_spec("limits") is not None else {}
)


def _median(results: Results, figure: str) -> float:
    values = [each[figure] for each in results["limits"] if figure in each]
    return statistics.median(values) if values else 0.0
