"""The plugin in processes of their own: with workers, in a suite that knows nothing of it, and how it is loaded."""

from __future__ import annotations

import subprocess
import sys

import pytest
from tests.testing.plugin.test_honesty import HEAD
from tests.testing.plugin.test_registration import OUTCOMES, check_outcomes

from tidings.testing.plugin.results import Ended, read

# Each starts several interpreters, which a busy machine does slowly.
pytestmark = [pytest.mark.world, pytest.mark.L3, pytest.mark.timeout(180)]


def test_workers_of_xdist_judge_as_one_process_does(run_apart):
    """Failures and reasons come back from the workers."""
    result = run_apart(
        HEAD + "def test_bad(): mock.Mock()\n@mock_justified('so it is')\ndef test_good(): mock.Mock()\n", "-n2"
    )
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["*::test_good: so it is"])


def test_workers_of_xdist_report_as_one_process_does(run_apart, pytester: pytest.Pytester):
    """Outcomes and notes come back from them."""
    run_apart(OUTCOMES, "-n2", "--tidings-report", "report.jsonl")
    lines = list(read(pytester.path / "report.jsonl"))
    check_outcomes(lines)
    assert lines[-1] == Ended(1)


def test_a_suite_that_uses_none_of_it_sees_none_of_it(run_apart):
    """No section, no wrapper, no option needed; its own marks, mocks and fixtures stay its own."""
    result = run_apart(
        """
from unittest import mock
import pytest

@pytest.fixture
def redis(): return "mine"

@pytest.fixture
def browser(redis): return redis

@pytest.mark.integration
def test_mocks(browser, monkeypatch):
    assert browser == "mine"
    assert not hasattr(mock.Mock.__init__, "__wrapped__")
    monkeypatch.setattr("os.getcwd", lambda: "")
""",
        "-ra",
    )
    result.assert_outcomes(passed=1)
    for word in ("measured", "justified", "idings"):
        result.stdout.no_fnmatch_line(f"*= *{word}*")


def test_the_plugin_needs_nothing_optional():
    """Loading it imports no service, no terminal tables and no mock library: only what the base install has."""
    code = (
        "import sys; import pytest; before = set(sys.modules); import tidings; base = set(sys.modules)\n"
        "import tidings.testing.plugin\n"
        "new = {name.partition('.')[0] for name in set(sys.modules) - base}\n"
        "print(sorted(new - set(sys.stdlib_module_names) - {'tidings', 'msgspec', 'typing_extensions'}))"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert told == "[]\n"
