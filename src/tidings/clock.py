"""What time it is, as a part that can be replaced."""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """Tells Unix time in seconds, never going back."""

    def now(self) -> float: ...


class SystemClock:
    """Unix time that neither jumps nor goes back.

    Read from the wall once, carried on by the monotonic clock. Timers and token expiry can then share one `now`, and
    an operator who corrects the wall clock does not make ten thousand clients miss their pong.
    """

    def __init__(self) -> None:
        self._start = time.time() - time.monotonic()

    def now(self) -> float:
        return self._start + time.monotonic()


class ManualClock:
    """A clock that moves only when told to; for tests."""

    def __init__(self, now: float = 1_000_000_000.0) -> None:
        self._now = now

    def now(self) -> float:
        return self._now

    def advance(self, seconds: float) -> float:
        """Move forward, and return the new time."""
        self._now += seconds
        return self._now
