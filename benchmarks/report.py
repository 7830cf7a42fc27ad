"""What a run says, as tables: the budgets, the latencies, and how busy the load client was.

A table is a value; it is drawn for a terminal or for Markdown.
"""

from __future__ import annotations

from dataclasses import dataclass

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table as TerminalTable

from benchmarks.rows import BURST, STREAM, STREAM_RATE, Row
from benchmarks.runs import Results
from benchmarks.servers import Server


@dataclass(frozen=True)
class Table:
    """A title, the names of the columns, and rows of text. The first column is text, the others are figures."""

    title: str
    columns: list[str]
    rows: list[list[str]]

    def print(self, console: Console) -> None:
        drawn = TerminalTable(title=self.title, title_justify="left", box=SIMPLE_HEAD)
        drawn.add_column(self.columns[0], no_wrap=True)
        for column in self.columns[1:]:
            drawn.add_column(column, justify="right")
        for row in self.rows:
            drawn.add_row(*row)
        console.print(drawn)

    def markdown(self) -> str:
        rule = ["---"] + ["---:"] * (len(self.columns) - 1)
        lines = [f"| {' | '.join(cells)} |" for cells in [self.columns, rule, *self.rows]]
        return "\n".join([f"**{self.title}**", "", *lines])


@dataclass(frozen=True)
class Budget:
    """One line of the budgets.

    `limit` and `beyond` are for the ratio to the raw loop where `relative`, else for the figure itself; `floor` turns
    "at most" into "at least". A `controlled` figure is 1 for the raw loop on a quiet machine: where the raw loop itself
    is outside of the limit, in either direction, the figure says nothing about Tidings.
    """

    title: str
    row: str
    figure: str
    form: str
    limit: float
    beyond: float
    relative: bool = False
    floor: bool = False
    controlled: bool = False

    @property
    def bound(self) -> str:
        form = "{:.2f} ×" if self.relative else self.form
        return f"{'≥' if self.floor else '≤'} {form.format(self.limit)}"

    def verdict(self, value: float | None, raw: float | None) -> str:
        if value is None or raw is None:
            return "not measured"
        if self.controlled and not 1 / self.limit <= raw <= self.limit:
            return "unclear"
        value, limit, beyond = (-value, -self.limit, -self.beyond) if self.floor else (value, self.limit, self.beyond)
        if value > limit:
            return "missed"
        return "met, and beyond" if value <= beyond < limit else "met"


BUDGETS = [
    Budget("µs of CPU per delivery", "single", "cpu_us", "{:.2f}", 1.35, 1.15, relative=True),
    Budget(f"the same, {BURST} in flight", "burst", "cpu_us", "{:.2f}", 1.0, 0.5, relative=True),
    Budget("KiB per idle subscriber", "memory", "kib", "{:.1f}", 12.0, 8.0),
    Budget("µs of CPU to let a client in", "connecting", "cpu_us", "{:.0f}", 400.0, 250.0),
    Budget("ms to be let in, p99", "connecting", "p99_ms", "{:.1f}", 50.0, 50.0),
    Budget("ms to all subscribers, p99", "single", "p99_ms", "{:.1f}", 100.0, 100.0),
    Budget("messages a second, sustained", "sustained", "per_second", "{:,.0f}", 10_000.0, 10_000.0, floor=True),
    Budget("one stalled: the others got", "stalled", "received_share", "{:.1%}", 1.0, 1.0, floor=True),
    Budget("one stalled: p99, times that without", "stalled", "p99_ratio", "{:.2f}", 1.25, 1.25, controlled=True),
    Budget("one stalled: MiB of growth", "stalled", "growth_mib", "{:.1f}", 4.0, 4.0),
]

LATENCIES = [
    ("one at a time", "single", ["p50_ms", "p95_ms", "p99_ms"]),
    (f"bursts of {BURST}", "burst", ["p50_ms", "p95_ms", "p99_ms"]),
    (f"{STREAM * STREAM_RATE:,.0f} a second to one", "sustained", ["p50_ms", "p95_ms", "p99_ms"]),
    ("opening a connection", "connecting", ["p50_ms", "p95_ms", "p99_ms"]),
    ("64 kB, everybody reads", "stalled", ["p50_ms", "p95_ms", "p99_ms"]),
    ("64 kB, one stalled", "stalled", ["p50_stalled_ms", "p95_stalled_ms", "p99_stalled_ms"]),
]


def tables(results: Results, rows: list[Row], servers: list[Server]) -> list[Table]:
    """Everything a run says about these rows."""
    names = {row.name for row in rows}
    made = [
        _budgets(results, [budget for budget in BUDGETS if budget.row in names], servers),
        _latencies(results, names, servers),
        _shares(results, rows, servers),
    ]
    return [table for table in made if table.rows]


def _budgets(results: Results, budgets: list[Budget], servers: list[Server]) -> Table:
    columns = ["measure", *(server.title for server in servers), "Tidings / raw", "Starlette / Tidings", "budget", ""]
    return Table("Cost", columns, [_budget_row(results, budget, servers) for budget in budgets])


def _budget_row(results: Results, budget: Budget, servers: list[Server]) -> list[str]:
    own = results.median(budget.row, "tidings", budget.figure)
    to_raw = results.ratio(budget.row, "tidings", "raw", budget.figure)
    to_loop = results.ratio(budget.row, "starlette", "tidings", budget.figure)
    return [
        budget.title,
        *(_text(budget.form, results.median(budget.row, server.key, budget.figure)) for server in servers),
        _text("{:.2f} ×", to_raw) if budget.figure == "cpu_us" else "",
        _text("{:.2f} ×", to_loop) if budget.figure in ("cpu_us", "kib") else "",
        budget.bound,
        budget.verdict(to_raw if budget.relative else own, results.median(budget.row, "raw", budget.figure)),
    ]


def _latencies(results: Results, names: set[str], servers: list[Server]) -> Table:
    rows = [
        [
            title,
            server.title,
            *(_text("{:.2f}", results.median(row, server.key, figure)) for figure in figures),
        ]
        for title, row, figures in LATENCIES
        if row in names
        for server in servers
    ]
    return Table("Latency in ms", ["what", "server", "p50", "p95", "p99"], rows)


def _shares(results: Results, rows: list[Row], servers: list[Server]) -> Table:
    lines = [
        [row.title, *(_text("{:.0%}", results.most(row.name, server.key, "load_share")) for server in servers)]
        for row in rows
    ]
    return Table("The load client's share of its core, at most", ["row", *(server.title for server in servers)], lines)


def _text(form: str, value: float | None) -> str:
    return "" if value is None else form.format(value)
