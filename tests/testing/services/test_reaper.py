"""The reaper: a test process that is killed leaves nothing behind, and how long that takes."""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.testing.services.programs import is_alive, need

from tidings.testing.services import PostgresServer, RedisServer
from tidings.testing.services.base import ask_until
from tidings.testing.services.reaper import GRACE

pytestmark = [pytest.mark.world, pytest.mark.L3]

logger = logging.getLogger(__name__)
"""How long it took is shown by `pytest --log-cli-level INFO`."""

MARGIN = 4.0
"""Seconds beyond the reaper's grace for a machine that has other things to do."""

TEST_RUN = """
import json, signal, sys
from contextlib import ExitStack
from tidings.testing.services import *
from tidings.testing.services.reaper import reaper

signal.signal(signal.SIGINT, signal.default_int_handler)  # Which those in the background ignore.
with ExitStack() as stack:
    services = [stack.enter_context(service) for service in (SERVICES)]
    THEN
    facts = [{"pid": service.process.pid, "directory": str(service.directory)} for service in services]
    print(json.dumps({"services": facts, "reaper": reaper().pid, "fork": globals().get("fork")}), flush=True)
    signal.pause()
"""


class Run:
    """A test run with services in the middle of a test."""

    def __init__(self, services: str, then: str = "") -> None:
        script = TEST_RUN.replace("SERVICES", services).replace("THEN", then)
        self.process = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, start_new_session=True)
        assert self.process.stdout is not None
        facts: dict[str, Any] = json.loads(self.process.stdout.readline())
        self.reaper: int = facts["reaper"]
        self.fork: int | None = facts["fork"]
        self.pids: list[int] = [service["pid"] for service in facts["services"]]
        self.directories = [Path(service["directory"]) for service in facts["services"]]

    def is_there(self) -> bool:
        return all(map(is_alive, [*self.pids, self.reaper])) and all(map(Path.is_dir, self.directories))

    def is_gone(self) -> bool:
        return not any(map(is_alive, [*self.pids, self.reaper])) and not any(map(Path.exists, self.directories))

    def end(self) -> None:
        self.process.kill()
        self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()
        if self.fork is not None:
            os.kill(self.fork, signal.SIGKILL)


@pytest.fixture
def begin() -> Iterator[Callable[..., Run]]:
    runs: list[Run] = []

    def begin(*arguments: str) -> Run:
        runs.append(Run(*arguments))
        return runs[-1]

    yield begin
    for run in runs:
        run.end()


Ending = Callable[[Run], None]


def kill_process(run: Run) -> None:
    os.kill(run.process.pid, signal.SIGKILL)


def kill_group(run: Run) -> None:
    os.killpg(run.process.pid, signal.SIGKILL)


@pytest.mark.parametrize("end", [kill_process, kill_group])
@pytest.mark.parametrize("then", ["", "[service.pause() for service in services]"], ids=["busy", "paused"])
def test_nothing_outlives_a_test_run_that_is_killed(begin: Callable[..., Run], end: Ending, then: str):
    """Redis and Tidings are gone with their directories, and so is the reaper."""
    need(RedisServer)
    run = begin("RedisServer(), TidingsNode()", then)
    assert run.is_there()
    begun = time.monotonic()
    end(run)
    assert ask_until(run.is_gone, GRACE + MARGIN), (run.pids, run.directories)
    logger.info("nothing was left after %.2f s", time.monotonic() - begun)


def test_what_does_not_listen_is_ended_by_force(begin: Callable[..., Run]):
    """After the reaper's grace, and no sooner: a program that tidies up is not cut short."""
    deaf = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('ready', flush=True); signal.pause()"
    imports = "from tests.testing.services.programs import Script\n    "
    run = begin("", f"{imports}services = [stack.enter_context(Script({deaf!r}))]")
    begun = time.monotonic()
    kill_process(run)
    assert ask_until(run.is_gone, GRACE + MARGIN)
    assert time.monotonic() - begun >= GRACE * 0.9
    logger.info("nothing was left after %.2f s", time.monotonic() - begun)


def test_postgres_gives_its_shared_memory_back(begin: Callable[..., Run]):
    """It does so only if it is asked to end, and has a moment to."""
    need(PostgresServer)
    run = begin("PostgresServer(),")
    segment = (run.directories[0] / "data" / "postmaster.pid").read_text().splitlines()[6].split()[1]
    assert segment in segments()
    kill_group(run)
    assert ask_until(run.is_gone, GRACE + MARGIN)
    assert segment not in segments()


def segments() -> list[str]:
    return [line.split()[1] for line in Path("/proc/sysvipc/shm").read_text().splitlines()]


def test_who_has_left_its_group_ends_as_well(begin: Callable[..., Run]):
    """A daemon of a service works in the service's directory, by which the reaper knows it."""
    daemon = "import subprocess, sys, signal; from pathlib import Path\n" + (
        "child = subprocess.Popen([sys.executable, '-c', 'import signal; signal.pause()'], start_new_session=True)\n"
        "Path('daemon').write_text(str(child.pid))\n"
        "print('ready', flush=True)\nsignal.pause()"
    )
    imports = "from tests.testing.services.programs import Script\n    "
    run = begin("", f"{imports}services = [stack.enter_context(Script({daemon!r}))]")
    pid = int((run.directories[0] / "daemon").read_text())
    assert is_alive(pid)
    kill_process(run)
    assert ask_until(lambda: run.is_gone() and not is_alive(pid), GRACE + MARGIN)


def test_a_fork_of_the_test_run_does_not_hold_the_reaper_up(begin: Callable[..., Run]):
    """The fork lives on, and the services of the run end nevertheless."""
    need(RedisServer)
    fork = "import os; fork = os.fork()\n    if not fork: os.setsid(); signal.alarm(30); signal.pause()\n"
    run = begin("RedisServer(),", fork)
    kill_process(run)
    assert ask_until(run.is_gone, GRACE + MARGIN)
    assert run.fork is not None
    assert is_alive(run.fork)


def test_another_reaper_takes_over_from_one_that_was_killed(begin: Callable[..., Run]):
    """It is told of everything that there is."""
    need(RedisServer)
    then = (
        "import os; first = reaper().pid; os.kill(first, signal.SIGKILL)\n"
        "    from tidings.testing.services.base import ask_until\n"
        "    from tests.testing.services.programs import is_alive\n"
        "    ask_until(lambda: not is_alive(first), 5.0)\n"
        "    services.append(stack.enter_context(RedisServer()))\n"
        "    assert reaper().pid != first\n"
    )
    run = begin("RedisServer(),", then)
    assert len(run.pids) == 2
    kill_process(run)
    assert ask_until(run.is_gone, GRACE + MARGIN)


def test_what_else_there_is_is_undone_by_a_command(begin: Callable[..., Run], tmp_path: Path):
    """Only by those that have not been forgotten."""
    for name in ("left", "right"):
        (tmp_path / name).touch()
    watch = "[reaper().watch_command(['rm', f'{folder}/{name}']) for name in ('left', 'right')]"
    run = begin("", f"folder = {str(tmp_path)!r}; {watch}; reaper().forget_command(['rm', f'{{folder}}/right'])")
    kill_process(run)
    assert ask_until(run.is_gone, GRACE + MARGIN)
    assert [path.name for path in tmp_path.iterdir()] == ["right"]


def test_a_run_that_ends_in_order_leaves_nothing_to_reap(begin: Callable[..., Run]):
    need(RedisServer)
    run = begin("RedisServer(),")
    run.process.send_signal(signal.SIGINT)
    run.process.wait(20.0)
    assert ask_until(run.is_gone, MARGIN)
