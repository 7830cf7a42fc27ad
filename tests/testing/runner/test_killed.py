"""Of a run that is killed with -9 nothing is left: no pytest, no worker, no service, no file."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import pytest
from tests.testing.runner.test_run import COMMAND, CONFIGURATION
from tests.testing.services.programs import is_over

from tidings.testing.services import RedisServer
from tidings.testing.services.base import ask_until
from tidings.testing.services.process import Process

pytestmark = [pytest.mark.world, pytest.mark.L3, pytest.mark.timeout(180)]

SUITE = """
import os, pathlib, signal, pytest

@pytest.mark.parametrize("number", range(2))
def test_hangs(redis_server_of_class, number):
    pids = [os.getppid(), os.getpid(), redis_server_of_class.process.pid]
    written = pathlib.Path(f"{number}.writing")
    written.write_text(" ".join(map(str, pids)))
    written.rename(f"{number}.pids")
    signal.pause()
"""


@pytest.mark.parametrize("victim", ["the runner", "pytest"])
def test_nothing_is_left(tmp_path: Path, victim: str) -> None:
    """Two workers, each in the middle of a test that would not end, with a Redis of its own."""
    RedisServer.require()
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    (tmp_path / "pytest.ini").write_text(CONFIGURATION)
    (tmp_path / "test_hanging.py").write_text(SUITE)
    command = [sys.executable, "-c", COMMAND, "test", "--", "-n2"]
    own = {name: value for name, value in os.environ.items() if name not in ("CI", "REDIS_URL", "REDIS_TEST_URL")}
    variables = {**own, "TMPDIR": str(temporary)}
    with Process(command, directory=tmp_path, output=tmp_path / "output.txt", environment=variables) as run:
        assert ask_until(lambda: len(list(tmp_path.glob("*.pids"))) == 2, 90.0), run.log
        pids = {int(pid) for file in tmp_path.glob("*.pids") for pid in file.read_text().split()}
        assert len(pids) == 5  # One pytest, two workers, two Redis.
        (controller,) = {int(file.read_text().split()[0]) for file in tmp_path.glob("*.pids")}
        os.kill(run.pid if victim == "the runner" else controller, signal.SIGKILL)
        assert [pid for pid in pids if not is_over(pid, 10.0)] == []
        run.wait(30.0)
        assert ask_until(lambda: not list(temporary.glob("tidings-*")), 10.0), os.listdir(temporary)
