"""`python -m benchmarks.publishing [--quick] [--json FILE] [--markdown FILE]`"""

from __future__ import annotations

import argparse
import statistics
import sys
import threading
import time
from pathlib import Path

import msgspec
from rich.console import Console

from benchmarks.machine import Bystanders, description
from benchmarks.marks import write_between
from benchmarks.over_redis.places import redis_on
from benchmarks.publishing.ways import WAYS, Places, Publish
from benchmarks.report import Table
from benchmarks.servers import TidingsServer
from benchmarks.workplace import Workplace

THREADS = (1, 50)

Figures = dict[str, float]
Rounds = dict[str, list[Figures]]
"""The rounds of each way and number of threads."""


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.publishing", description="Measure what publishes.")
    parser.add_argument("--quick", action="store_true", help="a small run that shows whether everything works")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every round's figures")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the table, between FILE's marks if any")
    arguments = parser.parse_args()
    rounds, count = (1, 100) if arguments.quick else (3, 1000)
    machine, bystanders = description(), Bystanders()
    with Workplace(compiler=None) as workplace:
        results = _run(workplace, rounds, count)
    table = _table(results)
    note = (
        f"{machine['cores']} cores ({machine['processor']}), {machine['kernel']}, {machine['python']}; the server has "
        f"one of them, whoever publishes the other, with Redis on it. Medians of {rounds} rounds. Other processes took "
        f"{bystanders.share():.0%} of all cores meanwhile."
    )
    console = Console(width=None if sys.stdout.isatty() else 120)
    table.print(console)
    console.print(f"- {note}", highlight=False)
    if arguments.json:
        arguments.json.write_bytes(msgspec.json.format(msgspec.json.encode({"rounds": results, "note": note})))
    if arguments.markdown:
        write_between(arguments.markdown, "benchmarks of publishing", f"{table.markdown()}\n\n- {note}")


def _run(workplace: Workplace, rounds: int, count: int) -> Rounds:
    """The ways in turn, round by round, so that all meet the same weather."""
    results: Rounds = {}
    with redis_on(workplace.client_cores) as redis, TidingsServer(workplace) as server:
        places = Places(f"http://127.0.0.1:{server.port}", redis.url)
        for _ in range(rounds):
            for threads in THREADS:
                for name, way in WAYS.items():
                    with way(places) as publish:
                        _in_threads(publish, threads, threads)  # connects
                        results.setdefault(f"{name}, {threads}", []).append(_measured(publish, threads, count))
    return results


def _measured(publish: Publish, threads: int, count: int) -> Figures:
    began, used = time.perf_counter(), time.process_time()
    _in_threads(publish, threads, count)
    seconds, cpu = time.perf_counter() - began, time.process_time() - used
    return {"count": count, "per_second": count / seconds, "cpu_us": cpu / count * 1e6}


def _in_threads(publish: Publish, threads: int, count: int) -> None:
    failures: list[Exception] = []

    def work() -> None:
        try:
            for _ in range(count // threads):
                publish()
        except Exception as error:
            failures.append(error)

    working = [threading.Thread(target=work) for _ in range(threads)]
    for thread in working:
        thread.start()
    for thread in working:
        thread.join()
    if failures:
        raise failures[0]


def _table(results: Rounds) -> Table:
    columns = ["publishing with", *(f"{threads} threads, a second" for threads in THREADS)]
    columns += [f"{threads} threads, µs of CPU" for threads in THREADS]
    rows = []
    for name in WAYS:
        figures = [
            statistics.median(each[figure] for each in results[f"{name}, {threads}"])
            for figure in ("per_second", "cpu_us")
            for threads in THREADS
        ]
        rows.append([name, *(f"{figure:,.0f}" for figure in figures)])
    return Table("Publishing 100 bytes to a channel with history, one call at a time in each thread", columns, rows)


if __name__ == "__main__":
    main()
