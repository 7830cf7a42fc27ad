"""Who has to be done by when, where everybody gets the same time.

The first to begin is then the first to be late, so this is a queue: adding and removing cost the same however many
wait, and one timer of the event loop serves all of them, none while nobody waits.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Hashable, Iterator
from typing import Generic, TypeVar

T = TypeVar("T", bound=Hashable)


class Deadlines(Generic[T]):
    """Those who have `patience` seconds each. A value machine; `now` is any clock that does not go back."""

    __slots__ = ("_moments", "patience")

    def __init__(self, patience: float) -> None:
        self.patience = patience
        self._moments: dict[T, float] = {}

    def __len__(self) -> int:
        return len(self._moments)

    def __contains__(self, item: T) -> bool:
        return item in self._moments

    def add(self, item: T, now: float) -> None:
        """Expect somebody; who is expected already gets no more time."""
        self._moments.setdefault(item, now + self.patience)

    def discard(self, item: T) -> None:
        """It is done, or was never expected."""
        self._moments.pop(item, None)

    def deadline(self) -> float | None:
        """When the first is late; None while nobody is expected."""
        return next(iter(self._moments.values()), None)

    def late(self, now: float) -> Iterator[T]:
        """Everybody who is late, the first first. Nobody may come or go meanwhile."""
        for item, moment in self._moments.items():
            if moment > now:
                return
            yield item

    def take(self, now: float) -> list[T]:
        """Everybody who is late, once."""
        late = list(self.late(now))
        for item in late:
            del self._moments[item]
        return late


class Watch(Generic[T]):
    """Deadlines in an event loop. `on_late` is called for each who is late, and must not raise."""

    def __init__(self, patience: float, on_late: Callable[[T], None]) -> None:
        self._deadlines: Deadlines[T] = Deadlines(patience)
        self._on_late = on_late
        self._timer: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        return len(self._deadlines)

    def __contains__(self, item: T) -> bool:
        return item in self._deadlines

    def add(self, item: T) -> None:
        """See `Deadlines`."""
        loop = asyncio.get_running_loop()
        self._deadlines.add(item, loop.time())
        if self._timer is None:
            self._timer = loop.call_later(self._deadlines.patience, self._look)

    def discard(self, item: T) -> None:
        """See `Deadlines`. The timer stays: at most one call finds nobody."""
        self._deadlines.discard(item)

    def _look(self) -> None:
        loop = asyncio.get_running_loop()
        for item in self._deadlines.take(loop.time()):
            self._on_late(item)
        deadline = self._deadlines.deadline()
        self._timer = None if deadline is None else loop.call_at(deadline, self._look)
