"""What can be asked of a program that runs beside the tests, and done to it, wherever it runs.

Program
├── Process         of this machine, in a process group of its own
└── Container       of a container engine
"""

from __future__ import annotations

from signal import Signals
from typing import Protocol


class Program(Protocol):
    @property
    def pid(self) -> int:
        """The number of its process on the machine on which it runs."""

    @property
    def code(self) -> int | None:
        """The exit code, None while it runs."""

    @property
    def end(self) -> str:
        """The exit code as it is told to people."""

    @property
    def log(self) -> str:
        """The last of what it wrote."""

    def stop(self, timeout: float = 10.0, *, by: Signals = Signals.SIGTERM) -> int:
        """End it: by a signal, after `timeout` seconds by force. Returns its exit code."""

    def kill(self) -> int:
        """End it at once, as a power cut would. Returns when it has ended."""

    def pause(self) -> None:
        """Stop it in its tracks: its connections stay open, and nothing answers."""

    def resume(self) -> None:
        """Let it go on."""
