"""Virtual time: it jumps, in the order of asyncio, and refuses what it cannot keep honest."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time

import pytest

from tidings.clock import Clock
from tidings.testing.load import VirtualLoop, in_virtual_time
from tidings.testing.load.clock import now, until

pytestmark = pytest.mark.shell


def test_an_hour_takes_no_time() -> None:
    async def main() -> float:
        await asyncio.sleep(3600.0)
        return asyncio.get_running_loop().time()

    started = time.monotonic()
    assert in_virtual_time(main()) == 3600.0
    assert time.monotonic() - started < 5.0


def test_who_sleeps_less_wakes_first() -> None:
    """Also when the sleepers were started in another order, and when one of them starts new ones."""
    heard: list[tuple[str, float]] = []

    async def sleeper(name: str, seconds: float) -> None:
        await asyncio.sleep(seconds)
        heard.append((name, now()))

    async def main() -> None:
        async with asyncio.TaskGroup() as group:
            for name, seconds in [("c", 3.0), ("a", 1.0), ("b", 2.0)]:
                group.create_task(sleeper(name, seconds))
            await sleeper("parent", 1.5)
            group.create_task(sleeper("child", 1.0))

    in_virtual_time(main())
    assert heard == [("a", 1.0), ("parent", 1.5), ("b", 2.0), ("child", 2.5), ("c", 3.0)]


def test_time_stands_still_while_somebody_can_go_on() -> None:
    async def main() -> float:
        asyncio.get_running_loop().call_later(10.0, lambda: None)
        for _ in range(100):
            await asyncio.sleep(0)
        return now()

    assert in_virtual_time(main()) == 0.0


def test_timeouts_are_in_virtual_time() -> None:
    async def main() -> float:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(90.0):
                await asyncio.Event().wait()
        return now()

    assert in_virtual_time(main()) == 90.0


def test_the_loop_is_a_clock_for_cores() -> None:
    """So that a core under test and the tasks around it have the same time."""

    def told(clock: Clock) -> float:
        return clock.now()

    async def main() -> tuple[float, float]:
        await asyncio.sleep(2.5)
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        return told(loop), now()

    assert in_virtual_time(main(), start=1_000_000_000.0) == (1_000_000_002.5, 2.5)


def test_ten_years() -> None:
    """Though floats are so coarse by then that a timer is due earlier than the loop can tell."""

    async def main() -> float:
        await asyncio.sleep(10 * 365 * 86400.0)
        for _ in range(10):
            await asyncio.sleep(0.1)
        return now()

    assert in_virtual_time(main()) == pytest.approx(10 * 365 * 86400.0 + 1.0)


def test_a_deadlock_is_told() -> None:
    """Where an ordinary loop would wait for ever."""
    with pytest.raises(RuntimeError, match="nothing will ever happen again"):
        in_virtual_time(asyncio.Event().wait())


def test_sockets_are_refused() -> None:
    ours, theirs = socket.socketpair()
    ours.setblocking(False)

    async def main() -> None:
        await asyncio.get_running_loop().sock_recv(ours, 1)

    with ours, theirs, pytest.raises(RuntimeError, match="do not work in virtual time"):
        in_virtual_time(main())


def test_threads_are_refused() -> None:
    with pytest.raises(RuntimeError, match="Threads do not run in virtual time"):
        in_virtual_time(asyncio.to_thread(time.monotonic))


def test_what_is_left_running_is_cancelled() -> None:
    ends: list[str] = []

    async def lingering() -> None:
        try:
            await asyncio.sleep(1e9)
        finally:
            ends.append("cancelled")

    async def main() -> asyncio.Task[None]:
        task = asyncio.create_task(lingering())
        await asyncio.sleep(0)
        return task

    in_virtual_time(main())
    assert ends == ["cancelled"]


async def test_a_loop_inside_of_a_loop_is_refused() -> None:
    with pytest.raises(RuntimeError, match="from a plain function"):
        in_virtual_time(asyncio.sleep(0))


@pytest.mark.asyncio(loop_factories=["uvloop", "asyncio"])
async def test_until_on_real_loops() -> None:
    """Never early by more than a microsecond, though uvloop's own timers are."""
    for when in [now() - 1.0, now() + 0.0004, now() + 0.0016, now() + 0.003]:
        await until(when)
        assert now() >= when - 1e-6


def test_without_a_loop_time_is_monotonic() -> None:
    assert abs(now() - time.monotonic()) < 1.0
