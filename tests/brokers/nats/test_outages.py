"""NATS goes away and comes back: nothing is accepted and dropped, nothing comes twice, and everybody is told."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack

import pytest

from tidings.brokers.nats import NatsBroker, parse
from tidings.clock import SystemClock
from tidings.errors import BrokerUnavailable
from tidings.model import Publication
from tidings.testing import NatsServer
from tidings.testing.contracts import Node
from tidings.testing.faults import Blackhole, FaultProxy, Pause
from tidings.testing.faults.toxics import Direction

pytestmark = [pytest.mark.world, pytest.mark.L3]

PATIENCE = 20.0
UNKNOWN = "outcome unknown"

Start = Callable[..., Awaitable[Node]]


@pytest.fixture
def nats(nats_server_of_class: NatsServer) -> NatsServer:
    """A server that the tests of this module may kill; it is there again at the beginning of each."""
    if not nats_server_of_class.is_running:
        nats_server_of_class.restart()
    return nats_server_of_class


@pytest.fixture
async def start(nats: NatsServer) -> AsyncIterator[Start]:
    """Start a node, at the server or at another address."""
    async with AsyncExitStack() as stack:

        async def start(url: str = "", **options: float) -> Node:
            broker = NatsBroker(parse(url or nats.url), SystemClock(), **options)
            return await stack.enter_async_context(Node(broker, PATIENCE))

        yield start


@pytest.fixture
async def proxy(nats: NatsServer) -> AsyncIterator[FaultProxy]:
    async with FaultProxy(nats.url) as proxy:
        yield proxy


async def publish(node: Node, data: bytes) -> None:
    await node.broker.publish("news", Publication(data))


async def is_away(node: Node) -> None:
    """Return when the broker has noticed that the server is gone."""
    async with asyncio.timeout(PATIENCE):
        while True:
            try:
                await node.broker.reach()
            except BrokerUnavailable:
                return


async def is_back(node: Node) -> None:
    async with asyncio.timeout(PATIENCE):
        while True:
            try:
                return await node.broker.reach()
            except BrokerUnavailable:
                await asyncio.sleep(0.01)


async def resumed(node: Node, *channels: str) -> None:
    async with asyncio.timeout(PATIENCE):
        while not node.resumed.issuperset(channels):
            await asyncio.sleep(0.01)


class TestAway:
    """The server is killed."""

    async def test_publications_wait_and_everybody_hears_again(self, nats: NatsServer, start: Start) -> None:
        """Those that waited arrive, once; each node is told which channels it may have missed something in."""
        node, other = await start(publish_timeout=PATIENCE), await start()
        for each, channel in itertools.product((node, other), ("news", "sport")):
            await each.broker.subscribe(channel)
        await publish(node, b"before")
        assert await other.heard_data("news", 1) == [b"before"]
        assert node.resumed == set()
        nats.kill()
        await is_away(node)
        waiting = [asyncio.create_task(publish(node, b"%d" % number)) for number in range(10)]
        nats.restart()
        await asyncio.gather(*waiting)
        await resumed(other, "news", "sport")
        await resumed(node, "news", "sport")
        assert node.interruptions == other.interruptions == ["the server closed the connection"]
        await publish(node, b"after")
        assert await node.heard_until("news", b"after") == [b"before", *(b"%d" % n for n in range(10)), b"after"]
        await publish(other, b"last")
        assert (await other.heard_until("news", b"last"))[-1] == b"last"

    async def test_what_waits_too_long_was_not_published(self, nats: NatsServer, start: Start) -> None:
        """It raises a temporary error that says why, and is not sent when the server is back."""
        node = await start(publish_timeout=0.3)
        await node.broker.subscribe("news")
        nats.kill()
        await is_away(node)
        with pytest.raises(BrokerUnavailable, match=r"no answer within 0\.3 s: ") as refused:
            await publish(node, b"late")
        assert refused.value.temporary
        assert UNKNOWN not in str(refused.value)
        nats.restart()
        await is_back(node)
        await publish(node, b"after")
        assert await node.heard_until("news", b"after") == [b"after"]

    async def test_only_so_many_wait(self, nats: NatsServer, start: Start) -> None:
        """The next ones fail at once."""
        node = await start(publish_timeout=PATIENCE, publish_queue_limit=3)
        nats.kill()
        await is_away(node)
        waiting = [asyncio.create_task(publish(node, b"1")) for _ in range(3)]
        await asyncio.sleep(0)
        async with asyncio.timeout(1.0):
            with pytest.raises(BrokerUnavailable, match="3 publications wait for the broker already"):
                await publish(node, b"2")
        nats.restart()
        await asyncio.gather(*waiting)

    async def test_waiting_can_be_cancelled(self, nats: NatsServer, start: Start) -> None:
        """Nothing is published then."""
        node = await start(publish_timeout=PATIENCE)
        await node.broker.subscribe("news")
        nats.kill()
        await is_away(node)
        waiting = asyncio.create_task(publish(node, b"cancelled"))
        await asyncio.sleep(0)
        waiting.cancel()
        nats.restart()
        await asyncio.wait([waiting])
        assert waiting.cancelled()
        await is_back(node)
        await publish(node, b"after")
        assert await node.heard_until("news", b"after") == [b"after"]

    async def test_a_node_may_come_before_the_server(self, nats: NatsServer) -> None:
        """Starting raises in time, goes on trying, and succeeds when it is repeated."""
        nats.kill()
        broker = NatsBroker(parse(nats.url), SystemClock(), publish_timeout=0.2)
        node = Node(broker, PATIENCE)
        with pytest.raises(BrokerUnavailable, match="nats://"):
            await broker.start(node)
        nats.restart()
        async with asyncio.timeout(PATIENCE):
            while True:
                try:
                    await broker.start(node)
                    break
                except BrokerUnavailable:
                    continue
        await broker.reach()
        await broker.stop()

    async def test_stopping_does_not_wait_for_the_server(self, nats: NatsServer, start: Start) -> None:
        """Whoever still waits hears that nothing was published."""
        node = await start(publish_timeout=PATIENCE)
        nats.kill()
        await is_away(node)
        waiting = asyncio.create_task(publish(node, b"1"))
        await asyncio.sleep(0)
        async with asyncio.timeout(1.0):
            await node.broker.stop()
            with pytest.raises(BrokerUnavailable, match="not running"):
                await waiting

    async def test_subscribing_waits_as_well(self, nats: NatsServer, start: Start) -> None:
        """And a channel that could not be had in time is not asked for later."""
        node = await start(publish_timeout=0.3)
        nats.kill()
        await is_away(node)
        with pytest.raises(BrokerUnavailable, match=r"no subscription within 0\.3 s: "):
            await node.broker.subscribe("news")
        await node.broker.unsubscribe("sport")
        nats.restart()
        await is_back(node)
        await publish(node, b"unheard")
        await node.broker.subscribe("news")
        await publish(node, b"heard")
        assert await node.heard_until("news", b"heard") == [b"heard"]

    async def test_nodes_know_each_other_again(self, nats: NatsServer, start: Start) -> None:
        """NATS has stored nothing; they ask and tell when they are back."""
        node, other = await start(publish_timeout=PATIENCE), await start(publish_timeout=PATIENCE)
        await node.broker.join("1", b"one", 3600.0)
        await other.broker.join("2", b"two", 3600.0)
        nats.restart()
        for each in (node, other):
            await is_back(each)
        assert await (await start()).broker.nodes() == {"1": b"one", "2": b"two"}
        await node.broker.send(b"hello", "2")
        assert await other.messages_heard(1) == [b"hello"]

    async def test_the_next_server_is_tried(self, nats: NatsServer, start: Start) -> None:
        """Of several that the address names."""
        with NatsServer() as spare:
            node = await start(f"{nats.url},{spare.url}", publish_timeout=PATIENCE)
            await node.broker.subscribe("news")
            for server in (nats, spare):
                node.resumed.clear()
                server.kill()
                await resumed(node, "news")
                await publish(node, b"%d" % server.port)
                assert await node.heard_until("news", b"%d" % server.port)
                server.restart()


class TestCut:
    """The server is well, and the line to it is not."""

    async def test_what_was_confirmed_arrives_and_what_failed_does_not(self, proxy: FaultProxy, start: Start) -> None:
        """However often the line is dropped; nothing comes twice, and only an unknown outcome leaves a question."""
        node, other = await start(proxy.url, publish_timeout=PATIENCE), await start()
        await other.broker.subscribe("news")
        confirmed, unknown = set(), set()
        numbers = itertools.count()

        async def publisher() -> None:
            while (number := next(numbers)) < 2000:
                data = b"%d" % number
                try:
                    await publish(node, data)
                    confirmed.add(data)
                except BrokerUnavailable as error:
                    assert UNKNOWN in str(error)
                    unknown.add(data)

        async def saboteur() -> None:
            for limit in range(200, 2000, 200):
                while len(confirmed) + len(unknown) < limit:
                    await asyncio.sleep(0)
                proxy.drop()

        await asyncio.gather(saboteur(), *(publisher() for _ in range(20)))
        await publish(node, b"last")
        heard = await other.heard_until("news", b"last")
        assert len(heard) == len(set(heard))
        assert confirmed <= set(heard)
        assert set(heard) - {b"last"} <= confirmed | unknown
        assert unknown
        assert len(confirmed) + len(unknown) == 2000

    @pytest.mark.parametrize("direction", [Direction.UPSTREAM, Direction.DOWNSTREAM])
    async def test_an_unknown_outcome_is_called_so_and_not_repeated(
        self, proxy: FaultProxy, start: Start, direction: Direction
    ) -> None:
        """Whether the publication was swallowed or its confirmation."""
        node, other = await start(proxy.url, publish_timeout=0.5), await start()
        await other.broker.subscribe("news")
        with proxy.toxic(Blackhole(), direction=direction), pytest.raises(BrokerUnavailable, match=UNKNOWN):
            await publish(node, b"swallowed")
        proxy.drop()
        await is_back(node)
        await publish(node, b"after")
        heard = await other.heard_until("news", b"after")
        assert heard == ([b"after"] if direction is Direction.UPSTREAM else [b"swallowed", b"after"])

    async def test_a_half_open_connection_is_given_up(self, proxy: FaultProxy, start: Start) -> None:
        """Nobody says that it has ended. It is noticed by asking, and replaced; `reach` says so at once."""
        node, other = await start(proxy.url, publish_timeout=PATIENCE), await start()
        await node.broker.subscribe("news")
        with proxy.toxic(Blackhole(), direction=Direction.DOWNSTREAM):
            with pytest.raises(BrokerUnavailable, match="no answer within 1 s"):
                await node.broker.reach()
            with pytest.raises(BrokerUnavailable, match=UNKNOWN):
                await publish(node, b"1")
        await resumed(node, "news")
        await publish(other, b"2")
        assert (await node.heard_until("news", b"2"))[-1] == b"2"

    async def test_a_server_that_hangs_is_away(self, nats: NatsServer, start: Start) -> None:
        """Its connections are open. Whoever comes when enough are waiting fails at once."""
        node = await start(publish_timeout=PATIENCE, publish_queue_limit=2)
        await node.broker.subscribe("news")
        pause = Pause(nats)
        pause.begin()
        assert pause.effect()
        waiting = [asyncio.create_task(publish(node, b"1")) for _ in range(2)]
        for _ in range(2):  # The second time it has been silent for certainly more than a second.
            with pytest.raises(BrokerUnavailable, match="no answer within"):
                await node.broker.reach()
        with pytest.raises(BrokerUnavailable, match="2 publications wait"):
            await publish(node, b"2")
        await asyncio.wait(waiting)
        pause.end()
        assert all(UNKNOWN in str(each.exception()) for each in waiting)
        await resumed(node, "news")
        await publish(node, b"3")
        assert (await node.heard_until("news", b"3"))[-1] == b"3"
