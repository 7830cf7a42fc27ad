"""Faults by the clock: each happens, is undone and announced; what did not happen fails the test and is named."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator

import pytest
from tests.testing.faults.echo import Echo, calling, echoing, until

from tidings.clock import ManualClock
from tidings.testing.faults import (
    At,
    Blackhole,
    Cut,
    Drop,
    Fault,
    FaultError,
    FaultProxy,
    FaultSchedule,
    FaultsMissed,
    Inject,
    Latency,
)

pytestmark = pytest.mark.shell


class Light(Fault):
    """Can be switched on and off. Says that it had an effect if `shines`."""

    blocks = False

    def __init__(self, name: str = "light", *, shines: bool = True, fails: str = "") -> None:
        self._name = name
        self._shines = shines
        self._fails = fails
        self.steps: list[str] = []

    @property
    def name(self) -> str:
        return self._name

    def begin(self) -> None:
        if self._fails == "begin":
            raise FaultError("The bulb is broken.")
        self.steps.append("on")

    def end(self) -> None:
        if self._fails == "end":
            raise FaultError("The switch is stuck.")
        self.steps.append("off")

    def effect(self) -> str:
        return "shone" if self._shines and self.steps else ""


@pytest.fixture
async def echo() -> AsyncIterator[Echo]:
    async with echoing() as echo:
        yield echo


@pytest.fixture
async def proxy(echo: Echo) -> AsyncIterator[FaultProxy]:
    async with FaultProxy(echo.address) as proxy:
        yield proxy


async def test_faults_happen_in_order_and_are_undone():
    """With a length after that, without one at the end of the block."""
    short, long = Light("short"), Light("long")
    async with FaultSchedule(At(0.01, short, lasting=0.01), At(0.02, long)) as schedule:
        await schedule.finished()
        assert (short.steps, long.steps) == (["on", "off"], ["on"])
    assert long.steps == ["on", "off"]
    assert schedule.report() == "The faults:\nshort, due at 0.01 s: shone\nlong, due at 0.02 s: shone"
    assert schedule.missed() == []


async def test_faults_are_announced():
    """With the time at which they began."""
    clock = ManualClock(5.0)
    heard: list[tuple[str, float]] = []

    def hear(name: str, at: float) -> None:
        heard.append((name, at))
        clock.advance(3.0)

    async with FaultSchedule(At(0.0, Light("one")), At(0.01, Light("two")), on_fault=hear, clock=clock) as schedule:
        await schedule.finished()
    assert heard == [("one", 5.0), ("two", 8.0)]
    assert [(record.begun, record.ended) for record in schedule.records] == [(5.0, 11.0), (8.0, 11.0)]


async def test_a_fault_that_did_not_come_fails_the_test():
    with pytest.raises(FaultsMissed) as missed:
        async with FaultSchedule(At(0.0, Light("early")), At(60.0, Light("late"))) as schedule:
            await until(lambda: schedule.records[0].begun)
    assert str(missed.value) == (
        "These faults have not happened, and so prove nothing:\nlate, due at 60 s: did not begin"
    )


async def test_a_fault_that_touched_nothing_fails_the_test(proxy: FaultProxy):
    """A line that nobody uses can be neither cut nor slowed down, and no connection of it dropped."""
    faults = [At(0.0, Inject(proxy, Latency(latency_ms=9))), At(0.0, Drop(proxy)), At(0.01, Cut(proxy))]
    with pytest.raises(FaultsMissed) as missed:
        async with FaultSchedule(*faults) as schedule:
            await schedule.finished()
    where = proxy.upstream
    assert str(missed.value).splitlines()[1:] == [
        f"latency downstream at {where}, due at 0 s: touched nothing",
        f"drop connections to {where}, due at 0 s: touched nothing",
        f"cut {where}, due at 0.01 s: touched nothing",
    ]
    assert proxy.is_up
    assert proxy.toxics == ()


async def test_a_fault_that_cannot_be_done_fails_the_test(proxy: FaultProxy):
    proxy.cut()
    with pytest.raises(FaultsMissed) as missed:
        async with FaultSchedule(At(0.0, Cut(proxy)), At(0.0, Light("a", fails="begin"))) as schedule:
            await schedule.finished()
    assert str(missed.value).splitlines()[1:] == [
        f"cut {proxy.upstream}, due at 0 s: did not begin: "
        f"The proxy to {proxy.upstream} is down already, so that nothing can be cut.",
        "a, due at 0 s: did not begin: The bulb is broken.",
    ]


async def test_a_fault_that_cannot_be_undone_fails_the_test():
    other = Light("other")
    with pytest.raises(FaultsMissed, match=r"light, due at 0 s: could not be undone: The switch is stuck\."):
        async with FaultSchedule(At(0.0, other), At(0.0, Light(fails="end"))) as schedule:
            await schedule.finished()
    assert other.steps == ["on", "off"]


async def test_a_listener_that_fails_is_told():
    def refuse(name: str, at: float) -> None:
        raise KeyError(name)

    light = Light()
    with pytest.raises(FaultsMissed, match="light, due at 0 s: could not be announced: 'light'"):
        async with FaultSchedule(At(0.0, light), on_fault=refuse) as schedule:
            await schedule.finished()
    assert light.steps == ["on", "off"]


async def test_what_the_test_says_comes_first():
    """Its own failure is raised, with what the faults did as a note."""
    light = Light()
    with pytest.raises(ZeroDivisionError) as failed:
        async with FaultSchedule(At(0.0, light), At(60.0, Light("late"))):
            await until(lambda: light.steps)
            raise ZeroDivisionError
    assert failed.value.__notes__ == ["The faults:\nlight, due at 0 s: shone\nlate, due at 60 s: did not begin"]
    assert light.steps == ["on", "off"]


async def test_cancelling_undoes():
    light = Light()
    inside = asyncio.Event()

    async def body() -> None:
        async with FaultSchedule(At(0.0, light)):
            await until(lambda: light.steps)
            inside.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(body())
    await inside.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert light.steps == ["on", "off"]


async def test_real_faults_touch_real_connections(proxy: FaultProxy):
    faults = [
        At(0.0, Inject(proxy, Latency(latency_ms=1)), lasting=0.1),
        At(0.1, Inject(proxy, Blackhole(), direction="upstream"), lasting=0.15),
        At(0.3, Drop(proxy)),
        At(0.5, Cut(proxy), lasting=0.05),
    ]
    async with FaultSchedule(*faults) as schedule:
        while any(record.ended is None and record.begun is None for record in schedule.records):
            await talk(proxy)
        await schedule.finished()
    effects = [record.effect for record in schedule.records]
    assert effects[0].startswith("touched ")
    assert effects[0].endswith(" on 1 connection")
    assert effects[1] == "touched 1 byte on 1 connection"
    assert effects[2:] == ["ended 1 connection", "ended 1 connection"]
    async with calling(proxy.address) as caller:
        assert await caller.ask(b"x") == b"x"


async def talk(proxy: FaultProxy) -> None:
    """Talk until the line is dead."""
    try:
        async with calling(proxy.address) as caller:
            while True:
                await caller.ask(b"x")
                await asyncio.sleep(0.001)
    except (ConnectionError, asyncio.IncompleteReadError):
        await asyncio.sleep(0.001)


async def test_a_fault_is_a_block_as_well(proxy: FaultProxy):
    async with calling(proxy.address) as caller:
        await caller.ask(b"x")
        with Cut(proxy) as cut:
            assert not proxy.is_up
        assert repr(cut) == f"<cut {proxy.upstream}: ended 1 connection>"
        assert proxy.is_up
        async with Inject(proxy, Latency(latency_ms=1)) as slow:
            assert len(proxy.toxics) == 1
        assert proxy.toxics == ()
        assert repr(slow) == f"<latency downstream at {proxy.upstream}: has touched nothing>"


class Slow(Light):
    """Takes its time to begin."""

    blocks = True

    def __init__(self) -> None:
        super().__init__()
        self.has_started = threading.Event()
        self.may_finish = threading.Event()

    def begin(self) -> None:
        self.has_started.set()
        assert self.may_finish.wait(5.0)
        super().begin()


async def test_cancelled_while_it_begins():
    """What could not be stopped any more is undone."""
    slow = Slow()

    async def body() -> None:
        async with slow:
            pytest.fail("the block was not cancelled")

    task = asyncio.create_task(body())
    await until(slow.has_started.is_set)
    task.cancel()
    slow.may_finish.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert slow.steps == ["on", "off"]


async def test_the_end_of_the_block_waits_for_what_is_beginning():
    slow = Slow()
    async with FaultSchedule(At(0.0, slow)):
        await until(slow.has_started.is_set)
        slow.may_finish.set()
    assert slow.steps == ["on", "off"]


async def test_one_fault_serves_once():
    light = Light()
    with pytest.raises(ValueError, match="A fault serves once: make a second one for the second time"):
        FaultSchedule(At(0.0, light), At(1.0, light))


async def test_an_empty_schedule_is_no_fault():
    async with FaultSchedule() as schedule:
        await schedule.finished()
