"""One timer for many calls that are given the same time.

`asyncio.timeout` makes a timer for each block and cancels it again, which is a tenth of what a publication costs. Calls
that may all last equally long end in the order in which they began; so one timer, for the oldest of them, is enough.
"""

from __future__ import annotations

import asyncio
from types import TracebackType


class Patience:
    """Bounds blocks to `timeout` seconds each, in one event loop.

    >>> patience = Patience(5.0)
    >>> async with patience.wait():
    ...     await answer

    A block that lasts longer is cancelled, and raises `TimeoutError`, as with `asyncio.timeout`: a cancellation that
    came from elsewhere stays one.
    """

    def __init__(self, timeout: float) -> None:
        self.timeout = timeout
        # In the order in which they began; the values mean nothing.
        self._waiting: dict[Wait, None] = {}
        self._timer: asyncio.TimerHandle | None = None

    def wait(self) -> Wait:
        """A block that is bounded. Each is for one use."""
        return Wait(self)

    def begin(self, wait: Wait) -> None:
        """The loop's part of entering a block."""
        loop = asyncio.get_running_loop()
        wait.deadline = loop.time() + self.timeout
        self._waiting[wait] = None
        if self._timer is None:
            self._timer = loop.call_at(wait.deadline, self._look)

    def end(self, wait: Wait) -> None:
        """The block is left; the timer stays, and finds out who is the oldest then."""
        self._waiting.pop(wait, None)

    def _look(self) -> None:
        loop = asyncio.get_running_loop()
        self._timer = None
        while (oldest := next(iter(self._waiting), None)) is not None:
            if oldest.deadline > loop.time():
                self._timer = loop.call_at(oldest.deadline, self._look)
                return
            del self._waiting[oldest]
            oldest.give_up()


class Wait:
    """One block of `Patience`."""

    __slots__ = ("_cancelling", "_is_over", "_patience", "_task", "deadline")

    def __init__(self, patience: Patience) -> None:
        self._patience = patience
        self._is_over = False
        self.deadline = 0.0

    async def __aenter__(self) -> Wait:
        task = asyncio.current_task()
        assert task is not None, "coroutines of ours run in tasks"
        self._task = task
        self._cancelling = task.cancelling()
        self._patience.begin(self)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self._is_over:
            self._patience.end(self)
        elif self._task.uncancel() <= self._cancelling and kind is asyncio.CancelledError:
            # Nobody else has cancelled the task, so it was this.
            raise TimeoutError from error

    def give_up(self) -> None:
        """The time is over."""
        self._is_over = True
        self._task.cancel()
