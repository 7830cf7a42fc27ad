"""Both publishers, over HTTP and through Redis, to a real node: what they publish is heard by its clients."""

from __future__ import annotations

import asyncio
import itertools
import threading
import time
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Self

import httpx2
import pytest
from tests.app.publisher.conftest import KEY, PATIENCE, Way, node_on

from tidings import Publisher, TidingsError
from tidings.app.settings import Settings
from tidings.errors import BadRequest, UnknownChannel
from tidings.model import StreamPosition
from tidings.testing import Client, RedisServer, TidingsNode

pytestmark = [pytest.mark.world, pytest.mark.L3]

THREADS, EACH = 50, 20


def ask(node: TidingsNode, method: str, **request: object) -> Any:
    """A method of the HTTP API."""
    headers = {"X-API-Key": KEY}
    return httpx2.post(f"{node.url}/api/{method}", json=request, headers=headers, timeout=PATIENCE).json()["result"]


def hearing(way: Way) -> Client:
    return Client(way.node.websocket, patience=PATIENCE)


async def test_it_is_heard(way: Way, unique: str) -> None:
    """With its tags; the position is the one in the channel's stream, and zero where nothing is kept."""
    kept, plain = f"kept:{unique}", f"plain:{unique}"
    async with hearing(way) as client:
        heard = await client.subscribe(kept)
        await client.subscribe(plain)
        with way.publisher() as publisher:
            first = publisher.publish(kept, {"text": "é"}, tags={"lang": "fr"})
            assert publisher.publish(kept, 1, idempotency_key="x") == publisher.publish(kept, 1, idempotency_key="x")
            assert publisher.publish(kept, 2, skip_history=True) == StreamPosition()
            positions = publisher.broadcast([kept, plain], "both")
        publication = await heard.receive()
        assert (publication.data, publication.tags) == ({"text": "é"}, {"lang": "fr"})
        assert [(await heard.receive()).data for _ in range(3)] == [1, 2, "both"]
        assert (first.offset, [each.offset for each in positions]) == (1, [3, 0])
        assert first.epoch == positions[0].epoch


async def test_fifty_threads(way: Way, unique: str) -> None:
    """All arrives, once, and each thread's in its order."""
    channel = f"kept:{unique}"
    async with hearing(way) as client:
        heard = await client.subscribe(channel)
        with way.publisher(timeout=20) as publisher:

            def work(name: int) -> None:
                for number in range(EACH):
                    publisher.publish(channel, [name, number]) if name % 2 else publisher.publish_soon(
                        channel, [name, number]
                    )

            threads = [threading.Thread(target=work, args=(name,)) for name in range(THREADS)]
            for thread in threads:
                thread.start()
            numbers = defaultdict(list)
            for _ in range(THREADS * EACH):
                name, number = (await heard.receive()).data
                numbers[name].append(number)
            await asyncio.to_thread(lambda: [thread.join() for thread in threads])
        assert numbers == {name: list(range(EACH)) for name in range(THREADS)}
        assert (await client.history(channel, limit=0)).position.offset == THREADS * EACH


async def test_where_a_loop_is_running(way: Way, unique: str) -> None:
    """In a cell of a notebook, in an async view: the call blocks, and that is all."""
    with way.publisher() as publisher:
        assert publisher.publish(f"kept:{unique}", 1).offset == 1


def test_one_twin_for_many_loops(way: Way, unique: str) -> None:
    """There is no loop that it belongs to."""
    twin = way.twin()

    async def publish(count: int) -> list[int]:
        calls = [twin.publish(f"kept:{unique}", number) for number in range(count)]
        return [position.offset for position in await asyncio.gather(*calls)]

    assert asyncio.run(publish(3)) == [1, 2, 3]
    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(lambda _: asyncio.run(publish(2)), range(2)))
    assert sorted(offset for each in found for offset in each) == [4, 5, 6, 7]
    assert asyncio.run(twin.close()) == []


async def test_the_twin(way: Way, unique: str) -> None:
    async with way.twin() as twin:
        assert [each.offset for each in await twin.broadcast([f"kept:{unique}", f"kept:{unique}b"], 1)] == [1, 1]
        with pytest.raises(UnknownChannel):
            await twin.publish("nowhere:1", 1)
        await twin.flush()
        assert (twin.statistics().published, twin.statistics().failed) == (1, 1)


@pytest.mark.parametrize("data", [object(), {"x": {1, 2}.__iter__()}, b""], ids=["object", "iterator", "nothing"])
def test_what_cannot_be_said_is_refused_at_the_call(way: Way, data: Any) -> None:
    """In the caller's own thread, by every method."""
    with way.publisher() as publisher:
        for call in (publisher.publish, publisher.publish_soon):
            with pytest.raises(BadRequest):
                call("kept:1", data)
        with pytest.raises(BadRequest):
            publisher.publish("café", 1)
        with pytest.raises(TypeError):
            publisher.broadcast("kept:1", 1)
        assert not any(thread.name == "tidings publisher" for thread in threading.enumerate())


def test_a_node_is_not_joined_and_nothing_is_subscribed(node: TidingsNode, redis: RedisServer) -> None:
    """A publisher through the broker is nobody whom other nodes would ask."""
    with Publisher(redis.url, settings=node.config) as publisher:
        publisher.publish("kept:1", 1)
        assert len(ask(node, "info")["nodes"]) == 1
        assert ask(node, "channels")["channels"] == {}


def test_options_that_differ_from_the_servers(node: TidingsNode, redis: RedisServer, unique: str) -> None:
    """What docs/publisher.md says of them: whoever publishes decides whether it is kept."""
    channel = f"kept:{unique}"
    prefix = Settings.load(node.config, {}).broker.prefix
    forgetful = {"broker.prefix": prefix, "channels": {"namespaces": {"kept": {}}}}
    with Publisher(redis.url, settings=forgetful) as wrong, Publisher(node.url, key=KEY) as right:
        assert wrong.publish(channel, 1) == StreamPosition()
        assert right.publish(channel, 2).offset == 1
        with pytest.raises(UnknownChannel):
            wrong.publish("unheard:of", 1)


class Working:
    """Threads that publish without a pause while things happen; what becomes of each publication is noted."""

    def __init__(self, publisher: Publisher, channel: str) -> None:
        self.accepted: list[str] = []
        self.failed: list[TidingsError] = []
        self._publisher, self._channel = publisher, channel
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._work, args=(name,)) for name in range(4)]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()

    def more(self, count: int) -> None:
        """Wait until so many more are accepted."""
        wanted, deadline = len(self.accepted) + count, time.monotonic() + PATIENCE
        while len(self.accepted) < wanted and time.monotonic() < deadline:
            time.sleep(0.01)
        assert len(self.accepted) >= wanted

    def _work(self, name: int) -> None:
        for number in itertools.takewhile(lambda _: not self._over.is_set(), itertools.count()):
            try:
                self._publisher.publish(self._channel, said := f"{name}-{number}")
                self.accepted.append(said)
            except TidingsError as error:
                self.failed.append(error)


@pytest.mark.parametrize("through", ["http", "redis"])
def test_a_server_that_is_killed_and_comes_back(through: str) -> None:
    """Nothing that was accepted is lost or published twice; what fails is temporary."""
    with RedisServer(persistent=True, appendonly="yes", appendfsync="always") as redis, node_on(redis) as node:
        way = (
            Way(through, node.url, node, {"key": KEY})
            if through == "http"
            else Way(through, redis.url, node, {"settings": node.config})
        )
        with way.publisher(timeout=15) as publisher, Working(publisher, "kept:1") as working:
            working.more(20)
            killed = node if through == "http" else redis
            killed.kill()
            killed.restart()
            working.more(20)
        kept = [each["data"] for each in ask(node, "history", channel="kept:1", limit=-1)["publications"]]
    assert set(working.accepted) - set(kept) == set()
    assert len(set(kept)) == len(kept)
    assert all(error.temporary for error in working.failed)
