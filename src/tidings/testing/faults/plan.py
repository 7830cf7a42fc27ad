"""What is due when, of a list of faults with times. Pure: the time is an argument."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass


class Action(enum.IntEnum):
    """What is to be done to a fault. Of what is due at the same time, ends come first."""

    END = 0
    BEGIN = 1


@dataclass(frozen=True, slots=True, order=True)
class Step:
    """One thing to do: when, in seconds from the start, what, and to which fault of the list."""

    at: float
    action: Action
    index: int


@dataclass(frozen=True, slots=True)
class Span:
    """When a fault begins, and how long it lasts; None for to the end of the schedule. Both in seconds."""

    begin: float
    lasting: float | None = None

    def __post_init__(self) -> None:
        if self.begin < 0:
            raise ValueError(f"A fault is due at a number of seconds from the start, not at {self.begin:g}.")
        if self.lasting is not None and self.lasting <= 0:
            raise ValueError(f"A fault lasts for a number of seconds above 0, not for {self.lasting:g}.")


class Plan:
    """Gives out each step once, in order of time."""

    def __init__(self, spans: Sequence[Span]) -> None:
        self._left: list[Step] = []
        for index, span in enumerate(spans):
            self._left.append(Step(span.begin, Action.BEGIN, index))
            if span.lasting is not None:
                self._left.append(Step(span.begin + span.lasting, Action.END, index))
        self._left.sort()

    def deadline(self) -> float | None:
        """When the next step is due, in seconds from the start; None when nothing is left."""
        return self._left[0].at if self._left else None

    def due(self, elapsed: float) -> list[Step]:
        """What has become due and was not given out before."""
        count = sum(step.at <= elapsed for step in self._left)
        steps, self._left = self._left[:count], self._left[count:]
        return steps

    def never_begun(self) -> list[int]:
        """Which faults have not been given out, by their place in the list."""
        return [step.index for step in self._left if step.action is Action.BEGIN]
