"""One connection through the proxy: two sockets, and a lane between them in each direction.

The thin shell around `Lane`: no task, one timer, and no more memory than a bound. Reading stops while a lane holds
`HELD_BYTES` or while the other side does not take what it is sent.
"""

from __future__ import annotations

import asyncio
import socket
import struct
import time
from collections.abc import Callable
from typing import cast

from tidings.testing.faults.lane import Lane, Stage, Touched
from tidings.testing.faults.machines import End, machine
from tidings.testing.faults.toxics import Direction, Toxic

HELD_BYTES = 1024 * 1024
"""How much may wait in one direction before its sender is made to wait: what a long line holds."""

LINGER_NOT = struct.pack("ii", 1, 0)


class Side(asyncio.Protocol):
    """One of the two sockets."""

    transport: asyncio.Transport | None = None
    is_full = False
    """Whether it has more to write than it should."""

    has_finished = False
    """Whether it has sent its last. Reading on would only find the same end again."""

    is_lost = False

    def __init__(self, link: Link, outgoing: Lane) -> None:
        self._link = link
        self._outgoing = outgoing
        """Where what arrives here goes."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)  # uvloop's do not derive from asyncio's.
        if self._link.is_ended:
            _reset(self.transport)
        self._link.pump()

    def data_received(self, data: bytes) -> None:
        self._outgoing.feed(bytes(data), self._link.now())
        self._link.pump()

    def eof_received(self) -> bool:
        self.has_finished = True
        self._outgoing.feed(End.FINISHED, self._link.now())
        self._link.pump()
        return True  # The other direction goes on.

    def pause_writing(self) -> None:
        self.is_full = True
        self._link.balance()

    def resume_writing(self) -> None:
        self.is_full = False
        self._link.balance()

    def connection_lost(self, exc: Exception | None) -> None:
        self.is_lost = True
        self._link.lost()

    def read(self, *, on: bool) -> None:
        if self.transport is None or self.has_finished or self.transport.is_closing():
            return
        if self.transport.is_reading() != on:
            (self.transport.resume_reading if on else self.transport.pause_reading)()

    def end(self, how: End) -> None:
        """Close after what is written, or reset without a word."""
        if self.transport is None:
            self.is_lost = True
        elif how is End.RESET:
            _reset(self.transport)
        elif not self.transport.is_closing():
            self.transport.close()


class Link:
    """Made before its sockets are connected. `on_end` is called once, when both sockets are gone."""

    def __init__(self, number: int, *, on_end: Callable[[Link], None]) -> None:
        self.number = number
        self._on_end = on_end
        self._loop = asyncio.get_running_loop()
        self.lanes = {Direction.UPSTREAM: Lane(), Direction.DOWNSTREAM: Lane()}
        self.near = Side(self, self.lanes[Direction.UPSTREAM])
        self.far = Side(self, self.lanes[Direction.DOWNSTREAM])
        self._finished: set[Direction] = set()
        self.is_ended = False
        self._is_reported = False
        self._timer: asyncio.TimerHandle | None = None

    def now(self) -> float:
        """Not the loop's time, which uvloop counts in whole milliseconds: toxics have shorter ones."""
        return time.monotonic()

    # Toxics.

    def insert(
        self,
        key: object,
        toxic: Toxic,
        *,
        direction: Direction,
        chance: str,
        touched: Touched,
        place: int | None = None,
    ) -> None:
        stage = Stage(key, machine(toxic, chance=chance), touched=touched, now=self.now())
        self.lanes[direction].insert(stage, place=place)
        self.pump()

    def remove(self, key: object, direction: Direction) -> int | None:
        """Returns the place that the toxic had."""
        place = self.lanes[direction].remove(key, self.now())
        self.pump()
        return place

    # Carrying.

    def pump(self) -> None:
        """Carry over what is due, and come back when the next is."""
        if self.near.transport is None or self.far.transport is None or self.is_ended:
            return
        for direction, target in ((Direction.UPSTREAM, self.far), (Direction.DOWNSTREAM, self.near)):
            for event in self.lanes[direction].take(self.now()):
                if isinstance(event, End):
                    self._end_of(direction, target, event)
                elif target.transport is not None and not target.transport.is_closing():
                    target.transport.write(event)
        self.balance()
        self._arm()

    def balance(self) -> None:
        """Let each side read as long as the other takes what it sends."""
        for direction, source, target in (
            (Direction.UPSTREAM, self.near, self.far),
            (Direction.DOWNSTREAM, self.far, self.near),
        ):
            source.read(on=self.lanes[direction].held_bytes < HELD_BYTES and not target.is_full)

    def end(self, how: End) -> None:
        """End the connection on both sides: `CLOSED` or `RESET`. Repeating it is harmless."""
        self.is_ended = True
        if self._timer is not None:
            self._timer.cancel()
        for side in (self.near, self.far):
            if not side.is_lost:
                side.end(how)
        self._report()

    def lost(self) -> None:
        """One side is gone. If that comes as a surprise, the other side has to know."""
        if not self.is_ended:
            self.end(End.RESET)
        self._report()

    def _report(self) -> None:
        if self.near.is_lost and self.far.is_lost and not self._is_reported:
            self._is_reported = True
            self._on_end(self)

    def _end_of(self, direction: Direction, target: Side, how: End) -> None:
        if how is not End.FINISHED:
            self.end(how)
            return
        self._finished.add(direction)
        if len(self._finished) == len(Direction):
            self.end(End.CLOSED)
        elif target.transport is not None and not target.transport.is_closing():
            target.transport.write_eof()

    def _arm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        deadlines = [at for lane in self.lanes.values() if (at := lane.deadline()) is not None]
        if deadlines and not self.is_ended:
            self._timer = self._loop.call_later(max(min(deadlines) - self.now(), 0.0), self.pump)


def _reset(transport: asyncio.Transport) -> None:
    """End with RST and not with FIN, which is what a socket without lingering does."""
    sock = transport.get_extra_info("socket")
    if sock is not None and not transport.is_closing():
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_NOT)
    transport.abort()
