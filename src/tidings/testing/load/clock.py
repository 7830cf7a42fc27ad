"""Virtual time: an event loop whose clock jumps to the next timer when everybody sleeps.

    in_virtual_time(main())        an hour of timers passes in the time that the callbacks take

Cores that take `now` as an argument need only `ManualClock`. Tasks that sleep need a loop, and `VirtualLoop` is one: it
runs whatever is ready, and when nothing is, its time moves to the next timer at once. The order of callbacks is the
one of asyncio. Nothing outside of the program keeps to such a time, so a socket, a subprocess or a thread on this loop
is refused with a sentence; a program in which everybody waits and no timer is set ends with one as well.
"""

from __future__ import annotations

import asyncio
import math
import selectors
import time
from collections.abc import Callable, Coroutine
from typing import Any, NoReturn, TypeVar

T = TypeVar("T")

RESOLUTION = time.get_clock_info("monotonic").resolution
NEAR = 1e-6
"""Seconds. A time that is nearer than this has come: timers of a loop may be early by its clock's resolution."""


class VirtualLoop(asyncio.SelectorEventLoop):
    """An asyncio loop that never waits: `time()` begins at 0, and jumps. It is a `Clock` too, which begins at `start`.

    Raises `RuntimeError` where the program uses sockets or threads, or waits for what can never happen.
    """

    def __init__(self, start: float = 0.0) -> None:
        self._start = start
        self._time = 0.0
        super().__init__(_Skipping(self._skip))

    def time(self) -> float:
        """Virtual seconds since the loop was made."""
        return self._time

    def now(self) -> float:
        """The same as Unix time, if the loop was made at `start`: what cores are to be told."""
        return self._start + self._time

    def run_in_executor(self, *_: object) -> NoReturn:
        """Threads run in real time, and would find that hours have passed."""
        raise RuntimeError("Threads do not run in virtual time; use an ordinary event loop for this test.")

    def _skip(self, seconds: float) -> None:
        self._time += seconds
        # The loop runs the timers that are due within its resolution from now. After half a year that is less than the
        # distance to the next float, and it would ask again for ever.
        if self._time + RESOLUTION == self._time:
            self._time = math.nextafter(self._time, math.inf)


class _Skipping(selectors.SelectSelector):
    """Skips every wait. Knows one file only, by which the loop wakes itself."""

    def __init__(self, skip: Callable[[float], None]) -> None:
        super().__init__()
        self._skip = skip

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        if self.get_map():
            raise RuntimeError(
                "Sockets and pipes do not work in virtual time; use an ordinary event loop for this test."
            )
        return super().register(fileobj, events, data)

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if ready:
            return ready
        if timeout is None:
            raise RuntimeError("Everybody waits and no timer is set: nothing will ever happen again.")
        self._skip(max(timeout, 0.0))
        return ready


def in_virtual_time(main: Coroutine[Any, Any, T], *, start: float = 0.0) -> T:
    """Run a coroutine on a `VirtualLoop` of its own, made at `start`, and return what it returns.

    Tasks that it leaves behind are cancelled. Raises `RuntimeError` inside of a running loop.
    """
    if _running() is not None:
        main.close()
        raise RuntimeError(
            "A loop runs already; call in_virtual_time from a plain function, such as a test without async."
        )
    with asyncio.Runner(loop_factory=lambda: VirtualLoop(start)) as runner:
        return runner.run(main)


def now() -> float:
    """Seconds on the scale of the running loop's timers; monotonic time, or the virtual time of a `VirtualLoop`.

    `loop.time()` of uvloop counts whole milliseconds, which is too coarse to measure with.
    """
    loop = _running()
    return loop.time() if isinstance(loop, VirtualLoop) else time.monotonic()


async def until(when: float) -> None:
    """Wait until `now()` is `when`, and for one turn of the loop if it is already."""
    await asyncio.sleep(when - now())
    # uvloop's timers round to milliseconds, down as well as up.
    while (left := when - now()) > NEAR:  # noqa: ASYNC110, time is what is waited for
        await asyncio.sleep(left)


def _running() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None
