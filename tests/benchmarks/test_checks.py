"""The benchmark of rate limits runs, and asks both limiters the same. How fast they are, is not asked."""

from __future__ import annotations

import pytest

from benchmarks import checks

pytestmark = pytest.mark.core


def test_every_case_is_measured_for_both() -> None:
    """Each case itself makes sure that all of its checks are answered as it expects."""
    steps: list[str] = []
    scale = checks.Scale(checks=200, rounds=2)
    results = checks.run(checks.ROWS, scale, lambda done, what: steps.append(what))
    assert len(steps) == checks.steps(checks.ROWS, scale) == 2
    for figures in results["limits"]:
        assert set(figures) == {f"{case}, {name}" for case in checks.CASES for name in ("tidings", "limits")}
    table = checks.table(results)
    assert [row[0] for row in table.rows] == list(checks.CASES)
    assert all(row[3].endswith("×") for row in table.rows)
