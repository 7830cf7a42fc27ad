"""`python -m benchmarks [NAME …] [--quick] [--json FILE] [--markdown FILE] [--no-compiler]`"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import msgspec
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from benchmarks.load import LoadError
from benchmarks.machine import Bystanders, description
from benchmarks.report import Table, tables
from benchmarks.rows import BURST, FULL, QUICK, ROWS, Row, Scale
from benchmarks.runs import Results, run, steps
from benchmarks.servers import RawLoop, Server, ServerError, StarletteLoop, TidingsServer
from benchmarks.workplace import Workplace, compiler

BEGIN, END = "<!-- benchmarks: begin -->", "<!-- benchmarks: end -->"


def main() -> None:
    parser = _parser()
    arguments = parser.parse_args()
    unknown = set(arguments.names) - {row.name for row in ROWS}
    if unknown:
        parser.error(f"there is no row {', '.join(sorted(unknown))}")
    rows = [row for row in ROWS if not arguments.names or row.name in arguments.names]
    scale = QUICK if arguments.quick else FULL
    machine, bystanders = description(), Bystanders()
    console = Console(width=None if sys.stdout.isatty() else 120)
    with Workplace(compiler=None if arguments.no_compiler else compiler()) as workplace:
        servers: list[Server] = [RawLoop(workplace), StarletteLoop(workplace), TidingsServer(workplace)]
        try:
            results = _run(rows, servers, scale, console)
        except (LoadError, ServerError, TimeoutError) as error:
            raise SystemExit(str(error)) from error
        notes = [
            _losses(results, servers),
            *_notes(machine, workplace.language, scale, bystanders.share()),
        ]
    made = tables(results, rows, servers)
    for table in made:
        table.print(console)
    console.print("\n".join(f"- {note}" for note in notes), highlight=False)
    if arguments.json:
        content = {"machine": machine, "scale": scale, "rows": results.rows, "notes": notes}
        arguments.json.write_bytes(msgspec.json.format(msgspec.json.encode(content)))
    if arguments.markdown:
        _write_markdown(arguments.markdown, made, notes)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measure what Tidings costs.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"what to measure: {', '.join(r.name for r in ROWS)}")
    parser.add_argument("--quick", action="store_true", help="small runs that show whether everything works")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every round's figures")
    parser.add_argument(
        "--markdown", type=Path, metavar="FILE", help="write the tables, between FILE's marks if it has any"
    )
    parser.add_argument("--no-compiler", action="store_true", help="take the raw loop and the load client in Python")
    return parser


def _run(rows: list[Row], servers: list[Server], scale: Scale, console: Console) -> Results:
    columns = (BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TextColumn("{task.description}"))
    with Progress(*columns, console=console, refresh_per_second=2) as progress:
        task = progress.add_task("starting", total=steps(rows, servers, scale))

        def step(done: int, what: str) -> None:
            progress.update(task, completed=done, description=what)

        results = run(rows, servers, scale, step)
        progress.update(task, completed=steps(rows, servers, scale), description="done")
    return results


def _losses(results: Results, servers: list[Server]) -> str:
    counts = [
        f"{server.title} {results.total(server.key, 'lost'):,} and {results.total(server.key, 'disordered'):,}"
        f" of {results.total(server.key, 'expected'):,}"
        for server in servers
    ]
    return f"Messages lost, and out of order, while everybody read: {'; '.join(counts)}."


def _notes(machine: dict[str, str], language: str, scale: Scale, bystanders: float) -> list[str]:
    return [
        f"{machine['cores']} cores ({machine['processor']}), {machine['kernel']}, {machine['python']}; servers have "
        f"one core and clients another. Other processes took {bystanders:.0%} of all cores meanwhile.",
        f"{scale.subscribers:,} subscribers; the raw loop and the load client are written in {language}.",
        "The raw loop frames a publication once and calls send() once for each subscriber. Of a burst it gives each "
        f"subscriber all {BURST} in {BURST} calls, one after another, then turns to the next subscriber.",
        f"Every server gets its publications by HTTP; 1/{scale.subscribers} of a request is in the cost of a delivery, "
        f"1/{BURST * scale.subscribers} in bursts.",
        "Ratios are medians over the rounds of the ratios within a round.",
    ]


def _write_markdown(file: Path, made: list[Table], notes: list[str]) -> None:
    text = "\n\n".join([*(table.markdown() for table in made), "\n".join(f"- {note}" for note in notes)])
    old = file.read_text() if file.exists() else ""
    if BEGIN in old and END in old:
        text = f"{old.partition(BEGIN)[0]}{BEGIN}\n\n{text}\n\n{END}{old.partition(END)[2]}"
    file.write_text(text if text.endswith("\n") else f"{text}\n")


if __name__ == "__main__":
    main()
