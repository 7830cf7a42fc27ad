"""Another server takes over: by Sentinel, planned or because the master died, and in a cluster."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress

import pytest

from tidings.brokers.base import Accepted, Retention
from tidings.brokers.redis import RedisBroker, parse
from tidings.clock import SystemClock
from tidings.errors import BrokerUnavailable
from tidings.model import Publication, StreamPosition
from tidings.testing import RedisCluster, RedisSentinel
from tidings.testing.contracts import Node

pytestmark = [pytest.mark.world, pytest.mark.L3]

KEPT = Retention(size=1000, ttl=600.0, meta_ttl=3600.0)
CHANNELS = [f"kept:{number}" for number in range(30)]


@pytest.fixture
def sentinel() -> Iterator[RedisSentinel]:
    with RedisSentinel() as sentinel:
        yield sentinel


@pytest.fixture
def cluster() -> Iterator[RedisCluster]:
    with RedisCluster(replicas=1) as cluster:
        yield cluster


async def nodes(url: str) -> AsyncIterator[tuple[Node, Node]]:
    brokers = [RedisBroker(parse(url), SystemClock(), publish_timeout=20.0) for _ in range(2)]
    async with Node(brokers[0], patience=20.0) as first, Node(brokers[1], patience=20.0) as second:
        yield first, second


@pytest.fixture
async def sentinel_nodes(sentinel: RedisSentinel) -> AsyncIterator[tuple[Node, Node]]:
    async for pair in nodes(sentinel.url):
        yield pair


@pytest.fixture
async def cluster_nodes(cluster: RedisCluster) -> AsyncIterator[tuple[Node, Node]]:
    async for pair in nodes(cluster.url):
        yield pair


async def until_heard(node: Node, other: Node, channel: str, data: bytes) -> None:
    """Publish until the other node hears it: it may still be on its way to the new server."""
    async with asyncio.timeout(20):
        number = 0
        while not any(item.startswith(data) for item in await other.heard_data(channel, 0)):
            with suppress(BrokerUnavailable):  # An old master ends its connections when it is told, which may be now.
                await node.broker.publish(channel, Publication(data + b" %d" % number))
            number += 1
            await asyncio.sleep(0.05)


async def append_at_last(node: Node, channel: str, data: bytes) -> Accepted:
    """Append, again where the server was exchanged while it had the call, so that its outcome is unknown."""
    async with asyncio.timeout(20):
        while True:
            with suppress(BrokerUnavailable):
                return await node.broker.append(channel, Publication(data), KEPT)


async def survives(pair: tuple[Node, Node], take_over: Callable[[], object]) -> None:
    """What both nodes do before, is done after; and no position is given twice."""
    first, second = pair
    given: dict[str, set[StreamPosition]] = {channel: set() for channel in CHANNELS}
    for channel in CHANNELS:
        await second.broker.subscribe(channel)
        given[channel].add((await first.broker.append(channel, Publication(b"before"), KEPT)).position)
    await asyncio.to_thread(take_over)
    appended = await asyncio.gather(*(append_at_last(first, channel, b"after") for channel in CHANNELS))
    for channel, accepted in zip(CHANNELS, appended, strict=True):
        assert accepted.fresh
        assert accepted.position not in given[channel]
        page = await second.broker.read(channel, KEPT)
        assert page.top == accepted.position
        assert page.publications[-1].data == b"after"
    for channel in CHANNELS:
        await until_heard(first, second, channel, b"live")


class TestSentinel:
    async def test_the_master_dies(self, sentinel: RedisSentinel, sentinel_nodes: tuple[Node, Node]) -> None:
        """Its replica becomes the master; streams go on under another epoch, with what they retained."""
        first, _ = sentinel_nodes
        before = await first.broker.append("news", Publication(b"1"), KEPT)
        sentinel.master.ask("WAIT", 1, 2000)
        await survives(sentinel_nodes, sentinel.master.kill)
        page = await first.broker.read("news", KEPT)
        assert page.top.epoch != before.position.epoch
        assert [publication.data for publication in page.publications] == [b"1"]

    async def test_a_planned_failover(self, sentinel: RedisSentinel, sentinel_nodes: tuple[Node, Node]) -> None:
        """The old master lives on as a replica, and refuses: nobody stays with it."""
        old = sentinel.master
        await survives(sentinel_nodes, sentinel.failover)
        assert sentinel.master is not old


class TestCluster:
    async def test_a_primary_dies(self, cluster: RedisCluster, cluster_nodes: tuple[Node, Node]) -> None:
        """Its replica takes its slots; the channels of the others are not disturbed."""
        for primary in cluster.nodes[:3]:
            primary.ask("WAIT", 1, 2000)
        await survives(cluster_nodes, cluster.nodes[0].kill)

    async def test_a_slot_moves(self, cluster: RedisCluster, cluster_nodes: tuple[Node, Node]) -> None:
        """With its keys: whoever has the channel hears it from the server that has the slot then."""
        first, second = cluster_nodes
        channel = "kept:moving"
        await second.broker.subscribe(channel)
        before = await first.broker.append(channel, Publication(b"1"), KEPT)
        slot = int(cluster.nodes[0].ask("CLUSTER", "KEYSLOT", f"tidings:meta:{{.{channel}}}"))  # type: ignore[arg-type]
        move(cluster, slot)
        await until_heard(first, second, channel, b"live")
        after = await first.broker.append(channel, Publication(b"2"), KEPT)
        page = await second.broker.read(channel, KEPT)
        assert after.position not in (before.position, StreamPosition())
        assert [publication.data for publication in page.publications][-1:] == [b"2"]


def move(cluster: RedisCluster, slot: int) -> None:
    """Move a slot with its keys from the primary that has it to another one, as redis-cli does."""
    primaries = cluster.nodes[:3]
    source = next(node for node in primaries if node.ask("CLUSTER", "COUNTKEYSINSLOT", slot))
    target = next(node for node in primaries if node is not source)
    target.ask("CLUSTER", "SETSLOT", slot, "IMPORTING", source.id)
    source.ask("CLUSTER", "SETSLOT", slot, "MIGRATING", target.id)
    for key in source.ask("CLUSTER", "GETKEYSINSLOT", slot, 100):  # type: ignore[attr-defined]
        source.ask("MIGRATE", "127.0.0.1", target.port, key, 0, 2000)
    for node in (target, source, *primaries):
        node.ask("CLUSTER", "SETSLOT", slot, "NODE", target.id)
