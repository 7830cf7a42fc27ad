"""`python -m benchmarks.faults [--paths …] [--rounds N] [--seconds S] [--kill-at S] [--down S] …`"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path as File

import msgspec
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from benchmarks.faults.outcome import Outcome
from benchmarks.faults.paths import PATHS, Path
from benchmarks.faults.program import ProgramError
from benchmarks.faults.report import notes, table
from benchmarks.faults.run import Plan, run
from benchmarks.machine import Bystanders, description
from benchmarks.marks import write_between
from tidings.testing.services import ServiceError

MARK = "faults"
PEERS = "build/peers/bin/python"

Outcomes = dict[str, list[Outcome]]


def main() -> None:
    parser = _parser()
    arguments = parser.parse_args()
    wanted = set(arguments.paths.split(",")) if arguments.paths else {path.key for path in PATHS}
    if unknown := wanted - {path.key for path in PATHS}:
        parser.error(f"there is no path {', '.join(sorted(unknown))}; there are {', '.join(p.key for p in PATHS)}")
    paths = [path for path in PATHS if path.key in wanted]
    plan = Plan(arguments.seconds, arguments.kill_at, arguments.down)
    if plan.kill_at + plan.down >= plan.seconds:
        parser.error("Redis has to be back before the last publication: --kill-at and --down are less than --seconds")
    if any(path.is_peer for path in paths) and not File(arguments.peers).exists():
        parser.error(
            f"{arguments.peers} is missing: `make bench-faults` installs the peers, or leave them out of --paths"
        )
    bystanders = Bystanders()
    console = Console(width=None if sys.stdout.isatty() else 160)
    try:
        outcomes = _run(paths, plan, arguments.rounds, arguments.at_once, arguments.peers, console)
    except (ProgramError, ServiceError) as error:
        raise SystemExit(str(error)) from error
    made = table(paths, outcomes)
    remarks = [*_method(plan, arguments.rounds, bystanders), *notes(paths, outcomes)]
    made.print(console)
    console.print("\n".join(f"- {remark}" for remark in remarks), highlight=False, markup=False)
    if arguments.json:
        content = {"machine": description(), "plan": plan, "outcomes": outcomes, "notes": remarks}
        arguments.json.write_bytes(msgspec.json.format(msgspec.json.encode(content)))
    if arguments.markdown:
        text = "\n\n".join([made.markdown(), "\n".join(f"- {remark}" for remark in remarks)])
        write_between(arguments.markdown, MARK, text)
    sys.exit(any(each.verdict not in ("", "kept") for rounds in outcomes.values() for each in rounds))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.faults", description="Count what is lost when Redis is killed and comes back."
    )
    keys = ", ".join(path.key for path in PATHS)
    parser.add_argument("--paths", default="", metavar="NAME,…", help=f"which paths: {keys}; all without it")
    parser.add_argument("--rounds", type=int, default=3, help="how often each path is run")
    parser.add_argument("--seconds", type=float, default=14.0, help="how long is published")
    parser.add_argument("--kill-at", type=float, default=3.0, help="after how many seconds Redis is killed")
    parser.add_argument("--down", type=float, default=2.0, help="for how many seconds it stays away")
    parser.add_argument(
        "--at-once", type=int, default=1, help="how many paths run beside each other, each on a Redis of its own"
    )
    parser.add_argument("--peers", default=PEERS, metavar="PYTHON", help="the Python in which the peers are installed")
    parser.add_argument("--json", type=File, metavar="FILE", help="write every round's figures")
    parser.add_argument(
        "--markdown", type=File, metavar="FILE", help="write the table, between FILE's marks if it has any"
    )
    return parser


def _run(paths: Sequence[Path], plan: Plan, rounds: int, at_once: int, peers: str, console: Console) -> Outcomes:
    """A B C A B C …, so that all paths meet the same weather."""
    columns = (BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TextColumn("{task.description}"))
    outcomes: Outcomes = {path.key: [] for path in paths}
    with Progress(*columns, console=console, refresh_per_second=2) as progress, ThreadPoolExecutor(at_once) as pool:
        task = progress.add_task("starting", total=len(paths) * rounds)
        work = {pool.submit(run, path, plan, peers): path for _ in range(rounds) for path in paths}
        try:
            for done in as_completed(work):
                outcomes[work[done].key].append(done.result())
                progress.update(task, advance=1, description=f"{work[done].key} done")
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    return outcomes


def _method(plan: Plan, rounds: int, bystanders: Bystanders) -> list[str]:
    machine = description()
    return [
        f"A publication every {plan.interval * 1000:g} ms for {plan.seconds:g} s, each by a call of its own. Redis is "
        f"killed after {plan.kill_at:g} s and back {plan.down:g} s later. {rounds} rounds; a range where they differ.",
        f"{machine['cores']} cores ({machine['processor']}), {machine['kernel']}, {machine['python']}. Other processes "
        f"took {bystanders.share():.0%} of all cores meanwhile.",
    ]


if __name__ == "__main__":
    main()
