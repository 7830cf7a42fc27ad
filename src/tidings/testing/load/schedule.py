"""Load as people make it: they come when they come, and do not wait until the server has served those before them.

A client that sends its next request when the last one is answered (a closed loop) stops measuring whenever the server
stops answering: a stall of a second is one slow call among thousands. This is called coordinated omission. Here the
starts are planned beforehand, calls overlap where they must, and a latency lasts from the *planned* start to the end:
everybody who would have come during the stall has waited, and is counted.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import KW_ONLY, dataclass, field

from tidings.testing.load import clock
from tidings.testing.load.draws import Draws, positive
from tidings.testing.load.latency import LatencyRecorder

IN_FLIGHT_LIMIT = 10_000


@dataclass(frozen=True, slots=True)
class OpenLoop:
    """`rate` starts a second for `duration` seconds: evenly, or with a `seed` at random as independent people come.

    At random the gaps are exponential, the same for the same seed, and the number of starts is only about `rate *
    duration`. Raises `ValueError` for a rate or duration that is not above 0.
    """

    rate: float
    duration: float
    _: KW_ONLY
    seed: int | None = None

    def __post_init__(self) -> None:
        positive(rate=self.rate, duration=self.duration)

    def times(self, now: float) -> Iterator[float]:
        """The planned starts, if the first second begins at `now`. Starts nothing, and waits for nothing."""
        return self._evenly(now) if self.seed is None else self._at_random(now, Draws(self.seed, "open loop"))

    def _evenly(self, now: float) -> Iterator[float]:
        # Each from the beginning, so that a million roundings do not add up.
        for number in range(math.ceil(round(self.rate * self.duration, 6))):
            yield now + number / self.rate

    def _at_random(self, now: float, draws: Draws) -> Iterator[float]:
        after = draws.gap(self.rate)
        while after < self.duration:
            yield now + after
            after += draws.gap(self.rate)


@dataclass(slots=True)
class Offered:
    """What came of a load. `lateness` is the generator's own share: how much later than planned calls were started.

    A lateness that is not small against the latency means that this machine could not make the load that was asked for.
    """

    latency: LatencyRecorder = field(default_factory=LatencyRecorder)
    """From the planned start to the end of each call."""

    lateness: LatencyRecorder = field(default_factory=LatencyRecorder)
    """From the planned start to the start."""

    most_in_flight: int = 0


async def offer(
    load: OpenLoop, call: Callable[[int], Awaitable[object]], *, in_flight_limit: int = IN_FLIGHT_LIMIT
) -> Offered:
    """Start `call(0)`, `call(1)` … each at its planned time, whatever became of the earlier ones; return when all end.

    Beyond `in_flight_limit` calls at once the next one is started when one of them ends, and is measured from its
    planned time all the same. A call that raises ends the others: the error comes out in an `ExceptionGroup`. A call
    that may fail catches that itself. Cancelled, all calls are.
    """
    offered, in_flight = Offered(), _InFlight(in_flight_limit)

    async def one(number: int, planned: float) -> None:
        try:
            await call(number)
        finally:
            in_flight.leave()
        offered.latency.record(max(clock.now() - planned, 0.0))

    async with asyncio.TaskGroup() as group:
        for number, planned in enumerate(load.times(clock.now())):
            await clock.until(planned)
            await in_flight.enter()
            offered.lateness.record(max(clock.now() - planned, 0.0))
            group.create_task(one(number, planned))
    offered.most_in_flight = in_flight.most
    return offered


class _InFlight:
    """Counts calls, and lets no more of them in than the limit."""

    def __init__(self, limit: int) -> None:
        positive(in_flight_limit=limit)
        self._slots = asyncio.Semaphore(limit)
        self._now = self.most = 0

    async def enter(self) -> None:
        await self._slots.acquire()
        self._now += 1
        self.most = max(self.most, self._now)

    def leave(self) -> None:
        self._now -= 1
        self._slots.release()
