"""Events per second, window by window, so that a pause between two bursts is seen and not averaged away."""

from __future__ import annotations

import math
from collections import deque

from tidings.testing.load.draws import positive

WINDOWS_LIMIT = 3600


class Throughput:
    """Counts events in windows of `window` seconds, the first of which begins at `start`.

    Time is an argument and may have any zero. The last 3,600 windows are kept, the total for ever. Only windows that
    have ended count for `lowest`, `highest` and `rates`.
    """

    def __init__(self, start: float, window: float = 1.0) -> None:
        positive(window=window)
        self.start = start
        self.window = window
        self.count = 0
        """All events."""
        self._open = 0
        """The number of the window that is open, and how many events it has."""
        self._events = 0
        self._ended: deque[int] = deque(maxlen=WINDOWS_LIMIT)

    def __repr__(self) -> str:
        return f"<Throughput: {self.count:,} events in {self._open + 1:,} windows of {self.window:g} s>"

    def add(self, now: float, count: int = 1) -> None:
        """Count events. Those older than the open window count for that one: what has ended stays as it is."""
        self._move(now)
        self.count += count
        self._events += count

    def mean(self, now: float) -> float:
        """Events per second from the start until `now`; 0 at the start."""
        return self.count / (now - self.start) if now > self.start else 0.0

    def rates(self, now: float) -> tuple[float, ...]:
        """Events per second of each window that has ended, the oldest first."""
        self._move(now)
        return tuple(events / self.window for events in self._ended)

    def lowest(self, now: float) -> float:
        """Of the slowest window. Raises `ValueError` while none has ended."""
        return min(self._known(now))

    def highest(self, now: float) -> float:
        """Of the fastest window. Raises `ValueError` while none has ended."""
        return max(self._known(now))

    def _known(self, now: float) -> tuple[float, ...]:
        if not (rates := self.rates(now)):
            raise ValueError(
                f"No window has ended yet: measure for {self.window:g} s or longer, or choose a shorter window."
            )
        return rates

    def _move(self, now: float) -> None:
        """Close the windows that have ended, the empty ones among them."""
        # 0.3 s are three windows of 0.1 s, whatever binary fractions make of it.
        number = math.floor(round((now - self.start) / self.window, 9))
        if number <= self._open:
            return
        self._ended.append(self._events)
        self._ended.extend([0] * min(number - self._open - 1, WINDOWS_LIMIT))
        self._open, self._events = number, 0
