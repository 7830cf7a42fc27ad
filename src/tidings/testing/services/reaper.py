"""Ends what a test run has started, should the run die without doing it.

A test process that is killed runs no clean-up. So beside it runs a second, small process which only listens on a pipe:
it is told of every process group that is started, of every directory that is made, and of commands that undo what else
there is. The pipe ends when the test process does, whatever ended it. The reaper then asks the groups that are left to
end, ends them by force after `GRACE` seconds, does the same at once to whoever still works in one of the directories,
runs the commands, removes the directories, and ends itself.

Run as a program this file is the reaper. It imports nothing of ours, so that it starts at once.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

GRACE = 1.0
"""Seconds for which the reaper lets programs end by themselves: PostgreSQL gives back shared memory only then."""

LOOK_AGAIN = 0.02

_lock = threading.Lock()
_reapers: list[Reaper] = []


class Reaper:
    """The reaper of this process, from this side of the pipe."""

    def __init__(self) -> None:
        self._left: set[str] = set()
        self._begin()

    @property
    def pid(self) -> int:
        return self._process.pid

    def watch_group(self, group: int) -> None:
        """From now on the group dies with this process."""
        self._watch(f"group {group}")

    def forget_group(self, group: int) -> None:
        """The group has ended; its number may soon be somebody else's."""
        self._forget(f"group {group}")

    def watch_directory(self, directory: Path) -> None:
        """From now on the directory, and whoever works in it, is gone with this process."""
        self._watch(f"directory {directory}")

    def forget_directory(self, directory: Path) -> None:
        self._forget(f"directory {directory}")

    def watch_command(self, command: Sequence[str]) -> None:
        """From now on the command, which has no spaces in its words, is run when this process dies."""
        self._watch(f"command {' '.join(command)}")

    def forget_command(self, command: Sequence[str]) -> None:
        self._forget(f"command {' '.join(command)}")

    def leave(self) -> None:
        """Close this process's end of the pipe. In a fork that leaves the watch to the original process."""
        os.close(self._pipe)

    def _watch(self, what: str) -> None:
        with _lock:
            self._left.add(what)
            self._say(f"+{what}")

    def _forget(self, what: str) -> None:
        with _lock:
            self._left.discard(what)
            self._say(f"-{what}")

    def _say(self, *orders: str) -> None:
        try:
            os.write(self._pipe, "".join(f"{order}\n" for order in orders).encode())
        except BrokenPipeError:  # Somebody has ended the reaper. Another one takes over.
            self.leave()
            self._begin()
            self._say(*(f"+{what}" for what in self._left))

    def _begin(self) -> None:
        listening, self._pipe = os.pipe()
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-S", __file__],
                stdin=listening,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
                cwd="/",
            )
        finally:
            os.close(listening)
        # It outlives this object by design, so its end is nobody's to wait for.
        self._process.returncode = 0


def reaper() -> Reaper:
    """The reaper of this process, started when it is first asked for. A fork gets one of its own."""
    with _lock:
        if not _reapers:
            _reapers.append(Reaper())
        return _reapers[0]


def _begin_anew() -> None:
    """In a fork: what the original has started is not the fork's, and must not live as long as the fork does."""
    global _lock
    _lock = threading.Lock()
    for inherited in _reapers:
        inherited.leave()
    _reapers.clear()


os.register_at_fork(after_in_child=_begin_anew)


# Looking at processes.


class State(NamedTuple):
    """What the system says of a process. One that has ended and waits for its parent is not alive."""

    is_alive: bool
    group: int
    has_terminal: bool


def members(group: int) -> list[int]:
    """The processes of a group that are alive."""
    try:
        os.killpg(group, 0)
    except (ProcessLookupError, PermissionError):
        return []
    if not Path("/proc/self/stat").exists():
        return [group]
    states = ((pid, _state(pid)) for pid in _pids())
    return [pid for pid, state in states if state.is_alive and state.group == group]


def working_in(directory: Path) -> list[int]:
    """The processes that work in a directory or below it, as far as this system tells.

    None of ours has a terminal: who has one is a person who looks around there.
    """
    found = []
    for pid in _pids():
        if pid == os.getpid() or _state(pid).has_terminal:
            continue
        with suppress(OSError):
            if Path(os.readlink(f"/proc/{pid}/cwd").removesuffix(" (deleted)")).is_relative_to(directory):
                found.append(pid)
    return found


def end_strays(directory: Path) -> None:
    """End by force whoever works in a directory: who was started a moment ago, or has left its group."""
    for pid in working_in(directory):
        with suppress(ProcessLookupError, PermissionError):
            os.kill(pid, signal.SIGKILL)


def wait_until_gone(groups: Iterable[int], patience: float) -> None:
    """Return when nobody lives in any of the groups, or when patience, in seconds, is at its end."""
    deadline = time.monotonic() + patience
    while any(map(members, groups)) and time.monotonic() < deadline:
        time.sleep(LOOK_AGAIN)


def remove(directory: Path) -> None:
    """Remove a directory with all that is in it. Who is just ending may write once more, so it is looked at again."""
    deadline = time.monotonic() + GRACE
    shutil.rmtree(directory, ignore_errors=True)
    while directory.exists() and time.monotonic() < deadline:
        time.sleep(LOOK_AGAIN)
        shutil.rmtree(directory, ignore_errors=True)


def _pids() -> list[int]:
    with suppress(OSError):
        return [int(name) for name in os.listdir("/proc") if name.isdigit()]
    return []


def _state(pid: int) -> State:
    try:
        # The name of the program, in brackets, may contain anything.
        fields = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
    except OSError:
        return State(False, 0, False)
    return State(fields[0] not in "ZX", int(fields[2]), int(fields[4]) != 0)


def _send(group: int, *numbers: signal.Signals) -> None:
    with suppress(ProcessLookupError, PermissionError):
        for number in numbers:
            os.killpg(group, number)


# The other side of the pipe.


def reap(orders: Iterable[str]) -> None:
    """Listen until the end, then end what is left."""
    left: dict[str, set[str]] = {"group": set(), "directory": set(), "command": set()}
    for order in orders:
        kind, _, what = order.rstrip("\n").partition(" ")
        if kind.startswith("+"):
            left[kind[1:]].add(what)
        else:
            left[kind[1:]].discard(what)
    groups = [int(group) for group in left["group"]]
    directories = [Path(directory) for directory in left["directory"]]
    for group in groups:
        _send(group, signal.SIGTERM, signal.SIGCONT)  # Who is paused hears nothing before it goes on.
    wait_until_gone(groups, GRACE)
    for group in groups:
        _send(group, signal.SIGKILL)
    for directory in directories:
        end_strays(directory)
    for command in left["command"]:
        with suppress(OSError, subprocess.SubprocessError):
            subprocess.run(command.split(), check=False, timeout=10.0)
    for directory in directories:
        remove(directory)


if __name__ == "__main__":
    # Ctrl-C and the end of the terminal are for the tests; this process is there for what comes after.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    reap(sys.stdin)
