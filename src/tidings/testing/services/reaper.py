"""Ends what a test run has started, should the run die without doing it.

A test process that is killed runs no clean-up. So beside it runs a second, small process which only listens on a pipe:
it is told of every process group that is started, of every directory that is made, and of commands that undo what
else there is. The pipe ends when the test process does, whatever ended it, and the reaper then kills the groups that
are left, runs the commands, removes the directories and ends.

Run as a program this file is the reaper. It imports nothing of ours, so that it starts at once.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path

_lock = threading.Lock()
_reapers: dict[int, Reaper] = {}


class Reaper:
    """The reaper of this process, from this side of the pipe."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", __file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            cwd="/",
        )
        # It outlives this object by design, so its end is nobody's to wait for.
        self._process.returncode = 0

    @property
    def pid(self) -> int:
        return self._process.pid

    def watch_group(self, group: int) -> None:
        """From now on the group dies with this process."""
        self._say(f"+group {group}")

    def forget_group(self, group: int) -> None:
        """The group has ended; its number may soon be somebody else's."""
        self._say(f"-group {group}")

    def watch_directory(self, directory: Path) -> None:
        self._say(f"+directory {directory}")

    def forget_directory(self, directory: Path) -> None:
        self._say(f"-directory {directory}")

    def watch_command(self, command: Sequence[str]) -> None:
        """From now on the command, which has no spaces in its words, is run when this process dies."""
        self._say(f"+command {' '.join(command)}")

    def forget_command(self, command: Sequence[str]) -> None:
        self._say(f"-command {' '.join(command)}")

    def _say(self, line: str) -> None:
        assert self._process.stdin is not None
        with _lock:
            os.write(self._process.stdin.fileno(), f"{line}\n".encode())


def reaper() -> Reaper:
    """The reaper of this process, started when it is first asked for. A fork gets one of its own."""
    with _lock:
        known = _reapers.get(os.getpid())
        if known is None:
            _reapers.clear()
            known = _reapers[os.getpid()] = Reaper()
        return known


def reap(orders: Iterable[str]) -> None:
    """Listen until the end, then end what is left."""
    left: dict[str, set[str]] = {"group": set(), "command": set(), "directory": set()}
    for order in orders:
        kind, _, what = order.rstrip("\n").partition(" ")
        if kind.startswith("+"):
            left[kind[1:]].add(what)
        else:
            left[kind[1:]].discard(what)
    for group in left["group"]:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(int(group), signal.SIGKILL)
    for command in left["command"]:
        with suppress(OSError, subprocess.SubprocessError):
            subprocess.run(command.split(), timeout=10.0)  # noqa: S603
    for directory in left["directory"]:
        shutil.rmtree(directory, ignore_errors=True)


if __name__ == "__main__":
    # Ctrl-C and the end of the terminal are for the tests; this process is there for what comes after.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    reap(sys.stdin)
