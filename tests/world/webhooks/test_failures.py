"""Endpoints that are slow, dead, flapping, lying or hanging: who asked sees the code for it, others see nothing."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from tests.world.webhooks.office import ASKED, Receiver, known, metric, settings, until

from tidings.testing import Client, TidingsNode
from tidings.testing.clients import ConversationError, ReplyError
from tidings.wire.centrifuge.messages import PublishRequest, RPCRequest, SubscribeRequest

pytestmark = [pytest.mark.world, pytest.mark.L3]

TIMEOUT = 0.4
OUTCOMES = ("invalid", "status", "unreachable")

LIES: dict[str, dict[str, Any]] = {
    "no JSON": {"raw": "<html>"},
    "no UTF-8": {"raw": '{"result":{"x":"\xff"}}'},
    "nothing": {"raw": ""},
    "a list": {"json": []},
    "an empty object": {"json": {}},
    "result and error": {"json": {"result": {}, "error": {"code": 400, "message": "x"}}},
    "a result of the wrong type": {"json": {"result": "yes"}},
    "a code that is not the application's": {"json": {"error": {"code": 103, "message": "x"}}},
    "a code that is a text": {"json": {"error": {"code": "400", "message": "x"}}},
    "an end of the protocol's": {"json": {"disconnect": {"code": 3500, "reason": "x"}}},
    "an end that says too much": {"json": {"disconnect": {"code": 4500, "reason": "x" * 33}}},
    "too much": {"size": 70_000},
    "brackets": {"raw": '{"result":' + "[" * 5000},
    "a redirect": {"status": 302, "headers": {"location": "/hook/elsewhere"}},
    "created": {"status": 201, "json": {"result": {}}},
    "not found": {"status": 404, "json": {"result": {}}},
    "compressed": {"headers": {"content-encoding": "gzip"}, "json": {"result": {}}},
    "broken HTTP": {"bytes": "HTTP/9.9 yes\r\n\r\n"},
    "a header bomb": {"bytes": "HTTP/1.1 200 OK\r\n" + "x: y\r\n" * 100_000},
    "half an answer": {"bytes": "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{"},
}

BREAKS: dict[str, dict[str, Any]] = {
    "an error of the server": {"status": 500},
    "hanging": {"hang": True},
    "dropping": {"drop": True},
    "dribbling": {"json": {"result": {"data": "x" * 100}}, "dribble": 0.05},
}


@pytest.fixture(scope="module")
def node(office: Receiver) -> Iterator[TidingsNode]:
    more: dict[str, Any] = {event: {"timeout": TIMEOUT} for event in ASKED}
    more["rpc"] |= {"concurrency": 2, "queue_limit": 2}
    with TidingsNode(settings(office, **more)) as node:
        yield node


@pytest.fixture
async def receiver(office: Receiver, node: TidingsNode) -> AsyncIterator[Receiver]:
    """The receiver in good health, and a node that knows so."""
    office.forget()
    yield office
    office.forget()
    if office.process.code is not None:
        office.start()
    await works_again(node)


@pytest.fixture
async def ada(node: TidingsNode) -> AsyncIterator[Client]:
    async with known(node.websocket) as client:
        yield client


async def works_again(node: TidingsNode) -> None:
    """Ask until every circuit is closed."""
    async with known(node.websocket, "doctor") as client:
        for command in (
            {"rpc": RPCRequest(method="m")},
            {"publish": PublishRequest("app:x", b"1")},
            {"subscribe": SubscribeRequest("app:x")},
        ):
            await until_good(client, **command)
    while metric(node, 'tidings_webhook_away{event="connect"}'):
        await outcome_of_connect(node)
        await asyncio.sleep(0.05)


async def until_good(client: Client, **command: Any) -> None:
    deadline = time.monotonic() + 20
    while await code_of(client, **command):
        assert time.monotonic() < deadline
        await asyncio.sleep(0.05)


async def code_of(client: Client, **command: Any) -> int:
    """The code of the reply, 0 for success."""
    try:
        await client.ask(**command)
    except ReplyError as error:
        return error.code
    return 0


async def outcome_of_connect(node: TidingsNode) -> tuple[int, str] | None:
    client = Client(node.websocket)
    try:
        await client.connect()
    except ReplyError as error:
        return error.code, error.message
    except ConversationError as error:
        assert error.closing is not None
        return error.closing.code, error.closing.reason
    await client.leave()
    return None


class Bystander:
    """A client that publishes to itself all the time, and knows how long each of it took.

    In a thread of its own, so that it does not wait for what the test does.
    """

    def __init__(self, node: TidingsNode) -> None:
        self._url = node.websocket
        self._leaves = threading.Event()
        self.lasted: list[float] = []

    async def __aenter__(self) -> Bystander:
        self._stay = asyncio.create_task(asyncio.to_thread(asyncio.run, self._go_on()))
        await self._turns(5)
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self._turns(5)
        self._leaves.set()
        await self._stay
        # Five calls hang; who waited for each of them is slow five times. A busy machine may be so once or twice.
        slow = [lasted for lasted in self.lasted if lasted > TIMEOUT / 2]
        assert len(slow) < 4, f"it has waited for somebody else's endpoint: {slow}"

    async def _turns(self, count: int) -> None:
        enough = len(self.lasted) + count
        await until(lambda: len(self.lasted) >= enough or self._stay.done())

    async def _go_on(self) -> None:
        async with known(self._url, "bystander") as client:
            channel = await client.subscribe("free:bystander")
            while not self._leaves.is_set():
                began = time.monotonic()
                await client.publish("free:bystander", began)
                assert (await channel.receive()).data == began
                self.lasted.append(time.monotonic() - began)
                await asyncio.sleep(0.005)


async def test_lies(receiver: Receiver, node: TidingsNode, ada: Client) -> None:
    """Whatever is wrong with an answer is error 100 and temporary; a connect ends with 3004."""
    for what, lie in LIES.items():
        receiver.plan("rpc", lie)
        with pytest.raises(ReplyError) as caught:
            await ada.rpc("m")
        assert (caught.value.code, caught.value.temporary) == (100, True), what
        receiver.plan("connect", lie)
        assert await outcome_of_connect(node) == (3004, "internal server error"), what
    assert receiver.calls("elsewhere") == []
    lies = sum(metric(node, f'tidings_webhook_calls_total{{event="rpc",outcome="{how}"}}') for how in OUTCOMES)
    assert lies >= len(LIES)
    log = node.process.log
    assert "webhook failed" in log
    assert '"why": "is not JSON"' in log


@pytest.mark.parametrize("event", ["subscribe", "publish"])
async def test_lies_about_channels(receiver: Receiver, node: TidingsNode, ada: Client, event: str) -> None:
    for what, lie in LIES.items():
        receiver.plan(event, lie)
        commands = {"subscribe": SubscribeRequest("app:a"), "publish": PublishRequest("app:a", b"1")}
        assert await code_of(ada, **{event: commands[event]}) == 100, what


async def test_connects_with_channels_that_are_none(receiver: Receiver, node: TidingsNode) -> None:
    """Names that no channel can have, and namespaces that are not there, are the endpoint's mistakes."""
    for channel in ("", "x" * 256, "caf\u00e9", "nowhere:a"):
        receiver.answers("connect", {"result": {"user": "42", "channels": [channel]}})
        assert await outcome_of_connect(node) == (3004, "internal server error"), channel


@pytest.mark.parametrize("way", BREAKS)
async def test_broken(receiver: Receiver, node: TidingsNode, ada: Client, way: str) -> None:
    """After some failures the endpoint is left alone; other endpoints and other clients notice nothing of it."""
    async with Bystander(node):
        receiver.plan("rpc", BREAKS[way])
        codes = [await code_of(ada, rpc=RPCRequest(method="m")) for _ in range(5)]
        assert codes == [100] * 5
        assert metric(node, 'tidings_webhook_away{event="rpc"}') == 1
        began = time.monotonic()
        asked = await code_of(ada, rpc=RPCRequest(method="m"))
        assert (asked, time.monotonic() - began < TIMEOUT * 2) == (100, True)
        assert await code_of(ada, publish=PublishRequest("app:a", b"1")) == 0
        assert metric(node, 'tidings_webhook_away{event="publish"}') == 0
        receiver.forget()
        await until_good(ada, rpc=RPCRequest(method="m"))
        assert metric(node, 'tidings_webhook_away{event="rpc"}') == 0


async def test_dead(receiver: Receiver, node: TidingsNode, ada: Client) -> None:
    """A back end that is gone refuses at once, and is asked again as soon as it is back."""
    async with Bystander(node):
        await asyncio.to_thread(receiver.kill)
        assert await code_of(ada, rpc=RPCRequest(method="m")) == 100
        assert await code_of(ada, subscribe=SubscribeRequest("app:a")) == 100
        assert await outcome_of_connect(node) == (3004, "internal server error")
        async with known(node.websocket, "bob"):
            pass  # Who has a token needs no endpoint.
        await asyncio.to_thread(receiver.start)
        await until_good(ada, rpc=RPCRequest(method="m"))
        assert await code_of(ada, subscribe=SubscribeRequest("app:a")) == 0


async def test_flapping(receiver: Receiver, node: TidingsNode, ada: Client) -> None:
    """Every second call fails; each is answered for itself, and the circuit stays closed."""
    receiver.plan("rpc", *[{"status": 503}, {"json": {"result": {"data": 1}}}] * 8)
    codes = [await code_of(ada, rpc=RPCRequest(method="m")) for _ in range(16)]
    assert codes == [100, 0] * 8


async def test_slow(receiver: Receiver, node: TidingsNode) -> None:
    """Two calls at a time, two that wait; further ones fail at once. Nobody else waits."""
    receiver.plan("rpc", {"delay": TIMEOUT / 4, "json": {"result": {"data": 1}}})
    clients = [known(node.websocket, f"user{number}") for number in range(7)]
    await asyncio.gather(*(client.connect() for client in clients))
    async with Bystander(node):
        codes = await asyncio.gather(*(code_of(client, rpc=RPCRequest(method="m")) for client in clients))
    assert sorted(codes) == [0] * 4 + [100] * 3
    assert metric(node, 'tidings_webhook_calls_total{event="rpc",outcome="busy"}') >= 3
    assert metric(node, 'tidings_webhook_calls_under_way{event="rpc"}') == 0
    await asyncio.gather(*(client.leave() for client in clients))


async def test_refresh_is_asked_again(receiver: Receiver, node: TidingsNode) -> None:
    """A renewal that fails costs nobody their connection."""
    receiver.answers("connect", {"result": {"user": "42", "expire_at": time.time() + 0.1}})
    receiver.plan("refresh", {"status": 500})
    async with Client(node.websocket) as client:
        await until(lambda: receiver.calls("refresh"))
        assert await client.rpc("m") is None
        assert client.is_open


async def test_a_waiting_command_blocks_no_others(receiver: Receiver, node: TidingsNode) -> None:
    """While one client waits for its endpoint, it hears what others publish."""
    receiver.plan("rpc", {"delay": TIMEOUT / 2, "json": {"result": {"data": 1}}})
    async with known(node.websocket) as ada, known(node.websocket, "bob") as bob:
        news = await ada.subscribe("free:news")
        waiting = asyncio.create_task(ada.rpc("m"))
        await until(lambda: receiver.calls("rpc"))
        await bob.publish("free:news", "meanwhile")
        assert (await news.receive()).data == "meanwhile"
        assert not waiting.done()
        assert await waiting == 1
