"""Room for some calls at a time, and for some that wait."""

from __future__ import annotations

import asyncio


class Full(Exception):
    """There is no room to wait in."""


class Slots:
    """`limit` may be in, and `queue` wait for their turn, which comes in order.

    >>> await slots.enter(timeout)
    >>> try: …
    >>> finally: slots.leave()
    """

    def __init__(self, limit: int, queue: int) -> None:
        self._free = asyncio.Semaphore(limit)
        self._queue = queue
        self._waiting = 0

    @property
    def waiting(self) -> int:
        """How many wait."""
        return self._waiting

    async def enter(self, timeout: float) -> None:
        """Raises `Full` at once, or `TimeoutError` after waiting. Cancelled, the place is given up."""
        if not self._free.locked():
            await self._free.acquire()  # does not wait
            return
        if self._waiting >= self._queue:
            raise Full
        self._waiting += 1
        try:
            async with asyncio.timeout(timeout):
                await self._free.acquire()
        finally:
            self._waiting -= 1

    def leave(self) -> None:
        self._free.release()
