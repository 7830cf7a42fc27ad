"""Results become a summary, and the summary a page."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from tidings.testing.plugin.measured import Measurement
from tidings.testing.plugin.results import Ended, Noted, Outcome, Result
from tidings.testing.runner.page import page
from tidings.testing.runner.summary import Row, summarise
from tidings.testing.runner.tables import summary_tables, verdict

pytestmark = pytest.mark.core

MEASURED = Measurement(name="delivery", values={"p99": 120.0}, unit="ms", bounded="p99", at_most=100.0)

LINES = [
    Result(test="a.py::test_a", outcome=Outcome.PASSED, seconds=1.0, noted=Noted(markers=["L1", "unit"])),
    Result(
        test="a.py::test_b",
        outcome=Outcome.FAILED,
        seconds=3.0,
        message="<script>alert(1)</script>",
        noted=Noted(markers=["performance"], measured=[MEASURED]),
    ),
    Result(test="a.py::test_c", outcome=Outcome.ERROR, seconds=0.5, message="no [bold]redis[/]"),
    Result(test="a.py::test_d", outcome=Outcome.SKIPPED, message="$not ${today}"),
    Result(test="a.py::test_e", outcome=Outcome.XFAILED, noted=Noted(markers=["L3"], justified=["no sandbox"])),
    Ended(1),
]


def test_counts_by_category():
    """A test counts in each of its categories; those without a marker have a row of their own."""
    summary = summarise(LINES, 1)
    assert summary.total == Row("all", passed=2, failed=2, skipped=1, seconds=4.5)
    assert [(row.category, row.passed, row.failed, row.skipped) for row in summary.categories] == [
        ("L1", 1, 0, 0),
        ("L3", 1, 0, 0),
        ("unit", 1, 0, 0),
        ("performance", 0, 1, 0),
        ("(no marker)", 0, 1, 1),
    ]


def test_the_slowest_come_first():
    """And the measured and the justified have their tests beside them."""
    summary = summarise(LINES, 1)
    assert [test.test for test in summary.slowest[:3]] == ["a.py::test_b", "a.py::test_a", "a.py::test_c"]
    assert summary.measured == [("a.py::test_b", MEASURED)]
    assert summary.justified == [("a.py::test_e", "no sandbox")]


def test_a_repeated_test_counts_as_it_ended():
    """Once."""
    again = Result(test="a.py::test_b", outcome=Outcome.PASSED)
    summary = summarise([*LINES, again], 1)
    assert (summary.total.tests, summary.total.failed) == (5, 1)


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (0, "all passed"),
        (1, "some tests failed"),
        (5, "no test was selected"),
        (-9, "ended by signal 9"),
        (7, "with 7"),
    ],
)
def test_the_verdict_follows_the_exit_code(code: int, words: str):
    """Whatever was counted."""
    assert words in verdict(summarise([], code))


def test_the_terminal_shows_texts_as_they_are():
    """Nothing that a test says is taken for markup."""
    console = Console(file=io.StringIO(), width=100)
    console.print(summary_tables(summarise(LINES, 1)))
    text = console.file.getvalue()  # type: ignore[attr-defined]
    for words in ("<script>alert(1)</script>", "no [bold]redis[/]", "p99 120 ms", "at most 100", "no sandbox"):
        assert words in text
    assert text.rstrip().endswith("2 passed, 2 failed, 1 skipped: some tests failed")


def test_the_page_shows_texts_as_they_are():
    """Escaped; no script, and nothing that would have to be fetched."""
    text = page(summarise(LINES, 1))
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text
    for words in ("<script", "http", "src=", "@import", "url("):
        assert words not in text
    for words in ("$not ${today}", "no [bold]redis[/]", "p99 120 ms", "no sandbox", "Some tests failed"):
        assert words in text


def test_an_interrupted_test_has_not_passed():
    """It is counted, named and coloured by itself, and not mentioned where there was none."""
    summary = summarise([LINES[0], Result(test="a.py::test_long", outcome=Outcome.INTERRUPTED, seconds=2.0)], 2)
    assert (summary.total.passed, summary.total.interrupted, summary.total.tests) == (1, 1, 2)
    assert verdict(summary) == "1 passed, 0 failed, 0 skipped, 1 interrupted: interrupted"
    console = Console(file=io.StringIO(), width=100)
    console.print(summary_tables(summary))
    assert "a.py::test_long" in console.file.getvalue().partition("Interrupted")[2]  # type: ignore[attr-defined]
    assert "1 interrupted" in page(summary)
    assert '<td class="number interrupted">1</td>' in page(summary)
    assert "1 interrupted" not in page(summarise(LINES, 1))


def test_a_run_without_tests_is_a_page_too():
    """With nothing but the verdict."""
    text = page(summarise([], 5))
    assert "No test was selected" in text
    assert "<section>" not in text
