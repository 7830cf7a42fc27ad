"""A client of Socket.IO, against a server of python-socketio in its own process."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tidings.testing.clients import ConversationError, Direction, SocketIoClient
from tidings.testing.services import AsgiApp

pytestmark = [pytest.mark.world, pytest.mark.L3]

SHORT = 0.03


@pytest.fixture(scope="module")
def application() -> Iterator[AsgiApp]:
    with AsgiApp(
        "socketio_app:app", folder=Path(__file__).parent, options=["--timeout-graceful-shutdown", "1"]
    ) as application:
        yield application


@pytest.fixture(params=[("websocket",), ("polling", "websocket"), ("polling",)], ids="+".join)
async def client(application: AsgiApp, request: pytest.FixtureRequest) -> AsyncIterator[SocketIoClient]:
    options = {"auth": {"user": "ada"}, "transports": request.param, "answers": {"question": 42}}
    async with SocketIoClient(application.url, **options) as client:
        welcome = await client.receive()
        assert (welcome.name, welcome.data) == ("welcome", {"sid": client.sid, "auth": {"user": "ada"}})
        yield client


async def test_events_come_with_their_arguments(client: SocketIoClient) -> None:
    await client.emit("echo", 1, {"two": b"\x00\xff"})
    await client.emit("echo")
    first, second = await client.collect(2)
    assert (first.name, first.arguments, first.data) == ("echo", (1, {"two": b"\x00\xff"}), (1, {"two": b"\x00\xff"}))
    assert second.data is None
    await client.expect_nothing(within=SHORT)


async def test_calls_are_acknowledged(client: SocketIoClient) -> None:
    assert await client.call("add", 1, 2) == 3
    assert await client.call("both") == (1, "two")
    assert await client.call("silent") is None


async def test_an_acknowledgement_that_does_not_come(client: SocketIoClient) -> None:
    with pytest.raises(ConversationError, match="for the acknowledgement of unknown"):
        await client.call("unknown", timeout=SHORT)


async def test_it_answers_what_the_server_asks(client: SocketIoClient) -> None:
    await client.emit("ask")
    answered = await client.receive_until(lambda event: event.name == "answered")
    assert answered.data == 42
    assert [event.name for event in client.skipped] == ["question"]


async def test_the_server_ends_the_connection(client: SocketIoClient) -> None:
    await client.emit("kick")
    assert await client.expect_closed() == (1000, "server disconnect")
    with pytest.raises(ConversationError, match="nothing can be sent"):
        await client.emit("echo")


async def test_events_keep_their_order(application: AsgiApp) -> None:
    async with SocketIoClient(application.url) as client:
        await client.receive()
        for number in range(200):
            await client.emit("echo", number)
        assert [event.data for event in await client.collect(200)] == list(range(200))


async def test_a_namespace(application: AsgiApp) -> None:
    async with SocketIoClient(application.url, namespace="/admin") as client:
        assert (await client.receive()).data == "admin"


async def test_a_refusal_says_what_the_server_said(application: AsgiApp) -> None:
    client = SocketIoClient(application.url, auth="nobody")
    with pytest.raises(ConversationError, match=r"did not let this client in: .*not you"):
        await client.open()
    assert not client.is_open


async def test_nobody_listens() -> None:
    with pytest.raises(ConversationError, match="did not let this client in: Connection error"):
        await SocketIoClient("http://127.0.0.1:9").open()


async def test_a_failure_shows_the_conversation(application: AsgiApp) -> None:
    async with SocketIoClient(application.url, name="ada") as client:
        await client.receive()
        await client.call("add", 1, 2)
        with pytest.raises(ConversationError) as failure:
            await client.receive(timeout=SHORT)
    assert f"The conversation with {application.url} by ada" in str(failure.value)
    assert '→ ["add",1,2]' in str(failure.value)
    assert '← {"ack":"add","values":[3]}' in str(failure.value)
    assert [frame.content for frame in client.frames if frame.direction is Direction.NOTED] == [
        "opened",
        "closed 1000 client disconnect",
    ]
