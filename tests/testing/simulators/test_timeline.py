"""Planned events: in order, merged, cut, and played at their times."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Iterator
from itertools import count
from typing import Any

import pytest

from tidings.testing.load import in_virtual_time
from tidings.testing.load.clock import now
from tidings.testing.simulators import Market, Planned, merge, paced, play, within
from tidings.testing.simulators.timeline import overlapping, plan

pytestmark = pytest.mark.shell


def ticks(every: float, channel: str = "ticks", *, begins: float = 0.0) -> Iterator[Planned[int]]:
    return (plan(begins + number * every, channel, number) for number in count())


class Heard:
    """Publishes by writing down what was published, where and when."""

    def __init__(self, takes: float = 0.0) -> None:
        self.events: list[tuple[float, str, Any]] = []
        self._takes = takes

    async def publish(self, channel: str, data: Any) -> None:
        self.events.append((now(), channel, data))
        await asyncio.sleep(self._takes)


# Iterators.


def test_times_are_whole_microseconds() -> None:
    assert plan(1 / 3, "a", None).at == 0.333333


def test_within_ends_what_is_endless() -> None:
    assert [event.at for event in within(ticks(0.5), 2.0)] == [0.0, 0.5, 1.0, 1.5]


def test_merged_simulations_are_in_order() -> None:
    """The first one's events first, where times are equal."""
    both = within(merge(ticks(1.0, "a"), ticks(0.5, "b")), 1.5)
    assert [(event.at, event.channel) for event in both] == [(0.0, "a"), (0.0, "b"), (0.5, "b"), (1.0, "a"), (1.0, "b")]


def test_runs_overlap() -> None:
    """Endlessly many, each begun when its time comes and not before; one of them is empty."""
    begun: list[int] = []

    def runs() -> Iterator[tuple[float, Iterator[Planned[int]]]]:
        for number in count():
            begun.append(number)
            yield number * 1.0, iter(()) if number == 1 else within(ticks(0.75, begins=number), number + 2.0)

    events = within(overlapping(runs()), 3.0)
    assert [event.at for event in events] == [0.0, 0.75, 1.5, 2.0, 2.75]
    assert len(begun) <= 5


def test_runs_come_to_an_end() -> None:
    runs = [(0.0, within(ticks(1.0), 3.0)), (0.5, within(ticks(1.0, begins=0.5), 3.0))]
    assert [event.at for event in overlapping(runs)] == [0.0, 0.5, 1.0, 1.5, 2.0, 2.5]


# Playing.


def test_each_at_its_time() -> None:
    heard = Heard()
    assert in_virtual_time(play(heard.publish, within(ticks(0.5), 1.5))) == 3
    assert heard.events == [(0.0, "ticks", 0), (0.5, "ticks", 1), (1.0, "ticks", 2)]


def test_faster_and_slower() -> None:
    for speed, times in [(2.0, [0.0, 0.25]), (0.1, [0.0, 5.0]), (math.inf, [0.0, 0.0])]:
        heard = Heard()
        in_virtual_time(play(heard.publish, within(ticks(0.5), 1.0), speed=speed))
        assert [at for at, _, _ in heard.events] == times


def test_a_slow_publish_is_caught_up_with() -> None:
    """The plan stays as it is: what became late is published at once."""
    heard = Heard(takes=0.75)
    in_virtual_time(play(heard.publish, [plan(at, "a", None) for at in (0.0, 0.5, 1.0, 3.0)]))
    assert [at for at, _, _ in heard.events] == [0.0, 0.75, 1.5, 3.0]


def test_data_are_as_json_knows_them() -> None:
    """So that any client can publish them."""
    heard = Heard()
    in_virtual_time(play(heard.publish, within(Market(seed=1).events(), 0.05)))
    ((_, channel, data),) = heard.events
    assert channel == "patterns"
    assert {**data, "price": 0.0, "confidence": 0.0} == {
        "type": "pattern_alert",
        "number": 1,
        "symbol": "AAPL",
        "pattern": "Evening Star",
        "direction": "bearish",
        "confidence": 0.0,
        "price": 0.0,
    }


def test_a_failure_ends_the_play() -> None:
    async def publish(channel: str, data: int) -> None:
        if data == 2:
            raise ConnectionError("gone")

    with pytest.raises(ConnectionError, match="gone"):
        in_virtual_time(play(publish, ticks(1.0)))


@pytest.mark.parametrize("speed", [1.0, math.inf])
def test_an_endless_play_is_cancelled(speed: float) -> None:
    """Also one that never waits: it gives way to others after each event."""
    heard = Heard()

    async def main() -> None:
        task = asyncio.create_task(play(heard.publish, ticks(1.0), speed=speed))
        while len(heard.events) < 4:
            await asyncio.sleep(0.0 if speed == math.inf else 1.0)
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled()

    in_virtual_time(main())
    assert 4 <= len(heard.events) < 10


def test_events_for_those_who_act_by_themselves() -> None:
    """`paced` yields them on schedule, with whose doing they are."""

    async def main() -> list[tuple[float, int]]:
        return [(now(), event.data) async for event in paced(within(ticks(2.0), 5.0), speed=2.0)]

    assert in_virtual_time(main()) == [(0.0, 0), (1.0, 1), (2.0, 2)]


@pytest.mark.parametrize("speed", [0.0, -1.0, math.nan])
def test_what_is_no_speed(speed: float) -> None:
    with pytest.raises(ValueError, match="speed is"):
        in_virtual_time(play(Heard().publish, ticks(1.0), speed=speed))


async def test_in_real_time() -> None:
    heard = Heard()
    started = now()
    assert await play(heard.publish, within(ticks(0.01), 0.03)) == 3
    assert all(at - started >= number * 0.01 - 1e-6 for number, (at, _, _) in enumerate(heard.events))
