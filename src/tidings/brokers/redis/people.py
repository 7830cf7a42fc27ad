"""Who is there: nodes, the connections of users, and what is remembered of users that are away."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Protocol

from tidings.brokers.redis import scripts
from tidings.brokers.redis.calls import Calls
from tidings.brokers.redis.envelope import labelled, unlabelled
from tidings.brokers.redis.keys import Keys


class Reachable(Protocol):
    """The broker that these methods are part of."""

    _keys: Keys

    def _running(self) -> Calls: ...

    async def _hear(self, name: str) -> None: ...

    async def _hear_no_more(self, name: str) -> None: ...


class ConnectsNodes:
    """See `tidings.brokers.base.ConnectsNodes`."""

    async def join(self: Reachable, node: str, card: bytes, lease: float) -> None:
        await self._hear(self._keys.control())
        await self._hear(self._keys.control(node))
        keys = [self._keys.node_leases(), self._keys.node_cards()]
        await self._running().run(scripts.ENTER, keys, milliseconds(lease), node, labelled(node, card))

    async def quit(self: Reachable, node: str) -> None:
        await self._hear_no_more(self._keys.control())
        await self._hear_no_more(self._keys.control(node))
        await self._running().run(scripts.LEAVE, [self._keys.node_leases(), self._keys.node_cards()], node)

    async def nodes(self: Reachable) -> Mapping[str, bytes]:
        keys = [self._keys.node_leases(), self._keys.node_cards()]
        return dict(map(unlabelled, await self._running().run(scripts.PRESENT, keys)))

    async def send(self: Reachable, message: bytes, node: str = "") -> None:
        name = self._keys.control(node)
        await self._running().send(name, message)


class KeepsConnections:
    """See `tidings.brokers.base.KeepsConnections`."""

    async def arrive(self: Reachable, user: str, client: str, lease: float, *, limit: int = 0) -> bool:
        answer = await self._running().run(scripts.ARRIVE, [self._keys.user(user)], milliseconds(lease), client, limit)
        return bool(answer)

    async def depart(self: Reachable, user: str, client: str) -> None:
        key = self._keys.user(user)
        await self._running().call(key, b"ZREM", key, client)

    async def clients(self: Reachable, user: str) -> Collection[str]:
        found = await self._running().run(scripts.CLIENTS, [self._keys.user(user)])
        return [client.decode() for client in found]

    async def show(self: Reachable, node: str, changes: Mapping[str, bytes], lease: float) -> None:
        pairs = [word for change in changes.items() for word in change]
        await self._running().run(scripts.SHOW, [self._keys.connections(node)], milliseconds(lease), *pairs)

    async def shown(self: Reachable, node: str) -> Mapping[str, bytes]:
        return await _hash(self._running(), self._keys.connections(node))


class KeepsSubscriptions:
    """See `tidings.brokers.base.KeepsSubscriptions`."""

    async def keep(self: Reachable, user: str, channel: str, terms: bytes) -> None:
        key = self._keys.kept(user)
        await self._running().call(key, b"HSET", key, channel, terms)

    async def forget(self: Reachable, user: str, channel: str = "") -> None:
        key = self._keys.kept(user)
        if channel:
            await self._running().call(key, b"HDEL", key, channel)
        else:
            await self._running().call(key, b"DEL", key)

    async def kept(self: Reachable, user: str) -> Mapping[str, bytes]:
        return await _hash(self._running(), self._keys.kept(user))


def milliseconds(seconds: float) -> int:
    """A life time as Redis takes it, which knows none of 0."""
    return max(1, round(seconds * 1000))


async def _hash(calls: Calls, key: str) -> Mapping[str, bytes]:
    found = await calls.call(key, b"HGETALL", key)
    return {name.decode(): value for name, value in found.items()}
