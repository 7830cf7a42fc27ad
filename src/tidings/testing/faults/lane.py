"""One direction of one connection: the toxics that it passes, in order, and what waits at each of them.

Pure: what comes in and the time are arguments, what is due is an answer, and `deadline` says when to ask again.
However toxics come and go, what gets through keeps its order, and nothing leaves after the connection's end.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from tidings.testing.faults.machines import NEVER, End, Event, Machine, Timed


@dataclass(slots=True)
class Touched:
    """What a toxic has done so far: what did not pass it at once and unchanged."""

    data_bytes: int = 0
    """Bytes that were delayed, cut, changed or swallowed."""

    ends: int = 0
    """Ends of connections that were delayed, kept back or brought about."""

    connections: int = 0
    """Connections that any of this happened to."""

    def __bool__(self) -> bool:
        return bool(self.data_bytes or self.ends)


class Stage:
    """One toxic on the lane."""

    def __init__(self, key: object, machine: Machine, *, touched: Touched, now: float) -> None:
        self.key = key
        self._machine = machine
        self._touched = touched
        self._has_touched = False
        self._waiting: deque[Timed] = deque()
        self._alarms = machine.begin(now)
        """What happens of its own accord. It is not part of the stream, and goes with the toxic."""
        self.held_bytes = 0

    def feed(self, event: Event, now: float) -> None:
        outcome = self._machine.step(event, now)
        if outcome != [(now, event)]:
            self._touch(event)
        for at, out in outcome:
            latest = self._waiting[-1][0] if self._waiting else at
            self._waiting.append((max(at, latest), out))
            self.held_bytes += _size(out)

    def take(self, now: float) -> list[Timed]:
        """What is due, in order."""
        out: list[Timed] = []
        while self._waiting and self._waiting[0][0] <= now:
            out.append(self._waiting.popleft())
            self.held_bytes -= _size(out[-1][1])
        while self._alarms and self._alarms[0][0] <= now:
            out.append(self._alarms.pop(0))
            self._touch(out[-1][1])
        return out

    def flush(self) -> list[Event]:
        """All that waits, when the toxic is removed."""
        return [event for _, event in self._waiting]

    def deadline(self) -> float:
        waiting = self._waiting[0][0] if self._waiting else NEVER
        return min(waiting, self._alarms[0][0] if self._alarms else NEVER)

    def _touch(self, event: Event) -> None:
        self._touched.data_bytes += _size(event)
        self._touched.ends += isinstance(event, End)
        self._touched.connections += not self._has_touched
        self._has_touched = True


class Lane:
    """Feed it what comes in, take from it what is due. Without toxics all is due at once."""

    def __init__(self) -> None:
        self._stages: list[Stage] = []
        self._out: list[Event] = []
        self._is_over = False

    @property
    def held_bytes(self) -> int:
        """How much waits here, for the bound on it."""
        return sum(stage.held_bytes for stage in self._stages)

    def deadline(self) -> float | None:
        """When something is due, None for never."""
        soonest = min((stage.deadline() for stage in self._stages), default=NEVER)
        return None if self._is_over or soonest == NEVER else soonest

    def insert(self, stage: Stage, *, place: int | None = None) -> None:
        """Put a toxic last, or at a place."""
        self._stages.insert(len(self._stages) if place is None else place, stage)

    def remove(self, key: object, now: float) -> int | None:
        """Take a toxic away, and let go on what waits at it. Returns its place, None if it is not there."""
        for place, stage in enumerate(self._stages):
            if stage.key == key:
                self._advance(now)
                del self._stages[place]
                for event in stage.flush():
                    self._pass_on(place, event, now)
                return place
        return None

    def feed(self, event: Event, now: float) -> None:
        self._advance(now)
        self._pass_on(0, event, now)

    def take(self, now: float) -> list[Event]:
        """What is due now, in order. After `CLOSED` or `RESET` there is nothing more."""
        self._advance(now)
        out, self._out = self._out, []
        if self._is_over:
            return []
        last = next((index for index, event in enumerate(out) if event in (End.CLOSED, End.RESET)), None)
        self._is_over = last is not None
        return out if last is None else out[: last + 1]

    def _advance(self, now: float) -> None:
        for place, stage in enumerate(self._stages):
            for at, event in stage.take(now):
                self._pass_on(place + 1, event, at)

    def _pass_on(self, place: int, event: Event, at: float) -> None:
        if place < len(self._stages) and event is not End.RESET:
            self._stages[place].feed(event, at)
        else:
            self._out.append(event)  # A reset overtakes everything, as it does on a real line.


def _size(event: Event) -> int:
    return 0 if isinstance(event, End) else len(event)
