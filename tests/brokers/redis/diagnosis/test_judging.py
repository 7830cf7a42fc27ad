"""What is thought of a Redis, by what is known of it."""

from __future__ import annotations

from typing import Any

import pytest

from tidings.brokers.redis import parse
from tidings.brokers.redis.diagnosis import Facts, Level, judge
from tidings.brokers.redis.diagnosis.facts import Refusal, Sentinel, Server

pytestmark = pytest.mark.core

INFO = {
    "redis_version": "7.0.15",
    "role": "master",
    "connected_slaves": "1",
    "cluster_enabled": "0",
    "maxmemory_policy": "noeviction",
    "maxmemory": "104857600",
    "used_memory": "1048576",
    "aof_enabled": "1",
    "aof_last_write_status": "ok",
    "rdb_last_bgsave_status": "ok",
    "maxclients": "10000",
    "connected_clients": "8",
}
CONFIG = {
    "appendfsync": "everysec",
    "client-output-buffer-limit": "normal 0 0 0 slave 268435456 67108864 60 pubsub 33554432 8388608 60",
    "min-replicas-to-write": "1",
    "min-replicas-max-lag": "10",
    "save": "3600 1",
    "timeout": "0",
}


def server(name: str = "127.0.0.1:6379", *, is_local: bool = True, **changes: Any) -> Server:
    """One with which all is well, but for the changes: of INFO by `info`, of the configuration by `config`."""
    info = INFO | changes.pop("info", {})
    config = changes.pop("config", {})
    return Server(
        name=name, is_local=is_local, info=info, config=None if config is None else CONFIG | config, **changes
    )


def standalone(one: Server, url: str = "redis://127.0.0.1") -> Facts:
    return Facts(address=parse(url), servers=(one,))


def sentinels(*servers: Server, watching: int = 3, **changes: Any) -> Facts:
    names = [f"127.0.0.1:2637{number}" for number in range(watching)]
    watchers = tuple(Sentinel(name=name, **{"master": "127.0.0.1:6379", **changes}) for name in names)
    url = f"redis+sentinel://{','.join(names)}/tests"
    return Facts(address=parse(url), servers=servers, sentinels=watchers)


def cluster(*servers: Server, **changes: Any) -> Facts:
    return Facts(address=parse("redis+cluster://127.0.0.1"), servers=servers, **changes)


def member(**changes: Any) -> Server:
    info = {"cluster_enabled": "1", **changes.pop("info", {})}
    return server(info=info, cluster={"cluster_state": "ok"}, **changes)


def replica(**changes: Any) -> Server:
    info = {"role": "slave", "master_link_status": "up", **changes.pop("info", {})}
    return server("127.0.0.1:6380", info=info, is_replica=True, **changes)


def wrong(facts: Facts) -> dict[str, tuple[Level, str]]:
    """What is not as it should be, by subject."""
    return {one.subject: (one.level, one.text) for one in judge(facts) if one.level is not Level.OK}


def only(facts: Facts, subject: str, level: Level) -> str:
    """What is said about the one thing that is wrong."""
    found = wrong(facts)
    assert {subject: level} == {name: said[0] for name, said in found.items()}
    return found[subject][1]


# All is well.


@pytest.mark.parametrize(
    "facts",
    [standalone(server()), sentinels(server(), replica()), cluster(member(), replica(info={"cluster_enabled": "1"}))],
    ids=["standalone", "sentinel", "cluster"],
)
def test_all_is_well(facts: Facts) -> None:
    assert wrong(facts) == {}
    assert judge(facts)


def test_a_finding_is_one_line() -> None:
    for finding in judge(standalone(server(info={"maxmemory_policy": "allkeys-lru"}, config=None))):
        assert "\n" not in str(finding)
        assert str(finding).startswith(finding.level.value)


# Reaching it.


@pytest.mark.parametrize(
    ("trouble", "advice"),
    [
        ("[Errno 111] Connect call failed ('127.0.0.1', 1)", "Is it running"),
        ("WRONGPASS invalid username-password pair or user is disabled.", "user and password"),
        ("NOAUTH HELLO must be called with the client already authenticated", "wants a password"),
        ("ERR unknown command 'HELLO', with args beginning with: '3'", "6.2"),
        ("ERR unknown command 'SENTINEL', with args beginning with: 'x'", "no sentinel"),
        ("[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: self-signed certificate", "ssl_ca_certs"),
        ("the server closed the connection", "rediss://"),
        ("ERR DB index is out of range", "database"),
        ("ERR This instance has cluster support disabled", "redis://"),
        ("something that nobody has seen yet", "Check the URL"),
    ],
)
def test_unreachable(trouble: str, advice: str) -> None:
    text = only(standalone(Server(name="h:1", is_local=True, trouble=trouble)), "reachable", Level.PROBLEM)
    assert trouble.rstrip(".") in text
    assert advice in text


def test_a_replica_that_cannot_be_reached_is_a_warning() -> None:
    """Nobody is the worse for it until it is needed."""
    gone = Server(name="127.0.0.1:6380", is_local=True, is_replica=True, trouble="no answer within 5 s")
    assert "take over" in only(sentinels(server(), gone), "reachable", Level.WARNING)


# The server.


@pytest.mark.parametrize(
    ("facts", "needed"),
    [
        (standalone(server(info={"redis_version": "6.0.16"})), "6.2"),
        (cluster(member(info={"redis_version": "6.2.14"})), "7.0"),
    ],
)
def test_too_old(facts: Facts, needed: str) -> None:
    assert f"{needed} or newer is needed" in only(facts, "version", Level.PROBLEM)


def test_old_enough() -> None:
    assert wrong(standalone(server(info={"redis_version": "6.2.0"}))) == {}


def test_a_replica_instead_of_a_master() -> None:
    info = {"role": "slave", "master_host": "10.0.0.1", "master_port": "6379"}
    text = only(standalone(server(info=info)), "role", Level.PROBLEM)
    assert "10.0.0.1:6379" in text


def test_the_wrong_scheme() -> None:
    assert "redis+cluster://" in only(standalone(server(info={"cluster_enabled": "1"})), "role", Level.PROBLEM)


def test_a_replica_that_falls_behind() -> None:
    assert "link" in only(sentinels(server(), replica(info={"master_link_status": "down"})), "role", Level.WARNING)


@pytest.mark.parametrize(
    ("refusal", "advice"),
    [
        (Refusal("xadd", "NOPERM", "NOPERM this user has no permissions to run the 'xadd' command"), "+xadd"),
        (Refusal("hset", "NOPERM", "NOPERM No permissions to access a key"), "~tidings:*"),
        (Refusal("publish", "NOPERM", "NOPERM No permissions to access a channel"), "&tidings:*"),
    ],
)
def test_permissions_that_are_missing(refusal: Refusal, advice: str) -> None:
    assert advice in only(standalone(server(refusals=(refusal,))), "permissions", Level.PROBLEM)


def test_permissions_name_the_prefix() -> None:
    refusal = Refusal("hset", "NOPERM", "NOPERM No permissions to access a key")
    facts = Facts(address=parse("redis://127.0.0.1"), prefix="shop", servers=(server(refusals=(refusal,)),))
    assert "~shop:*" in wrong(facts)["permissions"][1]


@pytest.mark.parametrize("kind", ["OOM", "MISCONF", "NOREPLICAS", "ERR"])
def test_refusals(kind: str) -> None:
    text = only(standalone(server(refusals=(Refusal("set", kind, f"{kind} no"),))), "refusals", Level.PROBLEM)
    assert text.startswith("set: ")


@pytest.mark.parametrize(
    ("info", "config", "level", "word"),
    [
        ({"aof_enabled": "0"}, {"save": ""}, Level.WARNING, "none"),
        ({"aof_enabled": "0"}, {}, Level.WARNING, "RDB"),
        ({}, {"appendfsync": "no"}, Level.WARNING, "everysec"),
        ({"rdb_last_bgsave_status": "err"}, {}, Level.PROBLEM, "snapshot"),
        ({"aof_last_write_status": "err"}, {}, Level.PROBLEM, "append-only"),
    ],
)
def test_persistence(info: dict[str, str], config: dict[str, str], level: Level, word: str) -> None:
    assert word in only(standalone(server(info=info, config=config)), "persistence", level)


@pytest.mark.parametrize("fsync", ["everysec", "always"])
def test_persistence_says_what_a_restart_does(fsync: str) -> None:
    """Even the best does not spare clients the new epoch."""
    findings = judge(standalone(server(config={"appendfsync": fsync})))
    (text,) = (one.text for one in findings if one.subject == "persistence")
    assert "new epoch" in text


@pytest.mark.parametrize("limit", ["0", "104857600"])
def test_eviction_of_any_key(limit: str) -> None:
    """Also while memory is not limited yet: nobody will think of it on the day when it is."""
    info = {"maxmemory_policy": "allkeys-lru", "maxmemory": limit}
    assert "noeviction" in only(standalone(server(info=info)), "eviction", Level.PROBLEM)


def test_eviction_of_keys_that_expire() -> None:
    """Which are nearly all of ours."""
    assert "noeviction" in only(
        standalone(server(info={"maxmemory_policy": "volatile-lru"})), "eviction", Level.WARNING
    )
    assert wrong(standalone(server(info={"maxmemory_policy": "volatile-lru", "maxmemory": "0"}))) == {}


def test_memory_that_is_nearly_full() -> None:
    assert "of 100 MiB" in only(standalone(server(info={"used_memory": "99000000"})), "memory", Level.WARNING)


@pytest.mark.parametrize("limit", ["0 0 0", "1048576 0 0", "33554432 65536 60"])
def test_buffers(limit: str) -> None:
    config = {"client-output-buffer-limit": f"normal 0 0 0 slave 268435456 67108864 60 pubsub {limit}"}
    assert "32mb 8mb 60" in only(standalone(server(config=config)), "buffers", Level.WARNING)


def test_idle_connections() -> None:
    assert "timeout is 5 s" in only(standalone(server(config={"timeout": "5"})), "connections", Level.WARNING)
    assert wrong(standalone(server(config={"timeout": "300"}))) == {}


def test_many_connections() -> None:
    assert "maxclients" in only(standalone(server(info={"connected_clients": "9900"})), "connections", Level.WARNING)


@pytest.mark.parametrize(("ahead", "word"), [(3.5, "ahead of"), (-3.5, "behind")])
def test_clocks(ahead: float, word: str) -> None:
    assert f"3.5 s {word}" in only(standalone(server(ahead=ahead)), "clock", Level.WARNING)


def test_a_slow_answer_is_no_wrong_clock() -> None:
    assert wrong(standalone(server(ahead=1.5, doubt=1.0))) == {}


def test_a_server_that_does_not_show_its_configuration() -> None:
    assert "config|get" in only(standalone(server(config=None)), "settings", Level.WARNING)


# Servers together.


def test_plain_text_between_machines() -> None:
    away = server("10.0.0.1:6379", is_local=False)
    assert "rediss://" in only(standalone(away, "redis://10.0.0.1"), "TLS", Level.WARNING)
    assert wrong(standalone(away, "rediss://10.0.0.1")) == {}
    assert "anybody" in only(standalone(away, "rediss://10.0.0.1?ssl_cert_reqs=none"), "TLS", Level.WARNING)


def test_a_master_that_is_cut_off() -> None:
    facts = sentinels(server(config={"min-replicas-to-write": "0"}), replica())
    assert "min-replicas-to-write" in only(facts, "failover", Level.WARNING)


def test_too_few_sentinels() -> None:
    assert "at least three" in only(sentinels(server(), replica(), watching=2), "sentinels", Level.WARNING)


def test_nobody_who_could_take_over() -> None:
    assert "Add one" in only(sentinels(server()), "replicas", Level.WARNING)


def test_sentinels_without_a_quorum() -> None:
    facts = sentinels(server(), replica(), quorum="NOQUORUM 1 usable Sentinels.")
    assert "NOQUORUM" in only(facts, "quorum", Level.PROBLEM)


def test_a_service_that_nobody_knows() -> None:
    assert "sentinel monitor" in only(sentinels(server(), replica(), master=""), "service", Level.PROBLEM)


def test_sentinels_that_disagree() -> None:
    facts = sentinels(server(), replica())
    other = Sentinel(name="127.0.0.1:26379", master="127.0.0.1:6380")
    facts = Facts(address=facts.address, servers=facts.servers, sentinels=(*facts.sentinels[:2], other))
    assert "127.0.0.1:6380" in only(facts, "master", Level.PROBLEM)


def test_slots_that_nobody_has() -> None:
    assert "0 to 99, 16383" in only(cluster(member(), uncovered=((0, 99), (16383, 16383))), "slots", Level.PROBLEM)


def test_a_cluster_that_is_down() -> None:
    down = server(info={"cluster_enabled": "1"}, cluster={"cluster_state": "fail"})
    assert "fail" in only(cluster(down), "cluster", Level.PROBLEM)


def test_a_primary_without_a_replica() -> None:
    assert "127.0.0.1:6379" in only(cluster(member(), lonely=("127.0.0.1:6379",)), "replicas", Level.WARNING)
