"""Errands: in order within a channel, side by side across channels, each on its own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from tidings.channels.errands import Errands

pytestmark = pytest.mark.shell


class Diary:
    """Notes when an errand begins and ends; an errand waits for its gate."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.gates: dict[str, asyncio.Event] = {}

    def errand(
        self, name: str, *, gated: bool = False, error: Exception | None = None
    ) -> Callable[[], Awaitable[None]]:
        gate = self.gates[name] = asyncio.Event()

        async def run() -> None:
            self.lines.append(f"{name} begins")
            if gated:
                await gate.wait()
            if error is not None:
                raise error
            self.lines.append(f"{name} ends")

        return run


@pytest.fixture
async def errands() -> AsyncIterator[Errands]:
    errands = Errands()
    yield errands
    await errands.stop()


@pytest.fixture
def diary() -> Diary:
    return Diary()


async def test_one_after_another_within_a_channel(errands: Errands, diary: Diary) -> None:
    """While another channel goes its own way."""
    errands.add("a", diary.errand("first", gated=True))
    errands.add("a", diary.errand("second"))
    errands.add("b", diary.errand("elsewhere"))
    while "elsewhere ends" not in diary.lines:
        await asyncio.sleep(0)
    assert "second begins" not in diary.lines
    diary.gates["first"].set()
    await errands.wait_idle()
    assert diary.lines[-3:] == ["first ends", "second begins", "second ends"]
    assert len(errands) == 0


async def test_a_failure_does_not_stop_what_stands_behind_it(
    errands: Errands, diary: Diary, complaints: list[dict[str, Any]]
) -> None:
    """The loop's exception handler hears of it."""
    errands.add("a", diary.errand("bad", error=ValueError("x")))
    errands.add("a", diary.errand("good"))
    await errands.wait_idle()
    assert diary.lines == ["bad begins", "good begins", "good ends"]
    (complaint,) = complaints
    assert isinstance(complaint["exception"], ValueError)
    complaints.clear()


async def test_an_errand_that_is_waited_for_takes_its_turn(errands: Errands, diary: Diary) -> None:
    errands.add("a", diary.errand("earlier", gated=True))
    running = asyncio.create_task(errands.run("a", diary.errand("mine")))
    while not diary.lines:
        await asyncio.sleep(0)
    diary.gates["earlier"].set()
    await running
    assert diary.lines == ["earlier begins", "earlier ends", "mine begins", "mine ends"]


async def test_its_failure_is_for_who_waits(errands: Errands, diary: Diary) -> None:
    errands.add("a", diary.errand("earlier"))
    with pytest.raises(ValueError, match="x"):
        await errands.run("a", diary.errand("mine", error=ValueError("x")))
    with pytest.raises(ValueError, match="y"):
        await errands.run("b", diary.errand("alone", error=ValueError("y")))


async def test_who_stops_waiting_does_not_stop_it(errands: Errands, diary: Diary) -> None:
    errands.add("a", diary.errand("earlier", gated=True))
    running = asyncio.create_task(errands.run("a", diary.errand("mine")))
    while not diary.lines:
        await asyncio.sleep(0)
    running.cancel()
    await asyncio.wait([running])
    diary.gates["earlier"].set()
    await errands.wait_idle()
    assert diary.lines[-1] == "mine ends"


async def test_stopping_gives_up_the_rest(errands: Errands, diary: Diary) -> None:
    errands.add("a", diary.errand("first", gated=True))
    errands.add("a", diary.errand("second"))
    while not diary.lines:
        await asyncio.sleep(0)
    await errands.stop()
    assert diary.lines == ["first begins"]
