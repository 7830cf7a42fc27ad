"""Where a run happens: a temporary directory, the programs built in it, the cores they run on."""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from benchmarks.machine import two_cores

SOURCES = Path(__file__).parent / "programs"

PATIENCE = 10.0
"""Seconds in which an assistant ends by itself."""


class Assistant:
    """A process that is asked by lines on its standard input, and answers by lines; it ends with the block."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.close()
        try:
            self._process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()

    def tell(self, line: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{line}\n".encode())
        self._process.stdin.flush()

    def hear(self) -> bytes:
        """The next line; nothing of a process that has died."""
        assert self._process.stdout is not None
        return self._process.stdout.readline()


class Workplace:
    """Builds and starts what a run needs, and takes it away at the end.

    `language` says what the raw loop and the load client are written in: C where there is a compiler, else Python.
    """

    def __init__(self, *, compiler: str | None) -> None:
        self._temporary = tempfile.TemporaryDirectory(prefix="benchmarks-")
        self._compiler = compiler
        self.directory = Path(self._temporary.name)
        self.language = "C" if compiler else "Python"
        self.server_cores, self.client_cores = two_cores()
        self.raw = self._program("raw")
        self.load = self._program("load")

    def __enter__(self) -> Self:
        """Let every process have all the descriptors it may, and keep this one out of the servers' way."""
        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
        os.sched_setaffinity(0, self.client_cores)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.sched_setaffinity(0, self.server_cores | self.client_cores)
        self._temporary.cleanup()

    def spawn(
        self,
        command: list[str],
        cores: set[int],
        *,
        log: IO[bytes] | None = None,
        environment: dict[str, str] | None = None,
        asks: bool = False,
    ) -> subprocess.Popen[bytes]:
        """Start a process that stays on these cores. One that is asked has its standard streams piped to here."""
        pipe = subprocess.PIPE if asks else None
        own = os.sched_getaffinity(0)
        os.sched_setaffinity(0, cores)  # inherited: threads that the process starts at once shall stay there, too
        try:
            return subprocess.Popen(
                command, stdin=pipe, stdout=pipe or log, stderr=log, env={**os.environ, **(environment or {})}
            )
        finally:
            os.sched_setaffinity(0, own)

    def _program(self, name: str) -> list[str]:
        if self._compiler is None:
            return [sys.executable, str(SOURCES / f"{name}.py")]
        program = self.directory / name
        subprocess.run([self._compiler, "-O2", "-o", str(program), str(SOURCES / f"{name}.c")], check=True)
        return [str(program)]


def compiler() -> str | None:
    """The C compiler of this machine."""
    return shutil.which("cc") or shutil.which("gcc")
