"""What the requirement of WebSocket over Redis pub/sub calls its future enhancements; see docs/scenarios.md.

Cluster, failover by Sentinel, stress, benchmarks and containers: each with real services of its own, and two nodes.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

import pytest
from tests.integration.publishing import Publishing
from tests.integration.system import SETTINGS, BackEnd, client, eventually
from tests.integration.test_websocket_redis_pubsub_l3 import report
from tests.soak.listener import Listener
from tests.testing.services.programs import need
from tests.world.backend import token

from tidings.testing import (
    ChannelRules,
    History,
    ManyClients,
    Observer,
    Recorder,
    RedisCluster,
    RedisSentinel,
    RedisServer,
    Rules,
    TidingsCluster,
    check,
)
from tidings.testing.clients import CentrifugeScript
from tidings.testing.plugin.measured import Measured

pytestmark = [pytest.mark.world, pytest.mark.L3, pytest.mark.timeout(180)]

# A master that is replaced has a moment in which what it acknowledged is not at its replica yet (see docs/redis.md).
RULES = Rules(channels={"kept:*": ChannelRules(history=True)}, slack=2.0)
CHANNELS = [f"kept:future-{number}" for number in range(4)]


class TestFutureEnhancements:
    async def test_redis_cluster(self) -> None:
        """Three primaries: channels are spread over them, and each is heard on both nodes, once and in order."""
        need(RedisCluster)
        channels = [f"{kind}:slot-{number}" for number in range(12) for kind in ("kept", "live")]
        async with RedisCluster() as redis, TidingsCluster(2, SETTINGS, broker=redis) as cluster, BackEnd() as backend:
            async with client(cluster.nodes[0], "ada") as ada, client(cluster.nodes[1], "bob") as bob:
                streams = [await one.subscribe(channel) for one in (ada, bob) for channel in channels]
                for number in range(10):
                    for channel in channels:
                        await backend.publish(cluster.nodes[number % 2], channel, number)
                for stream in streams:
                    assert [one.data for one in await stream.collect(10)] == list(range(10))
                await backend.call(cluster.nodes[0], "disconnect", user="bob")
                assert (await bob.expect_closed()).code == 3503
            spread = [node.ask("KEYS", "tidings:stream:*") for node in redis.nodes]
            assert all(spread)
            assert sum(map(len, spread)) == 12

    async def test_redis_cluster_failover(self) -> None:
        """A primary is killed, and its replica takes its slots: clients stay, and nothing is lost unseen."""
        need(RedisCluster)
        async with RedisCluster(replicas=1) as redis, TidingsCluster(2, SETTINGS, broker=redis) as cluster:
            await self.fail_over(cluster, redis.nodes[0].kill, "kill primary")

    @pytest.mark.parametrize("planned", [True, False], ids=["planned", "master killed"])
    async def test_redis_sentinel_failover(self, planned: bool) -> None:
        """The sentinels make another master: clients stay, and nothing is lost unseen."""
        need(RedisSentinel)

        def killed() -> None:
            redis.master.kill()
            redis.failover()

        async with RedisSentinel() as redis, TidingsCluster(2, SETTINGS, broker=redis) as cluster:
            before = redis.master
            await self.fail_over(cluster, redis.failover if planned else killed, "failover")
            assert redis.master is not before

    async def fail_over(self, cluster: TidingsCluster, strike: object, fault: str) -> None:
        history = History()
        observer, recorder = Observer(history), Recorder(history)
        addresses = [node.websocket for node in cluster.nodes]
        async with (
            BackEnd() as backend,
            client(cluster.nodes[0], "quiet") as quiet,
            Listener("ann", observer, addresses, CHANNELS, token) as ann,
            Listener("bob", observer, addresses[::-1], CHANNELS, token) as bob,
            Publishing(backend, cluster.nodes, recorder, CHANNELS) as publishing,
        ):
            await publishing.more(100)
            recorder.fault(fault)
            await asyncio.to_thread(strike)  # type: ignore[arg-type]
            await asyncio.to_thread(cluster.settle)
            await publishing.more(100)
            await publishing.stop()
            await publishing.until_heard([ann, bob])
            assert quiet.is_open
        check(history, RULES).raise_if_broken()

    @pytest.mark.load
    @pytest.mark.usefixtures("many_files")
    async def test_stress_of_a_thousand_and_more_connections(self) -> None:
        """1,200 clients over two nodes in 20 channels; half leave without a word, and nothing of anybody is left."""
        need(RedisServer)
        async with TidingsCluster(2, SETTINGS) as cluster, BackEnd() as backend:
            crowds = [
                ManyClients(30, node.websocket, script=script(number), patience=90.0)
                for number in range(20)
                for node in cluster.nodes
            ]
            await opened(crowds)
            try:
                assert await backend.connections(cluster.nodes[0]) == 1200
                for number in range(20):
                    for round in range(5):
                        await backend.publish(cluster.nodes[round % 2], f"kept:stress-{number}", round)
                for crowd in crowds:
                    await crowd.wait_all(5)
                    assert (crowd.violations, crowd.missed, crowd.failures) == (0, 0, [])
                for crowd in crowds[::2]:
                    crowd.is_leaving = True
                    for member in crowd:
                        member.abort()
                await eventually(lambda: is_left(backend, cluster, 600), "600 connections are left")
            finally:
                await asyncio.gather(*(crowd.close() for crowd in crowds))
            for kind in ("user", "leases", "present", "connections"):
                await eventually(lambda kind=kind: not cluster.broker.ask("KEYS", f"tidings:{kind}:*"), f"no {kind}")

    @pytest.mark.performance
    async def test_performance_benchmarks(self, measured: Measured) -> None:
        """Percentiles of publishing, of delivery to another node, and of coming back there, with 100 clients."""
        need(RedisServer)
        async with TidingsCluster(2, SETTINGS) as cluster, BackEnd() as backend:
            here, there = cluster.nodes
            crowd = ManyClients(
                100, there.websocket, script=CentrifugeScript("kept:bench", token=token("bench"), stamp="sent")
            )
            published = []
            async with crowd:
                for number in range(200):
                    began = time.monotonic()
                    await backend.publish(here, "kept:bench", {"n": number, "sent": began})
                    published.append(time.monotonic() - began)
                await crowd.wait_all(200)
                report(measured, "publish, with history, by the HTTP API", published)
                report(measured, "delivery to 100 on another node", crowd.latencies)
            back = []
            async with client(here, "bench") as ada:
                await ada.subscribe("kept:bench")
                for number in range(20):
                    ada.drop()
                    await ada.expect_closed()
                    await backend.publish(there, "kept:bench", {"n": number, "sent": time.monotonic()})
                    ada.url = cluster.nodes[number % 2].websocket
                    began = time.monotonic()
                    await ada.reconnect()
                    back.append(time.monotonic() - began)
                    assert ada.subscriptions["kept:bench"].recovered
            report(measured, "reconnect and recover on another node", back)


def script(number: int) -> CentrifugeScript:
    return CentrifugeScript(f"kept:stress-{number}", token=lambda member: token(f"stress-{number}-{member}"))


async def opened(crowds: Sequence[ManyClients]) -> None:
    for crowd in crowds:
        await crowd.open()


async def is_left(backend: BackEnd, cluster: TidingsCluster, count: int) -> bool:
    return await backend.connections(cluster.nodes[1]) == count
