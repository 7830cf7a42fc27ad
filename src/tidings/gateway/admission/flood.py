"""When too many commands are a flood, and what follows.

    CALM ──as many refused as the limit allows, within one window──▶ SLOWED ──the same once more──▶ cut (3013)
      ▲                                                                │
      └─────────────── a window in which that did not happen ──────────┘

A client that is slowed is not read for one window. Its commands wait in the kernel's buffers, its own and ours, and
then it cannot send. Who heeds the errors meanwhile is forgiven.
"""

from __future__ import annotations

import math
from enum import Enum, auto

from tidings.gateway.admission.rate import Rate

LEAST = 10
"""Below so many refusals nothing is a flood, however low the limit is."""

PAUSE_LIMIT = 5.0
"""Seconds. Pings wait for the end of a pause, and clients bear ten seconds without one that is due; and a connection
that is not read cannot be seen to end."""


class Course(Enum):
    """What to do about a command that was refused."""

    REFUSE = auto()
    """Nothing more."""

    SLOW = auto()
    """Stop reading until `Flood.until`."""

    CUT = auto()
    """End the connection."""


class Flood:
    """Counts what one connection was refused."""

    __slots__ = ("_began", "_count", "_slowed", "until")

    def __init__(self) -> None:
        self.until = -math.inf
        """When the latest pause ends."""
        self._began = -math.inf
        self._count = 0
        self._slowed = False

    def refused(self, rate: Rate, now: float) -> Course:
        """One more command was refused, by this rate."""
        if now < self.until:
            return Course.REFUSE  # It had been read already.
        if now - self._began > rate.seconds:
            self._began, self._count, self._slowed = now, 0, False
        self._count += 1
        if self._count < max(rate.amount, LEAST):
            return Course.REFUSE
        if self._slowed:
            return Course.CUT
        self.until = now + min(rate.seconds, PAUSE_LIMIT)
        self._began, self._count, self._slowed = self.until, 0, True
        return Course.SLOW
