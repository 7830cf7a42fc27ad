"""The machine as the benchmarks see it: what a process has used, and what the figures were measured on.

Needs Linux. The clock of a process counts its user and system time in nanoseconds, of all its threads together.
"""

from __future__ import annotations

import ctypes
import os
import platform
import resource
import time
from collections.abc import Callable
from pathlib import Path

_libc = ctypes.CDLL(None, use_errno=True)


def cpu_seconds(pid: int) -> float:
    """CPU time that the process has used so far."""
    clock = ctypes.c_int()
    if _libc.clock_getcpuclockid(pid, ctypes.byref(clock)):
        raise ProcessLookupError(pid)
    return time.clock_gettime(clock.value)


def resident_bytes(pid: int) -> int:
    """Memory of the process that is in RAM now, counted page by page: the counter in `statm` may lag behind."""
    return _kib_line(Path(f"/proc/{pid}/smaps_rollup"), "Rss:")


def peak_bytes(pid: int) -> int:
    """The most that the process had in RAM since `forget_peak`."""
    return _kib_line(Path(f"/proc/{pid}/status"), "VmHWM:")


def forget_peak(pid: int) -> None:
    """Let `peak_bytes` begin anew (proc_pid_clear_refs(5), value 5)."""
    Path(f"/proc/{pid}/clear_refs").write_text("5")


def _kib_line(file: Path, label: str) -> int:
    line = next(line for line in file.read_text().splitlines() if line.startswith(label))
    return int(line.split()[1]) * 1024


def wait_until(happened: Callable[[], bool], timeout: float, what: str) -> None:
    """Ask until it is so. Raises `TimeoutError` with `what` when it is not within `timeout`."""
    deadline = time.monotonic() + timeout
    while not happened():
        if time.monotonic() > deadline:
            raise TimeoutError(what)
        time.sleep(0.02)


def two_cores() -> tuple[set[int], set[int]]:
    """A core for servers and another one for clients; with only one core both share it."""
    cores = sorted(os.sched_getaffinity(0))
    return {cores[0]}, {cores[-1]}


def description() -> dict[str, str]:
    """The machine in general words."""
    return {
        "cores": str(len(os.sched_getaffinity(0))),
        "processor": _processor(),
        "kernel": f"{platform.system()} {'.'.join(platform.release().split('.')[:2])}",
        "python": f"{platform.python_implementation()} {platform.python_version()}",
    }


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.machine()


class Bystanders:
    """The share of all cores that went to processes which are not part of the run.

    The run is this process and its children, as far as they have ended; ask when all have.
    """

    def __init__(self) -> None:
        self._busy, self._total = _ticks()
        self._ours = _own_seconds()

    def share(self) -> float:
        """What the others, and the host of a virtual machine, took since the beginning."""
        busy, total = _ticks()
        ours = (_own_seconds() - self._ours) * os.sysconf("SC_CLK_TCK")
        return max(0.0, (busy - self._busy - ours) / max(1, total - self._total))


def _own_seconds() -> float:
    used = [resource.getrusage(whose) for whose in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in used)


def _ticks() -> tuple[int, int]:
    """Ticks in which the cores were busy, and all ticks (proc_stat(5): idle and iowait are columns 4 and 5)."""
    columns = [int(column) for column in Path("/proc/stat").read_text().splitlines()[0].split()[1:9]]
    return sum(columns) - columns[3] - columns[4], sum(columns)
