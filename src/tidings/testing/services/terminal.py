"""A terminal for a program that writes differently to people: in colours, and as wide as their window is."""

from __future__ import annotations

import os
import pty
import termios
from contextlib import suppress
from pathlib import Path
from threading import Thread
from types import TracebackType
from typing import Self

ROWS = 24
CHUNK_BYTES = 65536


class Terminal:
    """Copies what is written to it to the file `output`, until the last program that writes to it has ended.

    In its block, in which the program is started, `file` is the program's end; after it only the program has that.
    """

    def __init__(self, columns: int, output: Path) -> None:
        self._columns = columns
        self._output = output
        self.file = -1

    def __enter__(self) -> Self:
        self._ours, self.file = pty.openpty()
        termios.tcsetwinsize(self.file, (ROWS, self._columns))
        # Nobody has to wait for it: it ends with the terminal.
        self._reader = Thread(target=self._copy, name="reader of a terminal", daemon=True)
        self._reader.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        os.close(self.file)

    def finish(self, timeout: float) -> None:
        """Return when all that was written is in `output`, or after so many seconds if somebody still writes."""
        self._reader.join(timeout)

    def _copy(self) -> None:
        with suppress(OSError), self._output.open("ab", buffering=0) as output:  # EIO is how a terminal ends.
            while data := os.read(self._ours, CHUNK_BYTES):
                output.write(data)
        os.close(self._ours)
