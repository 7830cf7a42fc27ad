"""The summary as one page that needs nothing else: no script, no other file, light and dark, on a phone as well."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from html import escape
from importlib.resources import files
from string import Template

from tidings.testing.plugin.results import Outcome, Result
from tidings.testing.runner.summary import Row, Summary

COLOURS = {
    Outcome.PASSED: "passed",
    Outcome.XFAILED: "passed",
    Outcome.XPASSED: "passed",
    Outcome.SKIPPED: "skipped",
    Outcome.FAILED: "failed",
    Outcome.ERROR: "failed",
    Outcome.INTERRUPTED: "interrupted",
}

BAD = ("failed", "interrupted")
"""What a figure is coloured for."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell, still without markup. `look` are classes of the page's style."""

    text: str
    look: str = ""

    def html(self, tag: str = "td") -> str:
        look = f' class="{self.look}"' if self.look else ""
        return f"<{tag}{look}>{escape(self.text)}</{tag}>"


def page(summary: Summary) -> str:
    """The whole page. Whatever tests have said is shown as text, never as markup."""
    total = summary.total
    template = Template(files(__package__).joinpath("page.html").read_text(encoding="utf-8"))
    counts = total.counts
    verdict = summary.verdict[:1].upper() + summary.verdict[1:]
    return template.substitute(
        title=escape(total.told),
        colour="passed" if summary.code == 0 else "failed",
        verdict=escape(verdict),
        counts="".join(f'<li class="{kind}"><b>{count}</b> {kind}</li>' for kind, count in counts.items()),
        label=total.told,
        bar="".join(f'<i class="{kind}" style="flex-grow: {count}"></i>' for kind, count in counts.items() if count),
        sections="\n".join(sections(summary)),
    )


def sections(summary: Summary) -> Iterator[str]:
    """What there is something to say about."""
    if summary.failures:
        yield section("Failed", reasons(summary.failures))
    if summary.interrupted:
        yield section("Interrupted", table((Cell("test"),), [(Cell(t.test, "name"),) for t in summary.interrupted]))
    if summary.tests:
        yield section("By category", categories(summary.categories, summary.total))
    if summary.measured:
        yield section("Measured", measurements(summary))
    if summary.slowest:
        slow = [(Cell(f"{test.seconds:.2f}", "number"), Cell(test.test, "name")) for test in summary.slowest]
        yield section("Slowest", table((Cell("seconds", "number"), Cell("test")), slow))
    if summary.justified:
        mocks = [(Cell(reason, "why"), Cell(test, "name")) for test, reason in summary.justified]
        yield section("Mocks that are justified", table((Cell("reason"), Cell("test")), mocks, look="tall"))
    if summary.skips:
        yield section("Skipped", reasons(summary.skips))
    if summary.tests:
        yield f"<section><details><summary>All tests</summary>{everything(summary.tests)}</details></section>"


def section(title: str, content: str) -> str:
    return f"<section><h2>{escape(title)}</h2>{content}</section>"


def table(
    heads: Iterable[Cell], rows: Iterable[Iterable[Cell]], *, look: str = "", foot: Iterable[Cell] | None = None
) -> str:
    """The first cell of a row is its heading."""
    body = "".join(f"<tr>{line(row)}</tr>" for row in rows)
    head = "".join(cell.html("th") for cell in heads)
    last = f"<tfoot><tr>{line(foot)}</tr></tfoot>" if foot else ""
    return f'<table class="{look}"><thead><tr>{head}</tr></thead><tbody>{body}</tbody>{last}</table>'


def line(row: Iterable[Cell]) -> str:
    first, *others = row
    return first.html("th") + "".join(cell.html() for cell in others)


def categories(rows: Sequence[Row], total: Row) -> str:
    heads = (Cell(""), *(Cell(kind, "number") for kind in (*total.counts, "seconds")))
    kinds = [*total.counts]
    return table(heads, (figures(row, kinds) for row in rows), foot=figures(total, kinds))


def figures(row: Row, kinds: Iterable[str]) -> tuple[Cell, ...]:
    counts = [(kind, getattr(row, kind)) for kind in kinds]
    cells = (Cell(str(count), f"number {kind}" if count and kind in BAD else "number") for kind, count in counts)
    return (Cell(row.category), *cells, Cell(f"{row.seconds:.2f}", "number"))


def measurements(summary: Summary) -> str:
    rows = (
        (
            Cell(measurement.name),
            Cell(measurement.told, "" if measurement.holds else "failed"),
            Cell(measurement.bounds.strip(" ()")),
            Cell(test, "name"),
        )
        for test, measurement in summary.measured
    )
    return table((Cell("what"), Cell("value"), Cell("bounds"), Cell("test")), rows, look="tall")


def reasons(tests: Iterable[Result]) -> str:
    rows = ((Cell(test.test, "name"), Cell(test.message, "why")) for test in tests)
    return table((Cell("test"), Cell("why")), rows, look="tall")


def everything(tests: Iterable[Result]) -> str:
    rows = (
        (
            Cell(test.test, "name"),
            Cell(test.outcome.value, COLOURS[test.outcome]),
            Cell(", ".join(test.noted.markers)),
            Cell(f"{test.seconds:.2f} s", "number"),
        )
        for test in tests
    )
    return table((Cell("test"), Cell("outcome"), Cell("markers"), Cell("time", "number")), rows, look="tall")
