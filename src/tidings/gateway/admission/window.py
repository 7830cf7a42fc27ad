"""A sliding window over what one somebody did: exact, and as long as what it remembers.

It remembers when each of the last `amount` admitted things was, in a ring. While the ring is not full there is room;
once it is, there is room when the oldest of them has left the window. So a check looks at one number, however many are
in the window, and nothing has to be swept out.

A thing that was exactly `seconds` ago is still inside. What was refused does not count. Nothing here looks at a clock;
time is an argument, and never goes back.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left

from tidings.gateway.admission.rate import Rate


class Window:
    """What one somebody did. The rate is an argument of every call, and always the same one."""

    __slots__ = ("_oldest", "_stamps")

    def __init__(self) -> None:
        self._stamps = array("d")
        self._oldest = 0
        """Where the oldest stands once the ring is full."""

    def __len__(self) -> int:
        """How much is remembered."""
        return len(self._stamps)

    def has_room(self, rate: Rate, now: float) -> bool:
        """Whether one more is allowed now."""
        stamps = self._stamps
        return len(stamps) < rate.amount or stamps[self._oldest] < now - rate.seconds

    def add(self, rate: Rate, now: float) -> None:
        """Count one more, for which there has to be room."""
        stamps = self._stamps
        if len(stamps) < rate.amount:
            stamps.append(now)
        else:
            stamps[self._oldest] = now
            self._oldest = (self._oldest + 1) % rate.amount

    def hit(self, rate: Rate, now: float) -> bool:
        """Count one more if there is room, and say whether there was."""
        if not self.has_room(rate, now):
            return False
        self.add(rate, now)
        return True

    def wait(self, rate: Rate, now: float) -> float:
        """Seconds until there is room for one more; 0 where there is."""
        return 0.0 if self.has_room(rate, now) else self._stamps[self._oldest] + rate.seconds - now

    def remaining(self, rate: Rate, now: float) -> int:
        """How many more are allowed now."""
        count, _ = self._inside(rate, now)
        return rate.amount - count

    def reset(self, rate: Rate, now: float) -> float:
        """Seconds until more is allowed than now; 0 where nothing is in the window."""
        count, first = self._inside(rate, now)
        return first + rate.seconds - now if count else 0.0

    def is_idle(self, rate: Rate, now: float) -> bool:
        """Whether nothing is in the window, so that forgetting it changes nothing."""
        # The newest stands before the oldest; in a ring that is not full that is its end.
        return not self._stamps or self._stamps[self._oldest - 1] < now - rate.seconds

    def _inside(self, rate: Rate, now: float) -> tuple[int, float]:
        """How much is in the window, and when the first of it was. Nothing is copied: a ring may be long."""
        stamps, oldest, edge = self._stamps, self._oldest, now - rate.seconds
        # Both parts of the ring are in order, and the one from the oldest on comes first.
        first = bisect_left(stamps, edge, oldest)
        if first < len(stamps):
            return len(stamps) - first + oldest, stamps[first]
        first = bisect_left(stamps, edge, 0, oldest)
        return oldest - first, stamps[first] if first < oldest else 0.0
