"""What waits to be written to one slow client: bounded in bytes, with a policy for what does not fit.

While the transport takes everything, nothing passes through here: the fan-out writes straight to it. Only when the
transport asks for a pause are messages held, each remembering which channel it came from and what that channel's
namespace wants done with the late ones.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Protocol

from msgspec import Struct

from tidings.channels.options import SlowPolicy


class Held(Struct, frozen=True):
    """A message that may have to wait: made once for all who may hold it. Replies belong to no channel."""

    data: bytes
    channel: str = ""
    namespace: str = ""
    policy: SlowPolicy = SlowPolicy.DISCONNECT

    def containing(self, data: bytes) -> Held:
        """The same with other bytes."""
        return Held(data, self.channel, self.namespace, self.policy)


class Overflow(Exception):
    """The bound is reached and the policy is to disconnect."""


class Backlog:
    """Held messages in order, at most `limit` bytes of them."""

    def __init__(self, limit: int) -> None:
        self.size_bytes = 0
        self._limit = limit
        self._queue: OrderedDict[int, Held] = OrderedDict()
        self._latest: dict[str, int] = {}
        """Where the publication of a channel with the policy `latest` stands."""
        self._next = 0

    def __len__(self) -> int:
        return len(self._queue)

    def put(self, message: Held) -> int:
        """Queue a message, and return how many publications were given up in exchange, perhaps the message itself.

        Raises `Overflow` when it does not fit and its policy is to disconnect.
        """
        dropped = self._drop_older(message.channel) if message.policy is SlowPolicy.LATEST else 0
        while self.size_bytes + len(message.data) > self._limit:
            if message.policy is SlowPolicy.DISCONNECT:
                raise Overflow
            if not self._drop_oldest(message.namespace):
                return dropped + 1
            dropped += 1
        if message.policy is SlowPolicy.LATEST:
            self._latest[message.channel] = self._next
        self._queue[self._next] = message
        self._next += 1
        self.size_bytes += len(message.data)
        return dropped

    def pop(self) -> Held:
        """Take the oldest message out."""
        place, held = self._queue.popitem(last=False)
        self._forget(place, held)
        return held

    def _drop_older(self, channel: str) -> int:
        """Give up the publication that a newer one of its channel replaces."""
        place = self._latest.get(channel)
        if place is None:
            return 0
        self._forget(place, self._queue.pop(place))
        return 1

    def _drop_oldest(self, namespace: str) -> bool:
        """Give up the oldest publication of the namespace that may be given up, if there is one."""
        for place, held in self._queue.items():
            if held.namespace == namespace and held.policy is not SlowPolicy.DISCONNECT:
                self._forget(place, self._queue.pop(place))
                return True
        return False

    def _forget(self, place: int, held: Held) -> None:
        self.size_bytes -= len(held.data)
        if self._latest.get(held.channel) == place:
            del self._latest[held.channel]


class Owner(Protocol):
    """Whose outbox it is: hears of what could not be kept."""

    def on_dropped(self, message: Held, count: int) -> None:
        """Publications were given up when `message` came, perhaps `message` itself."""

    def on_overflow(self, message: Held) -> None:
        """`message` did not fit and must not be given up; the connection has to end."""


class Outbox:
    """The way out of one connection, with a backlog only while its client is slow.

    `write` takes what goes out at once; call it only while `flowing`, and `hold` otherwise. `limit` bounds the backlog,
    in bytes.
    """

    __slots__ = ("_backlog", "_is_closed", "_limit", "_owner", "flowing", "write")

    def __init__(self, write: Callable[[bytes], None], limit: int, owner: Owner) -> None:
        self.write = write
        self.flowing = True
        self._limit = limit
        self._owner = owner
        self._backlog: Backlog | None = None
        self._is_closed = False

    @property
    def queued_bytes(self) -> int:
        return self._backlog.size_bytes if self._backlog is not None else 0

    def pause(self) -> None:
        """From now on messages have to be held."""
        self.flowing = False

    def hold(self, message: Held) -> None:
        """Queue a message until the client has caught up. A closed outbox takes nothing."""
        if self._is_closed:
            return
        if self._backlog is None:
            self._backlog = Backlog(self._limit)
        try:
            dropped = self._backlog.put(message)
        except Overflow:
            self._owner.on_overflow(message)
        else:
            if dropped:
                self._owner.on_dropped(message, dropped)

    def resume(self) -> None:
        """Write what is held until there is nothing left, or the transport asks for another pause."""
        if self._is_closed:
            return
        self.flowing = True
        while self._backlog and self.flowing:
            self.write(self._backlog.pop().data)
        if self.flowing:
            self._backlog = None

    def close(self) -> None:
        """Forget what is held, and let nothing more through."""
        self._is_closed = True
        self.flowing = False
        self._backlog = None
