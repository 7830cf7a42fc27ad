"""The timer wheel, driven by the event loop."""

from __future__ import annotations

import asyncio
from typing import Protocol

from tidings.clock import Clock
from tidings.gateway.timers import TimerWheel


class Sleeper(Protocol):
    """Somebody who wants to be woken."""

    def wake(self) -> None:
        """The time has come. Coming too early is harmless, and a new alarm has to be set."""


class Alarms:
    """Wakes sleepers. There is one timer in the event loop, and none while nobody sleeps."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._wheel: TimerWheel[Sleeper] = TimerWheel()
        self._timer: asyncio.TimerHandle | None = None
        self._next = float("inf")

    def set(self, when: float, sleeper: Sleeper) -> None:
        self._wheel.add(when, sleeper)
        self._schedule()

    def cancel(self, when: float, sleeper: Sleeper) -> None:
        """Take back an alarm that was set for that moment."""
        self._wheel.discard(when, sleeper)

    def stop(self) -> None:
        """Wake nobody any more."""
        if self._timer is not None:
            self._timer.cancel()

    def ring(self) -> None:
        """Wake everybody who is due. One that fails keeps nobody else asleep; the exception handler hears of it."""
        self._next = float("inf")
        for sleeper in self._wheel.take(self._clock.now()):
            try:
                sleeper.wake()
            except Exception as error:
                context = {"message": f"waking {sleeper!r} failed", "exception": error}
                asyncio.get_running_loop().call_exception_handler(context)
        self._schedule()

    def _schedule(self) -> None:
        deadline = self._wheel.deadline()
        if deadline >= self._next:
            return
        if self._timer is not None:
            self._timer.cancel()
        self._next = deadline
        delay = max(0.0, deadline - self._clock.now())
        self._timer = asyncio.get_running_loop().call_later(delay, self.ring)
