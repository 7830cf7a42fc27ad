"""Chance that repeats itself: the same seed gives the same draws, in every version of Python and on every machine.

Everything is made of `random.Random.random()`, the one method whose sequence Python promises to keep; `choice`, `gauss`
and the others may change from one version to the next.
"""

from __future__ import annotations

import math
import random
from bisect import bisect
from collections.abc import Sequence
from itertools import accumulate
from typing import Generic, TypeVar

T = TypeVar("T")


def positive(**values: float) -> None:
    """Raise `ValueError` for the first of the values, by its name, that is not a number above 0."""
    for name, value in values.items():
        if not 0.0 < value < math.inf:
            raise ValueError(f"{name} is {value}, and has to be a number above 0.")


class Draws:
    """An endless sequence of draws. Those of other `names` under the same seed are independent of these."""

    def __init__(self, seed: int, *names: object) -> None:
        # As text, because -1 and 1 are the same seed to Python.
        self._random = random.Random("/".join(map(str, (seed, *names))))  # noqa: S311, nothing secret

    def fraction(self) -> float:
        """From 0 up to, but not including, 1; each as likely."""
        return self._random.random()

    def chance(self, probability: float) -> bool:
        return self.fraction() < probability

    def between(self, low: float, high: float) -> float:
        """Each value as likely."""
        return low + (high - low) * self.fraction()

    def one_of(self, options: Sequence[T]) -> T:
        """Each option as likely."""
        return options[int(len(options) * self.fraction())]

    def gap(self, rate: float) -> float:
        """Seconds to the next of independent events, of which there are `rate` a second; exponential."""
        return -math.log(1.0 - self.fraction()) / rate

    def normal(self, mean: float, deviation: float) -> float:
        """Of the bell curve, by Box and Muller."""
        radius = math.sqrt(-2.0 * math.log(1.0 - self.fraction()))
        return mean + deviation * radius * math.cos(2.0 * math.pi * self.fraction())


class Weighted(Generic[T]):
    """Options of which some are drawn more often than others."""

    def __init__(self, options: Sequence[T], weights: Sequence[float]) -> None:
        self._options = options
        self._sums = list(accumulate(weights))

    @classmethod
    def by_rank(cls, options: Sequence[T]) -> Weighted[T]:
        """The second half as often as the first, the third a third as often (Zipf): how fame is spread."""
        return cls(options, [1.0 / rank for rank in range(1, len(options) + 1)])

    def draw(self, draws: Draws) -> T:
        # A sum that was rounded down can be met exactly; the last option is meant then.
        place = bisect(self._sums, self._sums[-1] * draws.fraction())
        return self._options[min(place, len(self._options) - 1)]
