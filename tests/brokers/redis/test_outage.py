"""While Redis is away, and when it is back: nothing is accepted and dropped, nothing is published twice."""

from __future__ import annotations

import asyncio
import itertools
from collections import Counter
from collections.abc import AsyncIterator, Iterator

import pytest

from tidings.brokers.base import Guard, Retention
from tidings.brokers.redis import RedisBroker, parse
from tidings.clock import SystemClock
from tidings.errors import BrokerUnavailable
from tidings.model import Publication
from tidings.testing import RedisServer
from tidings.testing.contracts import Node

pytestmark = [pytest.mark.world, pytest.mark.L3]

KEPT = Retention(size=100_000, ttl=600.0, meta_ttl=3600.0)


@pytest.fixture
def redis() -> Iterator[RedisServer]:
    """One of the test's own, which it may harm."""
    with RedisServer() as redis:
        yield redis


def broker(redis: RedisServer, *, timeout: float = 10.0, limit: int = 10_000) -> RedisBroker:
    return RedisBroker(parse(redis.url), SystemClock(), publish_timeout=timeout, publish_queue_limit=limit)


@pytest.fixture
async def node(redis: RedisServer) -> AsyncIterator[Node]:
    async with Node(broker(redis), patience=10.0) as node:
        yield node


async def away(redis: RedisServer, node: Node) -> None:
    """Kill Redis, and wait until the node knows."""
    await asyncio.to_thread(redis.kill)
    async with asyncio.timeout(5):
        while len(node.interruptions) < 2:
            await asyncio.sleep(0.01)


class TestWaiting:
    @pytest.mark.parametrize("kept", [False, True])
    async def test_a_publication_waits_for_a_server_that_is_away(
        self, redis: RedisServer, node: Node, kept: bool
    ) -> None:
        """It is accepted when the server is back, and heard by those who had subscribed before."""
        await node.broker.subscribe("news")
        await away(redis, node)
        call = (
            node.broker.append("news", Publication(b"1"), KEPT)
            if kept
            else node.broker.publish("news", Publication(b"1"))
        )
        waiting = asyncio.create_task(call)
        await asyncio.to_thread(redis.restart)
        assert (await waiting).fresh
        await node.broker.publish("news", Publication(b"2"))
        assert await node.heard_data("news", 2) == [b"1", b"2"]

    async def test_it_waits_no_longer_than_it_may(self, redis: RedisServer) -> None:
        """Then it raises what is temporary, and says that nothing was published."""
        async with Node(broker(redis, timeout=0.5), patience=5.0) as node:
            await away(redis, node)
            with pytest.raises(BrokerUnavailable, match=r"no answer within 0\.5 s") as raised:
                await node.broker.append("news", Publication(b"1"), KEPT)
            assert raised.value.temporary
            assert "unknown" not in raised.value.message

    async def test_only_so_many_wait(self, redis: RedisServer) -> None:
        """The next ones fail at once."""
        async with Node(broker(redis, timeout=5.0, limit=3), patience=5.0) as node:
            await away(redis, node)
            waiting = [asyncio.create_task(node.broker.publish("news", Publication(b"1"))) for _ in range(3)]
            await asyncio.sleep(0)
            async with asyncio.timeout(1):
                with pytest.raises(BrokerUnavailable, match="3 publications wait for the broker already"):
                    await node.broker.publish("news", Publication(b"2"))
            await asyncio.to_thread(redis.restart)
            assert all(accepted.fresh for accepted in await asyncio.gather(*waiting))

    async def test_a_server_that_is_there_has_no_such_limit(self, redis: RedisServer) -> None:
        """It is about waiting for one that is away."""
        async with Node(broker(redis, limit=3), patience=5.0) as node:
            await asyncio.gather(*(node.broker.publish("news", Publication(b"1")) for _ in range(100)))

    async def test_reading_and_subscribing_wait_as_well(self, redis: RedisServer, node: Node) -> None:
        """And give the same answers as if nothing had been."""
        await away(redis, node)
        waiting = [
            asyncio.create_task(node.broker.read("news", KEPT)),
            asyncio.create_task(node.broker.subscribe("news")),
            asyncio.create_task(node.broker.present("news")),
        ]
        await asyncio.to_thread(redis.restart)
        page, _, present = await asyncio.gather(*waiting)
        assert (page.publications, present) == ((), {})
        await node.broker.publish("news", Publication(b"1"))
        assert await node.heard_data("news", 1) == [b"1"]


class TestReturning:
    async def test_it_hears_again_what_it_had_subscribed_to(self, redis: RedisServer, node: Node) -> None:
        """And is told of it, since it may have missed something."""
        await node.broker.subscribe("kept")
        await node.broker.subscribe("gone")
        await node.broker.unsubscribe("gone")
        node.resumed.clear()
        await away(redis, node)
        await asyncio.to_thread(redis.restart)
        async with asyncio.timeout(10):
            while "kept" not in node.resumed:
                await asyncio.sleep(0.01)
        assert "gone" not in node.resumed
        await node.broker.publish("gone", Publication(b"unheard"))
        await node.broker.publish("kept", Publication(b"heard"))
        assert await node.heard_data("kept", 1) == [b"heard"]
        assert await node.heard_data("gone", 0) == []

    async def test_a_lost_stream_gets_another_epoch(self, redis: RedisServer, node: Node) -> None:
        """Before anybody appends to it or reads it."""
        before = await node.broker.append("news", Publication(b"1"), KEPT)
        await away(redis, node)
        await asyncio.to_thread(redis.restart)
        page = await node.broker.read("news", KEPT)
        assert page.top.epoch not in ("", before.position.epoch)

    async def test_nobody_listens_to_a_connection_that_is_gone(self, redis: RedisServer, node: Node) -> None:
        """However often the lines break, Redis has two of this node's in the end."""
        for _ in range(5):
            redis.ask("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
            redis.ask("CLIENT", "KILL", "TYPE", "pubsub")
            await node.broker.publish("news", Publication(b"1"))
        async with asyncio.timeout(5):
            while redis.ask("CLIENT", "LIST").count(b"name=tidings-") != 2:
                await asyncio.sleep(0.05)


class TestOutcomes:
    """Appends under way while their connection breaks, again and again."""

    async def hammer(
        self, redis: RedisServer, node: Node, strike: object
    ) -> tuple[set[bytes], set[bytes], list[bytes]]:
        """What was acknowledged, what nobody knows of, and what the stream has."""
        acknowledged, unknown = set[bytes](), set[bytes]()
        numbers = itertools.count()
        done = asyncio.Event()

        async def publish() -> None:
            while not done.is_set():
                data = b"%d" % next(numbers)
                try:
                    await node.broker.append("news", Publication(data), KEPT)
                    acknowledged.add(data)
                except BrokerUnavailable as error:
                    if "unknown" in error.message:
                        unknown.add(data)

        async with asyncio.TaskGroup() as publishers:
            for _ in range(20):
                publishers.create_task(publish())
            await strike()  # type: ignore[operator]
            done.set()
        page = await node.broker.read("news", KEPT)
        return acknowledged, unknown, [publication.data for publication in page.publications]

    async def test_a_broken_connection_costs_no_publication(self, redis: RedisServer, node: Node) -> None:
        """What was under way is repeated, and recognised where it had been published already."""

        async def strike() -> None:
            for _ in range(30):
                await node.broker.append("pace", Publication(b"0"), KEPT)
                await asyncio.to_thread(redis.ask, "CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")

        acknowledged, unknown, stream = await self.hammer(redis, node, strike)
        assert [data for data, count in Counter(stream).items() if count > 1] == []
        assert acknowledged == set(stream)
        assert unknown == set()

    async def test_a_server_that_hung_does_not_publish_twice(self, redis: RedisServer, node: Node) -> None:
        """It still has the calls of the connection that was given up, and shall not carry them out after their
        repetition."""

        async def strike() -> None:
            await asyncio.to_thread(redis.pause)
            async with asyncio.timeout(10):
                while not node.interruptions:
                    await asyncio.sleep(0.05)
            await asyncio.to_thread(redis.resume)
            await node.broker.append("pace", Publication(b"0"), KEPT)

        acknowledged, unknown, stream = await self.hammer(redis, node, strike)
        assert [data for data, count in Counter(stream).items() if count > 1] == []
        assert acknowledged <= set(stream)
        assert set(stream) <= acknowledged | unknown

    async def test_a_restart_leaves_some_outcomes_unknown(self, redis: RedisServer, node: Node) -> None:
        """What was under way when the server died is lost or not, and nobody can tell: that is what is said."""

        async def strike() -> None:
            await node.broker.append("pace", Publication(b"0"), KEPT)
            await asyncio.to_thread(redis.kill)
            await asyncio.to_thread(redis.restart)
            await node.broker.append("pace", Publication(b"0"), KEPT)

        acknowledged, unknown, stream = await self.hammer(redis, node, strike)
        assert [data for data, count in Counter(stream).items() if count > 1] == []
        assert set(stream) <= acknowledged
        assert len(unknown) <= 20

    async def test_what_cannot_be_recognised_is_not_repeated(self, redis: RedisServer, node: Node) -> None:
        """Without history and without a key the outcome is unknown, and the publication is there once at most."""
        await node.broker.subscribe("live")
        outcomes: Counter[str] = Counter()

        async def publish(number: int) -> None:
            try:
                await node.broker.publish("live", Publication(b"%d" % number))
                outcomes["accepted"] += 1
            except BrokerUnavailable as error:
                assert error.message.startswith("outcome unknown")
                outcomes["unknown"] += 1

        redis.pause()
        under_way = [asyncio.create_task(publish(number)) for number in range(10)]
        async with asyncio.timeout(10):
            while not node.interruptions:
                await asyncio.sleep(0.05)
        redis.resume()
        await asyncio.gather(*under_way)
        await node.broker.publish("live", Publication(b"last"))
        heard = await node.heard_until("live", b"last")
        assert max(Counter(heard).values()) == 1
        assert outcomes["unknown"] > 0

    async def test_an_idempotency_key_makes_repetition_safe(self, redis: RedisServer, node: Node) -> None:
        """The repetition is recognised, and counts as the first one's success."""
        await node.broker.subscribe("live")
        redis.pause()
        under_way = [
            asyncio.create_task(node.broker.publish("live", Publication(b"%d" % n), guard=Guard(f"{n}")))
            for n in range(10)
        ]
        async with asyncio.timeout(10):
            while not node.interruptions:
                await asyncio.sleep(0.05)
        redis.resume()
        assert all(accepted.fresh for accepted in await asyncio.gather(*under_way))
        await node.broker.publish("live", Publication(b"last"))
        assert max(Counter(await node.heard_until("live", b"last")).values()) == 1
