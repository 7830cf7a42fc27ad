"""RedisSentinel: clients are told who is the master, whatever becomes of that."""

from __future__ import annotations

from collections.abc import Iterator, MutableMapping

import pytest
from redis.exceptions import RedisError
from redis.sentinel import Sentinel
from tests.testing.services.programs import need

from tidings.testing.services import Missing, RedisSentinel, ServiceError
from tidings.testing.services.base import ask_until

pytestmark = [pytest.mark.world, pytest.mark.L3]


@pytest.fixture
def group(environment: object) -> Iterator[RedisSentinel]:
    need(RedisSentinel)
    with RedisSentinel() as group:
        yield group


def test_a_client_finds_master_and_replica(group: RedisSentinel):
    """The one that the library comes with, by the addresses in the url."""
    assert group.url.startswith("redis+sentinel://127.0.0.1:")
    assert group.url.endswith("/tests")
    client = Sentinel(group.addresses)
    assert client.discover_master("tests") == ("127.0.0.1", group.master.port)
    assert client.discover_slaves("tests") == [("127.0.0.1", group.replica.port)]
    for sentinel in client.sentinels:
        sentinel.close()


def test_the_replica_repeats_the_master(group: RedisSentinel):
    group.master.ask("SET", "a", "1")
    assert ask_until(lambda: group.replica.ask("GET", "a") == b"1", 5.0)
    group.clear()
    assert ask_until(lambda: group.replica.ask("DBSIZE") == 0, 5.0)


def test_after_a_failover_clients_are_told_another(group: RedisSentinel):
    """And it takes writes; the old one follows it in the end, and can be failed over to again."""
    before, after = group.master, group.replica
    group.failover()
    assert group.master is after
    assert group.replica is before
    assert group.master.ask("SET", "a", "1") is True
    group.settle()
    group.failover()
    assert group.master is before


def test_a_dead_master_is_replaced(group: RedisSentinel):
    """By the sentinels themselves; when it comes back it is the replica."""
    before = group.master
    before.kill()
    assert ask_until(lambda: group.master is not before, 15.0)
    before.restart()
    group.settle()
    assert group.replica is before


def test_a_failover_need_not_wait_for_a_dead_master_to_be_missed(group: RedisSentinel):
    before = group.master
    before.kill()
    group.failover()
    assert group.master is not before


def test_a_sentinel_can_be_away(group: RedisSentinel):
    group.sentinels[0].kill()
    assert "does not answer" in group.trouble()
    assert group.master_address == ("127.0.0.1", group.master.port)
    group.sentinels[0].restart()
    group.settle()


def test_without_sentinels_there_is_nobody_to_ask(group: RedisSentinel):
    for sentinel in group.sentinels:
        sentinel.kill()
    with pytest.raises(ServiceError, match="No sentinel tells who is the master of 'tests'"):
        _ = group.master


def test_one_that_the_environment_names_is_not_touched(group: RedisSentinel, environment: MutableMapping[str, str]):
    environment["REDIS_SENTINEL_URL"] = group.url
    with RedisSentinel() as given:
        assert given.url == group.url
        assert given.service == "tests"
        assert given.master_address == group.master_address
        for harm in (given.failover, given.clear, lambda: given.master):
            with pytest.raises(ServiceError, match=r"given by REDIS_SENTINEL_URL.*somebody else"):
                harm()
    assert group.trouble() == ""


def test_one_that_is_not_there_is_told(environment: MutableMapping[str, str]):
    environment["REDIS_SENTINEL_URL"] = "redis+sentinel://127.0.0.1:1/mine"
    group = RedisSentinel()
    group.patience_with_given = 0.2
    with pytest.raises(
        ServiceError, match=r"does not answer as a whole .no sentinel tells who is the master of 'mine'"
    ):
        group.start()


def test_it_is_missing_without_redis(environment: MutableMapping[str, str]):
    environment["PATH"] = ""
    with pytest.raises(Missing, match=r"sentinel is not installed.*install redis-server.*REDIS_SENTINEL_URL"):
        RedisSentinel().start()


async def test_a_failure_shows_all_members(environment: object):
    need(RedisSentinel)
    with pytest.raises(RedisError) as failure:
        async with RedisSentinel(sentinels=1, service="mine") as group:
            group.master.kill()
            group.servers[0].ask("PING")
    (note,) = failure.value.__notes__
    assert note.startswith("<RedisSentinel of 3>: ")
    assert note.count("It wrote at last:") == 3
