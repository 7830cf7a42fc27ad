"""Nodes that die or leave: the others answer in time, know of it within one lease, and lose nothing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from tests.integration.publishing import Publishing
from tests.integration.system import LEASE, SETTINGS, BackEnd, client, eventually, redis_of
from tests.soak.listener import Listener
from tests.testing.services.programs import need
from tests.world.backend import token

from tidings.testing import ChannelRules, History, Observer, Recorder, RedisServer, Rules, TidingsCluster, check

pytestmark = [pytest.mark.world, pytest.mark.L3, pytest.mark.resilience, pytest.mark.timeout(120)]

DEADLINE = 5.0
"""Seconds for an answer of all nodes: that of a survey is one, and the machine may be busy."""

WITHIN_A_LEASE = 4 * LEASE
"""Seconds after which what lasts one lease has to be gone, on a busy machine."""

RULES = Rules(channels={"kept:*": ChannelRules(history=True)}, slack=2.0)
CHANNELS = [f"kept:faults-{number}" for number in range(4)]


@pytest.fixture
async def backend() -> AsyncIterator[BackEnd]:
    async with BackEnd() as backend:
        yield backend


async def test_the_api_answers_though_a_node_was_just_killed(backend: BackEnd) -> None:
    """`info` and `channels`, from each of the others, with what those know; so it is when a node hangs."""
    need(RedisServer)
    async with TidingsCluster(3, SETTINGS) as cluster:
        first, second, third = cluster.nodes
        async with client(first, "ada") as ada, client(second, "bob") as bob:
            await ada.subscribe("live:a")
            await bob.subscribe("live:a")
            for harm in (third.pause, third.kill):
                harm()
                for node in (first, second):
                    async with asyncio.timeout(DEADLINE):
                        assert len((await backend.call(node, "info"))["nodes"]) == 2
                    async with asyncio.timeout(DEADLINE):
                        channels = (await backend.call(node, "channels"))["channels"]
                        assert channels == {"live:a": {"num_clients": 2}}


async def test_a_killed_nodes_registration_is_gone_within_a_lease(backend: BackEnd) -> None:
    """With its connections, its users, and whoever was present through it; those of the other node stay."""
    need(RedisServer)
    async with TidingsCluster(2, SETTINGS) as cluster:
        here, there = cluster.nodes
        redis = redis_of(cluster)
        async with client(here, "ada") as ada, client(there, "bob") as bob:
            for one in (ada, bob):
                await one.subscribe("live:lease")
            await eventually(lambda: redis.shown().keys() == {ada.id, bob.id}, "both are shown")
            assert await ada.presence("live:lease", timeout=5.0) != {}
            there.kill()

            async def is_forgotten() -> bool:
                present = await ada.presence("live:lease")
                return (
                    present.keys() == {ada.id}
                    and len(redis.nodes()) == 1
                    and redis.shown().keys() == {ada.id}
                    and redis.keys("user:*") == ["tidings:user:ada"]
                )

            await eventually(is_forgotten, "nothing is left of the killed node", within=WITHIN_A_LEASE)
            assert (await backend.call(here, "presence_stats", channel="live:lease"))["num_clients"] == 1
            assert ada.is_open


async def test_what_a_killed_node_has_acknowledged_is_delivered_by_the_others(backend: BackEnd) -> None:
    """It dies as soon as it has answered; whoever listened there comes back elsewhere, and misses nothing."""
    need(RedisServer)
    history = History()
    observer, recorder = Observer(history), Recorder(history)
    async with TidingsCluster(2, SETTINGS) as cluster:
        here, there = cluster.nodes
        addresses = [here.websocket, there.websocket]
        async with (
            Listener("ann", observer, addresses[:1], CHANNELS, token) as ann,
            Listener("bob", observer, addresses[::-1], CHANNELS, token) as bob,
            Publishing(backend, [there], recorder, CHANNELS) as publishing,
        ):
            await publishing.more(200)
            recorder.fault("kill node")
            await asyncio.to_thread(there.kill)
            publishing.nodes = [here]
            await publishing.more(100)
            await publishing.stop()
            await publishing.until_heard([ann, bob])
    verdict = check(history, RULES)
    verdict.raise_if_broken()
    assert sum(one.acknowledged for one in verdict.channels.values()) >= 300


async def test_a_rolling_restart_loses_nothing(backend: BackEnd) -> None:
    """Three nodes, one after another, while all are published through and listened to."""
    need(RedisServer)
    history = History()
    observer, recorder = Observer(history), Recorder(history)
    async with TidingsCluster(3, SETTINGS) as cluster:
        addresses = [node.websocket for node in cluster.nodes]
        turned = [addresses[number:] + addresses[:number] for number in range(3)]
        async with (
            Listener("ann", observer, turned[0], CHANNELS, token) as ann,
            Listener("bob", observer, turned[1], CHANNELS, token) as bob,
            Listener("cid", observer, turned[2], CHANNELS, token) as cid,
            Publishing(backend, cluster.nodes, recorder, CHANNELS) as publishing,
        ):
            await publishing.more(50)
            for node in cluster.nodes:
                # As a balancer does: nothing new is sent to a node that is about to go.
                publishing.nodes = [one for one in cluster.nodes if one is not node]
                recorder.fault("restart", f"{node.port}")
                await asyncio.to_thread(node.restart)
                await asyncio.to_thread(cluster.settle)
                publishing.nodes = cluster.nodes
                await publishing.more(50)
            await publishing.stop()
            await publishing.until_heard([ann, bob, cid])
    verdict = check(history, RULES)
    verdict.raise_if_broken()
    # Who listened to a node that went came back before what was missed had gone from the history.
    assert sum(one.told for one in verdict.channels.values()) == 0
    assert publishing.failed == 0
