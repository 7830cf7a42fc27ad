"""Faults by the clock, beside a test, and the proof that each of them has happened.

    async with FaultSchedule(
        At(0.5, Cut(proxy), lasting=0.2),
        At(1.0, Kill(node)),
        At(2.0, Restart(node)),
        on_fault=history.fault,
    ) as schedule:
        ...
        await schedule.finished()

A schedule that silently ran out, or cut a line which nobody used, would let a test pass that has proved nothing. So
the end of the block raises `FaultsMissed` when a fault did not begin or has touched nothing, and names it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from tidings.clock import Clock, SystemClock
from tidings.testing.faults.errors import FaultsMissed
from tidings.testing.faults.fault import Fault
from tidings.testing.faults.plan import Action, Plan, Span, Step


class At:
    """A fault with its time, in seconds from the start. `lasting` seconds later it is undone, otherwise at the end."""

    def __init__(self, seconds: float, fault: Fault, *, lasting: float | None = None) -> None:
        self.span = Span(seconds, lasting)
        self.fault = fault

    def __repr__(self) -> str:
        return f"{self.fault.name}, due at {self.span.begin:g} s"


@dataclass(slots=True)
class Record:
    """What became of one fault. Times are those of the schedule's clock, None for what did not happen."""

    name: str
    due: float
    """In seconds from the start."""

    begun: float | None = None
    ended: float | None = None
    effect: str = ""
    """What it has really done; "" for nothing."""

    failure: str = ""
    """Why it could not be done, or not be undone."""

    def __str__(self) -> str:
        happened = "did not begin" if self.begun is None else self.effect or "touched nothing"
        return f"{self.name}, due at {self.due:g} s: {self.failure or happened}"

    @property
    def has_struck(self) -> bool:
        return self.begun is not None and bool(self.effect) and not self.failure


class FaultSchedule:
    """Begins and ends faults at their times, each independently of how long another takes.

    `on_fault(name, at)` is called in the loop whenever one begins, with the reading of `clock`, so that a record of the
    test can hold it. However the block ends, all that has begun is undone. When the test itself fails, what the faults
    did is added to its error as a note.
    """

    def __init__(
        self, *faults: At, on_fault: Callable[[str, float], object] | None = None, clock: Clock | None = None
    ) -> None:
        if len({id(at.fault) for at in faults}) < len(faults):
            raise ValueError("A fault serves once: make a second one for the second time.")
        self.records = [Record(at.fault.name, at.span.begin) for at in faults]
        self._faults = [at.fault for at in faults]
        self._plan = Plan([at.span for at in faults])
        self._on_fault = on_fault
        self._clock = clock or SystemClock()
        self._turns = [asyncio.Lock() for _ in faults]
        """One step of a fault at a time; the lock lets them through in their order."""
        self._steps: set[asyncio.Task[None]] = set()
        self._run: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._run = asyncio.create_task(self._follow())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            await self._stop()
        finally:
            await self._undo()
        if error is not None:
            error.add_note(self.report())
        elif missed := self.missed():
            raise FaultsMissed("\n".join(["These faults have not happened, and so prove nothing:", *map(str, missed)]))

    async def finished(self) -> None:
        """Wait until every fault has begun, and has ended if it has a length."""
        if self._run is not None:
            await asyncio.shield(self._run)
        if self._steps:
            await asyncio.wait(self._steps)

    def missed(self) -> list[Record]:
        """The faults that have not begun or have touched nothing so far."""
        return [record for record in self.records if not record.has_struck]

    def report(self) -> str:
        """What each fault did, a line each."""
        return "\n".join(["The faults:", *map(str, self.records)])

    # Private steps.

    async def _follow(self) -> None:
        loop = asyncio.get_running_loop()
        start = loop.time()
        while (deadline := self._plan.deadline()) is not None:
            await asyncio.sleep(start + deadline - loop.time())
            for step in self._plan.due(max(deadline, loop.time() - start)):
                task = asyncio.create_task(self._take(step))
                self._steps.add(task)
                task.add_done_callback(self._steps.discard)

    async def _take(self, step: Step) -> None:
        async with self._turns[step.index]:
            if step.action is Action.BEGIN:
                await self._begin(step.index)
            else:
                await self._end(step.index)

    async def _begin(self, index: int) -> None:
        fault, record = self._faults[index], self.records[index]
        at = self._clock.now()
        try:
            await fault.perform(fault.begin)
            record.begun = at
            if self._on_fault is not None:
                self._on_fault(record.name, at)
        except asyncio.CancelledError:
            record.begun = at  # The step was taken all the same, and is to be undone.
            raise
        except Exception as error:
            what = "did not begin" if record.begun is None else "could not be announced"
            record.failure = f"{what}: {error}"

    async def _end(self, index: int) -> None:
        fault, record = self._faults[index], self.records[index]
        if record.begun is None or record.ended is not None:
            return
        record.ended = self._clock.now()
        try:
            await fault.perform(fault.end)
        except Exception as error:
            record.failure = f"could not be undone: {error}"
        else:
            record.effect = fault.effect()

    async def _stop(self) -> None:
        """Begin nothing more, and wait for what is being done."""
        if self._run is not None:
            self._run.cancel()
            await asyncio.wait([self._run])
        if self._steps:
            await asyncio.wait(self._steps)

    async def _undo(self) -> None:
        """End what has no end of its own, the last first."""
        for index in reversed(range(len(self._faults))):
            async with self._turns[index]:
                await self._end(index)
