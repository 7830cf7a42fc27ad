"""A plan and a summary as they look in a terminal."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from tidings.testing.plugin.results import Result
from tidings.testing.runner.plan import Plan, shown
from tidings.testing.runner.summary import Row, Summary


def plan_table(plan: Plan, variables: Mapping[str, str], python: str = "python") -> RenderableType:
    """What is about to be started and run."""
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    table.add_row("starts", ", ".join(plan.starts) or "nothing")
    for name, value in shown({**variables, **plan.environment}).items():
        table.add_row("given", f"{name}={value}")
    table.add_row("runs", shlex.join(plan.command(python)))
    return table


def summary_tables(summary: Summary) -> RenderableType:
    """All that there is to say, and nothing about what there was none of."""
    return Group(*(each for part in _parts(summary) for each in (Text(), part)))


def _parts(summary: Summary) -> Iterator[RenderableType]:
    if summary.tests:
        yield _categories([*summary.categories, summary.total])
        yield _slowest(summary.slowest)
    if summary.measured:
        table = _table("Measured", "what", "value", "bounds", "test")
        for test, measurement in summary.measured:
            style = "" if measurement.holds else "red"
            table.add_row(measurement.name, measurement.told, measurement.bounds.strip(" ()"), _name(test), style=style)
        yield table
    if summary.justified:
        table = _table("Mocks that are justified", "reason", "test")
        for test, reason in summary.justified:
            table.add_row(reason, _name(test))
        yield table
    if summary.skips:
        yield _reasons("Skipped", summary.skips)
    if summary.failures:
        yield _reasons("Failed", summary.failures)
    yield Text(verdict(summary), style="bold green" if summary.code == 0 else "bold red")


def verdict(summary: Summary) -> str:
    """The last line."""
    total = summary.total
    return f"{total.passed} passed, {total.failed} failed, {total.skipped} skipped: {summary.verdict}"


def _categories(rows: Sequence[Row]) -> Table:
    table = _table("By category", "", "passed", "failed", "skipped", "seconds")
    for column in table.columns[1:]:
        column.justify = "right"
    for row in rows:
        failed = Text(str(row.failed), style="red" if row.failed else "")
        table.add_row(row.category, str(row.passed), failed, str(row.skipped), f"{row.seconds:.2f}")
    return table


def _slowest(tests: Sequence[Result]) -> Table:
    table = _table("Slowest", "seconds", "test")
    table.columns[0].justify = "right"
    for test in tests:
        table.add_row(f"{test.seconds:.2f}", test.test)
    return table


def _reasons(title: str, tests: Sequence[Result]) -> Table:
    table = _table(title, "test", "why")
    for test in tests:
        table.add_row(Text(test.test), Text(test.message))
    return table


def _name(test: str) -> str:
    """A test without its file, for tables that have little room."""
    return test.rpartition("::")[2]


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for name in columns:
        table.add_column(name, header_style="dim", overflow="fold")
    return table
