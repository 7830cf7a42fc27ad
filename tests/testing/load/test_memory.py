"""The memory of a process: this one's, another one's, and of none."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from tidings.testing.load import MemoryOf
from tidings.testing.load.memory import pid_of, status
from tidings.testing.services import ServiceError, TidingsNode

pytestmark = [pytest.mark.world, pytest.mark.L3]

GROWS = """
held = bytearray()
while (line := input()):
    held += bytes(range(1, 256)) * (int(line) // 255)
    print(len(held), flush=True)
"""


def test_a_process_that_grows() -> None:
    """By 32 MiB, which are seen as growth since the mark; the peak stays when they are gone."""
    command = [sys.executable, "-c", GROWS]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1) as process:
        assert process.stdin is not None and process.stdout is not None
        process.stdin.write("1024\n")
        process.stdout.readline()
        memory = MemoryOf(process)
        process.stdin.write(f"{32 * 2**20}\n")
        process.stdout.readline()
        assert 32 * 2**20 * 0.9 < memory.growth_bytes < 32 * 2**20 * 2
        assert memory.growth_per(1000) == pytest.approx(memory.growth_bytes / 1000, rel=0.1)
        assert memory.peak_bytes >= memory.rss_bytes > 0
        assert memory.mark() == memory.rss_bytes
        assert memory.growth_bytes == 0
        process.stdin.write("\n")
    with pytest.raises(ProcessLookupError, match=f"Process {process.pid} has ended"):
        _ = memory.rss_bytes


def test_a_process_for_which_nobody_has_waited() -> None:
    """It is still in the table, but has no memory any more."""
    with subprocess.Popen([sys.executable, "-c", ""], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.read()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        with pytest.raises(ProcessLookupError, match="has ended"):
            MemoryOf(process)


def test_our_own() -> None:
    assert MemoryOf().pid == os.getpid()
    assert MemoryOf().rss_bytes > 2**20
    assert repr(MemoryOf()).startswith(f"<MemoryOf process {os.getpid()}: ")


def test_a_service() -> None:
    """Once it runs."""
    node = TidingsNode()
    with pytest.raises(ServiceError, match="does not run here"):
        MemoryOf(node)
    with node:
        assert MemoryOf(node).pid == node.process.pid
        assert MemoryOf(node).rss_bytes > 2**20


def test_another_system_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="which only Linux has"):
        MemoryOf(proc=tmp_path)


def test_what_is_no_process() -> None:
    with pytest.raises(ValueError, match="has no process yet"):
        pid_of(SimpleNamespace(pid=None))


@pytest.mark.parametrize("count", [0, -1])
def test_growth_for_nobody(count: int) -> None:
    with pytest.raises(ValueError, match="cannot be shared among"):
        MemoryOf().growth_per(count)


def test_the_file() -> None:
    """What Linux writes, of which two lines count."""
    text = "Name:\tpython\nVmPeak:\t   99 kB\nVmHWM:\t   30720 kB\nVmRSS:\t   20480 kB\nThreads:\t1\n"
    assert status(text) == {"VmHWM": 30 * 2**20, "VmRSS": 20 * 2**20}
