"""A whole server under observation: what it says on its pages and in its log."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from io import StringIO
from typing import Any, Self

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from tidings import Tidings, events
from tidings.app import lifecycle
from tidings.app.settings import Settings
from tidings.observability import logs

pytestmark = [pytest.mark.shell, pytest.mark.usefixtures("loggers")]

PATIENCE = 20.0
SETTINGS = {
    "client": {"anonymous": True, "queue_limit_bytes": 100_000},
    "channels": {"namespaces": {"open": {"allow_subscribe_for_client": True, "allow_subscribe_for_anonymous": True}}},
}


class Service:
    """A server on a port of its own, with its log."""

    def __init__(self, level: str) -> None:
        self._stream = StringIO()
        logs.configure("json", level, self._stream)
        self.hub = Tidings(settings=Settings.of(SETTINGS))
        self._bound = lifecycle.bind("127.0.0.1", 0)
        self.address = "127.0.0.1", self._bound.getsockname()[1]
        self._ready = asyncio.Event()
        self._server = lifecycle.Server(self.hub, self._ready.set)

    async def __aenter__(self) -> Self:
        self._serving = asyncio.create_task(self._server.serve(sockets=[self._bound]))
        await asyncio.wait_for(self._ready.wait(), PATIENCE)
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        self._server.should_exit = True
        await asyncio.wait_for(self._serving, PATIENCE)

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self._stream.getvalue().splitlines()]

    def messages(self) -> list[str]:
        return [line["message"] for line in self.lines()]

    def dial(self, **options: Any) -> connect:
        host, port = self.address
        return connect(f"ws://{host}:{port}/connection/websocket", ping_interval=None, **options)

    async def get(self, path: str) -> tuple[str, str]:
        """The status line and the body."""
        reader, writer = await asyncio.open_connection(*self.address)
        writer.write(f"GET {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n".encode())
        answer = (await asyncio.wait_for(reader.read(), PATIENCE)).decode()
        writer.close()
        head, _, body = answer.partition("\r\n\r\n")
        return head.split("\r\n")[0], body

    async def counted(self, line: str) -> bool:
        return line in (await self.get("/metrics"))[1].splitlines()

    async def shows(self, line: str) -> None:
        """Return when the line is among the metrics."""
        async with asyncio.timeout(PATIENCE):
            while not await self.counted(line):
                pass


@pytest.fixture
async def service() -> AsyncIterator[Service]:
    async with Service("info") as service:
        yield service


async def entered(client: ClientConnection, token: str = "") -> Any:
    """Connect, and return the reply."""
    await client.send(json.dumps({"id": 1, "connect": {"token": token}}))
    return json.loads(await client.recv())


# Pages.


async def test_health(service: Service) -> None:
    """The broker is in the process, so it is there."""
    status, body = await service.get("/health")
    assert status == "HTTP/1.1 200 OK"
    assert json.loads(body)["broker"] == "ok"
    assert await service.get("/health/live") == ("HTTP/1.1 200 OK", '{"status":"ok"}')


async def test_metrics_of_a_conversation(service: Service) -> None:
    """What one client and one publication leave behind."""
    async with service.dial() as client:
        await entered(client)
        await client.send('{"id":2,"subscribe":{"channel":"open:lobby"}}')
        await client.recv()
        await service.hub.publish("open:lobby", "hello")
        await client.recv()
        page = (await service.get("/metrics"))[1].splitlines()
    assert set(page) >= {
        'tidings_connections{codec="json",transport="websocket"} 1.0',
        "tidings_users 1.0",
        "tidings_channels 1.0",
        "tidings_subscriptions 1.0",
        'tidings_publications_total{namespace="open"} 1.0',
        'tidings_deliveries_total{namespace="open"} 1.0',
        'tidings_delivered_bytes_total{namespace="open"} 7.0',
        'tidings_command_duration_seconds_count{method="subscribe"} 1.0',
    }


async def test_the_gauge_comes_down_again(service: Service) -> None:
    """For each client that went, and only for clients that had come."""
    async with AsyncExitStack() as clients:
        for _ in range(3):
            await entered(await clients.enter_async_context(service.dial()))
        await service.shows('tidings_connections{codec="json",transport="websocket"} 3.0')
        async with service.dial():
            """Comes and goes without a word."""
        async with service.dial() as refused:
            with pytest.raises(ConnectionClosed):
                await entered(refused, token="forged")
        await service.shows('tidings_disconnects_total{code="3500"} 1.0')
        await service.shows('tidings_disconnects_total{code="1000"} 1.0')
        assert await service.counted('tidings_connections{codec="json",transport="websocket"} 3.0')
    await service.shows('tidings_connections{codec="json",transport="websocket"} 0.0')
    assert await service.counted('tidings_disconnects_total{code="1000"} 4.0')


# The log.


async def test_a_quiet_day() -> None:
    """Between start and stop, clients that come, talk and go leave no line at info; nor do requests."""
    async with Service("info") as service:
        async with service.dial() as client:
            await entered(client)
        await service.get("/health")
        await service.get("/nowhere")
    assert service.messages() == ["started", "stopping", "stopped"]
    assert service.lines()[0]["version"]


async def test_a_talkative_day() -> None:
    """At debug there is everything, except for frames and tokens."""
    async with Service("debug") as service, service.dial() as client:
        with pytest.raises(ConnectionClosed):
            await entered(client, token="my.secret.token")
    assert {"started", "client refused", "stopped"} <= set(service.messages())
    assert {line["logger"] for line in service.lines()} == {"tidings"}, "the server's own lines would say it twice"
    assert "my.secret.token" not in str(service.lines())


async def test_what_was_held_back_is_written_at_the_stop() -> None:
    """A hundred refusals in less than a second are one line, and another one when the server goes."""
    async with Service("info") as service:
        for _ in range(100):
            service.hub.hooks.announce(events.ConnectionRefused(403, "not allowed", "https://evil.example", "::1"))
        assert service.messages() == ["started", "connection refused"]
    assert service.messages() == ["started", "connection refused", "stopping", "connection refused", "stopped"]
    assert service.lines()[3]["suppressed"] == 98


async def test_a_refused_origin(service: Service) -> None:
    """One line that names it, and a count."""
    with pytest.raises(InvalidStatus, match="403"):
        await service.dial(origin="https://evil.example")
    line = service.lines()[-1]
    assert (line["message"], line["status"], line["origin"]) == ("connection refused", 403, "https://evil.example")
    await service.shows('tidings_refusals_total{status="403"} 1.0')
    assert service.messages() == ["started", "connection refused"]


async def test_a_refused_client(service: Service) -> None:
    """Has no id, since it never was a client."""
    async with service.dial() as client:
        with pytest.raises(ConnectionClosed):
            await entered(client, token="forged")
        await service.shows('tidings_disconnects_total{code="3500"} 1.0')
    line = service.lines()[-1]
    assert (line["message"], line["client"], line["code"], line["by_server"]) == ("client refused", "", 3500, True)


async def test_a_slow_client(service: Service) -> None:
    """What it did not read is dropped, and it is sent away: two warnings that name it."""
    async with service.dial(max_size=None) as client:
        reply = await entered(client)
        await client.send('{"id":2,"subscribe":{"channel":"open:flood"}}')
        await client.recv()
        async with asyncio.timeout(PATIENCE):
            while "publications dropped" not in service.messages():
                await service.hub.publish("open:flood", b'"' + b"x" * 60_000 + b'"')
                await asyncio.sleep(0)
        with pytest.raises(ConnectionClosed, match="3008"):
            while True:
                await client.recv()
    await service.shows('tidings_disconnects_total{code="3008"} 1.0')
    who = reply["connect"]["client"]
    warned = [line for line in service.lines() if line["level"] == "warning"]
    assert [(line["message"], line["client"]) for line in warned] == [
        ("publications dropped", who),
        ("slow client disconnected", who),
    ]


async def test_a_failing_handler(service: Service) -> None:
    """The client hears that something failed, the operator what."""

    @service.hub.rpc("divide")
    async def divide(client: object, number: int) -> float:
        return 1 / number

    async with service.dial() as client:
        await entered(client)
        await client.send('{"id":2,"rpc":{"method":"divide","data":0}}')
        reply = json.loads(await client.recv())
    assert reply["error"] == {"code": 100, "message": "internal server error", "temporary": True}
    line = service.lines()[-1]
    assert (line["level"], line["message"], line["method"]) == ("error", "command failed", "Call")
    assert line["exception"].endswith("ZeroDivisionError: division by zero")
