"""What waits to be told, in order per subject, and which of it may be told next: pure.

A subject is a connection, or all channels together; its notices form a lane. Of a lane only the first notice is out at
a time, so nothing overtakes; lanes do not wait for each other. A notice that could not be told pauses its lane, for
longer each time. One that its endpoint refuses is given up in the end, so that it does not hold back its lane for ever;
one that could not be brought to it is not.

Room is bounded per event, in notices and in bytes. A new notice that finds no room pushes out the oldest ones of its
event that are not just being told: what happened last matters most to whoever keeps count.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable, Mapping
from enum import Enum, auto

from msgspec import Struct

from tidings.balancer.breaker import Breaker

BASE, CAP = 0.2, 30.0
"""Seconds that a lane pauses: up to this much after the first failure, and at most."""


class Room(Struct, frozen=True):
    """How much of one event may wait, and for how many seconds what is refused is told again."""

    notices: int
    size_bytes: int
    retry_for: float = 300.0


class Notice(Struct, frozen=True):
    """Something that happened, as it will be sent. `number` orders notices; `at` is when it happened."""

    number: int
    event: str
    subject: str
    body: bytes
    headers: Mapping[str, bytes]
    at: float

    @property
    def size_bytes(self) -> int:
        return len(self.body) + sum(len(name) + len(value) for name, value in self.headers.items())


class _State(Enum):
    READY = auto()
    OUT = auto()
    PAUSING = auto()


class _Lane:
    """The notices of one subject."""

    __slots__ = ("breaker", "notices", "offer", "refused_at", "state")

    def __init__(self) -> None:
        self.notices: deque[Notice] = deque()
        self.state = _State.READY
        self.offer = 0
        """Which entry in the queue of ready lanes is the valid one."""
        self.breaker: Breaker | None = None
        self.refused_at: float | None = None
        """Since when its first notice has been refused, each time that it was tried."""


class Backlog:
    """See the module. `rooms` are by event; `breaker` makes what governs the pauses of a lane."""

    def __init__(
        self, rooms: Mapping[str, Room], breaker: Callable[[], Breaker] = lambda: Breaker(base=BASE, cap=CAP)
    ) -> None:
        self._rooms = rooms
        self._make_breaker = breaker
        self._waiting: dict[str, dict[int, Notice]] = {event: {} for event in rooms}
        """Everything that is here, by event in the order of coming."""
        self._bytes = dict.fromkeys(rooms, 0)
        self._lanes: dict[str, _Lane] = {}
        self._ready: dict[str, deque[tuple[str, int]]] = {event: deque() for event in rooms}
        """Lanes whose first notice is of that event, each with its offer."""
        self._offers = 0
        self._pausing: list[tuple[float, int, str]] = []

    def __len__(self) -> int:
        return sum(map(len, self._waiting.values()))

    def counts(self) -> dict[str, int]:
        """How many wait, those that are just being told included, by event."""
        return {event: len(waiting) for event, waiting in self._waiting.items()}

    def add(self, notice: Notice) -> list[Notice]:
        """Take a notice, and return those that it pushed out; itself, if it is larger than all the room there is."""
        event, room = notice.event, self._rooms[notice.event]
        if notice.size_bytes > room.size_bytes or not room.notices:
            return [notice]
        dropped = self._make_room(event, room, notice.size_bytes)
        self._waiting[event][notice.number] = notice
        self._bytes[event] += notice.size_bytes
        lane = self._lanes.get(notice.subject)
        if lane is None:
            lane = self._lanes[notice.subject] = _Lane()
        lane.notices.append(notice)
        if len(lane.notices) == 1:
            self._offer(notice.subject, lane)
        return dropped

    def has(self, event: str, now: float) -> bool:
        """Whether a notice of an event may be told now."""
        self._wake(now)
        ready = self._ready[event]
        while ready and not self._is_valid(*ready[0]):
            ready.popleft()
        return bool(ready)

    def take(self, event: str, now: float) -> Notice:
        """The next one, which is out from now on. Only after `has`."""
        assert self.has(event, now)
        subject, _ = self._ready[event].popleft()
        lane = self._lanes[subject]
        lane.state = _State.OUT
        return lane.notices[0]

    def told(self, notice: Notice) -> None:
        """It has arrived."""
        self._finish(notice)

    def refused(self, notice: Notice, now: float) -> bool:
        """It is not wanted. Its lane pauses; or goes on without it, where that has been so for long: True."""
        lane = self._lanes[notice.subject]
        if lane.refused_at is None:
            lane.refused_at = now
        if now - lane.refused_at < self._rooms[notice.event].retry_for:
            self._pause(notice.subject, lane, now)
            return False
        self._finish(notice)
        return True

    def failed(self, notice: Notice, now: float) -> None:
        """It could not be told, which says nothing of it, and its lane pauses."""
        lane = self._lanes[notice.subject]
        lane.refused_at = None
        self._pause(notice.subject, lane, now)

    def returned(self, notice: Notice) -> None:
        """It was not even tried, and keeps its place."""
        lane = self._lanes[notice.subject]
        self._offer(notice.subject, lane, first=True)

    def deadline(self) -> float | None:
        """When the next pause ends."""
        return self._pausing[0][0] if self._pausing else None

    # Private steps.

    def _make_room(self, event: str, room: Room, size_bytes: int) -> list[Notice]:
        waiting, dropped = self._waiting[event], []
        while len(waiting) >= room.notices or self._bytes[event] + size_bytes > room.size_bytes:
            oldest = next((one for one in waiting.values() if not self._is_out(one)), None)
            if oldest is None:
                break  # All are just being told; there are only as many as calls at a time.
            self._drop(oldest)
            dropped.append(oldest)
        return dropped

    def _pause(self, subject: str, lane: _Lane, now: float) -> None:
        lane.breaker = lane.breaker or self._make_breaker()
        lane.breaker.failed(now)
        lane.state = _State.PAUSING
        self._offers += 1
        heapq.heappush(self._pausing, (lane.breaker.deadline() or now, self._offers, subject))

    def _finish(self, notice: Notice) -> None:
        lane = self._lanes[notice.subject]
        self._remove(lane, notice)
        lane.breaker = None
        self._go_on(notice.subject, lane)

    def _drop(self, notice: Notice) -> None:
        lane = self._lanes[notice.subject]
        was_first = lane.notices[0] is notice
        self._remove(lane, notice)
        if was_first and lane.state is not _State.PAUSING:
            self._go_on(notice.subject, lane)

    def _remove(self, lane: _Lane, notice: Notice) -> None:
        del self._waiting[notice.event][notice.number]
        self._bytes[notice.event] -= notice.size_bytes
        if lane.notices[0] is notice:
            lane.refused_at = None
        lane.notices.remove(notice)  # The first or, behind one that is out, the second.

    def _go_on(self, subject: str, lane: _Lane) -> None:
        if lane.notices:
            self._offer(subject, lane)
        else:
            del self._lanes[subject]

    def _offer(self, subject: str, lane: _Lane, *, first: bool = False) -> None:
        self._offers += 1
        lane.state, lane.offer = _State.READY, self._offers
        ready = self._ready[lane.notices[0].event]
        while ready and not self._is_valid(*ready[0]):
            ready.popleft()  # Not left to `has`, which nobody asks while the endpoint is away.
        (ready.appendleft if first else ready.append)((subject, self._offers))

    def _wake(self, now: float) -> None:
        while self._pausing and self._pausing[0][0] <= now:
            _, _, subject = heapq.heappop(self._pausing)
            lane = self._lanes.get(subject)
            if lane is not None and lane.state is _State.PAUSING:
                self._go_on(subject, lane)

    def _is_valid(self, subject: str, offer: int) -> bool:
        lane = self._lanes.get(subject)
        return lane is not None and lane.state is _State.READY and lane.offer == offer

    def _is_out(self, notice: Notice) -> bool:
        lane = self._lanes[notice.subject]
        return lane.state is _State.OUT and lane.notices[0] is notice
