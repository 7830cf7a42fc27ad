"""A program that runs beside the tests, in a process group of its own."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from tidings.testing.services.reaper import reaper

LAST_LINES = 40


class Process:
    """Starts at once. What it writes goes to the file `output`, so that it never waits for a reader.

    Whatever becomes of the test process, nothing of the group outlives it: see `reaper`.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        directory: Path,
        output: Path,
        environment: Mapping[str, str] | None = None,
        user: str | None = None,
    ) -> None:
        self.command = list(command)
        self._output = output
        with output.open("ab") as log:
            self._process = subprocess.Popen(
                self.command,
                cwd=directory,
                env=None if environment is None else dict(environment),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                user=user,
            )
        reaper().watch_group(self.pid)

    def __repr__(self) -> str:
        code = self._process.poll()
        state = "running" if code is None else f"ended with {code}"
        return f"<{Path(self.command[0]).name}, process {self.pid}, {state}>"

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def code(self) -> int | None:
        """The exit code, None while it runs; negative for the signal that ended it."""
        return self._process.poll()

    @property
    def log(self) -> str:
        """The last of what it wrote."""
        lines = self._output.read_text(errors="replace").splitlines()
        return "\n".join(lines[-LAST_LINES:])

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the program itself, if it still runs."""
        self._process.send_signal(number)

    def wait(self, timeout: float) -> int:
        """The exit code. Raises `TimeoutError` when it does not end in time."""
        try:
            return self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise TimeoutError(f"{self!r} did not end within {timeout:g} s") from None

    def stop(self, timeout: float = 10.0) -> int:
        """End it: by SIGTERM, after `timeout` seconds by force, and whatever else is left of its group."""
        if self.code is None:
            self.signal(signal.SIGCONT)  # Who is paused hears nothing.
            self.signal(signal.SIGTERM)
            with suppress(TimeoutError):
                self.wait(timeout)
        return self.kill()

    def kill(self) -> int:
        """End the whole group at once, as a power cut would."""
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        code = self._process.wait()
        reaper().forget_group(self.pid)
        return code

    def pause(self) -> None:
        """Stop the whole group in its tracks: its connections stay open, and nothing answers."""
        os.killpg(self.pid, signal.SIGSTOP)

    def resume(self) -> None:
        os.killpg(self.pid, signal.SIGCONT)
