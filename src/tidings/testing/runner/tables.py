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
    # Fixtures start services as well, when a test asks for one; nobody knows that before.
    table.add_row("starts beforehand", ", ".join(plan.starts) or "nothing")
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
    if summary.interrupted:
        yield _names("Interrupted", summary.interrupted)
    if summary.failures:
        yield _reasons("Failed", summary.failures)
    yield Text(verdict(summary), style="bold green" if summary.code == 0 else "bold red")


def verdict(summary: Summary) -> str:
    """The last line."""
    return f"{summary.total.told}: {summary.verdict}"


def _categories(rows: Sequence[Row]) -> Table:
    kinds = rows[-1].counts  # Of the total, which has whatever one of the others has.
    table = _table("By category", "", *kinds, "seconds")
    for column in table.columns[1:]:
        column.justify = "right"
    for row in rows:
        bad = {"failed": "red", "interrupted": "red"}
        counts = [(kind, getattr(row, kind)) for kind in kinds]
        cells = [Text(str(count), style=bad.get(kind, "") if count else "") for kind, count in counts]
        table.add_row(row.category, *cells, f"{row.seconds:.2f}")
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


def _names(title: str, tests: Sequence[Result]) -> Table:
    table = _table(title, "test")
    for test in tests:
        table.add_row(Text(test.test))
    return table


def _name(test: str) -> str:
    """A test without its file, for tables that have little room."""
    return test.rpartition("::")[2]


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for name in columns:
        table.add_column(name, header_style="dim", overflow="fold")
    return table
