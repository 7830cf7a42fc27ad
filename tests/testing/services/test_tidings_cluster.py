"""TidingsCluster: several nodes that are one system, of which single ones come and go."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator, MutableMapping
from typing import Any

import httpx2
import pytest
from tests.testing.services.programs import children, need

from tidings.testing.clients import Client
from tidings.testing.services import (
    Missing,
    RedisSentinel,
    RedisServer,
    ServiceError,
    TidingsCluster,
    TidingsNode,
    ports,
)
from tidings.testing.services.base import ask_until

pytestmark = [pytest.mark.world, pytest.mark.L3]

SETTINGS = {"api": {"key": "k"}, "client": {"insecure": True}}


@pytest.fixture(autouse=True)
def redis_is_there(environment: object) -> None:
    need(RedisServer)


@pytest.fixture(scope="module")
def cluster() -> Iterator[TidingsCluster]:
    """For tests that leave it as it was."""
    need(RedisServer)
    with TidingsCluster(2, SETTINGS) as cluster:
        yield cluster


def call(node: TidingsNode, method: str, **request: Any) -> Any:
    answer = httpx2.post(f"{node.url}/api/{method}", json=request, headers={"X-API-Key": "k"}, timeout=10.0)
    return answer.raise_for_status().json()["result"]


def names(node: TidingsNode) -> set[str]:
    """The nodes that one node knows, by their ids."""
    return {one["uid"] for one in call(node, "info")["nodes"]}


async def test_its_nodes_are_one_system(cluster: TidingsCluster):
    here, there = cluster.nodes
    async with Client(here.websocket) as ann, Client(there.websocket) as bob:
        streams = [await client.subscribe("news") for client in (ann, bob)]
        for node in cluster.nodes:
            await asyncio.to_thread(call, node, "publish", channel="news", data=node.port)
        for stream in streams:
            assert [one.data for one in await stream.collect(2)] == [here.port, there.port]
    assert names(here) == names(there)
    assert len(names(here)) == 2
    assert (cluster.trouble(), repr(cluster)) == ("", "<TidingsCluster of 2>")


def test_a_node_that_was_killed_comes_back_on_its_port(cluster: TidingsCluster):
    node = cluster.nodes[1]
    before = node.url
    node.kill()
    assert cluster.trouble() == "node 1: does not answer"
    assert call(cluster.nodes[0], "publish", channel="news", data=1) == {}
    node.restart()
    cluster.settle()
    assert node.url == before


def test_a_node_that_hangs_goes_on(cluster: TidingsCluster):
    node = cluster.nodes[1]
    node.pause()
    assert cluster.trouble() == "node 1: does not answer"
    node.resume()
    cluster.settle()
    assert call(node, "publish", channel="news", data=1) == {}


async def test_nodes_come_and_go(cluster: TidingsCluster):
    """One that is removed leaves in order: its clients are told, and it is not known any more."""
    third = await asyncio.to_thread(cluster.add)
    assert len(cluster.nodes) == 3
    assert len(names(third)) == 3
    async with Client(third.websocket) as client:
        await asyncio.to_thread(cluster.remove, third)
        assert (await client.expect_closed()).code == 3001
    assert third not in cluster.nodes
    assert not third.is_running
    assert len(names(cluster.nodes[0])) == 2
    with pytest.raises(ServiceError, match="is not a node of this cluster"):
        cluster.remove(third)


def test_all_nodes_are_restarted_one_after_another(cluster: TidingsCluster):
    """Each is another process afterwards, on the port that it had."""
    before = [(node.port, node.process.pid) for node in cluster.nodes]
    known = names(cluster.nodes[0])
    cluster.rolling_restart()
    after = [(node.port, node.process.pid) for node in cluster.nodes]
    assert [port for port, _ in before] == [port for port, _ in after]
    assert {pid for _, pid in before}.isdisjoint(pid for _, pid in after)
    assert names(cluster.nodes[0]).isdisjoint(known)


def test_its_broker_can_be_killed(cluster: TidingsCluster):
    """And nothing of the environment is: it is a Redis of its own."""
    cluster.broker.kill()
    assert "node 0: broker: redis://" in cluster.trouble()
    assert httpx2.get(f"{cluster.nodes[0].url}/health").status_code == 503
    cluster.broker.restart()
    cluster.settle()


def test_the_environment_is_not_asked_for_a_broker(environment: MutableMapping[str, str]):
    with RedisServer() as other:
        environment["REDIS_URL"] = other.url
        with TidingsCluster(1) as cluster:
            assert cluster.broker.port != other.port
            assert cluster.broker_url == cluster.broker.url
        assert other.ask("DBSIZE") == 0


def test_a_broker_that_is_handed_over_is_left_running():
    """As a block and as an address; both have what the nodes keep there."""
    with RedisServer() as redis:
        for broker in (redis, redis.url):
            with TidingsCluster(1, SETTINGS, broker=broker) as cluster:
                assert cluster.broker_url == redis.url
                assert redis.ask("EXISTS", "tidings:nodes:all") == 1
        assert redis.is_running
        with pytest.raises(ServiceError, match=r"given by its address, redis://.* belongs to somebody else"):
            _ = cluster.broker


def test_several_programs_can_be_the_broker():
    need(RedisSentinel)
    with RedisSentinel(sentinels=1) as sentinel, TidingsCluster(1, SETTINGS, broker=sentinel) as cluster:
        assert call(cluster.nodes[0], "publish", channel="news", data=1) == {}
        assert cluster.broker.master.ask("EXISTS", "tidings:nodes:all") == 1


def test_nothing_is_left_of_it():
    """Neither processes nor directories nor ports; the reaper stays for others."""
    before, held = set(children()), dict(ports._held)
    with TidingsCluster(2, SETTINGS) as cluster:
        services = [cluster.broker, *cluster.nodes]
        directories = [service.directory for service in services]
    assert set(children()) <= before
    assert not [directory for directory in directories if directory.exists()]
    assert ports._held == held
    assert cluster.nodes == ()


def test_a_start_that_fails_leaves_nothing():
    before = set(children())
    cluster = TidingsCluster(2, {"channels": {"histroy_size": 1}})
    with pytest.raises(ServiceError, match=r"tidings ended with \d while it was starting(.|\n)*histroy_size"):
        cluster.start()
    assert set(children()) <= before
    assert cluster.nodes == ()


def test_a_broker_that_is_not_there_is_told():
    cluster = TidingsCluster(1, {"broker": {"publish_timeout": 0.2}}, broker="redis://127.0.0.1:1")
    cluster.patience = 1.0
    with pytest.raises(ServiceError, match=r"tidings ended with 1 (.|\n)*redis://127\.0\.0\.1:1: .*Connection refused"):
        cluster.start()


async def test_a_start_can_be_given_up():
    """Cancelling it leaves nothing, whichever of its members is on its way."""
    before = set(children())
    began = threading.Event()

    class Slow(TidingsCluster):
        def settle(self) -> None:
            began.set()
            super().settle()

        def trouble(self) -> str:
            return "never whole"

    async def enter() -> None:
        async with Slow(1, SETTINGS):
            raise AssertionError("it never begins")

    task = asyncio.create_task(enter())
    assert await asyncio.to_thread(began.wait, 20.0)
    task.cancel()
    await asyncio.wait([task], timeout=20.0)
    assert task.cancelled()
    assert ask_until(lambda: set(children()) <= before, 5.0)


def test_what_makes_no_sense_is_refused():
    with pytest.raises(ServiceError, match="one node or more, and not 0"):
        TidingsCluster(0)
    with pytest.raises(ServiceError, match="Hand the broker over as `broker`"):
        TidingsCluster(2, {"broker": {"url": "redis://127.0.0.1"}})
    with pytest.raises(ServiceError, match="no broker before its block begins"):
        _ = TidingsCluster(1).broker


def test_a_cluster_is_started_once(cluster: TidingsCluster):
    with pytest.raises(ServiceError, match="has been started already"):
        cluster.start()


def test_it_is_missing_without_redis(environment: MutableMapping[str, str]):
    environment["PATH"] = ""
    with pytest.raises(Missing, match=r"redis is not installed.*install redis-server.*hand a running one over"):
        TidingsCluster(1).start()


def test_a_failure_shows_all_members():
    with pytest.raises(ZeroDivisionError) as failure, TidingsCluster(1, SETTINGS):
        _ = 1 / 0
    (note,) = failure.value.__notes__
    assert note.startswith("<TidingsCluster of 1>: whole")
    assert note.count("It wrote at last:") == 2
