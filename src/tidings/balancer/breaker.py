"""When to try again what has just failed.

            success                       failure
    ┌────────────────────┐      ┌───────────────────────┐
    ▼                    │      ▼                       │
  CLOSED ──failure──▶  OPEN ──its time is up──▶ HALF_OPEN
                         ▲                         │ ▲
                         └──────── failure ────────┘ └─ one attempt, nobody else's

While the circuit is open nobody tries. The pause after the n-th failure in a row is drawn evenly from nothing up to
`base` · 2ⁿ⁻¹ seconds, at most `cap` ("full jitter"): a thousand nodes that lost the same server at the same moment do
not come back at the same moment.

Nothing here waits or looks at a clock: time is an argument, and `deadline` says when to ask again.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from enum import Enum

DOUBLINGS = 32
"""Failures after which the pause stops growing, whatever its cap; a float could not double for ever."""


class Circuit(Enum):
    """What a breaker lets through."""

    CLOSED = "closed"
    """Everything: it works, as far as anybody knows."""
    OPEN = "open"
    """Nothing, until the pause is over."""
    HALF_OPEN = "half-open"
    """The one attempt that will tell."""


class Breaker:
    """Governs attempts at one thing that may fail.

    `base` and `cap` are in seconds. `threshold` is how many failures in a row open the circuit. `draw` returns a number
    from 0 up to 1. Raises `ValueError` for bounds that make no sense.
    """

    def __init__(
        self,
        *,
        base: float = 0.1,
        cap: float = 3.0,
        threshold: int = 1,
        draw: Callable[[], float] = random.random,
    ) -> None:
        if not 0 < base <= cap < math.inf:
            raise ValueError(f"a pause grows from base to cap, which cannot be {base:g} and {cap:g}")
        if threshold < 1:
            raise ValueError(f"a circuit opens after one failure or more, and not after {threshold}")
        self._base = base
        self._cap = cap
        self._threshold = threshold
        self._draw = draw
        self._failures = 0
        self._until: float | None = None
        self._trying = False

    def __repr__(self) -> str:
        return f"<Breaker after {self._failures} failures>"

    @property
    def failures(self) -> int:
        """How many there were in a row."""
        return self._failures

    def state(self, now: float) -> Circuit:
        if self._until is None:
            return Circuit.CLOSED
        return Circuit.HALF_OPEN if self._trying or now >= self._until else Circuit.OPEN

    def deadline(self) -> float | None:
        """When the pause ends; None when there is none."""
        return self._until

    def attempt(self, now: float) -> bool:
        """Whether to try now. In the half-open state the first to ask may, and the others wait for what comes of it."""
        state = self.state(now)
        if state is not Circuit.HALF_OPEN:
            return state is Circuit.CLOSED
        if self._trying:
            return False
        self._trying = True
        return True

    def succeeded(self) -> None:
        """It works: let everything through."""
        self._failures = 0
        self._until = None
        self._trying = False

    def failed(self, now: float) -> None:
        """It does not: from `threshold` failures on, pause."""
        self._failures += 1
        self._trying = False
        if self._failures >= self._threshold:
            self._until = now + self._pause()

    def abandoned(self) -> None:
        """An attempt was given up, and says nothing: another one may tell."""
        self._trying = False

    def _pause(self) -> float:
        doublings = min(self._failures - self._threshold, DOUBLINGS)
        return self._draw() * min(self._cap, self._base * 2.0**doublings)
