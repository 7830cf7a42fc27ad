"""The Redis broker keeps what every broker has promised, whichever way its Redis is set up."""

from __future__ import annotations

from functools import partial

import pytest
from tests.brokers.redis.ageing import REALLY, age

from tidings.brokers.redis import RedisBroker, parse
from tidings.clock import SystemClock
from tidings.testing import RedisCluster, RedisSentinel, RedisServer
from tidings.testing.contracts import (
    Backend,
    ConnectionsContract,
    FullContract,
    HistoryContract,
    NodesContract,
    PresenceContract,
)

pytestmark = [pytest.mark.world, pytest.mark.L3]


class TestStandalone(FullContract):
    """One server."""

    @pytest.fixture
    def backend(self, redis: RedisServer) -> Backend:
        address = parse(redis.url)
        return Backend(lambda: RedisBroker(address, SystemClock()), partial(age, redis))


class TestSentinel(FullContract):
    """Whichever server the sentinels call the master."""

    @pytest.fixture
    def backend(self, redis_sentinel: RedisSentinel) -> Backend:
        redis_sentinel.clear()
        address = parse(redis_sentinel.url)
        return Backend(lambda: RedisBroker(address, SystemClock()), partial(age, redis_sentinel.master))


class TestCluster(FullContract):
    """Three primaries, sharded pub/sub, all keys of a channel in one slot."""

    @pytest.fixture
    def backend(self, redis_cluster: RedisCluster) -> Backend:
        redis_cluster.clear()
        address = parse(redis_cluster.url)

        async def age_all(seconds: float) -> None:
            if seconds <= REALLY:
                await age(redis_cluster.nodes[0], seconds)
                return
            for node in redis_cluster.nodes:
                await age(node, seconds)

        return Backend(lambda: RedisBroker(address, SystemClock()), age_all)


class TestRealTime(HistoryContract, PresenceContract, NodesContract, ConnectionsContract):
    """The same, with expiry that is waited for."""

    unit = 0.4

    @pytest.fixture
    def backend(self, redis: RedisServer) -> Backend:
        address = parse(redis.url)
        return Backend(lambda: RedisBroker(address, SystemClock()), partial(age, redis))
