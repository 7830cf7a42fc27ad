"""What a toxic does to one direction of one connection, as a synchronous machine. Time and chance are arguments.

A machine is told of what comes in, and when; it answers what shall go out, and when. What comes in and goes out is
bytes or an `End`. `begin` says what the toxic does of its own accord, whether or not anything comes in. Nothing here
waits, and nothing knows of sockets: `Lane` keeps what is not due yet.
"""

from __future__ import annotations

import enum
import math
from collections.abc import Iterator
from functools import singledispatch
from itertools import repeat
from random import Random
from typing import TypeAlias

from tidings.testing.faults.toxics import (
    Bandwidth,
    Blackhole,
    Corrupt,
    Latency,
    LimitData,
    ResetPeer,
    Slicer,
    SlowClose,
    Timeout,
    Toxic,
)

MILLISECONDS = 1000
MICROSECONDS = 1_000_000
"""How many of them a second has."""

NEVER = math.inf
PIECES_PER_SECOND = 50
"""How finely bandwidth is doled out, for data that comes in larger pieces."""


class End(enum.Enum):
    """How a direction, or a whole connection, ends."""

    FINISHED = "finished"
    """The sender has sent its last; the other direction may go on."""

    CLOSED = "closed"
    """The connection is closed on both sides."""

    RESET = "reset"
    """The connection is reset on both sides, and what is still under way is lost."""


Event: TypeAlias = bytes | End
Timed: TypeAlias = tuple[float, Event]
"""When something goes out, in seconds on the same clock as `now`, and what."""


class Machine:
    """Lets everything through at once. A toxic changes what it is about."""

    def begin(self, now: float) -> list[Timed]:
        """What happens of its own accord, from when the toxic meets the connection."""
        return []

    def data(self, data: bytes, now: float) -> list[Timed]:
        return [(now, data)]

    def end(self, end: End, now: float) -> list[Timed]:
        return [(now, end)]

    def step(self, event: Event, now: float) -> list[Timed]:
        """What becomes of an event that comes in now. Times do not go back from one call to the next."""
        return self.end(event, now) if isinstance(event, End) else self.data(event, now)


class Delaying(Machine):
    """Longer line, same order: nothing overtakes what has gone in before it."""

    def __init__(self, toxic: Latency, random: Random) -> None:
        self._latency = toxic.latency_ms / MILLISECONDS
        self._jitter = toxic.jitter_ms / MILLISECONDS
        self._random = random
        self._last = -math.inf

    def step(self, event: Event, now: float) -> list[Timed]:
        delay = self._latency + self._random.uniform(-self._jitter, self._jitter)
        self._last = max(self._last, now + max(delay, 0.0))
        return [(self._last, event)]


class Throttling(Machine):
    """A byte is through when the time that it takes on the line is over. An idle line saves nothing up."""

    def __init__(self, toxic: Bandwidth) -> None:
        self._rate = toxic.rate_kb * 1000.0
        self._piece = max(int(self._rate / PIECES_PER_SECOND), 1)
        self._free = -math.inf
        """When the line is through with everything that has been put on it."""

    def data(self, data: bytes, now: float) -> list[Timed]:
        return [(self._occupy(len(piece), now), piece) for piece in _pieces(data, repeat(self._piece))]

    def end(self, end: End, now: float) -> list[Timed]:
        return [(self._occupy(0, now), end)]

    def _occupy(self, count: int, now: float) -> float:
        self._free = max(self._free, now) + count / self._rate
        return self._free


class ClosingSlowly(Machine):
    def __init__(self, toxic: SlowClose) -> None:
        self._delay = toxic.delay_ms / MILLISECONDS

    def end(self, end: End, now: float) -> list[Timed]:
        return [(now + self._delay, end)]


class Swallowing(Machine):
    """Data is gone. The end of the line is kept, and gets through when the toxic is removed."""

    def __init__(self, close_after: float = NEVER) -> None:
        self._close_after = close_after

    def begin(self, now: float) -> list[Timed]:
        return [] if self._close_after == NEVER else [(now + self._close_after, End.CLOSED)]

    def data(self, data: bytes, now: float) -> list[Timed]:
        return []

    def end(self, end: End, now: float) -> list[Timed]:
        return [(NEVER, end)]


class Resetting(Machine):
    def __init__(self, toxic: ResetPeer) -> None:
        self._after = toxic.timeout_ms / MILLISECONDS

    def begin(self, now: float) -> list[Timed]:
        return [(now + self._after, End.RESET)]


class Slicing(Machine):
    """The first piece goes at once, each further one `delay` after the last, also over several calls."""

    def __init__(self, toxic: Slicer, random: Random) -> None:
        self._toxic = toxic
        self._delay = toxic.delay_us / MICROSECONDS
        self._random = random
        self._next = -math.inf

    def data(self, data: bytes, now: float) -> list[Timed]:
        out: list[Timed] = []
        for piece in _pieces(data, self._sizes()):
            at = max(self._next, now)
            out.append((at, piece))
            self._next = at + self._delay
        return out

    def end(self, end: End, now: float) -> list[Timed]:
        return [(max(self._next, now), end)]

    def _sizes(self) -> Iterator[int]:
        average, variation = self._toxic.average_size, self._toxic.size_variation
        while True:
            yield self._random.randint(average - variation, average + variation)


class Limiting(Machine):
    def __init__(self, toxic: LimitData) -> None:
        self._left = toxic.limit_bytes

    def data(self, data: bytes, now: float) -> list[Timed]:
        head = data[: self._left]
        self._left -= len(head)
        out: list[Timed] = [(now, head)] if head else []
        return out if self._left else [*out, (now, End.CLOSED)]


class Corrupting(Machine):
    def __init__(self, toxic: Corrupt, random: Random) -> None:
        self._rate = toxic.rate
        self._random = random
        self._skip = self._gap()

    def data(self, data: bytes, now: float) -> list[Timed]:
        changed = bytearray(data)
        while self._skip < len(changed):
            changed[self._skip] ^= self._random.randint(1, 255)
            self._skip += 1 + self._gap()
        self._skip -= len(changed)
        return [(now, bytes(changed))]

    def _gap(self) -> int:
        """How many bytes stay as they are before the next that changes: as by a throw of dice for each byte."""
        if self._rate == 1.0:
            return 0
        return int(math.log(1.0 - self._random.random()) / math.log1p(-self._rate))


def machine(toxic: Toxic, *, chance: str) -> Machine:
    """A machine for one direction of one connection. Everything random in it follows from `chance`."""
    return _build(toxic, Random(chance))  # noqa: S311, nothing secret


@singledispatch
def _build(toxic: Toxic, random: Random) -> Machine:
    raise TypeError(f"{toxic!r} is no toxic; take one such as Latency(latency_ms=200).")


_build.register(Latency, Delaying)
_build.register(Slicer, Slicing)
_build.register(Corrupt, lambda toxic, random: Corrupting(toxic, Random(f"{toxic.seed} {random.random()}")))  # noqa: S311
_build.register(Bandwidth, lambda toxic, _: Throttling(toxic))
_build.register(SlowClose, lambda toxic, _: ClosingSlowly(toxic))
_build.register(Timeout, lambda toxic, _: Swallowing(toxic.timeout_ms / MILLISECONDS if toxic.timeout_ms else NEVER))
_build.register(Blackhole, lambda toxic, _: Swallowing())
_build.register(ResetPeer, lambda toxic, _: Resetting(toxic))
_build.register(LimitData, lambda toxic, _: Limiting(toxic))


def _pieces(data: bytes, sizes: Iterator[int]) -> Iterator[bytes]:
    start = 0
    while start < len(data):
        size = next(sizes)
        yield data[start : start + size]
        start += size
