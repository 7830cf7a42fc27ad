"""What the machine allows: open files, waiting connections, memory, processors.

`look` asks the system, `judge` is pure. What a system does not tell is None, and nothing is said about it.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from msgspec import Struct

from tidings.app.lifecycle import BACKLOG
from tidings.app.settings import Settings
from tidings.findings import Judging, Level

WHERE = "this machine"
SPARE_FILES = 100
"""Files that a server has open besides its connections."""
FEW_FILES = 4096
IDLE_BYTES = 12 * 1024
"""Memory of an idle connection with one subscription (docs/performance.md)."""
SOMAXCONN = Path("/proc/sys/net/core/somaxconn")
MEMINFO = Path("/proc/meminfo")


class Machine(Struct, frozen=True, kw_only=True):
    """What was found."""

    files: int | None = None
    """How many files a process may open, once it has asked for all that it may; None is any number, or unknown."""
    somaxconn: int | None = None
    """How many connections the kernel holds that a program has not accepted yet."""
    memory_bytes: int | None = None
    """What programs that start now may use."""
    processors: int = 1
    uvloop: bool = True


def look() -> Machine:
    """Ask the system."""
    return Machine(
        files=_files(),
        somaxconn=_number(SOMAXCONN),
        memory_bytes=_available(),
        processors=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
        uvloop=_has_uvloop(),
    )


def judge(machine: Machine, settings: Settings) -> Judging:
    """Findings about the machine, for these settings."""
    yield from _judge_files(machine, settings)
    yield from _judge_backlog(machine)
    yield from _judge_memory(machine, settings)
    yield from _judge_processors(machine, settings)
    if not machine.uvloop:
        yield Level.WARNING, "event loop", "uvloop is missing, so that delivering costs about twice. pip install uvloop"


def _judge_files(machine: Machine, settings: Settings) -> Judging:
    files, wanted = machine.files, settings.client.connection_limit
    if files is None:
        return
    room = max(0, files - SPARE_FILES)
    if wanted > room:
        yield (
            Level.PROBLEM,
            "open files",
            f"a process may open {files}, too few for [client] connection_limit = {wanted}. Raise the hard limit: "
            "LimitNOFILE= in a systemd unit, `ulimit -Hn` in a shell, --ulimit nofile= for a container.",
        )
    elif files < FEW_FILES:
        yield (
            Level.WARNING,
            "open files",
            f"a process may open {files}, so about {room} connections. Raise the hard limit: LimitNOFILE= in a "
            "systemd unit, `ulimit -Hn` in a shell, --ulimit nofile= for a container.",
        )
    else:
        yield Level.OK, "open files", f"{files} for each process, so up to {room} connections."


def _judge_backlog(machine: Machine) -> Judging:
    queue = machine.somaxconn
    if queue is not None and queue < BACKLOG:
        yield (
            Level.WARNING,
            "backlog",
            f"the kernel holds {queue} connections that were not accepted yet; when all clients come back at once, "
            f"more are turned away. sysctl -w net.core.somaxconn={BACKLOG}",
        )


def _judge_memory(machine: Machine, settings: Settings) -> Judging:
    available, wanted = machine.memory_bytes, settings.client.connection_limit * IDLE_BYTES * settings.server.workers
    if available is not None and wanted > available:
        yield (
            Level.WARNING,
            "memory",
            f"{_mebibytes(available)} are free, and connection_limit idle connections take about "
            f"{_mebibytes(wanted)}. Lower the limit, or add memory.",
        )


def _judge_processors(machine: Machine, settings: Settings) -> Judging:
    workers = settings.server.workers
    if workers > machine.processors:
        yield (
            Level.WARNING,
            "processors",
            f"[server] workers = {workers}, and this process may use {machine.processors}. More workers than "
            "processors make each other wait.",
        )


def _files() -> int | None:
    if sys.platform == "win32":
        return None
    import resource

    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    return None if most == resource.RLIM_INFINITY else most


def _number(file: Path) -> int | None:
    try:
        return int(file.read_text())
    except (OSError, ValueError):
        return None


def _available() -> int | None:
    try:
        lines = MEMINFO.read_text().splitlines()
    except OSError:
        return None
    sizes = [int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:")]
    return sizes[0] if sizes else None


def _has_uvloop() -> bool:
    if sys.platform == "win32" or sys.implementation.name != "cpython":
        return True  # where there is none to have
    from importlib.util import find_spec

    return find_spec("uvloop") is not None


def _mebibytes(count: int) -> str:
    return f"{count / 2**20:,.0f} MiB"
