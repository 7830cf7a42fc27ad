"""The in-process broker: a node's end of it.

What a `MemoryBroker` connects to is a `MemoryBackend`: its own, or one that several nodes of the process share as they
would share a Redis. The backend is plain and synchronous, with time as an argument, so that each call is one atomic
step: when `publish` returns, every subscribed node has been told.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from tidings.brokers.base import IDEMPOTENCY_TTL, NO_GUARD, Accepted, Guard, Page, Receiver, Retention
from tidings.brokers.memory.backend import MemoryBackend
from tidings.clock import Clock
from tidings.errors import BrokerUnavailable
from tidings.model import ClientInfo, Publication


class MemoryBroker:
    """A node in this process: a `Broker` with every door that there is.

    Two brokers see each other only where they were given the same `backend`; a node without one has its own. No call
    ever waits. Calls before `start` and after `stop` raise `BrokerUnavailable`.
    """

    idempotency_ttl = IDEMPOTENCY_TTL

    def __init__(self, clock: Clock, backend: MemoryBackend | None = None) -> None:
        self._clock = clock
        self._backend = backend or MemoryBackend()
        self.is_alone = backend is None
        """Whether no other node can be at this backend."""
        self._receiver: Receiver | None = None
        self._channels: set[str] = set()
        self._node = ""

    async def start(self, receiver: Receiver) -> None:
        self._receiver = receiver

    async def stop(self) -> None:
        if self._receiver is None:
            return
        for channel in self._channels:
            self._backend.unsubscribe(channel, self._receiver)
        self._channels.clear()
        self._backend.people.stop_hearing(self._node, self._receiver)
        self._receiver = None

    async def reach(self) -> None:
        self._started()

    async def subscribe(self, channel: str) -> None:
        receiver = self._started()
        if channel not in self._channels:
            self._channels.add(channel)
            self._backend.subscribe(channel, receiver)

    async def unsubscribe(self, channel: str) -> None:
        receiver = self._started()
        if channel in self._channels:
            self._channels.remove(channel)
            self._backend.unsubscribe(channel, receiver)

    async def publish(self, channel: str, publication: Publication, *, guard: Guard = NO_GUARD) -> Accepted:
        return self._backend.publish(channel, publication, guard, self._turn())

    async def publish_join(self, channel: str, info: ClientInfo) -> None:
        self._turn()
        self._backend.tell(channel, lambda receiver: receiver.on_join(channel, info))

    async def publish_leave(self, channel: str, info: ClientInfo) -> None:
        self._turn()
        self._backend.tell(channel, lambda receiver: receiver.on_leave(channel, info))

    async def append(
        self, channel: str, publication: Publication, retention: Retention, *, guard: Guard = NO_GUARD
    ) -> Accepted:
        return self._backend.append(channel, publication, retention, guard, self._turn())

    async def read(
        self,
        channel: str,
        retention: Retention,
        *,
        since: int | None = None,
        limit: int | None = None,
        reverse: bool = False,
    ) -> Page:
        now = self._turn()
        return self._backend.read(channel, retention, now, since=since, limit=limit, reverse=reverse)

    async def remove(self, channel: str) -> None:
        self._turn()
        self._backend.remove(channel)

    async def enter(self, channel: str, info: ClientInfo, lease: float) -> None:
        now = self._turn()
        self._backend.enter(channel, info, now + lease)

    async def leave(self, channel: str, client: str) -> None:
        self._turn()
        self._backend.leave(channel, client)

    async def present(self, channel: str) -> Mapping[str, ClientInfo]:
        return self._backend.present(channel, self._turn())

    async def count(self, channel: str) -> tuple[int, int]:
        present = self._backend.present(channel, self._turn())
        return len(present), len({info.user for info in present.values()})

    async def join(self, node: str, card: bytes, lease: float) -> None:
        now = self._turn()
        self._node = node
        self._backend.people.join(node, card, self._started(), now + lease)

    async def quit(self, node: str) -> None:
        self._turn()
        self._backend.people.quit(node)

    async def nodes(self) -> Mapping[str, bytes]:
        return self._backend.people.nodes(self._turn())

    async def send(self, message: bytes, node: str = "") -> None:
        self._turn()
        self._backend.people.send(message, node)

    async def arrive(self, user: str, client: str, lease: float, *, limit: int = 0) -> bool:
        now = self._turn()
        return self._backend.people.arrive(user, client, now, now + lease, limit)

    async def depart(self, user: str, client: str) -> None:
        self._turn()
        self._backend.people.depart(user, client)

    async def clients(self, user: str) -> Collection[str]:
        return self._backend.people.clients(user, self._turn())

    async def show(self, node: str, changes: Mapping[str, bytes], lease: float) -> None:
        now = self._turn()
        self._backend.people.show(node, changes, now, now + lease)

    async def shown(self, node: str) -> Mapping[str, bytes]:
        return self._backend.people.shown(node, self._turn())

    async def keep(self, user: str, channel: str, terms: bytes) -> None:
        self._turn()
        self._backend.people.keep(user, channel, terms)

    async def forget(self, user: str, channel: str = "") -> None:
        self._turn()
        self._backend.people.forget(user, channel)

    async def kept(self, user: str) -> Mapping[str, bytes]:
        self._turn()
        return self._backend.people.kept(user)

    def _started(self) -> Receiver:
        if self._receiver is None:
            raise BrokerUnavailable("the broker is not running")
        return self._receiver

    def _turn(self) -> float:
        """Begin a call: it pays for a bit of sweeping, and happens at the time returned."""
        self._started()
        now = self._clock.now()
        self._backend.sweep(now)
        return now
