"""A server in a process of its own, as a block.

>>> with Server(serve("--config", written(settings, directory))) as server:
...     server.url
'http://127.0.0.1:40123'

The port is one that the kernel chose, read from the line in which the server says where it listens. The process leads a
group of its own, and nothing of that group outlives the block. What it writes is kept: `server.log`.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from threading import Condition, Thread
from types import TracebackType
from typing import Self

from tests.world.settings import Settings

PATIENCE = 20.0
"""Seconds to start or to stop on a machine that is busy with other things."""

ADDRESS = re.compile(r"https?://127\.0\.0\.1:\d+")
LAST_LINES = 40

HERE = Path(__file__).parent
"""Where the processes run: somebody's own tidings.toml, which lies where he works, is not found."""


def serve(*arguments: str | Path, port: int = 0) -> list[str]:
    """The command line of `tidings serve`."""
    return [sys.executable, "-m", "tidings.cli", "serve", "--port", str(port), *map(str, arguments)]


def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run a command of `tidings` that ends by itself."""
    command = [sys.executable, "-m", "tidings.cli", *map(str, arguments)]
    return subprocess.run(command, cwd=HERE, env=environment(), capture_output=True, text=True, timeout=PATIENCE)


def uvicorn(application: str) -> list[str]:
    """The command line of uvicorn with an application of these tests, and our protocol class."""
    options = ["--port", "0", "--ws", "tidings:WebSocketProtocol", "--app-dir", str(HERE.parents[1])]
    return [sys.executable, "-m", "uvicorn", application, *options]


def environment() -> dict[str, str]:
    """This process's environment without settings of Tidings, which would win over a test's file."""
    return {name: value for name, value in os.environ.items() if not name.startswith("TIDINGS_")}


def toml(settings: Settings, path: tuple[str, ...] = ()) -> Iterator[str]:
    """The lines of a settings file, one dotted key in each. TOML writes our values as JSON does."""
    for key, value in settings.items():
        if isinstance(value, Mapping):
            yield from toml(value, (*path, key))
        else:
            yield f"{'.'.join((*path, key))} = {json.dumps(value)}\n"


def written(settings: Settings, directory: Path) -> Path:
    """A file with these settings."""
    file = directory / "tidings.toml"
    file.write_text("".join(toml(settings)))
    return file


class Server:
    """Entering returns when the server listens, and fails with its last words when it does not.

    `mounted` is the path below which Tidings is found, `variables` are added to the environment.
    """

    def __init__(
        self, command: Sequence[str], *, mounted: str = "", variables: Mapping[str, str] | None = None
    ) -> None:
        self._command = command
        self._mounted = mounted
        self._variables = variables or {}
        self._lines: list[str] = []
        self._silent = False
        self._news = Condition()
        self.url = ""

    def __repr__(self) -> str:
        state = "running" if self.process.poll() is None else f"ended with {self.process.returncode}"
        return f"{' '.join(self._command[1:4])}, process {self.process.pid}, {state}"

    def __enter__(self) -> Self:
        self.process = subprocess.Popen(
            self._command,
            cwd=HERE,
            env=environment() | self._variables,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self._reader = Thread(target=self._read, name="reader of a server's output")
        self._reader.start()
        try:
            self.url = ADDRESS.search(self.line(ADDRESS))[0]
        except BaseException:
            self._kill()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            if self.process.poll() is None:
                self.stop()
        finally:
            self._kill()
            if error is not None:
                error.add_note(f"{self!r} wrote at last:\n{self.log}")

    # What is known about it.

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    @property
    def websocket(self) -> str:
        """Where clients connect."""
        return f"{self.url.replace('http', 'ws', 1)}{self._mounted}/connection/websocket"

    def line(self, pattern: re.Pattern[str]) -> str:
        """The first line with this in it, as soon as it has been written."""
        with self._news:
            self._news.wait_for(lambda: self._silent or any(map(pattern.search, self._lines)), PATIENCE)
            for line in filter(pattern.search, self._lines):
                return line
        raise AssertionError(f"{self!r} never wrote {pattern.pattern!r}:\n{self.log}")

    @property
    def lines(self) -> list[str]:
        """All that it has written."""
        return list(self._lines)

    @property
    def log(self) -> str:
        """The last of what it wrote."""
        return "\n".join(self.lines[-LAST_LINES:]) or "(nothing was written)"

    # What can be done to it.

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def wait(self) -> int:
        """The exit code, or an error if there is none in time. A server that a signal ended has a negative one."""
        try:
            return self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"{self!r} does not end:\n{self.log}") from None

    def stop(self) -> int:
        """Ask it to stop, and return its exit code."""
        self.signal(signal.SIGTERM)
        return self.wait()

    # Private steps.

    def _kill(self) -> None:
        """End what is left of the group, and everything that waits for it."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self._reader.join()
        assert self.process.stdout is not None
        self.process.stdout.close()

    def _read(self) -> None:
        """Keep what is written, so that the pipe never fills up. Runs in a thread until the last writer is gone."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            with self._news:
                self._lines.append(line.rstrip("\n"))
                self._news.notify_all()
        with self._news:
            self._silent = True
            self._news.notify_all()
