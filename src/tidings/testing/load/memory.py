"""How much memory a process has, as Linux tells it in /proc. Other systems are refused with a sentence."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Protocol

PROC = Path("/proc")
FIELD = re.compile(r"^(VmRSS|VmHWM):\s+(\d+) kB$", re.MULTILINE)


class HasPid(Protocol):
    """A process, as `subprocess`, `asyncio`, `multiprocessing` and `tidings.testing` have them."""

    @property
    def pid(self) -> int | None: ...


class HasProcess(Protocol):
    """A service of `tidings.testing`."""

    @property
    def process(self) -> HasPid: ...


class MemoryOf:
    """The resident memory of one process, without its children: of a pid, a process, or a service; by default our own.

    >>> memory = MemoryOf(node)
    >>> ...                                # open a thousand connections
    >>> assert memory.growth_per(1000) < 12 * 1024

    Reading raises `ProcessLookupError` when the process has ended, and `RuntimeError` on a system without /proc.
    """

    def __init__(self, process: int | HasPid | HasProcess | None = None, *, proc: Path = PROC) -> None:
        self.pid = pid_of(process)
        self._proc = proc
        self._mark = self.rss_bytes

    def __repr__(self) -> str:
        return f"<MemoryOf process {self.pid}: {self._mark / 2**20:.1f} MiB at the mark>"

    @property
    def rss_bytes(self) -> int:
        """What the process has in memory now."""
        return self._read("VmRSS")

    @property
    def peak_bytes(self) -> int:
        """The most that it has ever had."""
        return self._read("VmHWM")

    @property
    def growth_bytes(self) -> int:
        """How much more it has than at the mark; negative when it has less."""
        return self.rss_bytes - self._mark

    def mark(self) -> int:
        """Let growth count from now on, as it does from the beginning. Returns `rss_bytes`."""
        self._mark = self.rss_bytes
        return self._mark

    def growth_per(self, count: int) -> float:
        """The growth in bytes for each of `count` connections, or whatever has been added. `count` is above 0."""
        if count <= 0:
            raise ValueError(f"The growth cannot be shared among {count}: say how many there are.")
        return self.growth_bytes / count

    def _read(self, name: str) -> int:
        if not (self._proc / "self").exists():
            raise RuntimeError("The memory of a process is read from /proc, which only Linux has: skip this test here.")
        try:
            fields = status((self._proc / str(self.pid) / "status").read_text())
        except (FileNotFoundError, ProcessLookupError):
            fields = {}
        if name not in fields:  # A process that has ended, and for whose end nobody has waited, has no memory either.
            raise ProcessLookupError(f"Process {self.pid} has ended, so that it has no memory to measure.")
        return fields[name]


def status(text: str) -> dict[str, int]:
    """The sizes in a /proc/PID/status, in bytes."""
    return {name: int(size) * 1024 for name, size in FIELD.findall(text)}


def pid_of(process: int | HasPid | HasProcess | None) -> int:
    """Raises `ValueError` for a process that has not been started."""
    if process is None:
        return os.getpid()
    if isinstance(process, int):
        return process
    pid = getattr(getattr(process, "process", process), "pid", None)
    if not isinstance(pid, int):
        raise ValueError(f"{process!r} has no process yet: start it before its memory is measured.")
    return pid
