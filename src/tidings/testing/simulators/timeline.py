"""Events with planned times, and their way into a running system.

A simulator is pure: an iterator of `Planned` values, which never waits and knows no clock. `play` and `paced` are the
thin shell that lets them happen, each at its time.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Iterator
from contextlib import aclosing
from itertools import count, takewhile
from typing import Any, Generic, TypeVar

import msgspec

from tidings.testing.load import clock

T = TypeVar("T", covariant=True)

DIGITS = 6
"""Times are planned in whole microseconds: logarithms differ in their last digit from machine to machine."""


class Planned(msgspec.Struct, Generic[T], frozen=True, kw_only=True):
    """That `data` is to be published in `channel` when `at` seconds of the simulation have passed.

    `by` is whose doing it is: a user, a player, a device; "" where nobody in particular acts.
    """

    at: float
    channel: str
    data: T
    by: str = ""


def plan(at: float, channel: str, data: T, *, by: str = "") -> Planned[T]:  # type: ignore[misc]
    """A planned event, its time rounded as all are."""
    return Planned(at=round(at, DIGITS), channel=channel, data=data, by=by)


# Iterators of events, in order of time.


def within(events: Iterable[Planned[T]], duration: float) -> Iterator[Planned[T]]:
    """The events of the first `duration` seconds; how an endless simulator comes to an end."""
    return takewhile(lambda event: event.at < duration, events)


def merge(*simulations: Iterable[Planned[Any]]) -> Iterator[Planned[Any]]:
    """Several simulations at once. Of events at the same time, those of the first simulation come first."""
    return heapq.merge(*simulations, key=lambda event: event.at)


def overlapping(runs: Iterable[tuple[float, Iterator[Planned[T]]]]) -> Iterator[Planned[T]]:
    """Runs that begin one after another, and do not wait for each other to end. Each is begun when its time comes.

    A run is given with the time at which it begins; they come in order of that time, and may be endlessly many.
    """
    waiting: list[tuple[float, int, Planned[T], Iterator[Planned[T]]]] = []
    order = count()

    def wait_for_next(run: Iterator[Planned[T]]) -> None:
        if (event := next(run, None)) is not None:
            heapq.heappush(waiting, (event.at, next(order), event, run))

    def happening(before: float) -> Iterator[Planned[T]]:
        while waiting and waiting[0][0] < before:
            _, _, event, run = heapq.heappop(waiting)
            yield event
            wait_for_next(run)

    for begins, run in runs:
        yield from happening(begins)
        wait_for_next(run)
    yield from happening(math.inf)


# The shell.


async def paced(events: Iterable[Planned[T]], *, speed: float = 1.0) -> AsyncGenerator[Planned[T], None]:
    """The same events, each when its time has come. `speed` 2 is twice as fast, infinity as fast as can be.

    Who takes longer than there is between two events is not waited for: the next ones come at once, until the plan is
    caught up with. Raises `ValueError` for a speed that is not above 0.
    """
    if not speed > 0.0:
        raise ValueError(f"speed is {speed}, and has to be a number above 0.")
    started = clock.now()
    for event in events:
        await clock.until(started + event.at / speed)
        yield event


async def play(
    publish: Callable[[str, Any], Awaitable[object]], events: Iterable[Planned[Any]], *, speed: float = 1.0
) -> int:
    """Publish the events on schedule, in order and one after another, and return how many there were.

    `publish` is called with the channel and the data as JSON knows them: mappings, lists, text and numbers. What it
    raises comes out here, and ends the play. An endless simulation plays until it is cancelled; cancelled while it
    publishes, it may or may not have published that event.
    """
    number = 0
    async with aclosing(paced(events, speed=speed)) as stage:
        async for event in stage:
            await publish(event.channel, msgspec.json.decode(msgspec.json.encode(event.data)))
            number += 1
    return number
