"""Small programs as services, and what is left of them."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from tidings.testing.services import Missing, Service
from tidings.testing.services.base import ask_until
from tidings.testing.services.reaper import members

READY = "print('ready', flush=True)\n"
DEAF = "import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
FOREVER = "import signal\nwhile True: signal.pause()\n"
WITH_CHILD = (
    "import subprocess, sys\n"
    f"child = subprocess.Popen([sys.executable, '-c', {FOREVER!r}])\n"
    "print('child', child.pid, flush=True)\n"
)


class Script(Service):
    """A Python program that is ready when it says so."""

    name = "script"

    def __init__(self, script: str, *, patience: float = 10.0, directory: Path | None = None) -> None:
        super().__init__(directory=directory)
        self.script = script
        self.patience = patience

    @property
    def url(self) -> str:
        return f"script://{self.port}"

    def command(self) -> list[str]:
        return [sys.executable, "-c", self.script]

    def is_ready(self) -> bool:
        return "ready" in self.log.splitlines()


def is_alive(pid: int) -> bool:
    """Whether a process runs; one that has ended and waits for its parent does not."""
    with suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    return False


def is_over(pid: int, timeout: float = 5.0) -> bool:
    return ask_until(lambda: not is_alive(pid), timeout)


def nothing_is_left_of(group: int, directory: Path) -> bool:
    return members(group) == [] and not directory.exists()


def need(service: type) -> None:
    """Skip what cannot be had on this machine, with the reason that says how to get it."""
    try:
        service.require()  # type: ignore[attr-defined]
    except Missing as reason:
        pytest.skip(str(reason))


def children() -> list[int]:
    """The processes that this one has started and that run."""
    found = []
    for name in filter(str.isdigit, os.listdir("/proc")):
        with suppress(OSError):
            parent = int(Path(f"/proc/{name}/stat").read_text().rpartition(")")[2].split()[1])
            found += [int(name)] if parent == os.getpid() and is_alive(int(name)) else []
    return found
