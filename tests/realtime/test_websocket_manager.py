"""The WebSocket manager of an enterprise back end.

The classes and bullets of the requirement, by its names; see docs/scenarios.md. Everything is real: a server in its own
process, an SDK that nobody here wrote, plain sockets for the crowd.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import suppress
from time import monotonic
from typing import Any

import httpx2
import pytest
from centrifuge import ConnectedContext, DisconnectedContext, SubscribedContext
from tests.testing.services.programs import need
from tests.world.backend import KEY, SECRET, Backend, token
from tests.world.centrifuge_python.conftest import everything_is_closed
from tests.world.centrifuge_python.listener import PATIENCE, Encoding, Listener, Tokens

from tidings.testing import Client as Visitor
from tidings.testing import FaultProxy, ManyClients, MemoryOf, PlainClient, RedisServer, TidingsCluster, TidingsNode
from tidings.testing.clients import CentrifugeScript, ConversationError, Frame, UpgradeRefused

pytestmark = [pytest.mark.world, pytest.mark.L3]

Client = Callable[..., Listener]
Commander = Callable[[str], Awaitable[PlainClient]]

CROWD = 1000
ADDRESSES = itertools.count(1)
GROWTH_LIMIT_BYTES = 50 * 1024 * 1024
"""What 1,000 connections may cost, as the requirement has it."""

PUBLISH_TIMEOUT = 1.0
"""Seconds that a publication waits for Redis."""

SLACK = 2.0
"""Seconds by which a busy machine may be late."""

FAILS_WITHIN = 0.005
"""Seconds in which an attempt fails that is turned away."""

OUTAGE = 15.0
"""Seconds after which a node must have found its Redis again."""

COMMANDS = 20
"""What a client may do within three seconds, where that is limited."""

REFUSED = {"code": 111, "message": "too many requests", "temporary": True}
FORBIDDEN = {"code": 103, "message": "permission denied"}

SUBSCRIBE = {"allow_subscribe_for_client": True}
SETTINGS = {
    "auth": {"hmac_secret": SECRET},
    "api": {"key": KEY},
    "channels": {
        "namespaces": {
            "plain": {**SUBSCRIBE, "allow_publish_for_subscriber": True},
            "kept": {**SUBSCRIBE, "history_size": 2000, "history_ttl": 300.0, "force_recovery": True},
        }
    },
}


@pytest.fixture(scope="module")
def server() -> Iterator[TidingsNode]:
    with TidingsNode(SETTINGS) as server:
        yield server


@pytest.fixture(scope="module")
def cluster() -> Iterator[TidingsCluster]:
    need(RedisServer)
    with TidingsCluster(2, SETTINGS) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def backend(server: TidingsNode) -> Iterator[Backend]:
    with Backend(server.url) as backend:
        yield backend


class Heard:
    """What each member of a crowd was told, pings and answers aside."""

    def __init__(self, count: int) -> None:
        self.messages: list[list[Any]] = [[] for _ in range(count)]

    def __call__(self, number: int, frame: Frame) -> None:
        replies = map(json.loads, frame.content.split("\n"))
        self.messages[number] += [reply for reply in replies if "push" in reply]


@pytest.fixture
async def client(server: TidingsNode) -> AsyncIterator[Callable[..., Listener]]:
    """Makes a client of a user with a token; all leave at the end."""
    clients: list[Listener] = []

    def client(user: str = "42", *, through: str = "", **claims: str) -> Listener:
        clients.append(Listener(through or server.websocket, Encoding.JSON, Tokens(lambda: token(user, **claims))))
        return clients[-1]

    yield client
    await asyncio.gather(*(one.client.disconnect() for one in clients))
    await everything_is_closed()


class TestWebSocketConnection:
    """Basic WebSocket operations: the life of one connection."""

    async def test_connection_creation(self, client: Client) -> None:
        """A connection has an id, and the server's word on pings."""
        one = client()
        connected = await one.connect()
        assert isinstance(connected, ConnectedContext)
        assert connected.client

    async def test_connection_without_a_good_token(self, client: Client) -> None:
        """Nobody is let in whom the back end has not vouched for."""
        forged = client(secret="another secret of thirty-two chars")
        await forged.client.connect()
        assert (await forged.journal.skip_to(DisconnectedContext)).code == 3500

    async def test_sending_and_receiving(self, client: Client) -> None:
        """A client's own publication comes back to it and to everybody else in the channel."""
        one, two = client("1"), client("2")
        await one.connect()
        await two.connect()
        here, there = await one.subscribe("plain:talk"), await two.subscribe("plain:talk")
        await here.publish({"text": "hello"})
        for channel in (here, there):
            assert (await channel.publication()).data == {"text": "hello"}

    async def test_disconnection(self, client: Client, backend: Backend) -> None:
        """The back end ends a connection with a code and a reason of its own."""
        one = client("leaving")
        await one.connect()
        await asyncio.to_thread(backend.disconnect, "leaving", 4500, "enough")
        ended = await one.journal.skip_to(DisconnectedContext)
        assert (ended.code, ended.reason) == (4500, "enough")

    async def test_reconnection(self, server: TidingsNode, client: Client) -> None:
        """A client whose line is cut comes back by itself."""
        async with FaultProxy(server.websocket) as proxy:
            one = client(through=proxy.url)
            first = await one.connect()
            proxy.cut()
            proxy.mend()
            second = await one.journal.skip_to(ConnectedContext)
            assert first.client != second.client


class TestCircuitBreaker:
    """Circuit breaker patterns for fault tolerance: a node's way to a Redis that dies."""

    @pytest.fixture
    async def redis(self) -> AsyncIterator[RedisServer]:
        """A Redis of this test alone, which it may kill. It keeps its data."""
        async with RedisServer(persistent=True) as redis:
            yield redis

    @pytest.fixture
    async def node(self, redis: RedisServer) -> AsyncIterator[TidingsNode]:
        settings = {**SETTINGS, "broker": {"publish_timeout": PUBLISH_TIMEOUT}}
        async with TidingsNode(settings, arguments=["--broker", redis.url]) as node:
            yield node

    @pytest.fixture
    async def http(self, node: TidingsNode) -> AsyncIterator[httpx2.AsyncClient]:
        async with httpx2.AsyncClient(base_url=node.url, headers={"X-API-Key": KEY}, timeout=OUTAGE) as http:
            yield http

    async def test_connections_stay_open_while_the_circuit_is(
        self, redis: RedisServer, node: TidingsNode, http: httpx2.AsyncClient
    ) -> None:
        """Publishing fails in time and says why; when Redis is back the circuit closes, and everything goes on."""
        async with Visitor(node.websocket, token=token("42")) as visitor:
            talk = await visitor.subscribe("plain:talk")
            assert "result" in await published(http, "plain:talk", 1)
            assert (await talk.receive()).data == 1
            redis.kill()
            began = monotonic()
            assert (await published(http, "plain:talk", 2))["error"]["code"] == 100
            assert monotonic() - began < PUBLISH_TIMEOUT + SLACK
            health = await http.get("/health")
            assert (health.status_code, "refused" in health.text) == (503, True)
            await asyncio.to_thread(redis.restart)
            async with asyncio.timeout(OUTAGE):
                while not talk.unread:
                    await published(http, "plain:talk", 3)
            assert (await talk.receive()).data == 3
            await until_healthy(http)
            assert visitor.is_open

    async def test_publications_wait_for_the_circuit_to_close(
        self, redis: RedisServer, node: TidingsNode, http: httpx2.AsyncClient
    ) -> None:
        """What is accepted during an outage is there, once; subscribers hear that they have to look."""
        async with Visitor(node.websocket, token=token("42")) as visitor:
            orders = await visitor.subscribe("kept:orders")
            redis.kill()
            waiting = [asyncio.create_task(published(http, "kept:orders", number)) for number in range(20)]
            await asyncio.to_thread(redis.restart)
            answers = await asyncio.gather(*waiting)
            accepted = {number for number, answer in enumerate(answers) if "result" in answer}
            await until_published(http, "last")
            there = await history(http)
            assert len(set(there)) == len(there)
            assert accepted | {"last"} <= set(there)
            assert (await orders.expect_unsubscribed(timeout=OUTAGE)).code == 2500
            await visitor.resubscribe(orders)
            await until_published(http, "more")
            await orders.receive_until(lambda publication: publication.data == "more", timeout=OUTAGE)

    async def test_attempts_are_paused_and_spread(self, redis: RedisServer, http: httpx2.AsyncClient) -> None:
        """Not one after the other as fast as they fail, and not at the beat of a clock."""
        redis.kill()
        times = await asyncio.to_thread(attempts, redis.port, 10)
        gaps = [later - earlier for earlier, later in itertools.pairwise(times)]
        assert sum(gaps) > 10 * FAILS_WITHIN
        assert max(gaps) > 2 * min(gaps)
        await asyncio.to_thread(redis.restart)
        await until_published(http, 1)


def attempts(port: int, count: int) -> list[float]:
    """When somebody tried to connect to a port, where all are turned away."""
    times = []
    with socket.create_server(("127.0.0.1", port)) as listener:
        listener.settimeout(OUTAGE)
        for _ in range(count):
            listener.accept()[0].close()
            times.append(monotonic())
    return times


async def published(http: httpx2.AsyncClient, channel: str, data: Any) -> dict[str, Any]:
    """What the API answers to a publication."""
    answer: dict[str, Any] = (await http.post("/api/publish", json={"channel": channel, "data": data})).json()
    return answer


async def history(http: httpx2.AsyncClient) -> list[Any]:
    """What is kept of the orders."""
    answer = (await http.post("/api/history", json={"channel": "kept:orders", "limit": -1})).json()
    return [publication["data"] for publication in answer["result"]["publications"]]


async def until_published(http: httpx2.AsyncClient, data: Any) -> None:
    """Publish as soon as that is possible."""
    async with asyncio.timeout(OUTAGE):
        while "error" in await published(http, "kept:orders", data):
            pass


async def until_healthy(http: httpx2.AsyncClient) -> None:
    async with asyncio.timeout(OUTAGE):
        while (await http.get("/health")).status_code != 200:
            await asyncio.sleep(0.01)


@pytest.fixture(scope="module")
def limited() -> Iterator[TidingsNode]:
    """A server with every limit; few connects by address, and the addresses are those that a proxy here says."""
    limits = {
        "commands_per_connection": f"{COMMANDS}/3s",
        "commands_per_user": f"{2 * COMMANDS}/3s",
        "connects_per_user": "3/1h",
        "connects_per_address": "2/1h",
        "api_requests": "3/1h",
    }
    with TidingsNode({**SETTINGS, "limits": limits}) as limited:
        yield limited


@pytest.fixture
async def commander(limited: TidingsNode) -> AsyncIterator[Commander]:
    """Connects a user over a plain WebSocket, from an address of its own."""
    clients: list[PlainClient] = []

    async def commander(user: str) -> PlainClient:
        headers = {"X-Forwarded-For": f"192.0.2.{next(ADDRESSES)}"}
        clients.append(PlainClient(limited.websocket, headers=headers, lines=True))
        await clients[-1].open()
        await clients[-1].send({"id": 1, "connect": {"token": token(user)}})
        assert "connect" in await clients[-1].receive()
        return clients[-1]

    yield commander
    for one in clients:
        await one.leave()


async def ask(client: PlainClient, *numbers: int) -> list[Any]:
    """Publish where that is forbidden, once for each number, and return the errors."""
    for number in numbers:
        await client.send({"id": number, "publish": {"channel": "kept:limits", "data": number}})
    return [(await client.receive())["error"] for _ in numbers]


class TestRateLimiter:
    """Rate limiting and throttling, by sliding windows."""

    async def test_rate_limiting_with_sliding_window_algorithm(self, commander: Commander) -> None:
        """As many as the limit allows within any such time; then 111, which is temporary, until the first have passed.

        That a window slides exactly is shown by `tests/gateway/admission/test_window.py`.
        """
        one = await commander("window")
        told = await ask(one, *range(2, 2 + COMMANDS + 5))
        assert told == [FORBIDDEN] * COMMANDS + [REFUSED] * 5
        number = 200
        while (await ask(one, number))[0] == REFUSED:
            number += 1
            await asyncio.sleep(0.5)  # Asking more often would be a flood.
        assert 200 < number < 200 + COMMANDS

    async def test_throttling(self, commander: Commander) -> None:
        """Who goes on is not read for a while, and then cut; the code invites to come again."""
        one = await commander("flood")
        with suppress(ConversationError):
            for number in range(2, 100_000):
                await one.send({"id": number, "publish": {"channel": "kept:limits", "data": "x" * 30_000}})
        assert (await one.expect_closed()).code == 3013

    async def test_connections_of_a_user_share_a_limit(self, commander: Commander) -> None:
        """More connections are not more commands."""
        ones = [await commander("shared") for _ in range(3)]
        told = [await ask(one, *range(2, 2 + COMMANDS)) for one in ones]
        assert told == [[FORBIDDEN] * COMMANDS, [FORBIDDEN] * COMMANDS, [REFUSED] * COMMANDS]

    async def test_others_are_not_limited(self, commander: Commander) -> None:
        """One user's refusals are nobody else's."""
        greedy, modest = await commander("greedy"), await commander("modest")
        await ask(greedy, *range(2, 2 + COMMANDS + 5))
        assert await ask(modest, 2) == [FORBIDDEN]

    async def test_connecting_is_limited(self, limited: TidingsNode, commander: Commander) -> None:
        """By address before the handshake, with 429; by user with 111."""
        address = {"X-Forwarded-For": "198.51.100.1"}
        for _ in range(2):
            async with PlainClient(limited.websocket, headers=address):
                pass
        with pytest.raises(UpgradeRefused) as refused:
            await PlainClient(limited.websocket, headers=address).open()
        assert refused.value.status == 429
        for _ in range(3):
            await commander("hasty")
        async with PlainClient(limited.websocket, headers={"X-Forwarded-For": "198.51.100.3"}) as fourth:
            await fourth.send({"id": 1, "connect": {"token": token("hasty")}})
            assert await fourth.receive() == {"id": 1, "error": REFUSED}

    async def test_the_http_api_is_limited(self, limited: TidingsNode) -> None:
        """Answers say how much is left, and a refusal when to come again."""
        headers = {"X-API-Key": KEY, "X-Forwarded-For": "198.51.100.2"}
        async with httpx2.AsyncClient(base_url=limited.url, headers=headers) as http:
            answers = [await http.post("/api/info", json={}) for _ in range(4)]
        assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
        assert [answer.headers["RateLimit-Remaining"] for answer in answers] == ["2", "1", "0", "0"]
        assert 3500 < int(answers[-1].headers["Retry-After"]) <= 3601


class TestAdvancedWebSocketManager:
    """Full manager integration."""

    async def test_message_queuing_and_delivery_guarantees(
        self, server: TidingsNode, client: Client, backend: Backend
    ) -> None:
        """What was published while a client was away arrives exactly once, in order, before what comes later."""
        async with FaultProxy(server.websocket) as proxy:
            one = client(through=proxy.url)
            await one.connect()
            channel = await one.subscribe("kept:orders")
            await asyncio.to_thread(backend.publish, "kept:orders", 0)
            assert await channel.publications(1) == [0]
            proxy.cut()
            for number in range(1, 201):
                await asyncio.to_thread(backend.publish, "kept:orders", number)
            proxy.mend()
            recovered = await channel.skip_to(SubscribedContext)
            assert (recovered.was_recovering, recovered.recovered) == (True, True)
            await asyncio.to_thread(backend.publish, "kept:orders", 201)
            assert await channel.publications(201) == list(range(1, 202))
            assert channel.is_empty

    async def test_multi_node_clustering_with_redis_coordination(self, cluster: TidingsCluster, client: Client) -> None:
        """Two nodes on one Redis are one manager: they know of each other, and a client's node makes no difference."""
        here, there = cluster.nodes
        ada, bob = client("ada", through=here.websocket), client("bob", through=there.websocket)
        await ada.connect()
        await bob.connect()
        channels = [await one.subscribe("plain:cluster") for one in (ada, bob)]
        with Backend(here.url) as first, Backend(there.url) as second:
            for backend in (first, second):
                nodes = (await asyncio.to_thread(backend.call, "info"))["nodes"]
                assert [node["num_clients"] for node in nodes] == [1, 1]
                found = (await asyncio.to_thread(backend.call, "channels"))["channels"]
                assert found["plain:cluster"] == {"num_clients": 2}
                await asyncio.to_thread(backend.publish, "plain:cluster", "from the back end")
            await channels[0].publish("from a client")
            for channel in channels:
                assert await channel.publications(3) == ["from the back end", "from the back end", "from a client"]
            await asyncio.to_thread(first.disconnect, "bob", 4500, "enough")
            assert (await bob.journal.skip_to(DisconnectedContext)).code == 4500
            await asyncio.to_thread(second.call, "subscribe", user="ada", channel="kept:cluster")
            await asyncio.to_thread(second.publish, "kept:cluster", "ordered there")
            assert ada.client.state.value == "connected"

    async def test_delivery_guarantees_over_nodes(self, cluster: TidingsCluster, client: Client) -> None:
        """A client's node is killed: what the other one accepted meanwhile arrives exactly once, and in order."""
        here, there = cluster.nodes
        one = client("guaranteed", through=there.websocket)
        await one.connect()
        channel = await one.subscribe("kept:nodes")
        with Backend(here.url) as backend:
            await asyncio.to_thread(backend.publish, "kept:nodes", 0)
            assert await channel.publications(1) == [0]
            there.kill()
            for number in range(1, 201):
                await asyncio.to_thread(backend.publish, "kept:nodes", number)
            await asyncio.to_thread(there.restart)
            recovered = await channel.skip_to(SubscribedContext)
            assert (recovered.was_recovering, recovered.recovered) == (True, True)
            await asyncio.to_thread(backend.publish, "kept:nodes", 201)
            assert await channel.publications(201) == list(range(1, 202))
            assert channel.is_empty

    async def test_a_loss_is_told(self, server: TidingsNode, client: Client, backend: Backend) -> None:
        """Who was away for more than is handed over hears so, and goes on from the present."""
        async with FaultProxy(server.websocket) as proxy:
            one = client(through=proxy.url)
            await one.connect()
            channel = await one.subscribe("kept:flood")
            proxy.cut()
            commands = [{"publish": {"channel": "kept:flood", "data": number}} for number in range(500)]
            await asyncio.to_thread(backend.batch, commands)
            proxy.mend()
            told = await channel.skip_to(SubscribedContext)
            assert (told.was_recovering, told.recovered) == (True, False)
            await asyncio.to_thread(backend.publish, "kept:flood", "present")
            assert await channel.publications(1) == ["present"]

    @pytest.mark.usefixtures("many_files")
    async def test_a_thousand_concurrent_connections(self, server: TidingsNode, backend: Backend) -> None:
        """All hear everything once and in order, and the server grows by less than 50 MB."""
        memory, heard = MemoryOf(server), Heard(CROWD)
        script = CentrifugeScript("plain:all", token=lambda number: token(str(number)))
        async with ManyClients(CROWD, server.websocket, script=script, on_frame=heard) as crowd:
            growth = memory.growth_bytes
            for number in range(10):
                await asyncio.to_thread(backend.publish, "plain:all", number)
            await crowd.wait_all(10, timeout=PATIENCE)
            expected = [{"push": {"channel": "plain:all", "pub": {"data": number}}} for number in range(10)]
            for messages in heard.messages:
                for message in messages:
                    message["push"]["pub"].pop("time", None)
                assert messages == expected
        assert growth < GROWTH_LIMIT_BYTES

    async def test_ten_thousand_messages(self, server: TidingsNode, backend: Backend) -> None:
        """A burst of 10,000 publications in one channel reaches a client whole, in order and once."""
        heard = Heard(1)
        script = CentrifugeScript("plain:burst", token=token("42"))
        async with ManyClients(1, server.websocket, script=script, on_frame=heard) as crowd:
            for first in range(0, 10_000, 1000):
                commands = [
                    {"publish": {"channel": "plain:burst", "data": number}} for number in range(first, first + 1000)
                ]
                await asyncio.to_thread(backend.batch, commands)
            await crowd.wait_all(10_000, timeout=PATIENCE)
            assert [message["push"]["pub"]["data"] for message in heard.messages[0]] == list(range(10_000))
