"""Small pieces of work that nobody waits for, in order per channel."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable

Errand = Callable[[], Awaitable[None]]


class Errands:
    """Runs errands one after another within a channel, and side by side across channels.

    A client that subscribes and leaves at once is seen to join before it is seen to leave. A channel without errands
    owns no task. An errand handles its own failures; whatever escapes it reaches the loop's exception handler and does
    not stop the others.
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

    async def wait_idle(self) -> None:
        """Wait until there is nothing left to do. Cancelling stops the waiting, not the work."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    async def stop(self) -> None:
        """Give up what is not done."""
        self._waiting.clear()
        for task in self._tasks:
            task.cancel()
        await self.wait_idle()

    async def _run(self, channel: str) -> None:
        errands = self._waiting[channel]
        try:
            while errands:
                await errands[0]()
                errands.popleft()
        finally:
            self._waiting.pop(channel, None)
