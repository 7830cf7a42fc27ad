"""The measures over Redis. Each is a function that measures one round, and answers figures by what they are of.

Redis runs on the clients' core, the nodes share the servers' core: so a node that only publishes and its Redis have a
core each, as they would have on two machines.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from benchmarks.load import Delivered, Load
from benchmarks.over_redis.places import KEPT, PRESENT, Nodes, OwnRedis, Published, Publisher, redis_on, wait_until
from benchmarks.workplace import Workplace

Figures = dict[str, float]
Round = dict[str, Figures]
"""Figures by what they are of."""

CALLERS = (1, 16, 256)
KINDS = {"plain": "without history", "kept": "with history"}
SIZE_BYTES = 100
AWAY = 5
"""Publications that the clients of a killed node miss."""


@dataclass(frozen=True)
class Scale:
    """How much of everything. `publications` is for one caller at a time; more callers make more of them."""

    publications: int
    many: int
    subscribers: int
    paced: int
    rate: float
    channels: int
    connections: int
    nodes: tuple[int, ...]
    channel_counts: tuple[int, ...]
    subscriber_counts: tuple[int, ...]
    rounds: int


FULL = Scale(
    publications=3000,
    many=30000,
    subscribers=1000,
    paced=60,
    rate=10.0,
    channels=200,
    connections=1000,
    nodes=(1, 2, 4),
    channel_counts=(1, 100, 10_000),
    subscriber_counts=(1, 100, 1000),
    rounds=3,
)
QUICK = Scale(
    publications=50,
    many=400,
    subscribers=40,
    paced=10,
    rate=20.0,
    channels=20,
    connections=40,
    nodes=(1, 2),
    channel_counts=(1, 20),
    subscriber_counts=(1, 20),
    rounds=1,
)


@dataclass(frozen=True)
class Row:
    """A measure by name."""

    name: str
    title: str
    measure: Callable[[Workplace, Scale], Round]


def publishing(workplace: Workplace, scale: Scale) -> Round:
    """What a publication costs a node and Redis, by one caller and by many at once."""
    figures: Round = {}
    with redis_on(workplace.client_cores) as redis, Publisher(workplace, redis) as node:
        for kind in KINDS:
            node.publish(f"{kind}:warm", scale.publications)
            for callers in CALLERS:
                count = scale.publications if callers == 1 else scale.many
                before = redis.cpu()
                done = node.publish(f"{kind}:bench", count, callers=callers, size_bytes=SIZE_BYTES)
                figures[f"{kind}, {callers}"] = _published(done, redis.cpu() - before)
    return figures


def delivery(workplace: Workplace, scale: Scale) -> Round:
    """How long a publication takes to subscribers that are spread over two nodes, and what it costs."""
    with (
        redis_on(workplace.client_cores) as redis,
        Nodes(workplace, redis, 2) as nodes,
        Load(nodes, scale.subscribers, KEPT) as load,
    ):
        load.open(scale.subscribers)
        load.publish(5)
        return {"two nodes": _delivered(nodes, load, scale)}


def storm(workplace: Workplace, scale: Scale) -> Round:
    """A node is killed, and all of its clients come to another one at once, and recover what they missed."""
    with redis_on(workplace.client_cores) as redis, Nodes(workplace, redis, 2) as nodes:
        first, second = nodes.nodes
        with Load(first, scale.connections, KEPT) as before:
            before.open(scale.connections)
            before.publish(3)
            place = first.ask("history", channel=KEPT, limit=0)
            recovering = f'"recover":true,"offset":{place["offset"]},"epoch":"{place["epoch"]}"'

            def says(user: str) -> list[str]:
                connect, _ = second.script(user, KEPT)
                return [connect, f'{{"id":2,"subscribe":{{"channel":"{KEPT}",{recovering}}}}}']

            with Load(second, scale.connections, KEPT, says=says) as after:
                first.kill()
                killed = time.monotonic()
                for number in range(AWAY):
                    second.ask("publish", channel=KEPT, data={"number": number})
                calls, cpu = redis.calls(), redis.cpu()
                opened, spent = second.spent(lambda: after.open(scale.connections, at_once=scale.connections))
                seconds = time.monotonic() - killed
                used = redis.cpu() - cpu
                made = {name: count - calls.get(name, 0) for name, count in redis.calls().items()}
                recovered = second.metric("tidings_recoveries_total", 'outcome="recovered"')
    return {
        "one node of two": {
            "seconds": seconds,
            "p50_ms": opened.p50_ms,
            "p95_ms": opened.p95_ms,
            "p99_ms": opened.p99_ms,
            "node_us": spent / scale.connections * 1e6,
            "redis_us": used / scale.connections * 1e6,
            "scripts": made.get("evalsha", 0) / scale.connections,
            "commands": sum(made.values()) / scale.connections,
            "clients": scale.connections,
            "recovered": recovered,
            "load_share": opened.load_share,
        }
    }


def memory(workplace: Workplace, scale: Scale) -> Round:
    """What a channel, and a connection, takes in Redis."""
    with redis_on(workplace.client_cores) as redis:
        with Publisher(workplace, redis) as node:
            node.publish("kept:warm", 100, size_bytes=SIZE_BYTES)
            figures = {
                f"a channel with {kept} of {SIZE_BYTES} bytes": {
                    "bytes": _grown(redis, node, name, kept, scale.channels) / scale.channels
                }
                for kept, name in ((0, "plain:m"), (10, "ten:m"), (100, "kept:m"))
            }
        with Nodes(workplace, redis, 1) as nodes:
            for name, channel in (("a connection", KEPT), ("a connection with presence", PRESENT)):
                figures[name] = {"bytes": _grown_by_connections(redis, nodes, channel, scale.connections)}
    return figures


def growth(workplace: Workplace, scale: Scale) -> Round:
    """What a publication costs with more nodes that hear it, more channels, more subscribers."""
    figures: Round = {}
    with redis_on(workplace.client_cores) as redis:
        for count in scale.nodes:
            figures[f"nodes, {count}"] = _cost(workplace, redis, count, count, scale.publications)
        with Publisher(workplace, redis) as node:
            node.publish("kept:warm", scale.publications)
            for count in scale.channel_counts:
                node.publish("kept:c", count, channels=count, callers=64)  # so that all of them exist
                before = redis.cpu()
                done = node.publish("kept:c", scale.many, channels=count, callers=64)
                figures[f"channels, {count}"] = _published(done, redis.cpu() - before)
        for count in scale.subscriber_counts:
            publications = max(scale.paced, scale.publications // (10 * count))
            figures[f"subscribers, {count}"] = _cost(workplace, redis, 2, count, publications)
    return figures


ROWS = [
    Row("redis-publish", "publishing through Redis", publishing),
    Row("redis-delivery", "delivery across nodes", delivery),
    Row("redis-storm", "a node's clients come to another", storm),
    Row("redis-memory", "memory in Redis", memory),
    Row("redis-growth", "growth", growth),
]


def _published(done: Published, redis: float) -> Figures:
    return {
        "per_second": done.count / done.seconds,
        "node_us": done.cpu_seconds / done.count * 1e6,
        "redis_us": redis / done.count * 1e6,
        "node_share": done.cpu_seconds / done.seconds,
        "redis_share": redis / done.seconds,
        "p50_ms": done.p50_ms,
        "p99_ms": done.p99_ms,
    }


def _delivered(nodes: Nodes, load: Load, scale: Scale) -> Figures:
    done, cpu, redis = nodes.spent_apart(lambda: load.publish(scale.paced, rate=scale.rate))
    return {
        "p50_ms": done.p50_ms,
        "p95_ms": done.p95_ms,
        "p99_ms": done.p99_ms,
        "nodes_us": cpu / done.expected * 1e6,
        "redis_us": redis / scale.paced * 1e6,
        "load_share": done.load_share,
        **_counts(done),
    }


def _cost(workplace: Workplace, redis: OwnRedis, count: int, subscribers: int, publications: int) -> Figures:
    """Of a publication by HTTP, one after another, with these nodes and subscribers."""
    with Nodes(workplace, redis, count) as nodes, Load(nodes, subscribers, KEPT) as load:
        load.open(subscribers)
        load.publish(5)
        done, cpu, used = nodes.spent_apart(lambda: load.publish(publications))
        return {
            "node_us": cpu / publications * 1e6,
            "redis_us": used / publications * 1e6,
            "p50_ms": done.p50_ms,
            "p99_ms": done.p99_ms,
            "load_share": done.load_share,
            **_counts(done),
        }


def _counts(done: Delivered) -> Figures:
    return {
        "expected": done.expected,
        "lost": done.expected - done.received,
        "disordered": done.disordered,
        "closed": done.closed,
    }


def _grown(redis: OwnRedis, node: Publisher, name: str, kept: int, channels: int) -> float:
    """By so much grows the data when so many channels get what they keep."""
    before = redis.memory()
    node.publish(name, max(1, kept) * channels, channels=channels, callers=64, size_bytes=SIZE_BYTES)
    return max(0, redis.memory() - before)  # Where nothing is kept, buffers may have shrunk meanwhile.


def _grown_by_connections(redis: OwnRedis, nodes: Nodes, channel: str, count: int) -> float:
    """By so much for each connection, when Redis knows of all of them. A tenth of them comes first."""
    first = count // 10
    with Load(nodes, first + count, channel) as load:
        load.open(first)
        wait_until(lambda: _registered(redis) == first, 40.0, "Redis does not know of all connections.")
        before = redis.memory()
        load.open(count)
        wait_until(lambda: _registered(redis) == first + count, 40.0, "Redis does not know of all connections.")
        grown = redis.memory() - before
    wait_until(lambda: _registered(redis) == 0, 40.0, "Redis still knows of connections that are gone.")
    return grown / count


def _registered(redis: OwnRedis) -> int:
    """How many connections Redis knows of."""
    return sum(redis.ask("HLEN", key) for key in redis.ask("KEYS", "tidings:connections:*"))
