"""Room for some at a time, and for some that wait."""

from __future__ import annotations

import asyncio

import pytest

from tidings.gateway.webhooks.slots import Full, Slots

pytestmark = pytest.mark.shell


async def test_some_are_in_some_wait_and_others_are_refused() -> None:
    slots = Slots(1, 1)
    await slots.enter(1.0)
    waiting = asyncio.create_task(slots.enter(10.0))
    await asyncio.sleep(0)
    assert slots.waiting == 1
    with pytest.raises(Full):
        await slots.enter(1.0)
    slots.leave()
    await waiting
    assert slots.waiting == 0


async def test_waiting_ends() -> None:
    slots = Slots(1, 1)
    await slots.enter(1.0)
    with pytest.raises(TimeoutError):
        await slots.enter(0.001)
    assert slots.waiting == 0


async def test_who_is_cancelled_takes_no_place() -> None:
    slots = Slots(1, 2)
    await slots.enter(1.0)
    first, second = (asyncio.create_task(slots.enter(10.0)) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    slots.leave()
    await second
    assert slots.waiting == 0
    slots.leave()
    await slots.enter(0.001)
