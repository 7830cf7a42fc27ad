"""`python -m benchmarks [NAME …] [--quick] [--json FILE] [--markdown FILE] [--no-compiler]`"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from benchmarks import capacity, checks, over_redis
from benchmarks.load import LoadError
from benchmarks.machine import Bystanders, description
from benchmarks.marks import write_between
from benchmarks.report import tables
from benchmarks.rows import BURST, FULL, QUICK, ROWS, Row, Scale
from benchmarks.runs import Results, run, steps
from benchmarks.servers import RawLoop, Server, ServerError, StarletteLoop, TidingsServer
from benchmarks.workplace import Workplace, compiler
from tidings.testing.services import ServiceError

T = TypeVar("T")

ALL = [*ROWS, *capacity.PARTS, *over_redis.ROWS, *checks.ROWS]


def main() -> None:
    parser = _parser()
    arguments = parser.parse_args()
    unknown = set(arguments.names) - {row.name for row in ALL}
    if unknown:
        parser.error(f"there is no row {', '.join(sorted(unknown))}")
    console = Console(width=None if sys.stdout.isatty() else 120)
    machine = description()  # before this process keeps to the clients' core
    content: dict[str, Any] = {"machine": machine}
    with Workplace(compiler=None if arguments.no_compiler else compiler()) as workplace:
        try:
            if rows := [row for row in ROWS if not arguments.names or row.name in arguments.names]:
                content |= _on_one_node(rows, workplace, arguments, machine, console)
            if parts := [part for part in capacity.PARTS if not arguments.names or part.name in arguments.names]:
                content["capacity"] = _capacity(parts, workplace, arguments, machine, console)
            if more := [row for row in over_redis.ROWS if not arguments.names or row.name in arguments.names]:
                content["redis"] = _over_redis(more, workplace, arguments, machine, console)
            if rest := [row for row in checks.ROWS if not arguments.names or row.name in arguments.names]:
                content["checks"] = _checks(rest, arguments, console)
        except (LoadError, ServerError, ServiceError, TimeoutError) as error:
            raise SystemExit(str(error)) from error
    if arguments.json:
        arguments.json.write_bytes(msgspec.json.format(msgspec.json.encode(content)))


def _on_one_node(
    rows: list[Row], workplace: Workplace, arguments: argparse.Namespace, machine: dict[str, str], console: Console
) -> dict[str, Any]:
    """Measure, and show what came of it; answers what is written as JSON."""
    scale = QUICK if arguments.quick else FULL
    bystanders = Bystanders()
    servers: list[Server] = [RawLoop(workplace), StarletteLoop(workplace), TidingsServer(workplace)]
    results = _progressing(console, lambda step: run(rows, servers, scale, step), steps(rows, servers, scale))
    notes = [
        _losses(results, servers),
        *_notes(machine, workplace.language, scale, bystanders.share()),
    ]
    made = tables(results, rows, servers)
    for table in made:
        table.print(console)
    console.print("\n".join(f"- {note}" for note in notes), highlight=False)
    if arguments.markdown:
        text = "\n\n".join([*(table.markdown() for table in made), "\n".join(f"- {note}" for note in notes)])
        write_between(arguments.markdown, "benchmarks", text)
    return {"scale": scale, "rows": results.rows, "notes": notes}


def _capacity(
    parts: list[capacity.Part],
    workplace: Workplace,
    arguments: argparse.Namespace,
    machine: dict[str, str],
    console: Console,
) -> dict[str, Any]:
    scale = capacity.QUICK if arguments.quick else capacity.FULL
    content: dict[str, Any] = {"scale": scale}
    for part in parts:
        servers = part.servers(workplace)
        bystanders = Bystanders()
        measured = partial(capacity.run, part, servers, scale)
        results = _progressing(console, measured, part.rounds(scale) * len(servers))
        notes = [*part.notes(), _where(machine, workplace.language, bystanders.share())]
        capacity.show(part, results, servers, scale, console)
        console.print("\n".join(f"- {note}" for note in notes), highlight=False)
        if arguments.markdown:
            capacity.markdown(arguments.markdown, part, results, servers, scale, notes)
        content[part.name] = {"rows": results.rows[part.name], "notes": notes}
    return content


def _over_redis(
    rows: list[over_redis.Row],
    workplace: Workplace,
    arguments: argparse.Namespace,
    machine: dict[str, str],
    console: Console,
) -> dict[str, Any]:
    scale = over_redis.QUICK if arguments.quick else over_redis.FULL
    bystanders = Bystanders()
    results = _progressing(console, lambda step: over_redis.run(workplace, rows, scale, step), len(rows) * scale.rounds)
    notes = [_where(machine, workplace.language, bystanders.share())]
    over_redis.show(results, notes, console)
    if arguments.markdown:
        write_between(arguments.markdown, "benchmarks over redis", over_redis.markdown(results, notes))
    return {"scale": scale, "rows": results, "notes": notes}


def _checks(rows: list[checks.Row], arguments: argparse.Namespace, console: Console) -> dict[str, Any]:
    scale = checks.QUICK if arguments.quick else checks.FULL
    results = _progressing(console, lambda step: checks.run(rows, scale, step), checks.steps(rows, scale))
    table = checks.table(results)
    table.print(console)
    if arguments.markdown:
        write_between(arguments.markdown, "benchmarks of checks", table.markdown())
    return {"scale": scale, "rows": results}


def _where(machine: dict[str, str], language: str, bystanders: float) -> str:
    return (
        f"{machine['cores']} cores ({machine['processor']}), {machine['kernel']}, {machine['python']}. Other processes "
        f"took {bystanders:.0%} of all cores meanwhile. The load client is written in {language}."
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measure what Tidings costs.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"what to measure: {', '.join(r.name for r in ALL)}")
    parser.add_argument("--quick", action="store_true", help="small runs that show whether everything works")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every round's figures")
    parser.add_argument(
        "--markdown", type=Path, metavar="FILE", help="write the tables, between FILE's marks if it has any"
    )
    parser.add_argument("--no-compiler", action="store_true", help="take the raw loop and the load client in Python")
    return parser


def _progressing(console: Console, work: Callable[[over_redis.Step], T], total: int) -> T:
    """Do what takes so many steps, and show how far it is."""
    columns = (BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TextColumn("{task.description}"))
    with Progress(*columns, console=console, refresh_per_second=2) as progress:
        task = progress.add_task("starting", total=total)
        results = work(lambda done, what: progress.update(task, completed=done, description=what))
        progress.update(task, completed=total, description="done")
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


if __name__ == "__main__":
    main()
