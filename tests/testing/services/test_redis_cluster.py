"""RedisCluster: all slots are served, and a node that has gone is missed."""

from __future__ import annotations

from collections.abc import Iterator, MutableMapping

import pytest
from redis.cluster import RedisCluster as Client
from tests.testing.services.programs import need

from tidings.testing.services import RedisCluster, ServiceError, ports
from tidings.testing.services.base import ask_until

pytestmark = [pytest.mark.world, pytest.mark.L3]


@pytest.fixture(scope="module")
def module_cluster() -> Iterator[RedisCluster]:
    need(RedisCluster)
    with RedisCluster() as cluster:
        yield cluster


@pytest.fixture
def cluster(module_cluster: RedisCluster) -> RedisCluster:
    """A whole and empty one."""
    module_cluster.settle()
    module_cluster.clear()
    return module_cluster


def test_a_client_finds_every_slot(cluster: RedisCluster):
    """The one that the library comes with, from any node."""
    assert cluster.url == "redis+cluster://" + ",".join(f"127.0.0.1:{node.port}" for node in cluster.nodes)
    with Client.from_url(cluster.nodes[1].url) as client:
        for number in range(100):
            client.set(f"key {number}", number)
    sizes = [node.ask("DBSIZE") for node in cluster.nodes]
    assert sum(sizes) == 100
    assert min(sizes) > 0


def test_a_node_that_is_killed_is_missed_until_it_is_back(cluster: RedisCluster):
    node, other = cluster.nodes[:2]
    port = node.port
    node.kill()
    assert ask_until(lambda: other.ask("CLUSTER INFO")["cluster_state"] == "fail", 15.0)
    assert "does not answer" in cluster.trouble()
    node.restart()
    cluster.settle()
    assert node.port == port
    assert other.ask("CLUSTER INFO")["cluster_state"] == "ok"


def test_a_node_that_hangs_is_missed_until_it_goes_on(cluster: RedisCluster):
    node, other = cluster.nodes[:2]
    node.pause()
    assert ask_until(lambda: other.ask("CLUSTER INFO")["cluster_state"] == "fail", 15.0)
    node.resume()
    cluster.settle()


def test_all_keys_are_forgotten(cluster: RedisCluster):
    with Client.from_url(cluster.nodes[0].url) as client:
        for number in range(20):
            client.set(f"key {number}", number)
    cluster.clear()
    assert [node.ask("DBSIZE") for node in cluster.nodes] == [0, 0, 0]


def test_one_that_the_environment_names_is_not_emptied(cluster: RedisCluster, environment: MutableMapping[str, str]):
    environment["REDIS_CLUSTER_URL"] = cluster.url
    with RedisCluster() as given:
        assert given.url == cluster.url
        assert given.nodes == []
        with pytest.raises(ServiceError, match=r"given by REDIS_CLUSTER_URL.*not emptied"):
            given.clear()
    assert cluster.trouble() == ""


def test_replicas_take_over(environment: object):
    """With their data, and both ports of each node are given back at the end."""
    need(RedisCluster)
    held = {*ports._held}
    with RedisCluster(replicas=1) as cluster:
        assert len(cluster.nodes) == 6
        assert [node.is_primary for node in cluster.nodes] == [True] * 3 + [False] * 3
        assert len({*ports._held} - held) == 12
        cluster.nodes[0].kill()
        assert ask_until(lambda: cluster.nodes[3].is_primary, 15.0)
        cluster.nodes[0].restart()
        cluster.settle()
        assert not cluster.nodes[0].is_primary
    assert {*ports._held} == held


def test_one_that_does_not_find_together_is_told(environment: object):
    """With what is missing, and how each member is."""
    need(RedisCluster)
    cluster = RedisCluster()
    cluster.patience = 0.2
    with pytest.raises(ServiceError, match=r"did not find together within 0\.2 s(.|\n)*cluster_state:fail"):
        cluster.start()
    assert cluster.members == ()
