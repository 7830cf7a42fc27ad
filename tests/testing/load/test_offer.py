"""Offering a load, in virtual time: overlapping calls, stalls, limits and failures."""

from __future__ import annotations

import asyncio

import pytest

from tidings.testing.load import LatencyRecorder, Offered, OpenLoop, in_virtual_time, offer
from tidings.testing.load.clock import now, until

pytestmark = pytest.mark.shell


class StallingServer:
    """Serves one call after another, a millisecond each, and nobody between the seconds 4 and 5."""

    def __init__(self) -> None:
        self._turn = asyncio.Lock()

    async def serve(self, number: int = 0) -> None:
        async with self._turn:
            if 4.0 <= now() < 5.0:
                await until(5.0)
            await asyncio.sleep(0.001)


async def open_loop() -> LatencyRecorder:
    """A hundred calls a second, whatever the server does."""
    return (await offer(OpenLoop(100.0, 10.0), StallingServer().serve)).latency


async def closed_loop() -> LatencyRecorder:
    """A client that would call as often, but waits for each answer and only then goes on."""
    server, latency = StallingServer(), LatencyRecorder()
    while now() < 10.0:
        with latency.time():
            await server.serve()
        await asyncio.sleep(0.009)
    return latency


def test_a_stall_is_seen_by_the_open_loop() -> None:
    """A hundred of a thousand would have come in that second: they waited half a second on average."""
    summary = in_virtual_time(open_loop()).summary()
    assert summary.count == 1000
    assert summary.p50 == pytest.approx(0.001, rel=0.01)
    assert summary.p99 > 0.9
    assert summary.maximum == pytest.approx(1.001, rel=0.01)


def test_a_stall_is_hidden_by_the_closed_loop() -> None:
    """One call of nine hundred: not even p99 knows of the same second."""
    summary = in_virtual_time(closed_loop()).summary()
    assert summary.count > 850
    assert summary.p99 == pytest.approx(0.001, rel=0.01)
    assert summary.maximum == pytest.approx(1.0, rel=0.01)


def test_calls_overlap() -> None:
    """Each is started on time, though the ones before it are still running, and has its own number."""
    started: list[tuple[int, float]] = []

    async def slow(number: int) -> None:
        started.append((number, now()))
        await asyncio.sleep(10.0)

    offered = in_virtual_time(offer(OpenLoop(2.0, 2.0), slow))
    assert started == [(0, 0.0), (1, 0.5), (2, 1.0), (3, 1.5)]
    assert offered.most_in_flight == 4
    assert offered.latency.summary().minimum == offered.latency.summary().maximum == 10.0
    assert offered.lateness.summary().maximum == 0.0


def test_the_limit_makes_calls_late_and_hides_nothing() -> None:
    """With one call of a second at a time, the fourth of four begins and ends three seconds late."""
    load = OpenLoop(1000.0, 0.004)
    offered = in_virtual_time(offer(load, lambda number: asyncio.sleep(1.0), in_flight_limit=1))
    assert offered.most_in_flight == 1
    assert offered.lateness.summary().maximum == pytest.approx(2.997)
    assert offered.latency.summary().maximum == pytest.approx(3.997)


def test_a_failure_ends_the_load() -> None:
    """The others are cancelled, and no more are started."""
    ends: list[int] = []

    async def failing(number: int) -> None:
        if number == 2:
            raise ConnectionError("gone")
        try:
            await asyncio.sleep(60.0)
        finally:
            ends.append(number)

    with pytest.raises(ExceptionGroup) as caught:
        in_virtual_time(offer(OpenLoop(10.0, 10.0), failing))
    assert [str(error) for error in caught.value.exceptions] == ["gone"]
    assert sorted(ends) == [0, 1]


def test_cancelling_cancels_the_calls() -> None:
    ends: list[int] = []

    async def call(number: int) -> None:
        try:
            await asyncio.sleep(60.0)
        finally:
            ends.append(number)

    async def main() -> None:
        task = asyncio.create_task(offer(OpenLoop(10.0, 10.0), call))
        await asyncio.sleep(0.35)
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled()

    in_virtual_time(main())
    assert sorted(ends) == [0, 1, 2, 3]


@pytest.mark.asyncio(loop_factories=["uvloop", "asyncio"])
async def test_on_real_loops() -> None:
    """All calls are made, and none is measured as faster than it was."""

    async def call(number: int) -> None:
        await asyncio.sleep(0.002)

    offered: Offered = await offer(OpenLoop(500.0, 0.05), call)
    assert offered.latency.count == offered.lateness.count == 25
    assert offered.latency.summary().minimum > 0.001


def test_a_limit_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="in_flight_limit is 0"):
        in_virtual_time(offer(OpenLoop(1.0, 1.0), asyncio.sleep, in_flight_limit=0))
