"""What a run over Redis says: tables, and the growth as a plot."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence

from benchmarks.over_redis.plot import bars
from benchmarks.over_redis.rows import CALLERS, KINDS, Round
from benchmarks.report import Table

BUDGET = 20_000
"""Publications with history a second, by concurrent callers of one node."""

Results = Mapping[str, Sequence[Round]]
"""The rounds of each row."""


def median(rounds: Sequence[Round], what: str, figure: str) -> float | None:
    values = [each[what][figure] for each in rounds if figure in each.get(what, {})]
    return statistics.median(values) if values else None


def tables(results: Results) -> list[Table]:
    made = [_publishing(results), _delivery(results), _storm(results), _memory(results)]
    return [table for table in made if table.rows]


def plots(results: Results) -> list[tuple[str, list[str]]]:
    """A title and lines for each direction in which the cost grows."""
    rounds = results.get("redis-growth", [])
    made = []
    for what, title in (
        ("nodes", "CPU of a publication by HTTP, with one subscriber on each node"),
        ("channels", "CPU of a publication by 64 callers of one node, all channels with history"),
        ("subscribers", "CPU of a publication by HTTP, subscribers on two nodes"),
    ):
        counts = sorted({int(name.split(", ")[1]) for each in rounds for name in each if name.startswith(f"{what}, ")})
        rows = [
            (f"{count:>6,} {what}, {who}", median(rounds, f"{what}, {count}", figure) or 0.0)
            for count in counts
            for who, figure in (("nodes", "node_us"), ("Redis", "redis_us"))
        ]
        if rows:
            made.append((title, bars(rows, unit="µs")))
    return made


def notes(results: Results) -> list[str]:
    rounds = [figures for row in results.values() for each in row for figures in each.values()]
    expected = sum(each.get("expected", 0) for each in rounds)
    lost, disordered = (sum(each.get(name, 0) for each in rounds) for name in ("lost", "disordered"))
    said = ["Redis has the clients' core, nodes share the servers' core. Figures are medians of the rounds."]
    if expected:
        said.append(f"Messages lost, and out of order: {lost:,.0f} and {disordered:,.0f} of {expected:,.0f}.")
    return said


def _publishing(results: Results) -> Table:
    rounds = results.get("redis-publish", [])
    columns = [
        "publishing",
        "callers",
        "a second",
        "node µs",
        "Redis µs",
        "node busy",
        "Redis busy",
        "p50 ms",
        "p99 ms",
    ]
    figures = ["per_second", "node_us", "redis_us", "node_share", "redis_share", "p50_ms", "p99_ms"]
    forms = ["{:,.0f}", "{:.1f}", "{:.1f}", "{:.0%}", "{:.0%}", "{:.2f}", "{:.2f}"]
    rows = []
    for kind, title in KINDS.items():
        for callers in CALLERS:
            if (rate := median(rounds, f"{kind}, {callers}", "per_second")) is None:
                continue
            cells = [
                _text(form, median(rounds, f"{kind}, {callers}", figure))
                for form, figure in zip(forms, figures, strict=True)
            ]
            is_budget = kind == "kept" and callers == max(CALLERS)
            verdict = f"≥ {BUDGET:,} {'met' if rate >= BUDGET else 'missed'}" if is_budget else ""
            rows.append([title, str(callers), *cells, verdict])
    return Table("Publishing 100 bytes through Redis, from one node", [*columns, "budget"], rows)


def _delivery(results: Results) -> Table:
    rounds = results.get("redis-delivery", [])
    columns = [
        "subscribers on",
        "p50 ms",
        "p95 ms",
        "p99 ms",
        "nodes' µs a delivery",
        "Redis µs a publication",
        "client",
    ]
    figures = ["p50_ms", "p95_ms", "p99_ms", "nodes_us", "redis_us"]
    rows = [
        [
            "two nodes",
            *(_text("{:.2f}", median(rounds, "two nodes", figure)) for figure in figures),
            _text("{:.0%}", median(rounds, "two nodes", "load_share")),
        ]
    ]
    return Table("Delivery across nodes", columns, rows if rounds else [])


def _storm(results: Results) -> Table:
    rounds = results.get("redis-storm", [])
    what = "one node of two"
    columns = ["clients", "recovered", "s to the last", "p50 ms", "p95 ms", "p99 ms", "node µs", "Redis µs"]
    columns += ["scripts", "commands", "client"]
    forms = {
        "clients": "{:,.0f}",
        "recovered": "{:,.0f}",
        "seconds": "{:.2f}",
        "p50_ms": "{:.0f}",
        "p95_ms": "{:.0f}",
        "p99_ms": "{:.0f}",
        "node_us": "{:.0f}",
        "redis_us": "{:.0f}",
        "scripts": "{:.2f}",
        "commands": "{:.1f}",
        "load_share": "{:.0%}",
    }
    cells = [_text(form, median(rounds, what, figure)) for figure, form in forms.items()]
    return Table("A node is killed, its clients come to another; per client", columns, [cells] if rounds else [])


def _memory(results: Results) -> Table:
    rounds = results.get("redis-memory", [])
    names = list(rounds[0]) if rounds else []
    rows = [[name, _text("{:,.0f}", median(rounds, name, "bytes"))] for name in names]
    return Table("Memory in Redis", ["of", "bytes"], rows)


def _text(form: str, value: float | None) -> str:
    return "" if value is None else form.format(value)
