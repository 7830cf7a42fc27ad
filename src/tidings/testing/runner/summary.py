"""What came of a run, in figures: from results to the rows of tables. Nothing is printed here."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from tidings.testing.plugin.levels import CATEGORIES, LEVELS
from tidings.testing.plugin.measured import Measurement
from tidings.testing.plugin.results import Ended, Line, Outcome, Result

FAILURES = (Outcome.FAILED, Outcome.ERROR)
UNMARKED = "(no marker)"
SLOWEST = 10

ENDS = {
    0: "all passed",
    1: "some tests failed",
    2: "interrupted",
    3: "pytest itself failed",
    4: "pytest was used wrongly",
    5: "no test was selected",
}


@dataclass(frozen=True, slots=True)
class Row:
    """The tests of one category."""

    category: str
    passed: int
    failed: int
    skipped: int
    seconds: float
    interrupted: int = 0

    @property
    def tests(self) -> int:
        return self.passed + self.failed + self.skipped + self.interrupted

    @property
    def counts(self) -> dict[str, int]:
        """How many ended how. Interrupted is named only where there was such a test."""
        always = {"passed": self.passed, "failed": self.failed, "skipped": self.skipped}
        return {**always, "interrupted": self.interrupted} if self.interrupted else always

    @property
    def told(self) -> str:
        return ", ".join(f"{count} {kind}" for kind, count in self.counts.items())


@dataclass(frozen=True, slots=True)
class Summary:
    """A run. A test of two categories counts in both; `total` counts it once."""

    code: int
    total: Row
    categories: Sequence[Row]
    slowest: Sequence[Result]
    failures: Sequence[Result]
    skips: Sequence[Result]
    interrupted: Sequence[Result]
    measured: Sequence[tuple[str, Measurement]]
    justified: Sequence[tuple[str, str]]
    tests: Sequence[Result]

    @property
    def verdict(self) -> str:
        """The end in a few words."""
        if self.code < 0:
            return f"ended by signal {-self.code}"
        return ENDS.get(self.code, f"ended with {self.code}")


def summarise(lines: Iterable[Line], code: int) -> Summary:
    """Of what a run has told. `code` is pytest's exit code, negative for a signal."""
    lines = list(lines)
    # A test that was repeated counts as it ended at last.
    latest = {line.test: line for line in lines if isinstance(line, Result)}
    tests = list(latest.values())
    return Summary(
        code=code,
        total=row("all", tests),
        categories=by_category(tests),
        slowest=sorted(tests, key=lambda test: -test.seconds)[:SLOWEST],
        failures=[test for test in tests if test.outcome in FAILURES],
        skips=[test for test in tests if test.outcome is Outcome.SKIPPED],
        interrupted=[test for test in tests if test.outcome is Outcome.INTERRUPTED],
        measured=[(test.test, measurement) for test in tests for measurement in test.noted.measured],
        justified=[(test.test, reason) for test in tests for reason in test.noted.justified],
        tests=tests,
    )


def by_category(tests: Sequence[Result]) -> list[Row]:
    """A row for each level and category that occurs, and one for the tests without any."""
    found = [row(name, [test for test in tests if name in test.noted.markers]) for name in (*LEVELS, *CATEGORIES)]
    unmarked = row(UNMARKED, [test for test in tests if not test.noted.markers])
    return [each for each in (*found, unmarked) if each.tests]


def row(name: str, tests: Iterable[Result]) -> Row:
    """An expected failure has passed, and so has one that was expected and did not happen where pytest allows that."""
    tests = list(tests)
    counts = Counter(test.outcome for test in tests)
    return Row(
        category=name,
        passed=counts[Outcome.PASSED] + counts[Outcome.XFAILED] + counts[Outcome.XPASSED],
        failed=sum(counts[outcome] for outcome in FAILURES),
        skipped=counts[Outcome.SKIPPED],
        seconds=sum(test.seconds for test in tests),
        interrupted=counts[Outcome.INTERRUPTED],
    )


def was_complete(lines: Iterable[Line]) -> bool:
    """Whether the run came to its end, or was cut off."""
    return any(isinstance(line, Ended) for line in lines)
