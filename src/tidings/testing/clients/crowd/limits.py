"""How many files this process may have open: a connection is one."""

from __future__ import annotations

import os
import resource
from contextlib import suppress
from pathlib import Path

SPARE = 256
"""What a process opens besides."""


def shortage(connections: int) -> str:
    """Raise the limit as far as so many more connections need it; why that is not possible, "" if it is."""
    needed = connections + _open_files() + SPARE
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < needed:
        _raise(needed, hard)
        soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return ""
    return (
        f"{connections:,} connections need {needed:,} open files and this process may have {soft:,}: "
        f"run `ulimit -n {needed}` in the shell before the tests, as root where it says that it may not."
    )


def _raise(needed: int, hard: int) -> None:
    enough = hard == resource.RLIM_INFINITY or hard >= needed
    with suppress(ValueError, OSError):
        # Only root may raise the hard limit as well.
        resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard if enough else needed))
        return
    with suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _open_files() -> int:
    descriptors = Path("/proc/self/fd")
    return len(os.listdir(descriptors)) if descriptors.is_dir() else 0
