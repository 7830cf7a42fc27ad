"""Small pieces of work that nobody waits for, in order per channel."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from functools import partial

Errand = Callable[[], Awaitable[None]]

FAREWELL = 1.0
"""Seconds that an errand may take to notice that it is cancelled."""


class Errands:
    """Runs errands one after another within a channel, and side by side across channels.

    A client that subscribes and leaves at once is seen to join before it is seen to leave. A channel without errands
    owns no task. An errand handles its own failures; whatever escapes it is told to the loop's exception handler, and
    the errands behind it go on.
    """

    def __init__(self) -> None:
        self._waiting: dict[str, deque[Errand]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def __len__(self) -> int:
        return sum(len(errands) for errands in self._waiting.values())

    def add(self, channel: str, errand: Errand) -> None:
        """Run an errand after all earlier ones of the channel, never before control returns to the loop."""
        if channel in self._waiting:
            self._waiting[channel].append(errand)
            return
        self._waiting[channel] = deque([errand])
        task = asyncio.get_running_loop().create_task(self._run(channel), name=f"errands of {channel}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def run(self, channel: str, errand: Errand) -> None:
        """Run an errand in its turn and wait for it. Raises what it raises; cancelled, it is run all the same."""
        if channel not in self._waiting:
            await errand()
            return
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.add(channel, partial(_report, errand, done))
        await done

    async def wait_idle(self) -> None:
        """Wait until there is nothing left to do. Cancelling stops the waiting, not the work."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    async def stop(self) -> None:
        """Give up what is not done. An errand that will not end is left to itself."""
        self._waiting.clear()
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=FAREWELL)

    async def _run(self, channel: str) -> None:
        errands = self._waiting[channel]
        try:
            while errands:
                try:
                    await errands[0]()
                except Exception as error:
                    context = {"message": f"an errand of {channel} failed", "exception": error}
                    asyncio.get_running_loop().call_exception_handler(context)
                errands.popleft()
        finally:
            self._waiting.pop(channel, None)


async def _report(errand: Errand, done: asyncio.Future[None]) -> None:
    """Run an errand whose outcome somebody waits for, or has waited for."""
    try:
        await errand()
    except Exception as error:
        if not done.done():
            done.set_exception(error)
    else:
        if not done.done():
            done.set_result(None)
    finally:
        done.cancel()  # Given up: nobody shall wait for ever. Without effect on what is done.
