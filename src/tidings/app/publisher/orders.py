"""What is to be published, and the queue in which it waits: bounded, in order, safe to use from any thread.

An order is accepted once. From then on it is waiting, then under way, then settled; it counts against the bounds until
it is settled. While it waits, cancelling its future withdraws it; under way it can no longer be withdrawn.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from msgspec import Struct

from tidings.errors import TidingsError
from tidings.model import StreamPosition

ORDER_BYTES = 256
"""What an order counts beside its payload and its names."""

Outcome = Sequence[StreamPosition] | TidingsError
"""Where the publications are in their channels' streams, or why they are not there."""


@dataclass(slots=True, eq=False)
class Order:
    """One call: a payload for one channel, or with `is_broadcast` for several.

    `data` is encoded. `deadline` is when the caller has waited long enough, in the time of `time.monotonic`, and
    `timeout` how long that was at first, for people. `thread` is the caller's: its orders keep their order.
    """

    channels: tuple[str, ...]
    data: bytes
    tags: Mapping[str, str]
    idempotency_key: str
    skip_history: bool
    is_broadcast: bool
    timeout: float
    deadline: float
    thread: int
    future: Future[Any] = field(default_factory=Future)
    size_bytes: int = 0

    def __post_init__(self) -> None:
        self.size_bytes = len(self.data) + sum(map(len, self.channels)) + ORDER_BYTES

    @property
    def remaining(self) -> float:
        """Seconds until the deadline, 0 after it."""
        return max(0.0, self.deadline - time.monotonic())

    def settle(self, outcome: Outcome) -> None:
        """Tell whoever waits. What was settled already stays so: its caller has been told that nobody knows."""
        with suppress(InvalidStateError):
            if isinstance(outcome, TidingsError):
                self.future.set_exception(outcome)
            else:
                self.future.set_result(list(outcome) if self.is_broadcast else outcome[0])


class Counts(Struct, frozen=True):
    """How much a queue holds: orders that wait, and orders that are under way."""

    waiting: int
    under_way: int


class Orders:
    """The queue. `limit` counts orders, `limit_bytes` their payloads; one that is larger than that goes alone.

    Callers `put`, the loop of the publisher takes.
    """

    def __init__(self, limit: int, limit_bytes: int) -> None:
        self._limit = limit
        self._limit_bytes = limit_bytes
        self._lock = threading.Lock()
        self._waiting: OrderedDict[Order, None] = OrderedDict()
        self._open: dict[int, Order] = {}
        """By `id`: a future keeps its callbacks, and one that knew the order would keep it, and itself, for long."""
        self._bytes = 0
        self._room: deque[Future[None]] = deque()
        """Callers for whom there was no room, first come, first served."""
        self._closed: TidingsError | None = None
        self._bell: asyncio.Event | None = None
        self._ring: Callable[[], object] = lambda: None
        """Wakes the taker; set while it sleeps, and used once."""

    # The callers' side.

    def put(self, order: Order) -> Future[None] | None:
        """Accept an order, or answer what to wait for before another attempt. Raises once the queue is closed."""
        with self._lock:
            if self._closed is not None:
                raise type(self._closed)(self._closed.message, temporary=self._closed.temporary)
            if not self._has_room(order.size_bytes):
                room: Future[None] = Future()
                self._room.append(room)
                return room
            self._open[number := id(order)] = order
            self._waiting[order] = None
            self._bytes += order.size_bytes
            ring, self._ring = self._ring, _nobody
        order.future.add_done_callback(lambda _: self._release(number))
        ring()
        self._call_next()
        return None

    def give_up(self, room: Future[None]) -> None:
        """Wait for room no longer. If it was this one's turn, it is the next one's."""
        if not room.cancel():
            self._call_next()
            return
        # Not left for its turn: while there is no room, everybody who asks for it and goes away would be remembered.
        with self._lock, suppress(ValueError):
            self._room.remove(room)

    def withdraw(self, order: Order) -> bool:
        """Take an order back. False where it is too late: it is under way, or settled."""
        with self._lock:
            if order not in self._waiting:
                return False
            del self._waiting[order]
            return True

    def close(self, reason: TidingsError) -> None:
        """Accept nothing from now on: `put` raises the reason."""
        with self._lock:
            self._closed = self._closed or reason
            turned_away, self._room = self._room, deque()
        for room in turned_away:
            _wake(room)

    def unsettled(self) -> list[Order]:
        """What was accepted and is not settled, in order."""
        with self._lock:
            return list(self._open.values())

    def counts(self) -> Counts:
        with self._lock:
            return Counts(len(self._waiting), len(self._open) - len(self._waiting))

    # The loop's side.

    async def take(self, count: int, size_bytes: int) -> list[Order]:
        """The next orders, from then on under way: at least one, at most `count`, together not more than so large.

        One whose deadline is over is settled instead.
        """
        self._bell = bell = self._bell or asyncio.Event()
        loop = asyncio.get_running_loop()
        while True:
            bell.clear()
            with self._lock:
                taken = self._pop(count, size_bytes)
                if not taken:
                    self._ring = partial(_ring, loop, bell)
            if batch := unexpired(taken):
                return batch
            if not taken:
                await bell.wait()

    # Private steps.

    def _pop(self, count: int, size_bytes: int) -> list[Order]:
        taken: list[Order] = []
        left = size_bytes
        while self._waiting and len(taken) < count:
            order = next(iter(self._waiting))
            if taken and order.size_bytes > left:
                break
            del self._waiting[order]
            # Not where somebody has withdrawn it just now.
            if order.future.set_running_or_notify_cancel():
                left -= order.size_bytes
                taken.append(order)
        return taken

    def _release(self, number: int) -> None:
        with self._lock:
            order = self._open.pop(number)
            self._waiting.pop(order, None)
            self._bytes -= order.size_bytes
        self._call_next()

    def _call_next(self) -> None:
        """Wake one of those for whom there was no room, if there is some. It calls the next one when it is in."""
        while True:
            with self._lock:
                if not self._room or not self._has_room(1):
                    return
                room = self._room.popleft()
            if _wake(room):
                return

    def _has_room(self, size_bytes: int) -> bool:
        if not self._open:
            return True
        return len(self._open) < self._limit and self._bytes + size_bytes <= self._limit_bytes


def unexpired(orders: Iterable[Order], trouble: str = "") -> list[Order]:
    """Those whose deadline is not over; the others, none of which was sent, are settled. `trouble` says why they had to
    wait."""
    now, left = time.monotonic(), []
    for order in orders:
        if order.deadline > now:
            left.append(order)
        else:
            order.settle(not_sent(order, trouble))
    return left


def not_sent(order: Order, trouble: str = "") -> TidingsError:
    """Its time is over, and nothing was published."""
    why = f": {trouble}" if trouble else ""
    return TidingsError(f"not published within {order.timeout:g} s{why}", temporary=True)


def unknown(reason: str) -> TidingsError:
    """It may have been published, or not."""
    return TidingsError(f"outcome unknown: {reason}", temporary=True)


def when_settled(orders: Sequence[Order]) -> Future[None]:
    """Done when all of these are settled, one way or the other."""
    done: Future[None] = Future()
    lock, left = threading.Lock(), len(orders)

    def count_down(_: Future[Any]) -> None:
        nonlocal left
        with lock:
            left -= 1
            is_last = left == 0
        if is_last:
            _wake(done)

    if not orders:
        done.set_result(None)
    for order in orders:
        order.future.add_done_callback(count_down)
    return done


def _wake(waiting: Future[None]) -> bool:
    """Whether somebody was waiting still."""
    if not waiting.set_running_or_notify_cancel():
        return False
    waiting.set_result(None)
    return True


def _ring(loop: asyncio.AbstractEventLoop, bell: asyncio.Event) -> None:
    with suppress(RuntimeError):  # The loop has ended just now, and whoever ended it settles what was accepted.
        loop.call_soon_threadsafe(bell.set)


def _nobody() -> None:
    """The taker is awake."""
