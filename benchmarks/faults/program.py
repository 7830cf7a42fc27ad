"""One program of a path, as a block: what it tells is collected line by line, and it is gone at the end."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import msgspec

SOURCES = Path(__file__).parent / "programs"
PATIENCE = 30.0
"""Seconds until a program has to be ready, and then to end when it is asked to."""


class ProgramError(Exception):
    """A program ended, or kept quiet, where the measurement cannot go on without it."""


class Said(msgspec.Struct, frozen=True):
    """Something that happened in a program, and when on the machine's monotonic clock; see `programs/told.py`."""

    at: float
    what: str
    id: str = ""
    why: str = ""
    url: str = ""
    offset: int = 0
    epoch: str = ""


class Program:
    """`python` runs the script of `programs/` with these arguments."""

    def __init__(self, python: str, script: str, *arguments: str, log: Path) -> None:
        self._command = [python, str(SOURCES / script), *arguments]
        self._log = log
        self._said: list[Said] = []
        self._news = threading.Condition()
        self._is_over = False

    def __enter__(self) -> Self:
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, start_new_session=True
            )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._reader.join()
        assert self._process.stdin is not None and self._process.stdout is not None
        for stream in (self._process.stdin, self._process.stdout):
            stream.close()
        self._process.wait()

    @property
    def said(self) -> list[Said]:
        """All that it has told so far."""
        with self._news:
            return list(self._said)

    def count(self) -> Mapping[str, int]:
        """How often it told what."""
        counts: dict[str, int] = {}
        for each in self.said:
            counts[each.what] = counts.get(each.what, 0) + 1
        return counts

    def tell(self, line: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{line}\n".encode())
        self._process.stdin.flush()

    def wait_for(self, what: str, timeout: float = PATIENCE) -> Said:
        """The first of its kind. Raises `ProgramError` when there will be none."""

        def look() -> Said | None:
            return next((each for each in self._said if each.what == what), None)

        self.wait_until(lambda: look() is not None or self._is_over, timeout)
        found = look()
        if found is None:
            name = Path(self._command[1]).name
            raise ProgramError(f"{name} did not become {what} within {timeout:g} s:\n{self._log.read_text()[-2000:]}")
        return found

    def wait_until(self, is_so: Callable[[], Any], timeout: float) -> bool:
        """Wait for what it tells to make something true; False if that takes too long."""
        with self._news:
            return bool(self._news.wait_for(is_so, timeout))

    def end(self) -> None:
        """Ask it to end, and wait until it has."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            self._process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            raise ProgramError(f"{Path(self._command[1]).name} did not end:\n{self._log.read_text()[-2000:]}") from None
        self._reader.join()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            said = msgspec.json.decode(line, type=Said)
            with self._news:
                self._said.append(said)
                self._news.notify_all()
        with self._news:
            self._is_over = True
            self._news.notify_all()
