"""The plugin in a suite: what it marks, selects, reports, and leaves alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from tidings.testing.plugin.results import Collected, Ended, Line, Outcome, Result, read

pytestmark = pytest.mark.shell

MARKED = """
import pytest

@pytest.mark.L1
def test_one(): pass

@pytest.mark.integration_real_server
def test_three(): pass

@pytest.mark.L4
async def test_four(): pass

def test_plain(): pass
"""

OUTCOMES = """
import pytest
from tidings.testing.plugin import mock_justified

@pytest.fixture
def broken():
    raise KeyError("no")

@pytest.mark.smoke
def test_passes(measured): measured.percentile("delivery", p99=3.0, bound=10.0)
def test_fails(): assert 1 == 2
def test_breaks(broken): pass
def test_skips(): pytest.skip("not today")
@pytest.mark.xfail(reason="known")
def test_expected(): assert False
@pytest.mark.L3
@mock_justified("no sandbox")
def test_mocks(monkeypatch): monkeypatch.setattr("os.getcwd", lambda: "")
"""


@pytest.mark.parametrize(
    ("expression", "chosen"),
    [
        ("unit", ["one"]),
        ("L3", ["three"]),
        ("integration", ["three"]),
        ("async", ["four"]),
        ("not async and not L1", ["three", "plain"]),
    ],
)
def test_what_follows_can_be_selected(run, expression: str, chosen: list[str]):
    """As if it had been written at the test; coroutines are `async`."""
    result = run(MARKED, "-m", expression, "-v")
    result.assert_outcomes(passed=len(chosen), deselected=4 - len(chosen))
    for name in chosen:
        result.stdout.fnmatch_lines([f"*::test_{name} PASSED*"])


def test_a_category_without_a_marker_is_found_by_name(run, pytester: pytest.Pytester):
    """By words of the file, or by a marker of the project's own."""
    pytester.makepyfile(test_redis_event_subscriber="def test_a(): pass", test_other="def test_b(): pass")
    result = run("def test_c(): pass", "--tidings-category", "redis_subscriber")
    result.assert_outcomes(passed=1, deselected=2)


def test_the_report_has_every_test_with_its_notes(run, pytester: pytest.Pytester):
    """Outcome, reason, markers, measurements, justified mocks; first and last, that it began and ended."""
    run(OUTCOMES, "--tidings-report", "report.jsonl")
    lines = list(read(pytester.path / "report.jsonl"))
    check_outcomes(lines)
    assert (lines[0], lines[-1]) == (Collected(6), Ended(1))


def check_outcomes(lines: list[Line]) -> None:
    """What a report of OUTCOMES has to say."""
    tests = {line.test.rpartition("::test_")[2]: line for line in lines if isinstance(line, Result)}
    assert {name: test.outcome for name, test in tests.items()} == {
        "passes": Outcome.PASSED,
        "fails": Outcome.FAILED,
        "breaks": Outcome.ERROR,
        "skips": Outcome.SKIPPED,
        "expected": Outcome.XFAILED,
        "mocks": Outcome.PASSED,
    }
    assert tests["passes"].noted.markers == ["smoke"]
    assert str(tests["passes"].noted.measured[0]) == "delivery: p99 3 ms (at most 10)"
    assert (tests["mocks"].noted.justified, tests["mocks"].noted.markers) == (["no sandbox"], ["L3", "integration"])
    assert (tests["skips"].message, tests["expected"].message) == ("not today", "known")
    assert tests["fails"].message == "assert 1 == 2"
    assert "KeyError" in tests["breaks"].message


def test_a_file_that_cannot_be_collected_is_in_the_report(run, pytester: pytest.Pytester):
    """As an error, with the last line of its traceback."""
    run("import no_such_module", "--tidings-report", "report.jsonl")
    (test,) = (line for line in read(pytester.path / "report.jsonl") if isinstance(line, Result))
    assert test.outcome is Outcome.ERROR
    assert "no_such_module" in test.message


def test_half_a_line_is_not_read(tmp_path: Path):
    """A run that was cut off leaves what it had written whole."""
    report = tmp_path / "report.jsonl"
    assert list(read(report)) == []
    report.write_bytes(b'{"type":"Ended","code":0}\n{"type":"End')
    assert list(read(report)) == [Ended(0)]


def test_measurements_are_shown_at_the_end(run):
    """Where no runner shows them."""
    run(OUTCOMES).stdout.fnmatch_lines(
        ["*= measured =*", "delivery: p99 3 ms (at most 10)", "*= mocks that are justified =*", "*no sandbox"]
    )


PERFORMANCE = """
import pytest

@pytest.mark.performance
def test_says_nothing(measured): pass

@pytest.mark.performance
def test_does_not_ask(): pass

def test_is_none(measured): pass
"""


def test_a_performance_test_has_to_report(run):
    """One that asked for `measured` and reported nothing fails; with a setting so does one that never asked."""
    result = run(PERFORMANCE)
    result.assert_outcomes(passed=2, failed=1)
    result.stdout.fnmatch_lines(["*a performance test that reported nothing: give measured.percentile*"])
    run(PERFORMANCE, settings="tidings_measured = true\n").assert_outcomes(passed=1, failed=2)


def test_a_report_that_cannot_be_written_is_one_sentence(run):
    """Nothing is run, and there is no traceback."""
    result = run("def test_it(): pass", "--tidings-report=/proc/report")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: --tidings-report /proc/report cannot be written: *"])
