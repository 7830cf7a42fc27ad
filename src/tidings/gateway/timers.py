"""One alarm clock for ten thousand connections.

A timer wheel: moments are rounded up to slots, and each slot knows who is due in it. Adding and removing cost the same
however many there are, and the event loop carries a single timer for all of them.
"""

from __future__ import annotations

import heapq
import math
from typing import Generic, TypeVar

T = TypeVar("T")


class TimerWheel(Generic[T]):
    """Who is due when. `resolution` is the width of a slot in seconds; nobody is called early, or later than that."""

    def __init__(self, resolution: float = 0.1) -> None:
        self._resolution = resolution
        self._slots: dict[int, set[T]] = {}
        self._order: list[int] = []
        """The slots as a heap. Those that have become empty stay until their time."""

    def __len__(self) -> int:
        return sum(map(len, self._slots.values()))

    def add(self, when: float, item: T) -> None:
        """Be reminded of an item; infinity is never."""
        if when == math.inf:
            return
        slot = self._slot(when)
        if slot not in self._slots:
            self._slots[slot] = set()
            heapq.heappush(self._order, slot)
        self._slots[slot].add(item)

    def discard(self, when: float, item: T) -> None:
        """Forget the reminder that was added for that moment, if there is one."""
        if math.isfinite(when) and (items := self._slots.get(self._slot(when))) is not None:
            items.discard(item)

    def deadline(self) -> float:
        """When to call `take` next; infinity for never."""
        return self._order[0] * self._resolution if self._order else math.inf

    def take(self, now: float) -> list[T]:
        """Everybody who is due, once."""
        due: list[T] = []
        while self._order and self._order[0] * self._resolution <= now:
            due.extend(self._slots.pop(heapq.heappop(self._order)))
        return due

    def _slot(self, when: float) -> int:
        return math.ceil(when / self._resolution)
