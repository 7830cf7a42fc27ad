"""Many connections per user, spread over two nodes: what holds on one node holds on all together.

The scenarios of the requirement, by its names; see docs/scenarios.md. A Redis and two servers in processes of their
own, clients of a stock SDK with JWTs, a broadcaster that uses the HTTP API of either node.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from contextlib import AsyncExitStack
from typing import Self

import pytest
from centrifuge import DisconnectedContext
from tests.integration.system import Redis
from tests.testing.services.programs import need
from tests.unified.websocket.concurrent import (
    ConcurrentConnectionManager,
    ConcurrentConnectionValidator,
    ConcurrentMessageBroadcaster,
    ConnectionLimitManager,
    eventually,
)
from tests.world.backend import KEY, SECRET, Backend
from tests.world.centrifuge_python.listener import Listener

from tidings.testing import FaultProxy, RedisServer, TidingsCluster

pytestmark = [pytest.mark.world, pytest.mark.L3]

TABS = 6
LIMIT = 8
CHANNEL = "tabs:news"
SETTINGS = {
    "broker": {"lease": 5.0},
    "auth": {"hmac_secret": SECRET},
    "api": {"key": KEY},
    "client": {"user_connection_limit": LIMIT},
    "channels": {
        "namespaces": {"tabs": {"allow_subscribe_for_client": True, "presence": True}},
    },
}


@pytest.fixture(scope="module")
def cluster() -> Iterator[TidingsCluster]:
    need(RedisServer)
    with TidingsCluster(2, SETTINGS) as cluster:
        yield cluster


@pytest.fixture
def backends(cluster: TidingsCluster) -> Iterator[list[Backend]]:
    """One that uses the API of each node."""
    here, there = cluster.nodes
    with Backend(here.url) as first, Backend(there.url) as second:
        yield [first, second]


class Managers:
    """A `ConcurrentConnectionManager` for each node, to open the tabs of a user on one after the other."""

    def __init__(self, cluster: TidingsCluster) -> None:
        self.each = [ConcurrentConnectionManager(node) for node in cluster.nodes]

    async def __aenter__(self) -> Self:
        self._stack = AsyncExitStack()
        for manager in self.each:
            await self._stack.enter_async_context(manager)
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        # All of them first: a manager waits until no client of anybody is left.
        await asyncio.gather(*(manager.close(manager.tabs) for manager in self.each))
        await self._stack.aclose()

    async def open(self, user: str, count: int) -> list[Listener]:
        """So many connected tabs, the first on the first node, the second on the second, and so on."""
        shares = [len(range(place, count, len(self.each))) for place in range(len(self.each))]
        opened = [await manager.open(user, share) for manager, share in zip(self.each, shares, strict=True)]
        return [opened[number % len(self.each)][number // len(self.each)] for number in range(count)]


class ValidatorOverNodes(ConcurrentConnectionValidator):
    """Asks one node of all connections, Redis what it knows of them, and the system what the nodes hold."""

    def __init__(self, cluster: TidingsCluster, backend: Backend) -> None:
        super().__init__(cluster.nodes[0], backend)
        self._cluster = cluster
        self.redis = Redis(cluster.broker)
        self.backend = backend

    def connections(self) -> int:
        return sum(int(node.get("num_clients", 0)) for node in self.backend.call("info")["nodes"])

    def open_files(self) -> int:
        return sum(len(os.listdir(f"/proc/{node.process.pid}/fd")) for node in self._cluster.nodes)


@pytest.fixture
def validator(cluster: TidingsCluster, backends: list[Backend]) -> ValidatorOverNodes:
    return ValidatorOverNodes(cluster, backends[1])


async def code_of_the_end(tab: Listener) -> int:
    return int((await tab.journal.skip_to(DisconnectedContext)).code)


async def test_same_user_opens_five_and_more_concurrent_connections_over_nodes(
    cluster: TidingsCluster, validator: ValidatorOverNodes
) -> None:
    """Each has an id of its own, and Redis knows all of them as those of one user."""
    async with Managers(cluster) as managers:
        await managers.open("42", TABS)
        nodes = validator.backend.call("info")["nodes"]
        assert [(node["num_clients"], node["num_users"]) for node in nodes] == [(TABS // 2, 1)] * 2
        await eventually(lambda: len(validator.redis.leases("42")) == TABS, what="all are counted")
        assert {entry["user"] for _, entry in validator.redis.shown().values()} <= {"42"}


async def test_messages_are_broadcast_to_all_user_connections_over_nodes(
    cluster: TidingsCluster, backends: list[Backend]
) -> None:
    """Every tab hears everything, in order and once, through whichever node it was published."""
    async with Managers(cluster) as managers:
        tabs = await managers.open("42", TABS)
        broadcasters = [ConcurrentMessageBroadcaster(backend, CHANNEL) for backend in backends]
        channels = await broadcasters[0].listen(tabs)
        messages = [{"n": number} for number in range(20)]
        for number, message in enumerate(messages):
            await broadcasters[number % 2].broadcast(message)
        assert await broadcasters[0].heard(channels, len(messages)) == [messages] * TABS
        assert all(channel.is_empty for channel in channels)


async def test_connection_limits_per_user_are_enforced_over_nodes(
    cluster: TidingsCluster, validator: ValidatorOverNodes
) -> None:
    """One too many is closed with 3504 on either node; a place that became free on one is free on the other."""
    async with Managers(cluster) as managers:
        here, there = managers.each
        tabs = await managers.open("42", LIMIT)
        for manager in (here, there):
            assert await ConnectionLimitManager(manager).refused("42", code_of_the_end) == 3504
        await there.open("43", 1)
        await validator.expect_connections(LIMIT + 1)
        await here.close(tabs[:1])
        await eventually(lambda: len(validator.redis.leases("42")) == LIMIT - 1, what="a place is free")
        await there.open("42", 1)
        assert await ConnectionLimitManager(here).refused("42", code_of_the_end) == 3504


async def test_connections_have_independent_lifecycles_over_nodes(
    cluster: TidingsCluster, backends: list[Backend], validator: ValidatorOverNodes
) -> None:
    """Tabs come and go, subscribe and unsubscribe; each for itself, though they are one user's."""
    async with Managers(cluster) as managers:
        first, second, third = await managers.open("42", 3)
        broadcaster = ConcurrentMessageBroadcaster(backends[0], CHANNEL)
        one, two = await broadcaster.listen([first, second])
        await one.subscription.unsubscribe()
        await broadcaster.broadcast("second only")
        assert await two.publications(1) == ["second only"]
        await managers.each[1].close([second])
        (late,) = await broadcaster.listen([third])
        await broadcaster.broadcast("third only")
        assert await late.publications(1) == ["third only"]
        await validator.expect_connections(2)


async def test_one_connection_failure_does_not_affect_the_others_over_nodes(
    cluster: TidingsCluster, backends: list[Backend], validator: ValidatorOverNodes
) -> None:
    """A tab that vanishes without a word on one node is no trouble for the tabs of either."""
    there = cluster.nodes[1]
    async with Managers(cluster) as managers, FaultProxy(there.websocket) as proxy:
        tabs = await managers.open("42", TABS)
        broadcaster = ConcurrentMessageBroadcaster(backends[0], CHANNEL)
        channels = await broadcaster.listen(tabs)
        lost = managers.each[1].tab("42", through=proxy.url)
        await lost.connect()
        await validator.expect_connections(TABS + 1)
        proxy.cut()
        await validator.expect_connections(TABS)
        await eventually(lambda: len(validator.redis.leases("42")) == TABS, what="it is counted no more")
        reader, writer = await asyncio.open_connection("127.0.0.1", there.port)
        writer.write(b"nonsense\r\n\r\n\xff\x00")
        await reader.read()
        writer.close()
        await broadcaster.broadcast("still here")
        assert await broadcaster.heard(channels, 1) == [["still here"]] * TABS


async def test_resources_are_cleaned_up_when_connections_close_over_nodes(
    cluster: TidingsCluster, backends: list[Backend], validator: ValidatorOverNodes
) -> None:
    """Connections, presence, channels, file descriptors, and the keys in Redis return to where they were."""
    await eventually(lambda: validator.redis.people() == [], what="nothing of the tests before")
    before, bus = validator.open_files(), validator.redis.bus()
    async with Managers(cluster) as managers:
        for _ in range(3):
            tabs = await managers.open("42", TABS)
            await ConcurrentMessageBroadcaster(backends[0], CHANNEL).listen(tabs)
            assert validator.present(CHANNEL) == TABS
            await asyncio.gather(*(manager.close(manager.tabs) for manager in managers.each))
            await validator.expect_connections(0)
        await eventually(lambda: validator.present(CHANNEL) == 0, what="nobody present")
        assert [backend.call("channels")["channels"] for backend in backends] == [{}, {}]
        await eventually(lambda: validator.redis.people() == [], what="no key of connections, users and presence")
        await eventually(lambda: validator.redis.bus() == bus, what="no channel that is listened to")
        # The backends' own connections to the API may be among them.
        await eventually(lambda: validator.open_files() <= before + 2, what="no file left open")
