"""A program that runs beside the tests, in a process group of its own."""

from __future__ import annotations

import os
import pwd
import re
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from signal import Signals
from types import TracebackType
from typing import Any, Self

from tidings.testing.services.reaper import GRACE, reaper, wait_until_gone
from tidings.testing.services.terminal import Terminal

LAST_LINES = 40
LAST_BYTES = 64 * 1024
"""How much of a log is looked at for its last lines; a talkative program writes more than anybody wants to read."""

LOOK_AGAIN = 0.02
"""Seconds between two looks at what a program has written."""


class Process:
    """Starts at once, and as a block is stopped at its end. What it writes goes to the file `output`, so that it never
    waits for a reader.

    Whatever becomes of the test process, nothing of the group outlives it: see `reaper`. `user` is whose the program
    is, if not this process's user; only root may choose. With `columns` the program believes that it writes to a
    terminal of that width. Raises `OSError` where the program cannot be started.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        directory: Path,
        output: Path,
        environment: Mapping[str, str] | None = None,
        user: str | None = None,
        columns: int | None = None,
    ) -> None:
        self.command = list(command)
        self._output = output
        self._is_over = False
        self._terminal: Terminal | None = None
        with ExitStack() as opened:
            log = opened.enter_context(output.open("ab"))
            self._began = log.tell()
            if columns is not None:
                self._terminal = opened.enter_context(Terminal(columns, output))
            self._process = subprocess.Popen(
                self.command,
                cwd=directory,
                env=None if environment is None else dict(environment),
                stdin=subprocess.DEVNULL,
                stdout=log if self._terminal is None else self._terminal.file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                **_as_user(user),
            )
        try:
            reaper().watch_group(self.pid)
        except BaseException:
            self.kill()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if error is not None:
            error.add_note(f"{self!r} wrote at last:\n{self.log or '(nothing)'}")
        self.stop()

    def __repr__(self) -> str:
        state = "running" if self.code is None else f"ended with {self.end}"
        return f"<{Path(self.command[0]).name}, process {self.pid}, {state}>"

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def code(self) -> int | None:
        """The exit code, None while it runs; negative for the signal that ended it."""
        return self._process.poll()

    @property
    def end(self) -> str:
        """The exit code as it is told to people: `1`, `-9 (SIGKILL)`."""
        code = self.code
        with suppress(ValueError):
            return f"{code} ({Signals(-code).name})" if code is not None and code < 0 else f"{code}"
        return f"{code}"

    @property
    def log(self) -> str:
        """The last of what it wrote."""
        with suppress(OSError), self._output.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - LAST_BYTES))
            lines = file.read().decode(errors="replace").splitlines()
            return "\n".join(lines[-LAST_LINES:])
        return ""

    @property
    def lines(self) -> list[str]:
        """All that it has written so far, without what an earlier program has written to the same file."""
        return self._read(whole=False)

    def line(self, pattern: str | re.Pattern[str], *, timeout: float = 20.0) -> str:
        """The first line in which the regular expression is found, as soon as it has been written, to its end.

        Raises `TimeoutError` if it was not within `timeout` seconds, or if the program has ended without it. Asking
        again returns the same line. Blocks: in asynchronous code it is `await asyncio.to_thread(process.line, …)`.
        """
        deadline = time.monotonic() + timeout
        while True:
            ended, late = self.code is not None, time.monotonic() > deadline
            if ended and self._terminal is not None:
                self._terminal.finish(GRACE)
            if (found := next(filter(re.compile(pattern).search, self._read(whole=not ended)), None)) is not None:
                return found
            if ended or late:
                wanted = pattern if isinstance(pattern, str) else pattern.pattern
                raise TimeoutError(f"{self!r} has not written {wanted!r}. It wrote at last:\n{self.log or '(nothing)'}")
            time.sleep(LOOK_AGAIN)

    def signal(self, number: Signals) -> None:
        """Send a signal to the program itself, if it still runs."""
        self._process.send_signal(number)

    def wait(self, timeout: float) -> int:
        """The exit code. Raises `TimeoutError` when it does not end in time."""
        try:
            return self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise TimeoutError(f"{self!r} did not end within {timeout:g} s") from None

    def stop(self, timeout: float = 10.0, *, by: Signals = Signals.SIGTERM) -> int:
        """End it: by a signal, after `timeout` seconds by force, and whatever else is left of its group."""
        if self.code is None:
            self.resume()  # Who is paused hears nothing.
            self.signal(by)
            with suppress(TimeoutError):
                self.wait(timeout)
        return self.kill()

    def kill(self) -> int:
        """End the whole group at once, as a power cut would. Returns when nothing is left of it."""
        if not self._is_over:  # Afterwards the number of the group may be somebody else's.
            self._tell_all(Signals.SIGKILL)
            self._process.wait()
            wait_until_gone([self.pid], GRACE)
            if self._terminal is not None:
                self._terminal.finish(GRACE)
            self._is_over = True
            reaper().forget_group(self.pid)
        return self._process.wait()

    def pause(self) -> None:
        """Stop the whole group in its tracks: its connections stay open, and nothing answers."""
        self._tell_all(Signals.SIGSTOP)

    def resume(self) -> None:
        self._tell_all(Signals.SIGCONT)

    def _read(self, *, whole: bool) -> list[str]:
        """The lines so far; `whole` leaves out a last one that is not finished yet."""
        with suppress(OSError), self._output.open("rb") as file:
            file.seek(self._began)
            text = file.read().decode(errors="replace")
            return text[: text.rfind("\n") + 1 if whole else None].splitlines()
        return []

    def _tell_all(self, number: Signals) -> None:
        if not self._is_over:
            with suppress(ProcessLookupError):
                os.killpg(self.pid, number)


def _as_user(name: str | None) -> dict[str, Any]:
    """What makes a program somebody else's, with the groups of that user and none of ours."""
    if name is None:
        return {}
    group = pwd.getpwnam(name).pw_gid
    return {"user": name, "group": group, "extra_groups": os.getgrouplist(name, group)}
