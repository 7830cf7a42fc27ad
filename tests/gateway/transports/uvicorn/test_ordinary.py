"""Routes that take nothing over: each of these tests holds for our class and for uvicorn's own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from tidings.gateway.transports.uvicorn import WebSocketProtocol

pytestmark = [pytest.mark.shell, pytest.mark.asyncio(loop_factories=["uvloop", "asyncio"])]

TEXT = 0x81


@pytest.fixture(params=[WebSocketProtocol, WebSocketsSansIOProtocol])
async def uvicorns(request: pytest.FixtureRequest, serve: Any, app: Any) -> Any:
    return await serve(app, ws=request.param)


@pytest.fixture
async def client(uvicorns: Any) -> AsyncIterator[ClientConnection]:
    async with connect(f"ws://127.0.0.1:{uvicorns.port}/ordinary", subprotocols=["talk", "chat"]) as client:
        yield client


async def test_an_ordinary_route_talks(client):
    """Text and binary, short and long, with the subprotocol that the route chose."""
    assert client.subprotocol == "chat"
    for message in ("hello", b"\x00\xff", "", "ä" * 70_000, b"\x00" * 70_000):
        await client.send(message)
        assert await client.recv() == message


async def test_an_ordinary_route_has_uvicorns_deflate(client):
    """With context, as uvicorn negotiates it."""
    (extension,) = client.protocol.extensions
    assert (extension.name, extension.remote_no_context_takeover) == ("permessage-deflate", False)


async def test_an_ordinary_route_closes(client, ordinary, until):
    """The client sees its code and reason, and the route that it is over."""
    await client.send("close")
    with pytest.raises(ConnectionClosed) as closed:
        await client.recv()
    assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (4001, "as you wish")
    await until(lambda: ordinary.disconnects)
    assert ordinary.disconnects == [(4001, "as you wish")]


async def test_an_ordinary_client_closes(client, ordinary, until):
    """The route sees the client's code and reason."""
    await client.close(4002, "enough")
    await until(lambda: ordinary.disconnects)
    assert ordinary.disconnects == [(4002, "enough")]


async def test_an_ordinary_client_is_lost(uvicorns, ordinary, dial, until):
    """The route sees a disconnect."""
    wire = await dial(uvicorns.port)
    await wire.handshake("/ordinary")
    wire.reset()
    await until(lambda: ordinary.disconnects)
    assert ordinary.disconnects[0][0] in (1005, 1006)


async def test_an_ordinary_route_denies(uvicorns, dial):
    """With an HTTP response of its own."""
    wire = await dial(uvicorns.port)
    status, _ = await wire.handshake("/ordinary?deny")
    assert status == "HTTP/1.1 503 Service Unavailable"
    assert await wire.ended() == b"no room"


async def test_an_ordinary_route_refuses(uvicorns, dial):
    """A close before the answer is a 403."""
    status, _ = await (await dial(uvicorns.port)).handshake("/ordinary?refuse")
    assert status == "HTTP/1.1 403 Forbidden"


async def test_an_unknown_route(uvicorns, dial):
    """Is a 403 as well."""
    status, _ = await (await dial(uvicorns.port)).handshake("/nowhere")
    assert status == "HTTP/1.1 403 Forbidden"


async def test_an_ordinary_request_that_is_no_handshake(uvicorns, dial):
    """A key of the wrong length is answered 400."""
    wire = await dial(uvicorns.port)
    wire.raw(b"GET /ordinary HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n")
    wire.raw(b"Sec-WebSocket-Key: c2hvcnQ=\r\n\r\n")
    assert (await wire.answer())[0] == "HTTP/1.1 400 Bad Request"


async def test_an_ordinary_route_is_told_early_messages(uvicorns, ordinary, dial, until, masked):
    """Two messages of which one and a half came before the answer are received after it."""
    ordinary.gate.clear()
    wire = await dial(uvicorns.port)
    asking = asyncio.create_task(wire.handshake("/ordinary"))
    await until(lambda: uvicorns.state.tasks)
    (connection,) = uvicorns.state.connections
    two = masked(TEXT, b"1"), masked(TEXT, b"2")
    wire.raw(two[0] + two[1][:3])
    await until(lambda: not connection.transport.is_reading())
    ordinary.gate.set()
    await asking
    wire.raw(two[1][3:])
    assert [await wire.frame() for _ in range(2)] == [(TEXT, b"1"), (TEXT, b"2")]
