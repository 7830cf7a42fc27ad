"""Not saying the same thing a thousand times a second."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from typing import Generic, TypeVar

from tidings.clock import Clock

T = TypeVar("T")


class Throttle(Generic[T]):
    """Lets one thing of each kind through per `interval`, in seconds, and counts the others.

    What is still held back when its interval is over comes with whatever is said next. There is no timer, so after a
    burst that nothing follows, the newest thing of it stays here, until somebody asks for the `rest`.
    """

    def __init__(self, clock: Clock, interval: float = 1.0) -> None:
        self._clock = clock
        self._interval = interval
        self._windows: dict[Hashable, _Window[T]] = {}
        """The kinds that have to be quiet, in the order in which they may speak again."""

    def __len__(self) -> int:
        """How many kinds have to be quiet, as far as is known."""
        return len(self._windows)

    def take(self, kind: Hashable, thing: T) -> Iterator[tuple[T, int]]:
        """What may be said now, each with how many of its kind were suppressed before it."""
        now = self._clock.now()
        suppressed = 0
        for other in self._over(now):
            window = self._windows.pop(other)
            if other == kind:
                suppressed = window.count
            elif window.count:
                self._windows[other] = _Window(now, window.newest)
                yield window.newest, window.count - 1
        if (current := self._windows.get(kind)) is None:
            self._windows[kind] = _Window(now, thing)
            yield thing, suppressed
        else:
            current.hold(thing)

    def rest(self) -> Iterator[tuple[T, int]]:
        """What is held back, whether its interval is over or not: the newest of each kind, as in `take`."""
        windows, self._windows = self._windows, {}
        for window in windows.values():
            if window.count:
                yield window.newest, window.count - 1

    def _over(self, now: float) -> list[Hashable]:
        kinds = []
        for kind, window in self._windows.items():
            if now < window.began + self._interval:
                break
            kinds.append(kind)
        return kinds


class _Window(Generic[T]):
    """The time after something was said, with what came in it."""

    __slots__ = ("began", "count", "newest")

    def __init__(self, began: float, newest: T) -> None:
        self.began = began
        self.newest = newest
        self.count = 0

    def hold(self, thing: T) -> None:
        self.newest = thing
        self.count += 1
