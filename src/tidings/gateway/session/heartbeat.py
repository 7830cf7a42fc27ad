"""Signs of life: when a client is asked for one, and by when it has to come."""

from __future__ import annotations

import math


class Heartbeat:
    """The pings of one connection. Times are seconds; an `interval` of 0 never asks.

    The first ping comes after half an interval and `jitter` times the other half, so that many clients which came at
    once are not all asked at once.
    """

    __slots__ = ("_interval", "_next", "_owed", "_timeout")

    def __init__(self, interval: float, timeout: float, jitter: float) -> None:
        self._interval = interval
        self._timeout = timeout
        self._next = interval * (1 + jitter) / 2 if interval else math.inf
        """A delay until `begin`, a moment from then on."""
        self._owed = math.inf
        """By when the client has to answer, while it has to."""

    def begin(self, now: float) -> None:
        self._next += now

    def deadline(self) -> float:
        """When something is due next."""
        return min(self._next, self._owed)

    def is_dead(self, now: float) -> bool:
        """Whether an answer has not come in time."""
        return now >= self._owed

    def ask(self, now: float) -> bool:
        """Whether to send a ping now. The answer is owed from then on."""
        if now < self._next:
            return False
        self._next = now + self._interval
        self._owed = now + self._timeout
        return True

    def excuse(self, until: float) -> None:
        """Until then no answer can be heard: none is asked for, and one that is owed has its time from then on."""
        self._next = max(self._next, until)
        if self._owed != math.inf:
            self._owed = max(self._owed, until + self._timeout)

    def answer(self) -> bool:
        """The client has answered; whether that was owed."""
        was_owed = self._owed != math.inf
        self._owed = math.inf
        return was_owed
