"""WebSocket connections over Redis pub/sub: the scenarios of the requirement, by its names; see docs/scenarios.md.

Everything is real: a Redis of the class's own, two nodes in processes of their own, and WebSocket clients.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator

import pytest
from tests.integration.publishing import Publishing
from tests.integration.system import LEASE, SETTINGS, BackEnd, Redis, client, eventually, redis_of
from tests.soak.listener import Listener
from tests.world.backend import token

from tidings.testing import (
    ChannelRules,
    History,
    LatencyRecorder,
    ManyClients,
    Observer,
    Recorder,
    Rules,
    TidingsCluster,
    check,
)
from tidings.testing.clients import CentrifugeScript, ReplyError
from tidings.testing.plugin.measured import Measured

pytestmark = [pytest.mark.world, pytest.mark.L3, pytest.mark.timeout(120)]

RULES = Rules(channels={"kept:*": ChannelRules(history=True)}, expected_faults=["kill redis"], slack=2.0)
ROUNDS = 10


@pytest.fixture(scope="class")
def cluster() -> Iterator[TidingsCluster]:
    with TidingsCluster(2, SETTINGS) as cluster:
        yield cluster


@pytest.fixture
def redis(cluster: TidingsCluster) -> Redis:
    return redis_of(cluster)


@pytest.fixture
async def backend(cluster: TidingsCluster) -> AsyncIterator[BackEnd]:
    async with BackEnd() as backend:
        yield backend


class TestWebSocketRedisPubSubL3:
    """Each test has users and channels of its own, so that none sees what another has left."""

    async def test_websocket_redis_connection_setup(self, cluster: TidingsCluster, redis: Redis) -> None:
        """A connection, its user, its node and its channels can be seen in Redis while it lives, and no longer."""
        here, there = cluster.nodes
        async with client(here, "setup") as ada, client(there, "setup") as bob:
            await ada.subscribe("live:setup")
            await bob.subscribe("live:setup")
            await bob.subscribe("kept:setup")
            assert redis.leases("setup") == {ada.id, bob.id}
            assert {"live:setup", "kept:setup"} <= set(redis.bus())
            await eventually(
                lambda: (
                    [redis.shown().get(one.id, ("", {"channels": []}))[1]["channels"] for one in (ada, bob)]
                    == [["live:setup"], ["live:setup", "kept:setup"]]
                ),
                "what both listen to",
            )
            shown = redis.shown()
            assert [shown[one.id][1]["user"] for one in (ada, bob)] == ["setup", "setup"]
            assert {shown[ada.id][0], shown[bob.id][0]} == redis.nodes()
            for one in (ada, bob):
                assert abs(shown[one.id][1]["since"] - time.time()) < 60.0
                assert 0 < redis.server.ask("PTTL", f"tidings:connections:{shown[one.id][0]}") <= LEASE * 1000
        await eventually(lambda: redis.leases("setup") == set(), "no connection of the user")
        await eventually(lambda: {ada.id, bob.id}.isdisjoint(redis.shown()), "no connection shown")
        await eventually(lambda: not [name for name in redis.bus() if "setup" in name], "nobody listens")

    async def test_redis_pubsub_message_broadcasting(self, cluster: TidingsCluster, backend: BackEnd) -> None:
        """Whoever publishes, and through whichever node: every subscriber of all nodes hears it, once and in order."""
        clients = [client(cluster.nodes[number % 2], f"cast-{number}") for number in range(6)]
        async with asyncio.TaskGroup() as group:
            for one in clients:
                group.create_task(one.connect())
        streams = [await one.subscribe(channel) for one in clients for channel in ("live:cast", "kept:cast")]
        for number in range(20):
            for channel in ("live:cast", "kept:cast"):
                await backend.publish(cluster.nodes[number % 2], channel, number)
        await clients[1].publish("live:cast", "hello")
        await clients[0].publish("kept:cast", "hello")
        for stream in streams:
            assert [one.data for one in await stream.collect(21)] == [*range(20), "hello"]
            assert stream.unread == []
        for one in clients:
            await one.leave()

    async def test_websocket_reconnection_with_redis_state(self, cluster: TidingsCluster, backend: BackEnd) -> None:
        """A client that comes back to another node hears exactly what it missed; what it keeps comes back by itself."""
        here, there = cluster.nodes
        await backend.call(there, "subscribe", user="again", channel="kept:mine", persist=True)
        ada = client(here, "again")
        await ada.connect()
        mine, news = await ada.subscription("kept:mine"), await ada.subscribe("kept:again")
        assert mine.is_server_side
        for channel in ("kept:mine", "kept:again"):
            await backend.publish(there, channel, 0)
        await asyncio.gather(mine.receive(), news.receive())
        for node in (there, here, there):
            ada.drop()
            await ada.expect_closed()
            for number in range(1, 51):
                for channel in ("kept:mine", "kept:again"):
                    await backend.publish(here, channel, number)
            ada.url = node.websocket
            await ada.reconnect()
            for stream in (mine, news):
                assert stream.recovered
                assert [one.data for one in await stream.collect(50)] == list(range(1, 51))
        await backend.call(here, "unsubscribe", user="again", channel="kept:mine")
        assert (await mine.expect_unsubscribed()).code == 2000
        await ada.leave()
        async with client(here, "again") as ada:
            assert "kept:mine" not in ada.connected.subs

    @pytest.mark.performance
    @pytest.mark.usefixtures("many_files")
    @pytest.mark.parametrize("count", [50, 1000])
    async def test_concurrent_websocket_connections_redis_performance(
        self, cluster: TidingsCluster, backend: BackEnd, redis: Redis, measured: Measured, count: int
    ) -> None:
        """Half of them on each node. Everybody hears everything, whichever node it came through."""
        channel = f"kept:many-{count}"
        script = CentrifugeScript(channel, token=lambda number: token(f"many-{count}-{number}"), stamp="sent")
        crowds = [ManyClients(count // 2, node.websocket, script=script, patience=60.0) for node in cluster.nodes]
        async with crowds[0], crowds[1]:
            before = int(redis.server.ask("INFO", "clients")["connected_clients"])
            for number in range(ROUNDS):
                await backend.publish(cluster.nodes[number % 2], channel, {"n": number, "sent": time.monotonic()})
            for crowd in crowds:
                await crowd.wait_all(ROUNDS)
                assert (crowd.violations, crowd.missed, crowd.failures) == (0, 0, [])
            assert await backend.connections(cluster.nodes[0]) == count
            # A node needs a handful of connections to Redis, however many clients it has.
            assert before < 20
            report(measured, f"opening, {count} connections", crowds[0].opening_latencies + crowds[1].opening_latencies)
            report(measured, f"delivery to {count} on two nodes", crowds[0].latencies + crowds[1].latencies)
        await eventually(lambda: not redis.keys(f"user:many-{count}-*"), "nobody is counted")

    async def test_redis_channel_management_isolation(
        self, cluster: TidingsCluster, backend: BackEnd, redis: Redis
    ) -> None:
        """Channels come and go, in Redis too; nobody hears what is another's."""
        here, there = cluster.nodes
        async with client(here, "iso-ada") as ada, client(there, "iso-bob") as bob:
            hers, his = await ada.subscribe("live:iso-ada"), await bob.subscribe("live:iso-bob")
            for number in range(20):
                await backend.publish(there, "live:iso-ada", f"ada {number}")
                await backend.publish(here, "live:iso-bob", f"bob {number}")
            assert [one.data for one in await hers.collect(20)] == [f"ada {number}" for number in range(20)]
            assert [one.data for one in await his.collect(20)] == [f"bob {number}" for number in range(20)]
            assert (len(ada.received), len(bob.received)) == (20, 20)
            with pytest.raises(ReplyError) as refused:
                await ada.subscribe("shut:secret")
            assert refused.value.code == 102  # As if there were none, so that nobody learns its name.
            for _ in range(3):
                both = await ada.subscribe("live:iso-bob")
                await eventually(lambda: "live:iso-bob" in redis.bus(), "the channel is asked for")
                await backend.publish(there, "live:iso-bob", "both")
                assert (await both.receive()).data == (await his.receive()).data == "both"
                await ada.unsubscribe("live:iso-bob")
                await backend.publish(here, "live:iso-bob", "his alone")
                assert (await his.receive()).data == "his alone"
            await bob.unsubscribe(his)
            await eventually(lambda: "live:iso-bob" not in redis.bus(), "the channel is given up")
            await backend.publish(here, "live:iso-ada", "last")
            assert (await hers.receive()).data == "last"
            assert "his alone" not in [one.data for one in ada.received]

    async def test_redis_failover_websocket_recovery(self, cluster: TidingsCluster, backend: BackEnd) -> None:
        """Redis is killed and comes back empty: connections stay open, and what is lost is told."""
        history = History()
        observer, recorder = Observer(history), Recorder(history)
        addresses = [node.websocket for node in cluster.nodes]
        channels = ["kept:fail-1", "kept:fail-2"]
        async with (
            client(cluster.nodes[0], "fail-quiet") as quiet,
            Listener("ann", observer, addresses, channels, token) as ann,
            Listener("bob", observer, addresses[::-1], channels, token) as bob,
            Publishing(backend, cluster.nodes, recorder, channels) as publishing,
        ):
            await publishing.more(100)
            recorder.fault("kill redis")
            await asyncio.to_thread(cluster.broker.kill)
            for node in cluster.nodes:
                await eventually(lambda node=node: is_sick(backend, node), "503, with the reason")
            await asyncio.to_thread(cluster.broker.restart)
            await asyncio.to_thread(cluster.settle)
            await publishing.more(100)
            await publishing.stop()
            await publishing.until_heard([ann, bob])
            assert quiet.is_open
            news = await quiet.subscribe("live:fail")
            await backend.publish(cluster.nodes[1], "live:fail", "back again")
            assert (await news.receive()).data == "back again"
        verdict = check(history, RULES)
        verdict.raise_if_broken()
        assert all(one.delivered for one in verdict.channels.values())


async def is_sick(backend: BackEnd, node: object) -> bool:
    status, reason = await backend.health(node)  # type: ignore[arg-type]
    return status == 503 and "broker" in reason


def report(measured: Measured, name: str, seconds: list[float]) -> None:
    """Percentiles, in milliseconds. They are not held to anything: the machine may be busy."""
    latency = LatencyRecorder()
    for one in seconds:
        latency.record(one)
    summary = latency.summary()
    measured.percentile(name, p50=summary.p50 * 1000, p95=summary.p95 * 1000, p99=summary.p99 * 1000)
