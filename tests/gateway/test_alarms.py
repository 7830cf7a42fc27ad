"""The timer wheel driven by the loop: one timer for all, and one who fails keeps nobody else asleep."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tests.gateway.house import House
from tests.gateway.wire import until

from tidings.clock import ManualClock, SystemClock
from tidings.gateway.alarms import Alarms

pytestmark = pytest.mark.shell


class Sleeper:
    def __init__(self, error: Exception | None = None) -> None:
        self.woken = 0
        self._error = error

    def wake(self) -> None:
        self.woken += 1
        if self._error is not None:
            raise self._error


async def test_who_is_due_is_woken() -> None:
    """By the loop, soon after the moment and once."""
    clock = SystemClock()
    alarms, sleeper = Alarms(clock), Sleeper()
    alarms.set(clock.now() + 0.01, sleeper)
    await until(lambda: sleeper.woken)
    await asyncio.sleep(0)
    assert sleeper.woken == 1


async def test_an_earlier_alarm_comes_earlier() -> None:
    """Although the timer was set for a later one."""
    clock = SystemClock()
    alarms, late, early = Alarms(clock), Sleeper(), Sleeper()
    alarms.set(clock.now() + 3600, late)
    alarms.set(clock.now() + 0.01, early)
    await until(lambda: early.woken)
    assert late.woken == 0
    alarms.stop()


async def test_one_that_fails_keeps_nobody_asleep(complaints: list[dict[str, Any]]) -> None:
    """Neither in this turn nor later, and the loop's exception handler hears of it."""
    clock = ManualClock()
    alarms = Alarms(clock)
    good, bad = [Sleeper() for _ in range(4)], Sleeper(ValueError("x"))
    for sleeper in (*good[:2], bad, *good[2:]):
        alarms.set(clock.now() + 1, sleeper)
    later = Sleeper()
    alarms.set(clock.now() + 2, later)
    clock.advance(1.5)
    alarms.ring()
    assert [sleeper.woken for sleeper in good] == [1, 1, 1, 1]
    assert [type(complaint["exception"]) for complaint in complaints] == [ValueError]
    complaints.clear()
    clock.advance(1.0)
    alarms.ring()
    assert later.woken == 1
    alarms.stop()


async def test_a_connection_whose_end_comes_nearer() -> None:
    """An expiry before the next ping is kept, although the alarm was set for the ping."""
    async with House(ping_interval=3600.0, expiry_grace=0.0) as house:
        ada = await house.caller("ada")
        await house.node.orders.refresh("ada", house.clock.now() + 1)
        house.clock.advance(1.2)
        house.node._premises.alarms.ring()
        assert ada.wire.end == (3005, "connection expired")
