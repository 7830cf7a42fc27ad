"""Which workers are to be started, and when: a value machine, without processes and without a clock.

    due ──started──▶ starting ──ready──▶ working
     ▲                  │                  │
     └── pause is over ─┴────── ended ─────┘

A worker that ended is started again after the pause of its breaker, so that one which cannot live costs next to
nothing. A worker that has worked for `STEADY` seconds has shown that it can: its next pause is the shortest again.
"""

from __future__ import annotations

import random
from collections.abc import Callable

from tidings.balancer.breaker import Breaker

STEADY = 10.0
"""Seconds of work after which an end does not count as one in a row."""

ATTEMPTS = 3
"""How often each worker is tried when none has ever come up."""

PAUSE, LONGEST_PAUSE = 0.1, 3.0


class Crew:
    """`size` workers, by number from 1. `draw` returns a number from 0 up to 1."""

    def __init__(self, size: int, *, draw: Callable[[], float] = random.random) -> None:
        self._places = {number: _Place(draw) for number in range(1, size + 1)}
        self._was_ready: set[int] = set()
        self._sentence = ""

    def due(self, now: float) -> list[int]:
        """Those to be started now; say `started` of each."""
        return [number for number, place in self._places.items() if not place.occupied and place.breaker.attempt(now)]

    def deadline(self) -> float | None:
        """When to ask again; None when nobody waits for the end of a pause."""
        waiting = (place.breaker.deadline() for place in self._places.values() if not place.occupied)
        return min((moment for moment in waiting if moment is not None), default=None)

    def started(self, number: int) -> None:
        self._places[number].occupied = True

    def ready(self, number: int, now: float) -> None:
        """It accepts connections."""
        self._was_ready.add(number)
        self._places[number].ready_at = now

    def ended(self, number: int, now: float, sentence: str = "") -> None:
        """It is gone. The sentence is what it had to say about that, "" for nothing."""
        place = self._places[number]
        if place.ready_at is not None and now - place.ready_at >= STEADY:
            place.breaker.succeeded()
        place.breaker.failed(now)
        place.occupied, place.ready_at = False, None
        self._sentence = sentence or self._sentence

    @property
    def is_complete(self) -> bool:
        """Whether every worker has come up at least once."""
        return len(self._was_ready) == len(self._places)

    @property
    def despair(self) -> str:
        """Why it makes no sense to go on, "" while it does: none has ever come up, and it is known that none will."""
        if self._was_ready:
            return ""
        if self._sentence:
            return self._sentence
        if all(place.breaker.failures >= ATTEMPTS for place in self._places.values()):
            return f"no worker came up in {ATTEMPTS} attempts; the log says what each of them met."
        return ""


class _Place:
    """What is known about one number."""

    def __init__(self, draw: Callable[[], float]) -> None:
        self.breaker = Breaker(base=PAUSE, cap=LONGEST_PAUSE, draw=draw)
        self.occupied = False
        self.ready_at: float | None = None
