"""A run: every row, round by round, and what it says as text."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from rich.console import Console

from benchmarks.over_redis.report import Results, notes, plots, tables
from benchmarks.over_redis.rows import Round, Row, Scale
from benchmarks.workplace import Workplace

Step = Callable[[int, str], None]
"""Told how many steps are done and what is measured next."""


def run(workplace: Workplace, rows: Sequence[Row], scale: Scale, step: Step) -> dict[str, list[Round]]:
    results: dict[str, list[Round]] = {row.name: [] for row in rows}
    done = 0
    for row in rows:
        for number in range(scale.rounds):
            step(done, f"{row.title}, round {number + 1} of {scale.rounds}")
            results[row.name].append(row.measure(workplace, scale))
            done += 1
    return results


def show(results: Results, remarks: Sequence[str], console: Console) -> None:
    for table in tables(results):
        table.print(console)
    for title, lines in plots(results):
        console.print("\n".join([title, "", *lines, ""]), highlight=False)
    console.print("\n".join(f"- {note}" for note in [*notes(results), *remarks]), highlight=False)


def markdown(results: Results, remarks: Sequence[str]) -> str:
    drawn = [f"**{title}**\n\n```text\n" + "\n".join(lines) + "\n```" for title, lines in plots(results)]
    listed = "\n".join(f"- {note}" for note in [*notes(results), *remarks])
    return "\n\n".join([*(table.markdown() for table in tables(results)), *drawn, listed])
