"""Carries out a plan: services once, pytest in a process of its own, then the summary."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from importlib.metadata import entry_points
from importlib.util import find_spec
from pathlib import Path
from types import FrameType

from rich.console import Console

from tidings.testing.plugin.orphans import RUNNER
from tidings.testing.plugin.results import read
from tidings.testing.runner.junit import name_interrupted
from tidings.testing.runner.page import page
from tidings.testing.runner.plan import REDIS, Options, Plan, PlanError, plan
from tidings.testing.runner.summary import Summary, summarise, was_complete
from tidings.testing.runner.tables import plan_table, summary_tables

OPTIONAL = ("coverage", "pytest_timeout")


def run(options: Options, *, console: Console | None = None) -> int:
    """Do what the options say, and return the exit code: pytest's.

    Shows first what will be started and run; a dry run then only lists the tests. Raises `PlanError` for options that
    cannot be carried out, and `ServiceError` for a service that does not start. Ctrl-C ends the tests, then the
    services.
    """
    console = console or Console()
    made = plan(options, os.environ, [name for name in OPTIONAL if find_spec(name)])
    console.print(plan_table(made, os.environ))
    if made.dry_run:
        return _call(made.list_command(sys.executable), os.environ)
    for name, file in {"--junit": options.junit, "--html": options.html}.items():
        if file is not None:
            _require_writable(name, file)
    with folder_of_results() as folder, services(made) as variables:
        for name in made.starts:
            console.print(f"[bold]{name}[/] is ready at {variables[REDIS[0]]}")
        report = folder / "results.jsonl"
        summary = _tested(made, report, {**os.environ, **made.environment, **variables})
    if options.junit is not None:
        name_interrupted(options.junit, summary.interrupted)
    _show(made, summary, console)
    # By convention a process that a signal has ended is told as 128 more than the signal.
    return summary.code if summary.code >= 0 else 128 - summary.code


@contextmanager
def folder_of_results() -> Iterator[Path]:
    """A folder that is removed at the end, also by the reaper if this process is killed."""
    from tidings.testing.services.reaper import reaper

    with tempfile.TemporaryDirectory(prefix="tidings-test-") as name:
        folder = Path(name)
        reaper().watch_directory(folder)
        try:
            yield folder
        finally:
            reaper().forget_directory(folder)


@contextmanager
def services(made: Plan) -> Iterator[Mapping[str, str]]:
    """Start what the plan wants; the value is what tests are told of it."""
    with ExitStack() as stack:
        variables: dict[str, str] = {}
        if "redis" in made.starts:
            from tidings.testing.services import RedisServer

            # Not database 0, which tests leave alone in a server that is given to them.
            url = stack.enter_context(RedisServer()).url.removesuffix("/0")
            variables = dict.fromkeys(REDIS, f"{url}/1")
        yield variables


def plugin() -> list[str]:
    """How pytest is told to load our plugin: by the name under which Tidings is installed, else by its module."""
    return ["-p", "tidings" if entry_points(group="pytest11", name="tidings") else "tidings.testing.plugin"]


def _require_writable(name: str, file: Path) -> None:
    """Find out before the tests have run, and leave no file of it. Raises `PlanError`."""
    was_there = file.exists()
    try:
        file.open("ab").close()
        if not was_there:
            file.unlink()
    except OSError as error:
        raise PlanError(f"{name} {file} cannot be written ({error.strerror}): name another file.") from error


def _tested(made: Plan, report: Path, environment: Mapping[str, str]) -> Summary:
    code = _call(made.command(sys.executable, report=report), environment)
    if made.coverage:
        # There is nothing to combine unless the project's own settings let each process write a file of its own.
        subprocess.run([sys.executable, "-m", "coverage", "combine", "--quiet"], capture_output=True, check=False)
        subprocess.run([sys.executable, "-m", "coverage", "report"], check=False)
    lines = list(read(report))
    return summarise(lines, code if was_complete(lines) or code else 3)


def _show(made: Plan, summary: Summary, console: Console) -> None:
    console.print()
    console.print(summary_tables(summary))
    if made.html is not None:
        made.html.write_text(page(summary), encoding="utf-8")
        console.print(f"The same as a page: {made.html}")


def _call(command: list[str], environment: Mapping[str, str]) -> int:
    """Run pytest on our terminal. Its signals are its business: Ctrl-C reaches both, and what reaches us alone goes on.

    The plugin is named here, and not in the plan, because how it is loaded is a matter of this installation.
    """
    at = command.index("pytest") + 1
    command = [*command[:at], *plugin(), *command[at:]]
    process = subprocess.Popen(command, env={**environment, RUNNER: str(os.getpid())})
    with _passing_on(process):
        return process.wait()


@contextmanager
def _passing_on(process: subprocess.Popen[bytes]) -> Iterator[None]:
    """While pytest runs, Ctrl-C is for it to answer, and a SIGTERM for us is one for it."""

    def terminate(number: int, frame: FrameType | None) -> None:
        process.send_signal(signal.SIGTERM)

    before = {
        signal.SIGINT: signal.signal(signal.SIGINT, lambda number, frame: None),
        signal.SIGTERM: signal.signal(signal.SIGTERM, terminate),
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


__all__ = ["PlanError", "run"]
