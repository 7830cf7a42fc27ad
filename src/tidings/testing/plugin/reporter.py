"""Carries what tests note to the one process that reports, and there into a file or to the end of the terminal."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path
from typing import IO

import msgspec
import pytest

from tidings.testing.plugin.honesty import JUSTIFIED
from tidings.testing.plugin.levels import markers_of
from tidings.testing.plugin.measured import MEASURED
from tidings.testing.plugin.results import Collected, Ended, Line, Noted, Outcome, Result, written

FIELD = "tidings"
"""The attribute of a report that has a test's notes. pytest-xdist carries it along, as plain values."""


class Notes:
    """In every test process: puts a test's notes into its last report."""

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        report = yield
        if call.when == "teardown":
            measured = item.stash.get(MEASURED, None)
            noted = Noted(
                markers=markers_of(item),
                justified=item.stash.get(JUSTIFIED, []),
                measured=measured.reported if measured else [],
            )
            setattr(report, FIELD, msgspec.to_builtins(noted))
        return report


class Reporter:
    """In the process that reports: the file where one is named, else some lines after pytest's own."""

    def __init__(self, file: Path | None) -> None:
        self._file: IO[bytes] | None = file.open("wb", buffering=0) if file else None
        self._running: dict[str, list[pytest.TestReport]] = {}
        self._results: list[Result] = []

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        self._write(Collected(len(session.items)))

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self._end(Result(test=report.nodeid, outcome=Outcome.ERROR, message=last_line(report.longreprtext)))

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        self._running[nodeid] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        reports = self._running.setdefault(report.nodeid, [])
        reports.append(report)
        # A worker that has died reports "???" in place of its test's phases.
        if report.when == "teardown" or report.when not in ("setup", "call"):
            self._end(result(self._running.pop(report.nodeid)))

    def pytest_sessionfinish(self, exitstatus: int) -> None:
        for test, reports in self._running.items():
            self._end(cut_off(test, reports))
        self._write(Ended(int(exitstatus)))

    def pytest_unconfigure(self) -> None:
        if self._file is not None:
            self._file.close()

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if self._file is not None:  # Whoever reads the file has a summary of its own.
            return
        measured = [f"{measurement}" for test in self._results for measurement in test.noted.measured]
        justified = [f"{test.test}: {reason}" for test in self._results for reason in test.noted.justified]
        for title, lines in {"measured": measured, "mocks that are justified": justified}.items():
            if lines:
                terminalreporter.section(title)
                terminalreporter.write("\n".join([*lines, ""]))

    def _end(self, test: Result) -> None:
        self._results.append(test)
        self._write(test)

    def _write(self, line: Line) -> None:
        if self._file is not None and not self._file.closed:
            self._file.write(written(line))


def result(reports: list[pytest.TestReport]) -> Result:
    """One result of a test's reports, in their order."""
    last = reports[-1]
    telling = next((report for report in reports if report.outcome != "passed"), None)
    telling = telling or next((report for report in reports if report.when == "call"), last)
    return Result(
        test=last.nodeid,
        outcome=outcome_of(telling),
        seconds=sum(report.duration for report in reports),
        message=message_of(telling),
        noted=msgspec.convert(getattr(last, FIELD, {}), Noted),
    )


def cut_off(test: str, reports: list[pytest.TestReport]) -> Result:
    """The result of a test that came to no end: what has failed before that has failed."""
    if any(report.outcome != "passed" for report in reports):
        return result(reports)
    return Result(test=test, outcome=Outcome.INTERRUPTED, seconds=sum(report.duration for report in reports))


def outcome_of(report: pytest.TestReport) -> Outcome:
    """What the one report that tells how a test ended says."""
    if hasattr(report, "wasxfail"):
        return Outcome.XFAILED if report.skipped else Outcome.XPASSED
    if report.failed and report.when in ("setup", "teardown"):
        return Outcome.ERROR
    return Outcome(report.outcome)


def message_of(report: pytest.TestReport) -> str:
    """Why, on one line: of a failure or skip, "" for what passed."""
    if hasattr(report, "wasxfail"):
        return report.wasxfail
    if report.passed:
        return ""
    if isinstance(report.longrepr, tuple):
        return report.longrepr[2].removeprefix("Skipped: ")
    crash = getattr(report.longrepr, "reprcrash", None)
    if crash is None:
        return last_line(report.longreprtext)
    if crash.message.startswith("Failed: "):
        return " ".join(crash.message.split()[1:])  # What pytest.fail was given is a sentence, however long.
    return first_line(crash.message)


def first_line(text: str) -> str:
    return next((line.strip() for line in text.splitlines() if line.strip()), "")


def last_line(text: str) -> str:
    return first_line("\n".join(reversed(text.splitlines())))
