"""`tidings test` as a command, on a small suite: exit codes, files, and what is started."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from tidings.testing.services import RedisServer
from tidings.testing.services.process import Process

# Each starts several interpreters, which a busy machine does slowly.
pytestmark = [pytest.mark.world, pytest.mark.L3, pytest.mark.timeout(180)]

COMMAND = """
from tidings.cli import test
from tidings.cli.main import app, main

if all(command.callback is not test.test for command in app.registered_commands):
    app.command()(test.test)
main()
"""

SUITE = """
import os
import pytest

@pytest.mark.unit
def test_unit(): pass

@pytest.mark.L3
def test_redis(redis):
    assert os.environ["REDIS_TEST_URL"] == os.environ["REDIS_URL"] == redis.url
    print("PING", redis.ask("PING"), redis.url)

@pytest.mark.performance
def test_fast(measured): measured.percentile("delivery", p50=1.0, p99=3.0, bound=10.0)

@pytest.mark.resilience
def test_fails(): assert 1 == 2
"""

CONFIGURATION = (
    "[pytest]\naddopts = --strict-markers -p no:cacheprovider\nasyncio_default_fixture_loop_scope = function\n"
)


@pytest.fixture
def suite(tmp_path: Path) -> Path:
    (tmp_path / "pytest.ini").write_text(CONFIGURATION)
    (tmp_path / "test_redis_event_subscriber.py").write_text(SUITE)
    return tmp_path


def tidings_test(suite: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """The command in a process of its own, in the folder of the suite."""
    own = {name: value for name, value in os.environ.items() if name not in ("CI", "REDIS_URL", "REDIS_TEST_URL")}
    return subprocess.run(
        [sys.executable, "-c", COMMAND, "test", *arguments],
        cwd=suite,
        env={**own, "COLUMNS": "120", **variables},
        capture_output=True,
        text=True,
        timeout=150,
    )


def test_everything_is_run_and_summed_up(suite: Path):
    """A Redis is started once and handed over; junit and page are written; the exit code is pytest's."""
    run = tidings_test(suite, "--real-redis", "--junit", "out.xml", "--html", "out.html", "--", "-rP")
    assert run.returncode == 1, run.stdout + run.stderr
    for words in (
        "starts beforehand  redis",
        "redis is ready at redis://127.0.0.1:",
        "PING True redis://127.0.0.1:",
        "By category",
        "p50 1 ms, p99 3 ms",
        "3 passed, 1 failed, 0 skipped: some tests failed",
    ):
        assert words in run.stdout
    (counts,) = ElementTree.parse(suite / "out.xml").getroot().iter("testsuite")
    assert (counts.get("tests"), counts.get("failures")) == ("4", "1")
    page = (suite / "out.html").read_text()
    assert "3 passed, 1 failed, 0 skipped" in page
    assert "test_redis_event_subscriber.py::test_fails" in page


def test_a_dry_run_shows_and_starts_nothing(suite: Path):
    """What would be started, the command line and the tests; no test runs, no file is written."""
    run = tidings_test(suite, "--dry-run", "--real-redis", "--category", "redis_subscriber", "--junit", "out.xml")
    assert run.returncode == 0, run.stdout + run.stderr
    for words in (
        "starts beforehand  redis",
        "pytest --no-header --tidings-category=redis_subscriber",
        "::test_unit",
        "4 tests collected",
    ):
        assert words in run.stdout
    assert "is ready" not in run.stdout
    assert not (suite / "out.xml").exists()


HANGS = """
import pytest

def test_short(): pass

@pytest.mark.parametrize("way", ["a"])
class TestLong:
    def test_long(self, way):
        print("sleeping", flush=True)
        pytest.importorskip("signal").pause()
"""


def test_an_interrupted_test_has_not_passed(suite: Path):
    """Ctrl-C reaches the whole group, as in a terminal. The summary, the page and JUnit say which test it has ended."""
    (suite / "test_redis_event_subscriber.py").write_text(HANGS)
    # A shell without job control has its background ignore Ctrl-C, and whatever is started there.
    heeding = f"import signal\nsignal.signal(signal.SIGINT, signal.default_int_handler)\n{COMMAND}"
    command = [sys.executable, "-c", heeding, "test", "--junit", "out.xml", "--html", "out.html", "--", "-s"]
    with Process(command, directory=suite, output=suite / "output.txt") as run:
        run.line("sleeping", timeout=60)
        os.killpg(run.pid, signal.SIGINT)
        assert run.wait(60) == 2
        assert "1 passed, 0 failed, 0 skipped, 1 interrupted: interrupted" in run.log
    assert "1 interrupted" in (suite / "out.html").read_text()
    (counts,) = ElementTree.parse(suite / "out.xml").getroot().iter("testsuite")
    assert (counts.get("tests"), counts.get("errors")) == ("2", "1")
    cases = [(case.get("classname"), case.get("name"), len(case)) for case in counts.iter("testcase")]
    module = "test_redis_event_subscriber"
    assert cases == [(module, "test_short", 0), (f"{module}.TestLong", "test_long[a]", 1)]


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("--level", "unit"), 0, "1 passed, 0 failed, 0 skipped: all passed"),
        (("--markers", "security"), 5, "no test was selected"),
        (("--all", "--smoke"), 2, "tidings: Invalid value: --all runs every test"),
        (("--test-dir", "nowhere"), 2, "no such folder"),
        (("--junit", "/proc/results.xml"), 2, "--junit /proc/results.xml cannot be written"),
        (("--html", "/proc/results.html"), 2, "--html /proc/results.html cannot be written"),
        (("--category", "security", "--category", "redis_subscriber", "--level", "unit"), 0, "1 passed"),
        (("--level", "L3"), 2, "tidings: Invalid value: --level L3: there is no such level; there are unit"),
        (("--category", "redis_subscribr"), 5, "redis_subscribr. Is redis_subscriber meant?"),
        (("--", "--no-such-option"), 4, "pytest was used wrongly"),
    ],
)
def test_exit_codes(suite: Path, arguments: tuple[str, ...], code: int, words: str):
    """Pytest's, and 2 for options of ours that are wrong."""
    run = tidings_test(suite, *arguments)
    assert (run.returncode, words in run.stdout + run.stderr) == (code, True), run.stdout + run.stderr


def test_a_redis_that_is_named_is_used(suite: Path):
    """And neither started nor stopped."""
    with RedisServer() as server:
        run = tidings_test(
            suite, "--real-redis", "--markers", "L3", REDIS_TEST_URL=f"{server.url.removesuffix('/0')}/3"
        )
        assert run.returncode == 0, run.stdout + run.stderr
        assert "starts beforehand  nothing" in run.stdout
        assert server.is_running


def test_a_redis_that_is_named_and_away_is_one_sentence(suite: Path):
    """Said before any test, and with another code than that of a failed one."""
    run = tidings_test(suite, "--real-redis", "--fail-fast", "--markers", "L3", PATH="/nowhere")
    assert run.returncode == 3
    assert run.stderr.count("tidings: redis is not installed") == 1


def test_coverage_is_measured_and_shown(suite: Path):
    """By the project's own settings; the exit code stays pytest's."""
    run = tidings_test(suite, "--coverage", "--level", "unit")
    assert run.returncode == 0, run.stdout + run.stderr
    assert "TOTAL" in run.stdout
    assert (suite / ".coverage").exists()


def test_the_help_fits_a_terminal(suite: Path):
    """Of 80 characters: no option is cut, and no name of a type stands beside a flag."""
    run = tidings_test(suite, "--help", COLUMNS="80")
    assert run.returncode == 0
    assert "…" not in run.stdout
    assert "<" not in run.stdout
