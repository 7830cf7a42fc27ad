"""One timer bounds many calls, each as `asyncio.timeout` would."""

from __future__ import annotations

import asyncio

import pytest

from tidings.brokers.redis.patience import Patience

pytestmark = pytest.mark.shell

SHORT = 0.02
LONG = 30.0
ENDLESS = 3.0
"""Of what nobody answers: so long that a bound that does not hold is a failure, and not a test that hangs."""


async def forever(patience: Patience) -> None:
    async with patience.wait():
        await asyncio.sleep(ENDLESS)


async def test_a_block_that_ends_in_time_is_left_alone() -> None:
    """Also when the timer that it began fires later."""
    patience = Patience(SHORT)
    async with patience.wait():
        await asyncio.sleep(0)
    with pytest.raises(TimeoutError):
        await forever(patience)
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0


async def test_each_block_has_its_own_time() -> None:
    """However many wait at once, and whichever of them began the timer."""
    patience, loop = Patience(SHORT), asyncio.get_running_loop()

    async def timed(pause: float) -> float:
        await asyncio.sleep(pause)
        began = loop.time()
        with pytest.raises(TimeoutError):
            await forever(patience)
        return loop.time() - began

    lasted = await asyncio.gather(*(timed(number * SHORT / 4) for number in range(8)))
    assert all(each >= SHORT * 0.9 for each in lasted)


async def test_an_answer_of_the_oldest_leaves_the_others_their_bound() -> None:
    """The timer was set for one that does not need it any more."""
    patience = Patience(SHORT)
    async with patience.wait():
        other = asyncio.create_task(forever(patience))
        await asyncio.sleep(0)
    with pytest.raises(TimeoutError):
        await other


async def test_a_cancellation_from_elsewhere_stays_one() -> None:
    waiting = asyncio.create_task(forever(Patience(LONG)))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting


async def test_a_cancellation_beside_the_end_of_the_time_is_not_taken_for_it() -> None:
    """Both came in the same turn: whoever cancelled the task gets what they asked for."""
    patience = Patience(0.0)

    async def cancelled_meanwhile() -> None:
        async with patience.wait() as wait:
            wait.give_up()
            patience.end(wait)
            task = asyncio.current_task()
            assert task is not None
            task.cancel()
            await asyncio.sleep(ENDLESS)

    with pytest.raises(asyncio.CancelledError):
        await asyncio.create_task(cancelled_meanwhile())


async def test_an_error_of_the_block_is_its_own() -> None:
    with pytest.raises(ValueError, match="own"):
        async with Patience(LONG).wait():
            raise ValueError("own")
